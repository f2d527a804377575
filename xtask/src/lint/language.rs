//! Words that messages, comments and documentation avoid, each with the reason and what to write instead.
//!
//! The product speaks to a tired engineer who has never read our documentation. Names in backquotes and literals of
//! one word, such as a JSON field, are not prose and not checked.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::rust_text::{TokenKind, prose};

/// Forms of one word or phrase that is avoided.
struct Avoided {
    forms: &'static [&'static str],
    instead: &'static str,
    why: &'static str,
}

const AVOIDED: [Avoided; 10] = [
    Avoided {
        forms: &["told", "tell", "tells", "telling"],
        instead: "report, print, show, distinguish, pass",
        why: "it has several meanings here",
    },
    Avoided {
        forms: &["heard", "hear", "hears", "hearing"],
        instead: "receive, observe, hook",
        why: "it has several meanings here",
    },
    Avoided {
        forms: &["somebody", "somebody's"],
        instead: "the process, the user, another program",
        why: "the subject is known or has a name",
    },
    Avoided {
        forms: &["anew"],
        instead: "again, from zero, clear",
        why: "it is poetry",
    },
    Avoided {
        forms: &["gives away", "give away"],
        instead: "report, show",
        why: "it is a riddle",
    },
    Avoided {
        forms: &["stand still", "stands still", "stood still"],
        instead: "does not change, is paused, hangs",
        why: "it is poetry",
    },
    Avoided {
        forms: &["all the same"],
        instead: "anyway",
        why: "it can be read as `equal`",
    },
    Avoided {
        forms: &["goes on", "went on", "go on"],
        instead: "continue, keep doing",
        why: "it is vague",
    },
    Avoided {
        forms: &["in silence"],
        instead: "silently",
        why: "it is not the field's word",
    },
    Avoided {
        forms: &["thrown away", "throws away", "throw away"],
        instead: "discard",
        why: "it is not the field's word",
    },
];

/// Where the workspace's own pages are, besides those at its root.
const PAGES: [&str; 3] = ["docs", "tcptrace", "xtask"];

/// What is wrong with the prose of a Rust file, with lines. The list itself is not held against itself.
pub(super) fn of_rust(path: &str, text: &str) -> Vec<(usize, String)> {
    if path.ends_with("lint/language.rs") {
        return Vec::new();
    }
    let findings = prose(text).into_iter().flat_map(|token| match token.kind {
        TokenKind::Comment(words) => of_lines(token.line, words),
        TokenKind::Text(words) if words.trim().contains(' ') => of_lines(token.line, words),
        _ => Vec::new(),
    });
    findings.collect()
}

/// What is wrong with the lines of a page.
pub(super) fn of_page(text: &str) -> Vec<(usize, String)> {
    of_lines(1, text)
}

/// The workspace's own pages. The list of changes and the measured matrix report the past and stay as they are.
pub(super) fn pages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut pending: Vec<PathBuf> = PAGES.iter().map(|place| root.join(place)).collect();
    let mut pages = files(root)?;
    while let Some(directory) = pending.pop() {
        if !directory.is_dir() {
            continue;
        }
        for path in files(&directory)? {
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    pending.push(path);
                }
            } else {
                pages.push(path);
            }
        }
    }
    let is_page = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        path.extension().is_some_and(|extension| extension == "md")
            && name != "CHANGELOG.md"
            && name != "matrix.md"
    };
    pages.retain(is_page);
    pages.sort();
    Ok(pages)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(context)? {
        paths.push(entry.with_context(context)?.path());
    }
    Ok(paths)
}

fn of_lines(first: usize, text: &str) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = without_names(line).to_lowercase();
        for avoided in &AVOIDED {
            let found = avoided.forms.iter().find(|form| has_phrase(&line, form));
            if let Some(form) = found {
                let Avoided { instead, why, .. } = avoided;
                findings.push((first + at, format!("`{form}`: write {instead} ({why})")));
            }
        }
    }
    findings
}

/// Without what stands in backquotes.
fn without_names(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether `line` has `phrase` between characters that belong to no word.
fn has_phrase(line: &str, phrase: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(phrase).any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + phrase.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_messages_are_checked_and_code_is_not() {
        let text = "/// It is told.\nlet told = \"a loss is told\";\nlet heard = 1;\n";
        let found = of_rust("xtask/src/a.rs", text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2]);
        assert!(found[0].1.contains("report"), "{}", found[0].1);
    }

    #[test]
    fn names_and_parts_of_words_are_not_prose() {
        for text in [
            "// the field `told`",
            "let a = \"told\";",
            "// untold, storytelling, tell_full",
        ] {
            assert_eq!(of_rust("xtask/src/a.rs", text), [], "{text}");
        }
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let text = "fn f() {}\n/* one\n   somebody */\nlet a = \"\n goes on\";\n";
        let found = of_rust("xtask/src/a.rs", text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 5]);
        assert_eq!(of_page("# Head\n\nCounting goes on.\n")[0].0, 3);
    }
}
