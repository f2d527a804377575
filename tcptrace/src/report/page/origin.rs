//! Where the document comes from: files, runs, command lines, hooks.

use super::View;
use super::clock::{Clock, duration};
use super::headline::{self, MOST_SENTENCES};
use super::markup::{Markup, plural};
use super::words;
use crate::model::RunFacts;
use crate::report::story::Run;

/// Words of a command line at most.
const MOST_WORDS: usize = 60;

pub(super) fn put(out: &mut Markup, view: &View<'_>) {
    let story = view.story;
    if !story.sources.is_empty() {
        out.raw("<p>From ");
        for (at, source) in story.sources.iter().take(MOST_SENTENCES).enumerate() {
            out.raw(if at == 0 { "<code>" } else { ", <code>" })
                .text(source)
                .raw("</code>");
        }
        if story.sources.len() > MOST_SENTENCES {
            out.raw(" and ")
                .number((story.sources.len() - MOST_SENTENCES) as u64)
                .raw(" more");
        }
        out.raw(".</p>");
    }
    out.raw("<p>")
        .text(plural(story.incidents, "incident", "incidents"))
        .raw(" in all.</p>");
    if story.runs.is_empty() {
        out.raw("<p>The facts of the run are not in here.</p>");
        return;
    }
    words::open_table(
        out,
        "Runs of tcptrace",
        &[
            ("Run", true),
            ("Began", false),
            ("Lasted", false),
            ("Host", false),
            ("Kernel", false),
            ("tcptrace", false),
            ("Watched", false),
        ],
    );
    for (at, run) in story.runs.iter().enumerate() {
        out.raw("<tr>");
        words::number_cell(out, at as u64 + 1);
        one(out, run, &view.axis.clock);
        out.raw("</tr>");
    }
    words::close_table(out);
    if story.runs_left_out > 0 {
        out.raw("<p class=\"dim\">")
            .number(story.runs_left_out)
            .raw(" more runs are left out.</p>");
    }
    let is_only = story.runs.len() == 1;
    for (at, run) in story.runs.iter().enumerate() {
        if let Some(facts) = &run.facts {
            if !is_only {
                out.raw("<h3>Run ").number(at as u64 + 1).raw("</h3>");
            }
            machinery(out, facts);
        }
    }
}

fn one(out: &mut Markup, run: &Run, clock: &Clock<'_>) {
    out.raw("<td>");
    match &run.facts {
        Some(facts) => {
            let since = facts.clock;
            let begin = since
                .boot_to_wall_ns
                .saturating_add_unsigned(since.start_boot_ns);
            out.text(clock.date_and_time(begin));
        }
        None => {
            out.raw("?");
        }
    }
    out.raw("</td><td>");
    match &run.summary {
        Some(summary) => {
            let ms = i64::try_from(summary.duration_ms).unwrap_or(i64::MAX);
            out.text(duration(ms.saturating_mul(1_000_000)));
        }
        None => {
            out.raw("no end");
        }
    }
    out.raw("</td>");
    match &run.facts {
        Some(facts) => {
            out.element("td", &[], facts.host_name.as_deref().unwrap_or("?"));
            out.element("td", &[], &facts.kernel)
                .element("td", &[], &facts.version);
            out.raw("<td>");
            headline::kinds(out, facts.kinds);
            out.raw(if facts.is_partial {
                ", filtered</td>"
            } else {
                "</td>"
            });
        }
        None => {
            out.raw("<td>?</td><td>?</td><td>?</td><td>?</td>");
        }
    }
}

fn machinery(out: &mut Markup, facts: &RunFacts) {
    if !facts.words.is_empty() {
        out.raw("<p>Command line: <code>");
        for (at, word) in facts.words.iter().take(MOST_WORDS).enumerate() {
            out.raw(if at == 0 { "" } else { " " }).text(word);
        }
        out.raw(if facts.words.len() > MOST_WORDS {
            " …</code></p>"
        } else {
            "</code></p>"
        });
    }
    out.raw("<details><summary>")
        .text(plural(facts.hooks.len() as u64, "hook", "hooks"));
    out.raw(" attached</summary>");
    let hooks: Vec<&String> = facts.hooks.iter().collect();
    headline::sentences(out, &hooks);
    out.raw("</details>");
}
