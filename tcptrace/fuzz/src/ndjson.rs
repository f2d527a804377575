//! Any bytes as lines of our own output read back: read or refused line by line, and what was read is shown in
//! every way there is.

use std::io;

use tcptrace::model::Clock;
use tcptrace::report::Story;
use tcptrace::sink::text::TextStyle;
use tcptrace::sink::{Fan, JsonSink, Sink as _, Messages, TextSink};
use tcptrace::source::ndjson::{Line, parse};
use tcptrace::tui::{Shared, Source, State, TopSink};

/// Parses each line of `data`.
pub fn run(data: &[u8]) {
    let mut sinks = sinks();
    for line in data.split(|byte| *byte == b'\n') {
        let shown = match parse(line).map(|parsed| parsed.line) {
            Ok(Line::Incident(incident)) => sinks.incident(&incident),
            Ok(Line::Lost(loss, boot_ns)) => sinks.loss(&loss, boot_ns),
            Ok(Line::Summary(summary)) => sinks.summary(&summary),
            Ok(Line::Other(_)) => Ok(()),
            Err(error) => {
                // A person reads why: writing that down must not fail either.
                let _ = error.to_string();
                Ok(())
            }
        };
        shown.expect("what takes everything");
    }
    sinks.flush().expect("what takes everything");
}

/// Everything that `replay`, `report` and `top --replay` show lines with.
fn sinks() -> Fan {
    let clock = Clock::default();
    let style = TextStyle {
        is_folded: true,
        ..TextStyle::default()
    };
    Fan::default()
        .with(TextSink::new(io::sink(), style, clock))
        .with(JsonSink::new(io::sink(), clock))
        .with(Messages::new(io::sink(), false, true).wide(true))
        .with(Story::default())
        .with(TopSink::new(Shared::new(State::new(Source::Recording))))
}
