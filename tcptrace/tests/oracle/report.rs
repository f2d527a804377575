//! What all rounds came to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lane::Round;
use super::verdict::{Class, Deviation, Figures};
use crate::scenario::kit::expect::field;

/// How many deviations of a class are printed; the rest is counted.
const EXAMPLES: usize = 2;

/// See the module.
#[derive(Default)]
pub(super) struct Report {
    figures: Figures,
    rounds: usize,
    deviations: BTreeMap<Class, Vec<String>>,
    counts: BTreeMap<Class, usize>,
    /// Runs of hooks that the kernel skipped: then something is missing that was not lost otherwise.
    pub(super) skipped: u64,
    pub(super) lost: u64,
    pub(super) lines: u64,
}

impl Report {
    /// Adds a round. The first deviation that is no known fault; `skipped` is how many runs of hooks
    /// the kernel had skipped when it ended.
    pub(super) fn take(&mut self, round: &Round, skipped: u64) -> Option<Deviation> {
        self.rounds += 1;
        self.figures.add(round.figures.clone());
        let mut new = None;
        for deviation in &round.deviations {
            let class = deviation.class;
            *self.counts.entry(class).or_default() += 1;
            let examples = self.deviations.entry(class).or_default();
            if examples.len() < EXAMPLES {
                examples.push(deviation.text.clone());
            }
            let is_known = class.known_fault().is_some() || (skipped > 0 && class.is_absence());
            if !is_known && new.is_none() {
                new = Some(deviation.clone());
            }
        }
        new
    }

    /// Prints the figures.
    pub(super) fn print(&self, summary: Option<&Value>) {
        let figures = &self.figures;
        println!(
            "\n{} rounds, {} steps, {} sockets, {} lines printed, {} events judged",
            self.rounds, figures.steps, figures.sockets, self.lines, figures.events
        );
        let count = |class: Class| self.counts.get(&class).copied().unwrap_or(0);
        let wrong = [
            Class::WrongOwner,
            Class::LaterOwner,
            Class::OwnerOfReading,
            Class::OtherListener,
            Class::Discarder,
        ];
        let wrong: usize = wrong.map(count).iter().sum();
        println!(
            "{} owners: {wrong} wrong, {} stale but reported as certain, {} of another name, {} of \
             another user",
            figures.owners,
            count(Class::StaleOwner),
            count(Class::WrongName) + count(Class::OtherName),
            count(Class::OtherUser)
        );
        println!(
            "{} causes: {} wrong; {} byte counts: {} wrong",
            figures.causes,
            count(Class::WrongCause) + count(Class::LateData),
            figures.byte_counts,
            count(Class::WrongBytes)
        );
        let ownerless: usize = figures.ownerless.values().sum();
        println!(
            "{ownerless} without an owner ({:.2} %): {:?}",
            ownerless as f64 * 100.0 / figures.events.max(1) as f64,
            figures.ownerless
        );
        println!(
            "bases {:?}; {} still the listener's after accept()",
            figures.bases, figures.listeners_after_accept
        );
        println!(
            "{} marked as stale, of which {} held the socket anyway",
            figures.stale, figures.needlessly_stale
        );
        println!("{} lost, {} runs of hooks skipped", self.lost, self.skipped);
        if let Some(summary) = summary {
            println!("loss {}", field(summary, "loss"));
            println!("reconciliation {}", field(summary, "reconciliation"));
        }
        for (what, example) in &figures.without_owner {
            println!("\nwithout an owner, {what}: {example}");
        }
        for (class, count) in &self.counts {
            let known = class.known_fault().unwrap_or("NOT KNOWN");
            println!("\n{count} {class:?} ({known})");
            for example in self.deviations.get(class).into_iter().flatten() {
                println!("{example}");
            }
        }
    }
}
