//! What a developer asks for by `TCPTRACE_LOG`: diagnostics on stderr, silent by default.
//!
//! `attach=debug` shows attempts to attach with their times, `survey=debug` looks at the host,
//! budgets that ran out and namespaces that could not be read. One level for all: `debug`.

use std::io::{self, Write};
use std::time::Instant;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::sink::sanitize::clean;

/// The variable that says what to show.
pub const VARIABLE: &str = "TCPTRACE_LOG";

/// The levels that are shown, by target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Directives {
    by_target: Vec<(String, LevelFilter)>,
    others: LevelFilter,
}

/// See the module.
#[derive(Debug)]
struct Logger {
    directives: Directives,
    begin: Instant,
}

/// Installs it, when the variable asks for anything. Err says what in the variable means nothing.
///
/// # Errors
/// A usage error, in one sentence.
pub fn install() -> Result<(), String> {
    let Some(text) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    let directives = parse(&text.to_string_lossy())?;
    let most = directives
        .by_target
        .iter()
        .map(|(_, level)| *level)
        .chain([directives.others])
        .max();
    let logger = Logger {
        directives,
        begin: Instant::now(),
    };
    // Refused only where a logger is there already, which is then as good.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(most.unwrap_or(LevelFilter::Off));
    }
    Ok(())
}

/// `LEVEL` or `TARGET=LEVEL`, several with commas between them.
fn parse(text: &str) -> Result<Directives, String> {
    let level = |word: &str| {
        word.trim().parse::<LevelFilter>().map_err(|_| {
            format!(
                "{VARIABLE}: {word:?} is not a level; use off, error, warn, info, debug or trace, as in \
                 attach=debug,survey=debug"
            )
        })
    };
    let mut directives = Directives {
        by_target: Vec::new(),
        others: LevelFilter::Off,
    };
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        match part.split_once('=') {
            Some((target, word)) => directives
                .by_target
                .push((target.trim().to_owned(), level(word)?)),
            None => directives.others = level(part)?,
        }
    }
    Ok(directives)
}

impl Directives {
    fn shows(&self, target: &str, level: Level) -> bool {
        let is_of = |name: &str| {
            target == name
                || target
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with("::"))
        };
        let last = self.by_target.iter().rev().find(|(name, _)| is_of(name));
        level <= last.map_or(self.others, |(_, level)| *level)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.directives.shows(metadata.target(), metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = clean(&record.args().to_string());
        let (seconds, target) = (self.begin.elapsed().as_secs_f64(), record.target());
        let level = record.level().as_str().to_lowercase();
        // Errors are ignored: if stderr is closed, nothing can be printed.
        drop(writeln!(
            io::stderr(),
            "tcptrace: {seconds:9.4} {level} {target}: {text}"
        ));
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_levels_of_their_own_and_the_rest_is_silent() {
        let directives = parse("attach=debug, survey=info,attach=warn").unwrap();
        assert!(directives.shows("survey", Level::Info));
        assert!(!directives.shows("survey", Level::Debug));
        assert!(directives.shows("attach::programs", Level::Warn));
        assert!(!directives.shows("attach", Level::Debug), "the last counts");
        assert!(!directives.shows("attachment", Level::Error));
        assert!(!directives.shows("tcptrace", Level::Error));
    }

    #[test]
    fn a_plain_level_is_for_everything() {
        let directives = parse("info,survey=off").unwrap();
        assert!(directives.shows("ebpf", Level::Info));
        assert!(!directives.shows("survey", Level::Error));
        assert!(!parse("").unwrap().shows("ebpf", Level::Error));
    }

    #[test]
    fn a_level_that_does_not_exist_is_refused_with_those_that_do() {
        let why = parse("attach=loud").unwrap_err();
        assert!(why.contains("\"loud\"") && why.contains("trace"), "{why}");
    }
}
