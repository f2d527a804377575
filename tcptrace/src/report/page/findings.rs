//! Each kind of trouble with all that is known of it, and what can be done, in one place.

use super::markup::{Markup, bytes, plural, thousands};
use super::plot::{self, Layer};
use super::words;
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

pub(super) fn put(out: &mut Markup, view: &View<'_>) {
    if view.findings.is_empty() {
        out.raw("<p>None.</p>");
    }
    let mut explained: Vec<Kind> = Vec::new();
    for (at, found) in view.findings.iter().enumerate() {
        let is_first_of_kind = !explained.contains(&found.kind);
        if is_first_of_kind {
            explained.push(found.kind);
        }
        card(out, view, found, at < OPEN, is_first_of_kind);
    }
    ordinary(out, view);
}

fn card(out: &mut Markup, view: &View<'_>, found: &Found<'_>, is_open: bool, is_first: bool) {
    let facts = found.facts;
    let (class, severity) = match found.finding {
        Some(finding) if finding.severity == Severity::Broken => ("finding lost", finding.severity),
        Some(finding) => ("finding", finding.severity),
        None => ("finding", Severity::Note),
    };
    out.open("article", &[("class", &class), ("id", &found.anchor())]);
    out.raw("<h3><span class=\"count\">")
        .number(facts.tally.count)
        .raw("</span> ");
    out.text(found.topic())
        .raw(" <span class=\"badge\">")
        .raw(severity.name())
        .raw("</span></h3>");
    let advice = found.advice();
    if let Some(advice) = advice {
        out.raw("<p class=\"line\">").prose(advice.line).raw("</p>");
    }
    let layers = [Layer {
        class: plot::class(found.kind),
        name: found.kind.name(),
        values: facts.over_time.over(&view.axis.grid),
    }];
    out.raw("<div class=\"lanes small\">");
    view.axis.lane(out, &layers, |out| {
        out.raw("over time");
    });
    view.axis.times(out);
    out.raw("</div><dl class=\"facts\">");
    details(out, view, found);
    out.raw("</dl>");
    if let Some(advice) = advice {
        out.raw(if is_open {
            "<details open>"
        } else {
            "<details>"
        });
        out.raw("<summary>What it means, how to check, how to fix</summary>");
        explanation(out, advice);
        let general = advice::find(found.kind, None).filter(|_| advice.cause.is_some());
        if let Some(general) = general.filter(|_| is_first) {
            out.raw("<h4>")
                .raw(found.kind.name())
                .raw(" in general</h4>");
            explanation(out, general);
        }
        out.raw("</details>");
    }
    examples(out, view, facts);
    out.raw("</article>");
}

fn details(out: &mut Markup, view: &View<'_>, found: &Found<'_>) {
    let facts = found.facts;
    out.raw("<dt>Who</dt><dd>");
    let owners = facts.owners.top(IN_A_LINE);
    words::shares(out, &owners, |out, who, count| {
        out.raw("<span class=\"keep\">");
        words::who(out, view.story, who);
        out.raw(" <span class=\"dim\">×")
            .number(*count)
            .raw("</span></span>");
    });
    out.raw("</dd><dt>Where</dt><dd>");
    ports(
        out,
        ["local port ", " local ports"],
        &facts.local_ports,
        facts.tally.count,
    );
    if !facts.remote_ports.is_empty() {
        out.raw("; ");
        ports(
            out,
            ["remote port ", " remote ports"],
            &facts.remote_ports,
            facts.tally.count,
        );
    }
    if !facts.peers.is_empty() {
        out.raw("; peers ");
        words::shares(out, &facts.peers.top(IN_A_LINE), |out, addr, count| {
            words::share(out, addr, *count);
        });
    }
    let spaces = facts.spaces.top(IN_A_LINE);
    if spaces.rows.len() > 1 {
        out.raw("; network namespaces ");
        words::shares(out, &spaces, |out, netns, count| {
            words::share(out, netns, *count);
        });
    }
    out.raw("</dd><dt>When</dt><dd>");
    let clock = &view.axis.clock;
    out.text(clock.date_and_time(facts.tally.first_ns));
    if facts.tally.incidents > 1 {
        out.raw(" to ")
            .text(clock.date_and_time(facts.tally.last_ns));
    }
    out.raw("</dd>");
    cost(out, facts);
    if let Some(finding) = found.finding {
        out.raw("<dt>Finding</dt><dd><code>")
            .raw(finding.id)
            .raw("</code>");
        if let Some(rate) = finding.rate_per_s {
            out.text(format!(", {rate:.2} a second"));
        }
        out.raw("</dd><dt>Do first</dt><dd>")
            .prose(&finding.do_first)
            .raw("</dd>");
    }
    out.raw("<dt>How known</dt><dd>");
    evidence(out, facts);
    out.raw("</dd>");
}

