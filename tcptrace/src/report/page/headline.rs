//! What the reader needs before anything else: where and when this was, how far it can be trusted,
//! and the worst of it.

use maud::{Markup, html};

use super::clock::duration;
use super::markup::{bytes, listed, plural, prose, text, thousands};
use super::{Found, SECTIONS, View, phrases};
use crate::model::loss::LossPlace;
use crate::model::{KindSet, RunFacts};
use crate::report::story::Story;

/// Findings printed at the top.
const AT_ONCE: usize = 6;
/// Sentences of one list at most.
pub(super) const MOST_SENTENCES: usize = 40;

/// Of the first run that knows it.
pub(super) fn host_name(story: &Story) -> Option<&str> {
    let mut facts = story.runs.iter().filter_map(|run| run.facts.as_ref());
    facts.find_map(|facts| facts.host_name.as_deref())
}

pub(super) fn header(view: &View<'_>) -> Markup {
    let story = view.story;
    html! {
        header {
            h1 {
                "tcptrace report"
                @if let Some(name) = host_name(story) { ": " (text(name)) }
            }
            dl class="facts" {
                dt { "When" }
                dd { (when(view)) }
                @if let Some(facts) = story.runs.iter().find_map(|run| run.facts.as_ref()) {
                    (where_and_what(facts, story.is_narrow))
                }
                dt { "Lost" }
                dd { (lost(story)) }
                dt { "Whole" }
                dd { (whole(story)) }
                dt { "Not seen" }
                dd { (not_seen(story)) }
            }
            (in_short(view))
            nav aria-label="Contents" {
                ul {
                    @for (anchor, title, _) in SECTIONS {
                        li { a href={ "#" (anchor) } { (title) } }
                    }
                }
            }
        }
    }
}

fn when(view: &View<'_>) -> Markup {
    let grid = view.story.view();
    let (begin, end) = (grid.begin_ns(0), grid.end_ns());
    let clock = &view.axis.clock;
    let is_long = grid.count() > 1;
    html! {
        @if grid.count() == 0 {
            "The time is unknown: there is no incident, no sample and no description of the run."
        } @else {
            (clock.date_and_time(begin)) " "
            @if is_long { "to " (clock.date_and_time(end)) " " }
            (text(clock.zone_name(begin)))
            @if is_long { ", " (duration(end.saturating_sub(begin))) }
        }
    }
}

fn where_and_what(facts: &RunFacts, is_narrow: bool) -> Markup {
    html! {
        dt { "Where" }
        dd {
            (text(facts.host_name.as_deref().unwrap_or("an unnamed host")))
            ", Linux " (text(&facts.kernel)) ", tcptrace " (text(&facts.version))
        }
        dt { "Watched" }
        dd {
            (kinds(facts.kinds))
            @if facts.is_partial {
                "; filters excluded some sockets, so this report is not complete"
            }
            @if is_narrow { "; this report shows only the selected part" }
        }
    }
}

/// The kinds in words.
pub(super) fn kinds(set: KindSet) -> Markup {
    let chosen = phrases::ORDER.iter().filter(|kind| set.contains(**kind));
    html! {
        @if set == KindSet::ALL {
            "every kind"
        } @else if set.is_empty() {
            "no kind"
        } @else {
            (listed(chosen.map(|kind| html! { (kind.name()) })))
        }
    }
}

