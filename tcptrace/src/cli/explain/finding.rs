//! A finding as a topic: its row of docs/findings.md, then the text of the incident it rests on.

use super::text::{text, wrap};
use crate::diagnose;
use crate::interpret::advice::{self, Advice};
use crate::model::finding::{Topic, topic_name};

/// The table of all findings. A test holds it against the families.
const DOCUMENTATION: &str = include_str!("../../../../docs/findings.md");

/// One row of that table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    id: &'static str,
    severity: &'static str,
    made_by: String,
    first: String,
    topics: &'static [Topic],
}

/// The finding of that id; `None`: there is none.
pub(super) fn find(id: &str) -> Option<Finding> {
    let (id, topics) = diagnose::topics_of(id)?;
    let row = DOCUMENTATION
        .lines()
        .find(|line| line.starts_with(&format!("| `{id}` |")))?;
    let mut cells = row.trim_matches('|').split(" | ").map(str::trim).skip(1);
    Some(Finding {
        id,
        severity: cells.next()?,
        made_by: plain(cells.next()?),
        first: plain(cells.next()?),
        topics,
    })
}

impl Finding {
    /// The text of the incident that it rests on most; `None`: no incident shows it.
    pub(super) fn advice(&self) -> Option<&'static Advice> {
        let (kind, cause) = *self.topics.first()?;
        advice::find(kind, cause)
    }

    /// The row in words, then that text.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.id);
        let says = format!("A finding of tcptrace doctor, severity: {}.", self.severity);
        wrap(&mut out, "", "", &says);
        for (heading, says) in [("What makes it", &self.made_by), ("First", &self.first)] {
            out.push_str(&format!("\n{heading}\n"));
            wrap(&mut out, "  ", "  ", says);
        }
        let names: Vec<String> = self.topics.iter().copied().map(topic_name).collect();
        if !names.is_empty() {
            out.push_str("\nIncidents it covers\n");
            wrap(&mut out, "  ", "  ", &names.join(", "));
        }
        if let Some(advice) = self.advice() {
            out.push('\n');
            out.push_str(&text(advice));
        }
        out
    }
}

/// Without the marks of Markdown: of a link only its text.
fn plain(cell: &str) -> String {
    let mut out = String::new();
    let mut rest = cell;
    while let Some((before, link)) = rest.split_once("](") {
        out.push_str(before);
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.replace(['`', '['], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_can_be_asked_for_and_has_its_row() {
        for id in diagnose::ids() {
            let found = find(id).expect(id);
            assert_eq!(found.id, id);
            let printed = found.text();
            assert!(!found.made_by.is_empty() && !found.first.is_empty(), "{id}");
            assert!(
                printed.lines().all(|line| line.chars().count() <= 80),
                "{id}"
            );
            assert!(!printed.contains("]("), "{printed}");
        }
        assert_eq!(find("no_such_finding"), None);
    }

    #[test]
    fn a_finding_quotes_the_text_of_its_incident() {
        let printed = find("linger_zero_resets").unwrap().text();
        let advice = advice::find(crate::model::Kind::RstSent, Some("linger_zero")).unwrap();
        assert!(printed.contains("broken, risk"), "{printed}");
        assert!(printed.contains(&text(advice)), "{printed}");
    }

    #[test]
    fn links_lose_their_address() {
        assert_eq!(plain("[why](#late), else `x`"), "why, else x");
    }
}
