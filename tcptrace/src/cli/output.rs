//! From output settings to sinks: data on stdout, talk on stderr, each coloured by its own stream.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use super::plan::Output;
use crate::model::Clock;
use crate::sink::color::ColorChoice;
use crate::sink::text::COLUMNS;
use crate::sink::{Fan, JsonSink, Talk, TextSink, text::TextStyle};

/// The sinks of a live command. `clock` ties the boot clock to the wall clock.
pub fn sinks(output: &Output, clock: Clock) -> Fan {
    let talk = Talk::new(
        io::stderr(),
        is_colored(output, &io::stderr()),
        !output.is_quiet,
    );
    if !output.has_lines {
        return Fan::default().with(talk);
    }
    if output.is_json {
        return Fan::default()
            .with(JsonSink::new(io::stdout(), clock))
            .with(talk);
    }
    let style = TextStyle {
        time: output.time,
        is_wide: output.is_wide,
        has_header: output.has_header,
        is_colored: is_colored(output, &io::stdout()),
        columns: columns(&io::stdout()),
    };
    Fan::default()
        .with(TextSink::new(io::stdout(), style, clock))
        .with(talk)
}

/// Whether that stream is coloured.
pub fn is_colored(output: &Output, stream: &impl IsTerminal) -> bool {
    is_colored_as(output.color, stream.is_terminal())
}

/// The same of a choice and a stream that is a terminal or not.
pub(super) fn is_colored_as(color: ColorChoice, is_terminal: bool) -> bool {
    // A value that is no text is set all the same.
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    color.colors(is_terminal, no_color.as_deref(), term.as_deref())
}

/// Columns of a terminal when it has more than [`COLUMNS`]; what is no terminal has those.
pub(super) fn columns(stream: &impl AsFd) -> usize {
    rustix::termios::tcgetwinsize(stream)
        .map_or(COLUMNS, |size| usize::from(size.ws_col).max(COLUMNS))
}
