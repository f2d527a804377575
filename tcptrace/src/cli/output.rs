//! From output settings to sinks: data on stdout, messages on stderr, each coloured by its own stream.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use tcptrace_common::names::limited;

use super::args::groups::OutputArgs;
use super::exit::Exit;
use super::judged::Judged;
use super::plan::PlanError;
use crate::model::Clock;
use crate::sink::color::ColorChoice;
use crate::sink::sanitize::clean_lines;
use crate::sink::text::{COLUMNS, FoldChoice};
use crate::sink::{Fan, JsonSink, Messages, TextSink, TimeStyle, broken, text::TextStyle};

/// Where and how to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Incidents are shown as lines.
    pub has_lines: bool,
    /// NDJSON instead of text.
    pub is_json: bool,
    /// The TIME column of text.
    pub time: TimeStyle,
    /// Nothing is cut.
    pub is_wide: bool,
    /// The columns of text; empty: the usual ones.
    pub columns: Vec<String>,
    /// When lines that say the same are folded.
    pub fold: FoldChoice,
    /// Names of the columns first.
    pub has_header: bool,
    /// When to colour.
    pub color: ColorChoice,
    /// Neither banner nor summary on stderr.
    pub is_quiet: bool,
    /// Created when every hook is attached.
    pub ready_file: Option<PathBuf>,
}

impl Output {
    /// Lines as these options want them.
    pub(super) fn lines(args: &OutputArgs) -> Result<Self, PlanError> {
        if !args.chosen.columns.is_empty() && args.fold == FoldChoice::Always {
            return Err(PlanError::FoldedColumns);
        }
        Ok(Self {
            has_lines: true,
            is_json: args.json,
            time: args.time,
            is_wide: args.wide,
            columns: args.chosen.columns.clone(),
            fold: args.fold,
            has_header: !args.no_header,
            color: args.color,
            is_quiet: args.quiet,
            ready_file: None,
        })
    }

    /// No lines.
    pub(super) const fn none(color: ColorChoice, is_quiet: bool) -> Self {
        Self {
            has_lines: false,
            is_json: false,
            time: TimeStyle::Local,
            is_wide: false,
            columns: Vec::new(),
            fold: FoldChoice::Never,
            has_header: false,
            color,
            is_quiet,
            ready_file: None,
        }
    }
}

/// Prints on stderr what the user should know. Errors are ignored: if stderr is closed, nothing can be printed.
pub(super) fn say(text: &str) {
    print_lines(&format!("tcptrace: {text}"));
}

/// Prints lines on stderr, harmless for a terminal and broken where it is narrower. Errors are ignored as above.
pub(super) fn print_lines(text: &str) {
    let stderr = io::stderr();
    let text = broken(&clean_lines(text), terminal_columns(&stderr));
    drop((&stderr).write_all(text.as_bytes()));
}

/// Says why nothing is done.
pub(super) fn refuse(why: &str, exit: Exit) -> Exit {
    say(why);
    exit
}

/// Says what the programs in the kernel had no room for.
pub(super) fn report_full(full: impl IntoIterator<Item = (u32, u64)>) {
    for (number, count) in full {
        let meaning = limited::meaning(number);
        drop(writeln!(
            io::stderr(),
            "a map in the kernel was full: {count} {meaning}"
        ));
    }
}

/// The sinks of a live command. `clock` ties the boot clock to the wall clock.
pub fn sinks(output: &Output, clock: Clock) -> Fan {
    let messages = Messages::new(
        io::stderr(),
        is_colored(output, &io::stderr()),
        !output.is_quiet,
    )
    .wide(output.is_wide)
    .in_columns(terminal_columns(&io::stderr()));
    if !output.has_lines {
        return Fan::default().with(messages);
    }
    if output.is_json {
        return Fan::default()
            .with(JsonSink::new(io::stdout(), clock))
            .with(messages);
    }
    let style = TextStyle {
        time: output.time,
        is_wide: output.is_wide,
        has_header: output.has_header,
        is_colored: is_colored(output, &io::stdout()),
        columns: page_columns(&io::stdout()),
        is_folded: output.fold.folds(io::stdout().is_terminal()),
    };
    let lines = TextSink::of_columns(io::stdout(), style, clock, &output.columns);
    let fan = Fan::default().with(lines);
    if output.is_quiet {
        fan.with(messages)
    } else {
        fan.with(Judged::new(messages, clock))
    }
}

/// Whether that stream is coloured.
pub fn is_colored(output: &Output, stream: &impl IsTerminal) -> bool {
    is_colored_as(output.color, stream.is_terminal())
}

/// The same of a choice and a stream that is a terminal or not.
pub(super) fn is_colored_as(color: ColorChoice, is_terminal: bool) -> bool {
    // A value that is not text is set anyway.
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    color.colors(is_terminal, no_color.as_deref(), term.as_deref())
}

/// Columns of a terminal; `None` if it is not one, or is a serial line, which does not report them.
pub(super) fn terminal_columns(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The same; what is no terminal has [`COLUMNS`].
pub(super) fn page_columns(stream: &impl AsFd) -> usize {
    terminal_columns(stream).unwrap_or(COLUMNS)
}

/// Columns of a terminal when it has more than [`COLUMNS`]; what is no terminal has those.
pub(super) fn columns(stream: &impl AsFd) -> usize {
    page_columns(stream).max(COLUMNS)
}
