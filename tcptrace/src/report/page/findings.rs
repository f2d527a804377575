//! Each kind of trouble with all that is known of it, and what can be done, in one place.

use maud::{Markup, html};

use super::markup::{bytes, listed, plural, prose, thousands};
use super::phrases;
use super::plot::{self, Layer};
use super::{Found, View};
use crate::interpret::advice::{self, Advice};
use crate::model::finding::Severity;
use crate::model::incident::LimitedBy;
use crate::model::{Clock, Evidence, Incident, Kind};
use crate::report::ranking::Ranking;
use crate::report::story::trouble::Trouble;
use crate::sink::text::TextStyle;
use crate::sink::{Sink, TextSink, TimeStyle};

/// The explanations of so many are open from the start; paper shows all.
const OPEN: usize = 3;
/// Names in a line.
const IN_A_LINE: usize = 5;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut explained: Vec<Kind> = Vec::new();
    let cards = view.findings.iter().enumerate().map(|(at, found)| {
        let is_first_of_kind = !explained.contains(&found.kind);
        if is_first_of_kind {
            explained.push(found.kind);
        }
        card(view, found, at < OPEN, is_first_of_kind)
    });
    html! {
        @if view.findings.is_empty() { p { "None." } }
        @for card in cards { (card) }
        (ordinary(view))
    }
}

fn card(view: &View<'_>, found: &Found<'_>, is_open: bool, is_first: bool) -> Markup {
    let facts = found.facts;
    let (class, severity) = match found.finding {
        Some(finding) if finding.severity == Severity::Broken => ("finding lost", finding.severity),
        Some(finding) => ("finding", finding.severity),
        None => ("finding", Severity::Note),
    };
    let layer = Layer {
        class: plot::class(found.kind),
        name: found.kind.name(),
        values: facts.over_time.over(&view.axis.grid),
    };
    let advice = found.advice();
    html! {
        article class=(class) id=(found.anchor()) {
            h3 {
                span class="count" { (thousands(facts.tally.count)) } " " (found.topic()) " "
                span class="badge" { (severity.name()) }
            }
            @if let Some(advice) = advice { p class="line" { (prose(advice.line)) } }
            div class="lanes small" {
                (view.axis.lane(&html! { "over time" }, &[layer]))
                (view.axis.times())
            }
            dl class="facts" { (details(view, found)) }
            @if let Some(advice) = advice {
                details open[is_open] {
                    summary { "What it means, how to check, how to fix" }
                    (explanation(advice))
                    @let general = advice::find(found.kind, None).filter(|_| advice.cause.is_some());
                    @if let Some(general) = general.filter(|_| is_first) {
                        h4 { (found.kind.name()) " in general" }
                        (explanation(general))
                    }
                }
            }
            (examples(view, facts))
        }
    }
}

fn details(view: &View<'_>, found: &Found<'_>) -> Markup {
    let facts = found.facts;
    let clock = &view.axis.clock;
    let spaces = facts.spaces.top(IN_A_LINE);
    html! {
        dt { "Who" }
        dd {
            (phrases::shares(&facts.owners.top(IN_A_LINE), |who, count| html! {
                span class="keep" { (phrases::who(view.story, who)) " " (phrases::times(*count)) }
            }))
        }
        dt { "Where" }
        dd {
            (ports(["local port ", " local ports"], &facts.local_ports, facts.tally.count))
            @if !facts.remote_ports.is_empty() {
                "; "
                (ports(["remote port ", " remote ports"], &facts.remote_ports, facts.tally.count))
            }
            @if !facts.peers.is_empty() {
                "; peers "
                (phrases::shares(&facts.peers.top(IN_A_LINE), |addr, count| phrases::share(addr, *count)))
            }
            @if spaces.rows.len() > 1 {
                "; network namespaces "
                (phrases::shares(&spaces, |netns, count| phrases::share(netns, *count)))
            }
        }
        dt { "When" }
        dd {
            (clock.date_and_time(facts.tally.first_ns))
            @if facts.tally.incidents > 1 { " to " (clock.date_and_time(facts.tally.last_ns)) }
        }
        (cost(facts))
        @if let Some(finding) = found.finding {
            dt { "Finding" }
            dd {
                code { (finding.id) }
                @if let Some(rate) = finding.rate_per_s { ", " (format!("{rate:.2}")) " a second" }
            }
            dt { "Do first" }
            dd { (prose(&finding.do_first)) }
        }
        dt { "How known" }
        dd { (evidence(facts)) }
    }
}

