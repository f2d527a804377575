//! Topics as text of at most 80 columns.

use crate::diagnose;
use crate::interpret::advice::{self, Advice};
use crate::model::Kind;

const COLUMNS: usize = 80;

/// The causes of a kind that have a text of their own.
pub(super) fn causes(kind: Kind) -> impl Iterator<Item = &'static str> {
    advice::all()
        .filter(move |advice| advice.kind == kind)
        .filter_map(|advice| advice.cause)
}

/// What it is asked for by.
pub(super) fn topic(advice: &Advice) -> String {
    match advice.cause {
        Some(cause) => format!("{}/{cause}", advice.kind),
        None => advice.kind.to_string(),
    }
}

/// Every topic, with a line on each.
pub(super) fn list() -> String {
    let mut out = String::from("Topics of tcptrace explain:\n");
    for advice in advice::all() {
        if advice.cause.is_none() {
            out.push('\n');
        }
        out.push_str(&topic(advice));
        out.push('\n');
        wrap(&mut out, "    ", "    ", advice.line);
    }
    out.push_str("\nFindings of tcptrace doctor\n");
    let ids: Vec<_> = diagnose::ids().collect();
    wrap(&mut out, "    ", "    ", &ids.join(", "));
    out
}

/// One topic.
pub(super) fn text(advice: &Advice) -> String {
    let mut out = topic(advice);
    out.push_str("\n\n");
    wrap(&mut out, "", "", advice.line);
    out.push('\n');
    wrap(&mut out, "", "", advice.meaning);
    if !advice.confirm.is_empty() {
        out.push_str("\nConfirm\n");
        for (command, says) in advice.confirm {
            out.push_str(&format!("  {command}\n"));
            wrap(&mut out, "      ", "      ", says);
        }
    }
    for (heading, items) in [("Fix", advice.fix), ("Pitfalls", advice.pitfalls)] {
        if !items.is_empty() {
            out.push_str(&format!("\n{heading}\n"));
            for item in items {
                wrap(&mut out, "  - ", "    ", item);
            }
        }
    }
    let causes: Vec<_> = causes(advice.kind).collect();
    if advice.cause.is_none() && !causes.is_empty() {
        out.push_str("\nMore\n");
        wrap(
            &mut out,
            "  ",
            "  ",
            &format!("tcptrace explain {}/CAUSE, with one of:", advice.kind),
        );
        wrap(&mut out, "  ", "  ", &causes.join(", "));
    }
    out
}

/// Appends lines of at most [`COLUMNS`], broken at spaces.
pub(super) fn wrap(out: &mut String, first: &str, next: &str, text: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.len() + 1 + word.len() > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            next.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_eighty_columns() {
        let texts = advice::all().map(text).chain([list()]);
        for line in texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }
}
