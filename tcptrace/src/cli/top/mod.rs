//! `tcptrace top`: the full-screen view, of hooks of this kernel.

mod live;
mod screen;

use std::io::{self, Write};

use clap::error::ErrorKind;
use jiff::tz::TimeZone;

use super::exit::Exit;
use super::output;
use super::plan::{Output, WatchPlan};
use super::top_args::TopArgs;
use crate::tui::theme::{Marks, Theme};
use crate::tui::view::Look;
use crate::tui::{Options, term};

/// Shows the screen until told to stop.
///
/// # Errors
/// When something fails while running; usage and privilege problems are exit codes.
pub fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    let plan = match WatchPlan::new(args.as_watch()) {
        Ok(plan) => plan,
        Err(why) => {
            let error = super::usage_error("top", ErrorKind::ArgumentConflict, &why);
            return Ok(super::parse_failed(&error));
        }
    };
    if !term::is_there() {
        let why = "tcptrace: top needs a terminal on stdin and stdout; where there is none, use \
                   tcptrace watch";
        // Nobody is left to be told when stderr is closed.
        drop(writeln!(io::stderr(), "{why}"));
        return Ok(Exit::Usage);
    }
    let options = Options {
        look: look(&plan.output),
        interval: args.interval,
    };
    live::run(plan, options)
}

fn look(output: &Output) -> Look {
    Look {
        theme: Theme {
            is_colored: output::is_colored(output, &io::stdout()),
            marks: marks(|name| std::env::var(name).ok()),
        },
        zone: TimeZone::system(),
    }
}

/// What the terminal can be expected to show: the console of Linux has no eighths of blocks, and
/// others go by the locale.
fn marks(variable: impl Fn(&str) -> Option<String>) -> Marks {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
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
        assert_eq!(with(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]), Marks::Unicode);
        assert_eq!(with(&[("LANG", "C.utf8")]), Marks::Unicode);
        assert_eq!(with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]), Marks::Ascii);
        assert_eq!(with(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]), Marks::Unicode);
        assert_eq!(with(&[("LANG", "C.UTF-8"), ("TERM", "linux")]), Marks::Ascii);
        assert_eq!(with(&[]), Marks::Ascii);
    }
}
