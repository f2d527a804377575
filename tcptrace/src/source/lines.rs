//! NDJSON of earlier runs, file after file, line by line.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::ndjson::{self, Line, NdjsonError, Parsed};
use crate::model::Clock;

/// Stands for standard input.
pub const STDIN: &str = "-";

/// Why nothing can be read.
#[derive(Debug, Error)]
pub enum LinesError {
    /// The system's answer.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Lines of another program.
    #[error("{} is neither a recording nor the output of tcptrace --json: line 1: {why}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first line.
        why: NdjsonError,
    },
}

/// A line that says nothing.
#[derive(Debug)]
pub struct Bad {
    /// In this file.
    pub path: PathBuf,
    /// Counted from 1.
    pub number: u64,
    /// What is wrong with it.
    pub why: NdjsonError,
}

/// See the module.
#[derive(Debug)]
pub struct Lines {
    inputs: VecDeque<Input>,
    clock: Clock,
    first: Option<Parsed>,
    buffer: Vec<u8>,
}

struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    number: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens files of lines, to be read one after the other. The first line decides whether they are
    /// ours, and how the clocks stood.
    ///
    /// # Errors
    /// When a file cannot be opened, or its first line is from another program.
    pub fn open(paths: &[PathBuf]) -> Result<Self, LinesError> {
        let mut inputs = VecDeque::new();
        for path in paths {
            let reader: Box<dyn BufRead + Send> = if path == Path::new(STDIN) {
                Box::new(BufReader::new(io::stdin()))
            } else {
                let file = File::open(path).map_err(|source| LinesError::Io {
                    path: path.clone(),
                    source,
                })?;
                Box::new(BufReader::with_capacity(1 << 16, file))
            };
            let path = path.clone();
            inputs.push_back(Input {
                path,
                reader,
                number: 0,
            });
        }
        let mut lines = Self {
            inputs,
            clock: Clock::default(),
            first: None,
            buffer: Vec::new(),
        };
        loop {
            match lines.read()? {
                None => break,
                Some(Err(bad)) if bad.number == 1 => {
                    return Err(LinesError::NotOurs {
                        path: bad.path,
                        why: bad.why,
                    });
                }
                Some(Ok(parsed)) if parsed.boot_ns.is_some() => {
                    lines.clock = clock_of(&parsed);
                    lines.first = Some(parsed);
                    break;
                }
                // A table of another command may stand before the first event.
                Some(_) => {}
            }
        }
        Ok(lines)
    }

    /// How the clocks stood when the first line was written.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether the next line comes from standard input.
    pub fn is_piped(&self) -> bool {
        let is_stdin = |input: &Input| input.path == Path::new(STDIN);
        self.inputs.front().is_some_and(is_stdin)
    }

    /// The next line; `None` at the end. Its moments are of the first line's boot clock: lines of
    /// other runs keep their time of day.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn next_line(&mut self) -> Result<Option<Result<Parsed, Bad>>, LinesError> {
        let line = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => self.read()?,
        };
        Ok(line.map(|line| {
            line.map(|parsed| {
                let later = parsed
                    .boot_to_wall_ns
                    .map_or(0, |wall| wall.saturating_sub(self.clock.boot_to_wall_ns));
                moved(parsed, later)
            })
        }))
    }

    fn read(&mut self) -> Result<Option<Result<Parsed, Bad>>, LinesError> {
        loop {
            let Some(input) = self.inputs.front_mut() else {
                return Ok(None);
            };
            self.buffer.clear();
            // A longer line is nobody's: the rest of it will be no line either.
            let longest = ndjson::LONGEST_LINE as u64 + 2;
            let read = (&mut input.reader)
                .take(longest)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|source| LinesError::Io {
                    path: input.path.clone(),
                    source,
                })?;
            if read == 0 {
                self.inputs.pop_front();
                continue;
            }
            input.number += 1;
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(ndjson::parse(&self.buffer).map_err(|why| Bad {
                path: input.path.clone(),
                number: input.number,
                why,
            })));
        }
    }
}

/// The clock by which the line was written. A summary has the end of its run and its duration.
fn clock_of(parsed: &Parsed) -> Clock {
    let boot_ns = parsed.boot_ns.unwrap_or(0);
    let length_ns = match &parsed.line {
        Line::Summary(summary) => summary.duration_ms.saturating_mul(1_000_000),
        _ => 0,
    };
    Clock {
        boot_to_wall_ns: parsed.boot_to_wall_ns.unwrap_or(0),
        start_boot_ns: boot_ns.saturating_sub(length_ns),
    }
}

fn moved(mut parsed: Parsed, later_ns: i64) -> Parsed {
    let moved = |boot_ns: u64| boot_ns.saturating_add_signed(later_ns);
    parsed.boot_ns = parsed.boot_ns.map(moved);
    match &mut parsed.line {
        Line::Incident(incident) => incident.boot_ns = moved(incident.boot_ns),
        Line::Lost(_, boot_ns) => *boot_ns = moved(*boot_ns),
        Line::Summary(_) | Line::Other(_) => {}
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(boot_ns: u64, second: u32) -> String {
        format!(
            "{{\"v\":1,\"ts\":\"2026-01-02T03:04:{second:02}Z\",\"mono_ns\":{boot_ns},\
             \"kind\":\"lost\",\"where\":\"ring\",\"of_kind\":null,\"count\":1}}\n"
        )
    }

    fn read(texts: &[&str]) -> (Vec<Option<u64>>, Vec<u64>) {
        let unique = format!("tcptrace-lines-{}-{:p}", std::process::id(), texts.as_ptr());
        let paths: Vec<PathBuf> = (0..texts.len())
            .map(|number| std::env::temp_dir().join(format!("{unique}-{number}")))
            .collect();
        for (path, text) in paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        let opened = Lines::open(&paths);
        for path in &paths {
            std::fs::remove_file(path).unwrap();
        }
        let mut lines = opened.unwrap();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next_line().unwrap() {
            match line {
                Ok(parsed) => good.push(parsed.boot_ns),
                Err(line) => bad.push(line.number),
            }
        }
        (good, bad)
    }

    #[test]
    fn lines_of_another_run_keep_their_time_of_day() {
        let first = event(1_000, 10);
        // That host had booted later.
        let second = event(77, 12);
        let (good, bad) = read(&[&first, &second]);
        assert_eq!(good, [Some(1_000), Some(2_000_001_000)]);
        assert!(bad.is_empty());
    }

    #[test]
    fn a_bad_line_is_numbered_and_passed_over() {
        let text = format!("{}\n{}nonsense\n{}", event(5, 1), event(6, 1), event(7, 1));
        let (good, bad) = read(&[&text]);
        assert_eq!(good.len(), 3);
        // Empty lines are counted and say nothing.
        assert_eq!(bad, [4]);
    }

    #[test]
    fn somebody_elses_lines_are_refused_at_the_first() {
        let path = std::env::temp_dir().join(format!("tcptrace-not-ours-{}", std::process::id()));
        std::fs::write(&path, "{\"msg\":\"hello\"}\n").unwrap();
        let refused = Lines::open(std::slice::from_ref(&path)).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert!(refused.to_string().contains("line 1"), "{refused}");
    }
}
