//! `tcptrace top`: the full-screen view, of hooks of this kernel or of a recording.

mod live;
mod replay;
mod screen;

use std::io::{self, IsTerminal};

use clap::error::ErrorKind;
use jiff::tz::TimeZone;

use super::args::top::TopArgs;
use super::exit::Exit;
use super::output::{self, Output, refuse};
use super::plan::{self, PlanError};
use crate::session::plan::{Plan, Stop};
use crate::sink::color::ColorChoice;
use crate::sink::{Messages, Sink};
use crate::survey;
use crate::tui::theme::{Marks, Theme};
use crate::tui::view::Look;
use crate::tui::{Options, Shared, term};

/// Shows the screen until it is stopped.
///
/// # Errors
/// When something fails while running; usage and privilege problems are exit codes.
pub fn run(args: TopArgs) -> anyhow::Result<Exit> {
    let options = Options {
        look: look(args.color),
        interval: args.interval,
        boot_ns: survey::boot_ns,
    };
    let color = args.color;
    let planned = if args.replay.is_empty() {
        live(args)
    } else {
        replay::Plan::new(args).map(Way::Recording)
    };
    let way = match planned {
        Ok(way) => way,
        Err(why) => return Ok(usage(&why)),
    };
    if !term::is_there() {
        let why = "top needs a terminal on stdin and stdout; without one, use tcptrace watch";
        return Ok(refuse(why, Exit::Usage));
    }
    match way {
        Way::Live(plan, output) => live::run(&plan, &output, options),
        Way::Recording(plan) => replay::run(&plan, options, color),
    }
}

/// Where incidents come from.
enum Way {
    Live(Plan, Output),
    Recording(replay::Plan),
}

/// What to watch live; `Err` for a usage error.
fn live(args: TopArgs) -> Result<Way, PlanError> {
    let kinds = plan::kinds(&args.selection)?;
    let run = Plan {
        asked_by_name: args.selection.only.iter().copied().collect(),
        stop: Stop {
            after: args.duration,
            ..Stop::default()
        },
        ..plan::live(kinds, args.filter, plan::engine(args.engine))
    };
    let output = Output {
        ready_file: args.ready_file,
        ..Output::none(args.color, false)
    };
    Ok(Way::Live(run, output))
}

fn usage(why: &PlanError) -> Exit {
    let error = super::usage_error("top", ErrorKind::ArgumentConflict, why);
    super::parse_failed(&error)
}

/// What is said when the terminal is as it was: what people should know, and the summary.
fn last_word(shared: &Shared, color: ColorChoice) -> io::Result<()> {
    let stderr = io::stderr();
    let is_colored = output::is_colored_as(color, stderr.is_terminal());
    let columns = output::terminal_columns(&stderr);
    let mut messages = Messages::new(stderr, is_colored, true).in_columns(columns);
    for notice in shared.lock().notices() {
        messages.notice(notice)?;
    }
    if let Some(summary) = shared.take_summary() {
        messages.summary(&summary)?;
    }
    messages.flush()
}

fn look(color: ColorChoice) -> Look {
    Look {
        theme: Theme {
            is_colored: output::is_colored_as(color, io::stdout().is_terminal()),
            marks: marks(|name| std::env::var(name).ok()),
        },
        zone: TimeZone::system(),
    }
}

/// What the terminal can be expected to show: the console of Linux has no eighths of blocks, and
/// others go by the locale.
fn marks(variable: impl Fn(&str) -> Option<String>) -> Marks {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"));
    let is_utf8 = locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    let is_poor = matches!(set("TERM").as_deref(), Some("linux" | "dumb"));
    if is_utf8 && !is_poor {
        Marks::Unicode
    } else {
        Marks::Ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_drawn_where_the_terminal_is_known_to_show_them() {
        let with = |variables: &'static [(&str, &str)]| {
            marks(move |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            with(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]),
            Marks::Unicode
        );
        assert_eq!(with(&[("LANG", "C.utf8")]), Marks::Unicode);
        assert_eq!(
            with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]),
            Marks::Ascii
        );
        assert_eq!(
            with(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]),
            Marks::Unicode
        );
        assert_eq!(
            with(&[("LANG", "C.UTF-8"), ("TERM", "linux")]),
            Marks::Ascii
        );
        assert_eq!(with(&[]), Marks::Ascii);
    }
}
