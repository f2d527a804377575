//! What the reader needs before anything else: where and when this was, how far it can be trusted,
//! and the worst of it.

use super::clock::duration;
use super::markup::{Markup, bytes, plural};
use super::{SECTIONS, View, words};
use crate::model::loss::LossPlace;
use crate::model::{KindSet, RunFacts};
use crate::report::story::Story;

/// Findings told at once.
const AT_ONCE: usize = 6;
/// Sentences of one list at most.
pub(super) const MOST_SENTENCES: usize = 40;

/// Of the first run that knows it.
pub(super) fn host_name(story: &Story) -> Option<&str> {
    let mut facts = story.runs.iter().filter_map(|run| run.facts.as_ref());
    facts.find_map(|facts| facts.host_name.as_deref())
}

pub(super) fn put(out: &mut Markup, view: &View<'_>) {
    let story = view.story;
    out.raw("<header><h1>tcptrace report");
    if let Some(name) = host_name(story) {
        out.raw(": ").text(name);
    }
    out.raw("</h1><dl class=\"facts\">");
    when(out, view);
    if let Some(facts) = story.runs.iter().find_map(|run| run.facts.as_ref()) {
        where_and_what(out, facts, story.is_narrow);
    }
    trust(out, story);
    out.raw("</dl>");
    in_short(out, view);
    out.raw("<nav aria-label=\"Contents\"><ul>");
    for (anchor, title) in SECTIONS {
        out.raw("<li>");
        out.element("a", &[("href", &format!("#{anchor}"))], title);
        out.raw("</li>");
    }
    out.raw("</ul></nav></header>");
}

fn when(out: &mut Markup, view: &View<'_>) {
    let grid = view.story.view();
    out.raw("<dt>When</dt><dd>");
    if grid.count() == 0 {
        out.raw("Nothing tells when: no incident, no sample, no facts of a run.");
    } else {
        let (begin, end) = (grid.begin_ns(0), grid.end_ns());
        let clock = &view.axis.clock;
        out.text(clock.date_and_time(begin)).raw(" ");
        if grid.count() > 1 {
            out.raw("to ").text(clock.date_and_time(end)).raw(" ");
        }
        out.text(clock.zone_name(begin));
        if grid.count() > 1 {
            let length = end.saturating_sub(begin);
            out.raw(", ").text(duration(length));
        }
    }
    out.raw("</dd>");
}

fn where_and_what(out: &mut Markup, facts: &RunFacts, is_narrow: bool) {
    out.raw("<dt>Where</dt><dd>");
    match &facts.host_name {
        Some(name) => out.text(name),
        None => out.raw("a host without a name"),
    };
    out.raw(", Linux ")
        .text(&facts.kernel)
        .raw(", tcptrace ")
        .text(&facts.version);
    out.raw("</dd><dt>Watched</dt><dd>");
    kinds(out, facts.kinds);
    if facts.is_partial {
        out.raw("; filters left out some sockets, so absence here proves nothing");
    }
    if is_narrow {
        out.raw("; this report shows only the part of it that was asked for");
    }
    out.raw("</dd>");
}

/// The kinds in words.
pub(super) fn kinds(out: &mut Markup, set: KindSet) {
    if set == KindSet::ALL {
        out.raw("every kind");
        return;
    }
    let mut is_first = true;
    for kind in words::ORDER.into_iter().filter(|kind| set.contains(*kind)) {
        out.raw(if is_first { "" } else { ", " }).raw(kind.name());
        is_first = false;
    }
    if is_first {
        out.raw("no kind");
    }
}

