//! A story as one HTML document: what was found first, then the pictures and tables it rests on.
//!
//! The document asks for nothing: no network, no script, no font. A policy in it forbids all of that,
//! should a text from outside ever become markup. It is read on screens of any width, in light and
//! dark, and on paper.

mod clock;
mod findings;
mod headline;
mod markup;
mod origin;
mod phrases;
mod pictures;
mod plot;
mod settings;
mod tables;

use std::cmp::Reverse;

use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html};

use super::story::Story;
use super::story::trouble::Trouble;
use crate::diagnose::{self, Tallies};
use crate::interpret::advice::{self, Advice};
use crate::model::survey::Survey;
use crate::model::{Finding, Kind};
use clock::Clock;
use markup::text;
use plot::Axis;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Writes what is in a section.
type Section = fn(&View<'_>) -> Markup;

/// The sections after the headline: anchor and title.
const SECTIONS: [(&str, &str, Section); 10] = [
    ("findings", "Findings", findings::section),
    ("timeline", "Timeline", pictures::timeline),
    ("queues", "Accept queues", pictures::queues),
    ("resets", "Resets by cause", tables::resets),
    ("time-wait", "TIME_WAIT", pictures::time_wait),
    ("owners", "Owners and peers", tables::owners),
    ("retransmits", "Retransmits", tables::retransmits),
    (
        "counters",
        "Against the kernel's counters",
        tables::counters,
    ),
    ("settings", "Settings", settings::section),
    ("origin", "How it was recorded", origin::section),
];

/// What all sections look at.
struct View<'a> {
    story: &'a Story,
    axis: Axis<'a>,
    /// The most damaging first.
    findings: Vec<Found<'a>>,
}

/// A finding with what it is about.
struct Found<'a> {
    kind: Kind,
    cause: Option<&'static str>,
    facts: &'a Trouble,
    /// What it means, as `doctor` and `top` would say it.
    finding: Option<&'a Finding>,
}

impl Found<'_> {
    /// `rst_sent/linger_zero`
    fn topic(&self) -> String {
        match self.cause {
            Some(cause) => format!("{}/{cause}", self.kind),
            None => self.kind.to_string(),
        }
    }

    /// What is known about it.
    fn advice(&self) -> Option<&'static Advice> {
        advice::find(self.kind, self.cause).or_else(|| advice::find(self.kind, None))
    }

    /// Leads to it.
    fn link(&self) -> Markup {
        html! { a href={ "#" (self.anchor()) } { (self.topic()) } }
    }

    /// Its place in the document.
    fn anchor(&self) -> String {
        match self.cause {
            Some(cause) => format!("{}-{cause}", self.kind),
            None => self.kind.to_string(),
        }
    }
}

/// The document. Times are those of the zone.
pub fn page(story: &Story, zone: &TimeZone) -> String {
    let clock = Clock::new(zone, story.has_clock);
    let troubles = story.troubles.iter();
    let tallies: Tallies = troubles
        .map(|(topic, trouble)| (*topic, trouble.tally.clone()))
        .collect();
    let findings = diagnose::findings(&Survey::default(), &tallies);
    let mut found: Vec<Found<'_>> = story
        .troubles
        .iter()
        .map(|((kind, cause), facts)| Found {
            kind: *kind,
            cause: *cause,
            facts,
            finding: findings
                .iter()
                .find(|finding| finding.topics.contains(&(*kind, *cause))),
        })
        .collect();
    found.sort_by_key(|found| {
        let tally = &found.facts.tally;
        let worst_first = Reverse((tally.count, tally.discarded.total()));
        let place = phrases::ORDER.iter().position(|kind| *kind == found.kind);
        let severity = found.finding.map(|finding| finding.severity);
        (severity, worst_first, place)
    });
    let view = View {
        story,
        axis: Axis::new(story.view(), clock),
        findings: found,
    };
    let document = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title {
                    "tcptrace report"
                    @if let Some(name) = headline::host_name(story) { ": " (text(name)) }
                }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body {
                (headline::header(&view))
                main {
                    @for (anchor, title, content) in SECTIONS {
                        section id=(anchor) aria-labelledby={ "h-" (anchor) } {
                            h2 id={ "h-" (anchor) } { (title) }
                            (content(&view))
                        }
                    }
                }
            }
        }
    };
    document.into_string() + "\n"
}
