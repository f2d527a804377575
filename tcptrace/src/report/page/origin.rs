//! Where the document comes from: files, runs, command lines, hooks.

use maud::{Markup, html};

use super::View;
use super::clock::{Clock, duration};
use super::headline::{self, MOST_SENTENCES};
use super::markup::{listed, plural, text, thousands};
use super::phrases;
use crate::model::RunFacts;
use crate::report::story::Run;

/// Words of a command line at most.
const MOST_WORDS: usize = 60;

pub(super) fn section(view: &View<'_>) -> Markup {
    let story = view.story;
    let sources = story.sources.iter().take(MOST_SENTENCES);
    let is_only = story.runs.len() == 1;
    html! {
        @if !story.sources.is_empty() {
            p {
                "From " (listed(sources.map(|source| html! { code { (text(source)) } })))
                @if story.sources.len() > MOST_SENTENCES {
                    " and " (thousands((story.sources.len() - MOST_SENTENCES) as u64)) " more"
                }
                "."
            }
        }
        p { (plural(story.incidents, "incident", "incidents")) " in all." }
        @if story.runs.is_empty() {
            p { "This recording has no description of the run." }
        } @else {
            (runs(view))
            @if story.runs_left_out > 0 {
                p class="dim" { (thousands(story.runs_left_out)) " more runs are not listed." }
            }
        }
        @for (at, run) in story.runs.iter().enumerate() {
            @if let Some(facts) = &run.facts {
                @if !is_only { h3 { "Run " (at + 1) } }
                (machinery(facts))
            }
        }
    }
}

fn runs(view: &View<'_>) -> Markup {
    let columns = [
        ("Run", true),
        ("Began", false),
        ("Lasted", false),
        ("Host", false),
        ("Kernel", false),
        ("tcptrace", false),
        ("Watched", false),
    ];
    let rows = html! {
        @for (at, run) in view.story.runs.iter().enumerate() {
            tr { (phrases::number_cell(at as u64 + 1)) (one(run, &view.axis.clock)) }
        }
    };
    phrases::table("Runs of tcptrace", &columns, &rows)
}

fn one(run: &Run, clock: &Clock<'_>) -> Markup {
    let began = run.facts.as_ref().map(|facts| {
        let since = facts.clock;
        let begin = since
            .boot_to_wall_ns
            .saturating_add_unsigned(since.start_boot_ns);
        clock.date_and_time(begin)
    });
    let lasted = run.summary.as_ref().map(|summary| {
        let ms = i64::try_from(summary.duration_ms).unwrap_or(i64::MAX);
        duration(ms.saturating_mul(1_000_000))
    });
    html! {
        td { (began.as_deref().unwrap_or("?")) }
        td { (lasted.as_deref().unwrap_or("no end")) }
        @if let Some(facts) = &run.facts {
            td { (text(facts.host_name.as_deref().unwrap_or("?"))) }
            td { (text(&facts.kernel)) }
            td { (text(&facts.version)) }
            td {
                (headline::kinds(facts.kinds))
                @if facts.is_partial { ", filtered" }
            }
        } @else {
            @for _ in 0..4 { td { "?" } }
        }
    }
}

fn machinery(facts: &RunFacts) -> Markup {
    html! {
        @if !facts.words.is_empty() {
            p {
                "Command line: "
                code {
                    @for (at, word) in facts.words.iter().take(MOST_WORDS).enumerate() {
                        @if at > 0 { " " }
                        (text(word))
                    }
                    @if facts.words.len() > MOST_WORDS { " …" }
                }
            }
        }
        details {
            summary { (plural(facts.hooks.len() as u64, "hook", "hooks")) " attached" }
            (headline::sentences(&facts.hooks))
        }
    }
}