/// What was lost, left out, or could not be seen.
fn trust(out: &mut Markup, story: &Story) {
    let summaries = || story.runs.iter().filter_map(|run| run.summary.as_ref());
    out.raw("<dt>Lost</dt><dd>");
    let told: u64 = story
        .losses
        .by_place
        .values()
        .copied()
        .fold(0, u64::saturating_add);
    let tally = summaries().fold(story.loss_left_out, |sum, summary| sum.plus(summary.loss));
    let lost = tally.lost.max(told);
    if lost > 0 {
        out.raw("<strong class=\"bad\">")
            .text(plural(lost, "event was", "events were"));
        out.raw(" lost</strong>");
        for (at, (place, count)) in story.losses.by_place.iter().enumerate() {
            out.raw(if at == 0 { ": " } else { ", " })
                .number(*count)
                .raw(place_text(*place));
        }
        out.raw(". Numbers here are lower bounds.");
    } else if summaries().next().is_some() {
        out.raw("Nothing: every event that was heard is accounted for.");
    } else {
        out.raw("No loss was told, but there is no last word of the run that would say so.");
    }
    if tally.rate_limited > 0 {
        out.raw(" ")
            .number(tally.rate_limited)
            .raw(" were left out by --rate-limit.");
    }
    if tally.filtered > 0 {
        out.raw(" ")
            .number(tally.filtered)
            .raw(" did not pass the filters.");
    }
    out.raw("</dd><dt>Whole</dt><dd>");
    whole(out, story);
    out.raw("</dd>");
    let unseen: Vec<&String> = story
        .runs
        .iter()
        .filter_map(|run| run.facts.as_ref())
        .flat_map(|facts| &facts.unseen)
        .collect();
    out.raw("<dt>Not seen</dt><dd>");
    if unseen.is_empty() {
        let has_facts = story.runs.iter().any(|run| run.facts.is_some());
        out.raw(if has_facts {
            "Nothing: all that was asked for could be seen."
        } else {
            "Not known: the facts of the run are not in here."
        });
    } else {
        sentences(out, &unseen);
    }
    out.raw("</dd>");
}

const fn place_text(place: LossPlace) -> &'static str {
    match place {
        LossPlace::Ring => " because the kernel's ring was full",
        LossPlace::Channel => " because tcptrace could not keep up",
        LossPlace::Sink => " because the output could not be written",
    }
}

fn whole(out: &mut Markup, story: &Story) {
    let open_ends = story
        .runs
        .iter()
        .filter(|run| run.summary.is_none())
        .count();
    if story.flaws.is_empty() && open_ends == 0 && !story.runs.is_empty() {
        out.raw("Yes, from its beginning to its end.");
        return;
    }
    if story.runs.is_empty() && story.flaws.is_empty() {
        out.raw("Not known: neither the facts of a run nor its last word are in here.");
        return;
    }
    out.raw("<strong class=\"bad\">No.</strong> ");
    if open_ends > 0 {
        out.raw("The end is missing: tcptrace was killed, or the recording goes on elsewhere. ");
    }
    if !story.flaws.is_empty() {
        let flaws: Vec<&String> = story.flaws.iter().collect();
        sentences(out, &flaws);
        if story.flaws_left_out > 0 {
            out.raw("And ").number(story.flaws_left_out).raw(" more.");
        }
    }
}

/// A list, each sentence once.
pub(super) fn sentences(out: &mut Markup, all: &[&String]) {
    let mut said: Vec<&str> = Vec::new();
    out.raw("<ul>");
    for sentence in all {
        if said.len() < MOST_SENTENCES && !said.contains(&sentence.as_str()) {
            said.push(sentence);
            out.raw("<li>").prose(sentence).raw("</li>");
        }
    }
    out.raw("</ul>");
    if said.len() == MOST_SENTENCES {
        out.raw("<p class=\"dim\">Further ones are left out.</p>");
    }
}

/// The worst findings, a sentence each.
fn in_short(out: &mut Markup, view: &View<'_>) {
    out.raw("<div class=\"short\"><h2>In short</h2>");
    if view.findings.is_empty() {
        out.raw("<p>");
        out.raw(if view.story.incidents > 0 {
            "No trouble: only the ordinary life of connections was seen."
        } else {
            "Nothing was found: there is no incident in here."
        });
        out.raw("</p></div>");
        return;
    }
    out.raw("<ol>");
    for found in view.findings.iter().take(AT_ONCE) {
        let facts = found.facts;
        out.raw("<li><strong>")
            .number(facts.count)
            .raw("</strong> × ");
        out.element(
            "a",
            &[("href", &format!("#{}", found.anchor()))],
            found.topic(),
        );
        if let Some((who, count)) = facts.owners.top(1).rows.first() {
            out.raw(", ");
            if **count < facts.count {
                out.raw("most of ");
            }
            words::name(out, who);
        }
        if facts.thrown.total() > 0 {
            out.raw(", ")
                .text(bytes(facts.thrown.total()))
                .raw(" thrown away");
        }
        if let Some(advice) = found.advice() {
            out.raw("<br><span class=\"dim\">")
                .prose(advice.line)
                .raw("</span>");
        }
        out.raw("</li>");
    }
    out.raw("</ol>");
    if let Some(more) = view
        .findings
        .len()
        .checked_sub(AT_ONCE)
        .filter(|more| *more > 0)
    {
        out.raw("<p class=\"dim\">and ")
            .text(plural(more as u64, "finding", "findings"));
        out.raw(" more</p>");
    }
    out.raw("</div>");
}
