//! A configuration file: TOML with options of the command line as keys. What is wrong is reported with its line.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::KEYS;

/// More than any configuration needs.
const MOST_BYTES: u64 = 64 * 1024;
/// kernel: mode bits by which others may write.
const OTHERS_WRITE: u32 = 0o022;

/// An option with a default of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `filter`, `output`, or a subcommand.
    pub(super) section: String,
    /// The option without dashes.
    pub(super) key: String,
    /// Each a value of the option; none: it takes none.
    pub(super) values: Vec<String>,
    /// Of the file, from 1.
    pub(super) line: usize,
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is not there.
    Missing,
    /// It was not read, and why.
    Skipped(String),
    /// It cannot be opened, if it is there at all, and why.
    Unreadable(String),
    /// Its entries.
    Entries(Vec<Entry>),
}

/// Reads a file with the rights of the calling thread. `is_named`: the user named it. `Err`: in one sentence.
pub(super) fn read(path: &Path, is_named: bool) -> Result<Outcome, String> {
    let name = path.display();
    // Neither a pipe nor a device holds up the start.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_named => return Err(format!("{name}: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::Missing),
        Err(error) => return Ok(Outcome::Unreadable(error.to_string())),
    };
    if let Some(skipped) = check(&file, is_named).map_err(|why| format!("{name}: {why}"))? {
        return Ok(Outcome::Skipped(skipped));
    }
    let mut text = String::new();
    let length = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    match length {
        Err(error) => Err(format!("{name}: {error}")),
        Ok(length) if length as u64 > MOST_BYTES => {
            Err(format!("{name}: larger than {MOST_BYTES} bytes"))
        }
        Ok(_) => entries(&text)
            .map(Outcome::Entries)
            .map_err(|(line, why)| format!("{name}: line {line}: {why}")),
    }
}

/// Whom the file belongs to, and who may change it. `Some`: it is skipped.
fn check(file: &File, is_named: bool) -> Result<Option<String>, String> {
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("not a regular file".to_owned());
    }
    if meta.mode() & OTHERS_WRITE != 0 {
        return Err(format!(
            "others may write this file (mode {:04o}); chmod go-w, or use --no-config",
            meta.mode() & 0o7777
        ));
    }
    let user = rustix::process::getuid().as_raw();
    Ok(
        (!is_named && meta.uid() != 0 && meta.uid() != user).then(|| {
            format!(
                "it belongs to user {}; --config PATH reads it anyway",
                meta.uid()
            )
        }),
    )
}

/// The entries of a text; `Err`: the line, and what is wrong there.
fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(at), error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    for (section, body) in table.get_ref() {
        let at = line(section.span().start);
        let section: &str = section.get_ref();
        let Some((_, keys)) = KEYS.iter().find(|(name, _)| *name == section) else {
            let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
            let why = format!(
                "unknown section `{section}`; use one of {}",
                names.join(", ")
            );
            return Err((at, why));
        };
        let DeValue::Table(body) = body.get_ref() else {
            return Err((at, format!("`{section}` is a section: [{section}]")));
        };
        for (key, value) in body {
            let at = line(key.span().start);
            let key: &str = key.get_ref();
            if !keys.iter().any(|keys| keys.contains(&key)) {
                let names: Vec<&str> = keys.iter().copied().flatten().copied().collect();
                let why = format!(
                    "unknown key `{key}` in [{section}]; use one of {}",
                    names.join(", ")
                );
                return Err((at, why));
            }
            let values = match value.get_ref() {
                DeValue::Boolean(false) => continue,
                DeValue::Boolean(true) => Vec::new(),
                DeValue::Array(values) => {
                    let values = values.iter().map(|value| scalar(value.get_ref()));
                    let values: Option<Vec<String>> = values.collect();
                    values.ok_or_else(|| (at, format!("`{key}`: a list of texts or numbers")))?
                }
                value => vec![scalar(value).ok_or_else(|| {
                    (
                        at,
                        format!("`{key}`: a text, a number, true, false, or a list"),
                    )
                })?],
            };
            entries.push(Entry {
                section: section.to_owned(),
                key: key.to_owned(),
                values,
                line: at,
            });
        }
    }
    Ok(entries)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_options_with_one_value_several_or_none() {
        let text = "[output]\ntime = \"utc\"\nwide = true\nquiet = false\n\n[filter]\nport = [443, 8443]\n";
        let found: Vec<_> = entries(text)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.section, entry.key, entry.values.join("+"), entry.line))
            .collect();
        let entry = |section: &str, key: &str, values: &str, line| {
            (section.to_owned(), key.to_owned(), values.to_owned(), line)
        };
        assert_eq!(found.len(), 3);
        for expected in [
            entry("output", "time", "utc", 2),
            entry("output", "wide", "", 3),
            entry("filter", "port", "443+8443", 7),
        ] {
            assert!(found.contains(&expected), "{expected:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_line() {
        for (text, line, word) in [
            ("[output]\ncolour = 1\n", 2, "color"),
            ("\n\n[nonsense]\n", 3, "filter"),
            ("[output]\ntime = utc\n", 2, ""),
            ("wide = true\n", 1, "unknown section"),
            ("[output]\n\nwide = 1.5\n", 3, "a list"),
            ("[filter]\nport = [{a = 1}]\n", 2, "a list"),
            ("output = 3\n", 1, "[output]"),
        ] {
            let (at, why) = entries(text).unwrap_err();
            assert_eq!(at, line, "{text}: {why}");
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text: String) {
            let _ = entries(&text);
        }
    }
}