fn lost(story: &Story) -> Markup {
    let summaries = || story.runs.iter().filter_map(|run| run.summary.as_ref());
    let by_place = &story.losses.by_place;
    let reported = by_place.values().copied().fold(0, u64::saturating_add);
    let tally = summaries().fold(story.loss_left_out, |sum, summary| sum.plus(summary.loss));
    let lost = tally.lost.max(reported);
    html! {
        @if lost > 0 {
            strong class="bad" { (plural(lost, "event was", "events were")) " lost" }
            @for (at, (place, count)) in by_place.iter().enumerate() {
                @if at == 0 { ": " } @else { ", " }
                (thousands(*count)) (place_text(*place))
            }
            ". Numbers here are lower bounds."
        } @else if summaries().next().is_some() {
            "Nothing: every received event is accounted for."
        } @else {
            "No loss was recorded, but the end of the run, which would report losses, is missing."
        }
        @if tally.rate_limited > 0 {
            " " (thousands(tally.rate_limited)) " were suppressed by --rate-limit."
        }
        @if tally.filtered > 0 {
            " " (thousands(tally.filtered)) " did not pass the filters."
        }
    }
}

fn not_seen(story: &Story) -> Markup {
    let mut facts = story.runs.iter().filter_map(|run| run.facts.as_ref());
    let unseen: Vec<&String> = facts.clone().flat_map(|facts| &facts.unseen).collect();
    html! {
        @if !unseen.is_empty() {
            (sentences(unseen))
        } @else if facts.next().is_some() {
            "Nothing: every requested fact was visible."
        } @else {
            "Unknown: this recording has no description of the run."
        }
    }
}

const fn place_text(place: LossPlace) -> &'static str {
    match place {
        LossPlace::Kernel => {
            " runs of hooks that the kernel skipped (not every run reports an event)"
        }
        LossPlace::Ring => " because the kernel's ring was full",
        LossPlace::Channel => " because tcptrace could not keep up",
        LossPlace::Sink => " because the output could not be written",
    }
}

fn whole(story: &Story) -> Markup {
    let is_open = story.runs.iter().any(|run| run.summary.is_none());
    html! {
        @if story.runs.is_empty() && story.flaws.is_empty() {
            "Unknown: this recording has neither the description nor the end of a run."
        } @else if story.flaws.is_empty() && !is_open {
            "Yes, from its beginning to its end."
        } @else {
            strong class="bad" { "No." } " "
            @if is_open {
                "The end is missing: tcptrace was killed, or the recording continues in another file. "
            }
            @if !story.flaws.is_empty() {
                (sentences(&story.flaws))
                @if story.flaws_left_out > 0 {
                    "And " (thousands(story.flaws_left_out)) " more."
                }
            }
        }
    }
}

/// A list, each sentence once.
pub(super) fn sentences<'a>(all: impl IntoIterator<Item = &'a String>) -> Markup {
    let mut said: Vec<&String> = Vec::new();
    for sentence in all {
        if said.len() < MOST_SENTENCES && !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    html! {
        ul { @for sentence in &said { li { (prose(sentence)) } } }
        @if said.len() == MOST_SENTENCES { p class="dim" { "More are not listed." } }
    }
}

/// The worst findings, a sentence each.
fn in_short(view: &View<'_>) -> Markup {
    let more = view.findings.len().saturating_sub(AT_ONCE) as u64;
    html! {
        div class="short" {
            h2 { "In short" }
            @if view.findings.is_empty() {
                p {
                    @if view.story.incidents > 0 {
                        "No problem: only normal connection events were observed."
                    } @else {
                        "There is no incident in this recording."
                    }
                }
            } @else {
                ol { @for found in view.findings.iter().take(AT_ONCE) { li { (one(found)) } } }
            }
            @if more > 0 {
                p class="dim" { "and " (plural(more, "finding", "findings")) " more" }
            }
        }
    }
}

fn one(found: &Found<'_>) -> Markup {
    let facts = found.facts;
    let thrown = facts.tally.discarded.total();
    html! {
        strong { (thousands(facts.tally.count)) } " × " (found.link())
        @if let Some((who, count)) = facts.owners.top(1).rows.first() {
            ", "
            @if **count < facts.tally.count { "most of " }
            (phrases::name(who))
        }
        @if thrown > 0 { ", " (bytes(thrown)) " discarded" }
        @if let Some(advice) = found.advice() {
            br;
            span class="dim" { (prose(advice.line)) }
        }
    }
}