/// Ports that account for a good part; those that clients were given by chance only as a number.
fn ports(names: [&'static str; 2], ports: &Ranking<u16, u64>, count: u64) -> Markup {
    let [one, many] = names;
    let mut top = ports.top(IN_A_LINE);
    let before = top.rows.len();
    if top.others > 0 {
        top.rows.retain(|(_, share)| **share >= count / 20);
    }
    let thin = before - top.rows.len();
    top.others += thin as u64;
    html! {
        @if ports.is_empty() {
            (one) "not known"
        } @else if top.rows.is_empty() {
            (thousands(top.others)) " different" (many)
        } @else {
            (one) (phrases::shares(&top, |port, count| phrases::share(port, *count)))
        }
    }
}

fn cost(facts: &Trouble) -> Markup {
    let thrown = facts.tally.discarded;
    let parts = [
        (thrown.unsent, " written, never sent"),
        (thrown.unacked, " sent, not acknowledged"),
        (thrown.unread, " received, never read"),
        (thrown.remaining, " not delivered yet when close() returned"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let limits = LimitedBy::ALL
        .iter()
        .zip(facts.tally.limited_by)
        .filter(|(_, count)| *count > 0);
    let is_limited = limits.clone().next().is_some();
    html! {
        @if thrown.reported_by > 0 {
            dt { "Discarded" }
            dd {
                @if parts.clone().next().is_none() { "no bytes" }
                (listed(parts.map(|(count, what)| html! { (bytes(count)) (what) })))
                @if thrown.reported_by < facts.tally.incidents {
                    "; "
                    (plural(facts.tally.incidents - thrown.reported_by, "incident does", "incidents do"))
                    " not report"
                }
            }
        }
        @if let Some(queue) = facts.tally.queue {
            dt { "Queue" }
            dd {
                (thousands(queue.length.into())) " waiting with a limit of "
                (thousands(queue.limit.into()))
                @if is_limited { "; limited by " }
                (listed(limits.map(|(limit, count)| phrases::share(limit.name(), count))))
            }
        }
        @if facts.tally.gave_up > 0 {
            dt { "Given up" }
            dd {
                (plural(facts.tally.gave_up, "request was", "requests were"))
                " dropped after the last attempt"
            }
        }
        @if let Some(blocked_ms) = facts.tally.blocked_ms {
            dt { "Blocked" }
            dd { "close() for up to " (thousands(blocked_ms)) " ms" }
        }
    }
}

fn evidence(facts: &Trouble) -> Markup {
    let known = Evidence::ALL
        .iter()
        .zip(facts.tally.by_evidence)
        .filter(|(_, count)| *count > 0);
    listed(known.map(|(evidence, count)| {
        let said = match evidence {
            Evidence::Seen => "observed by a hook",
            Evidence::Inferred => "inferred by a documented rule",
            Evidence::Counted => "counted from the kernel's counters",
        };
        html! { (said) " " (phrases::times(count)) }
    }))
}

fn explanation(advice: &Advice) -> Markup {
    let lists = [
        ("How to fix", advice.fix),
        ("What misleads", advice.pitfalls),
    ];
    html! {
        p { (prose(advice.meaning)) }
        @if !advice.confirm.is_empty() {
            h5 { "How to check" }
            ul {
                @for (command, says) in advice.confirm {
                    li { code { (prose(command)) } " " (prose(says)) }
                }
            }
        }
        @for (title, items) in lists {
            @if !items.is_empty() {
                h5 { (title) }
                ul { @for item in items { li { (prose(item)) } } }
            }
        }
    }
}

/// The first ones as `watch` prints them, each with its own moment.
fn examples(view: &View<'_>, facts: &Trouble) -> Markup {
    let shown = facts.examples.len() as u64;
    html! {
        details {
            summary {
                @if facts.tally.incidents > shown {
                    "The first " (shown) " of " (thousands(facts.tally.incidents))
                } @else {
                    "All of them"
                }
                ", as watch prints them"
            }
            pre {
                @for (wall_ns, incident) in &facts.examples {
                    (view.axis.clock.time(*wall_ns, 1)) "  " (prose(line(incident))) "\n"
                }
            }
        }
    }
}

fn line(incident: &Incident) -> String {
    let style = TextStyle {
        time: TimeStyle::None,
        is_wide: true,
        has_header: false,
        ..TextStyle::default()
    };
    let mut bytes = Vec::new();
    let mut sink = TextSink::new(&mut bytes, style, Clock::default());
    // Writing to memory cannot fail.
    drop(sink.incident(incident).and_then(|()| sink.flush()));
    drop(sink);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// What is no trouble, in a sentence.
fn ordinary(view: &View<'_>) -> Markup {
    let counts = &view.story.ordinary;
    let present = phrases::ORDER
        .iter()
        .map(|kind| (*kind, counts[kind.index()]));
    html! {
        @if counts.iter().any(|count| *count > 0) {
            p class="dim" {
                "In addition, normal connection events were recorded: "
                (phrases::kinds(present.filter(|(_, count)| *count > 0))) "."
            }
        }
    }
}
