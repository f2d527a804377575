//! How many `unsafe` blocks, functions, traits and implementations each crate has, held against a
//! committed number.
//!
//! A rise has to be meant: whoever adds one changes the number here and says why in the commit. A
//! fall is a finding too, so that the number stays true. Tests are left out.

use std::path::Path;

use anyhow::{Result, bail};

use super::house::{is_test_module, module_of, read, rust_files};
use super::paths::product_tokens;
use super::rust_text::TokenKind;

/// A crate's sources, and how often the word stands in them.
const COUNTS: [(&str, usize); 5] = [
    ("tcptrace/src", 54),
    ("tcptrace-common/src", 5),
    ("tcptrace-ebpf/src", 136),
    ("xtask/src", 27),
    ("xtask/bench-ebpf/src", 13),
];

/// Err when a crate has another number than the committed one.
pub(super) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    for (sources, committed) in COUNTS {
        let counted = count(root, sources)?;
        println!("unsafe: {sources}: {counted}");
        if counted != committed {
            let what = if counted > committed {
                "more: remove them, or commit the new number and the reason"
            } else {
                "fewer: commit the new number"
            };
            findings.push(format!(
                "  {sources}: {counted}, committed {committed}: {what}"
            ));
        }
    }
    if !findings.is_empty() {
        bail!(
            "xtask/src/lint/unsafe_count.rs has other numbers:\n{}",
            findings.join("\n")
        );
    }
    Ok(())
}

fn count(root: &Path, sources: &str) -> Result<usize> {
    let directory = root.join(sources);
    let mut total = 0;
    for file in rust_files(&directory)? {
        if !is_test_module(&module_of(&directory, &file)) {
            total += in_text(&read(root, &file)?.1);
        }
    }
    Ok(total)
}

fn in_text(text: &str) -> usize {
    // `#[unsafe(no_mangle)]` counts like the rest: it is a promise too.
    let is_unsafe = |kind: TokenKind<'_>| kind == TokenKind::Word("unsafe");
    let tokens = product_tokens(text);
    tokens.iter().filter(|token| is_unsafe(token.kind)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_counts_in_code_and_nowhere_else() {
        let text = "// unsafe\nunsafe fn f() { unsafe { g(\"unsafe\") } }\n\
                    #[cfg(test)] mod tests { unsafe fn h() {} }\nunsafe impl Pod for X {}";
        assert_eq!(in_text(text), 3);
    }
}