/// Ports that account for a good part; those that clients were given by chance only as a number.
fn ports(out: &mut Markup, names: [&'static str; 2], ports: &Ranking<u16, u64>, count: u64) {
    let [one, many] = names;
    if ports.is_empty() {
        out.raw(one).raw("not known");
        return;
    }
    let mut top = ports.top(IN_A_LINE);
    let before = top.rows.len();
    if top.others > 0 {
        top.rows.retain(|(_, share)| **share >= count / 20);
    }
    let thin = before - top.rows.len();
    top.others += thin as u64;
    if top.rows.is_empty() {
        out.number(top.others).raw(" different").raw(many);
        return;
    }
    out.raw(one);
    words::shares(out, &top, |out, port, count| {
        words::share(out, port, *count);
    });
}

fn cost(out: &mut Markup, facts: &Trouble) {
    let thrown = facts.tally.discarded;
    if thrown.reported_by > 0 {
        out.raw("<dt>Thrown away</dt><dd>");
        let parts = [
            (thrown.unsent, " written, never sent"),
            (thrown.unacked, " sent, not acknowledged"),
            (thrown.unread, " received, never read"),
            (thrown.remaining, " not delivered yet when close() returned"),
        ];
        let mut is_first = true;
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            out.raw(if is_first { "" } else { ", " })
                .text(bytes(count))
                .raw(what);
            is_first = false;
        }
        if is_first {
            out.raw("no bytes");
        }
        if thrown.reported_by < facts.tally.incidents {
            let silent = facts.tally.incidents - thrown.reported_by;
            out.raw("; ")
                .text(plural(silent, "incident does", "incidents do"))
                .raw(" not tell");
        }
        out.raw("</dd>");
    }
    if let Some(queue) = facts.tally.queue {
        out.raw("<dt>Queue</dt><dd>")
            .number(queue.length.into())
            .raw(" waiting with a limit of ");
        out.number(queue.limit.into());
        let limits = LimitedBy::ALL
            .iter()
            .zip(facts.tally.limited_by)
            .filter(|(_, count)| *count > 0);
        for (at, (limit, count)) in limits.enumerate() {
            out.raw(if at == 0 { "; limited by " } else { ", " });
            words::share(out, limit.name(), count);
        }
        out.raw("</dd>");
    }
    if facts.tally.gave_up > 0 {
        out.raw("<dt>Given up</dt><dd>");
        out.text(plural(facts.tally.gave_up, "request was", "requests were"));
        out.raw(" dropped after the last attempt</dd>");
    }
    if let Some(blocked_ms) = facts.tally.blocked_ms {
        out.raw("<dt>Blocked</dt><dd>close() for up to ")
            .number(blocked_ms)
            .raw(" ms</dd>");
    }
}

fn evidence(out: &mut Markup, facts: &Trouble) {
    let known = Evidence::ALL
        .iter()
        .zip(facts.tally.by_evidence)
        .filter(|(_, count)| *count > 0);
    for (at, (evidence, count)) in known.enumerate() {
        out.raw(if at == 0 { "" } else { ", " })
            .raw(match evidence {
                Evidence::Seen => "seen by a hook",
                Evidence::Inferred => "inferred by a documented rule",
                Evidence::Counted => "counted from the kernel's counters",
            });
        out.raw(" <span class=\"dim\">×")
            .number(count)
            .raw("</span>");
    }
}

fn explanation(out: &mut Markup, advice: &Advice) {
    out.raw("<p>").prose(advice.meaning).raw("</p>");
    if !advice.confirm.is_empty() {
        out.raw("<h5>How to check</h5><ul>");
        for (command, says) in advice.confirm {
            out.raw("<li><code>")
                .prose(command)
                .raw("</code> ")
                .prose(says)
                .raw("</li>");
        }
        out.raw("</ul>");
    }
    for (title, items) in [
        ("How to fix", advice.fix),
        ("What misleads", advice.pitfalls),
    ] {
        if !items.is_empty() {
            out.raw("<h5>").raw(title).raw("</h5><ul>");
            for item in items {
                out.raw("<li>").prose(item).raw("</li>");
            }
            out.raw("</ul>");
        }
    }
}

/// The first ones as `watch` prints them, each with its own moment.
fn examples(out: &mut Markup, view: &View<'_>, facts: &Trouble) {
    out.raw("<details><summary>");
    if facts.tally.incidents > facts.examples.len() as u64 {
        let said = format!(
            "The first {} of {}",
            facts.examples.len(),
            thousands(facts.tally.incidents)
        );
        out.text(said);
    } else {
        out.raw("All of them");
    }
    out.raw(", as watch prints them</summary><pre>");
    for (wall_ns, incident) in &facts.examples {
        out.text(view.axis.clock.time(*wall_ns, 1)).raw("  ");
        out.prose(line(incident)).raw("\n");
    }
    out.raw("</pre></details>");
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
fn ordinary(out: &mut Markup, view: &View<'_>) {
    let counts = &view.story.ordinary;
    if counts.iter().all(|count| *count == 0) {
        return;
    }
    out.raw("<p class=\"dim\">Besides these the ordinary life of connections: ");
    let present = words::ORDER
        .into_iter()
        .filter(|kind| counts[kind.index()] > 0);
    for (at, kind) in present.enumerate() {
        out.raw(if at == 0 { "" } else { ", " });
        out.raw(kind.name()).raw(" ").number(counts[kind.index()]);
    }
    out.raw(".</p>");
}
