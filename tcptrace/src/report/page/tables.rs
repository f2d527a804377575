//! Totals: resets by cause, who and where, what was sent again, and how our counts compare with the
//! kernel's.

use std::cmp::Reverse;

use super::View;
use super::markup::{Markup, bytes};
use super::plot;
use super::words;
use crate::model::Kind;
use crate::model::incident::RetransmitType;
use crate::model::summary::{Reconciled, Verdict};

/// Rows of a table.
const ROWS: usize = 20;

pub(super) fn resets(out: &mut Markup, view: &View<'_>) {
    let mut resets: Vec<_> = view
        .findings
        .iter()
        .filter(|found| matches!(found.kind, Kind::RstSent | Kind::RstReceived))
        .collect();
    if resets.is_empty() {
        out.raw("<p>No RST was seen.</p>");
        return;
    }
    resets.sort_by_key(|found| Reverse(found.facts.count));
    let most = resets
        .iter()
        .map(|found| found.facts.count)
        .max()
        .unwrap_or(0);
    words::open_table(
        out,
        "RSTs sent and received",
        &[
            ("Cause", false),
            ("RSTs", true),
            ("Share", false),
            ("Most by", false),
            ("Never sent", true),
            ("Not acknowledged", true),
            ("Never read", true),
        ],
    );
    for found in resets {
        let facts = found.facts;
        out.raw("<tr><td>");
        out.element(
            "a",
            &[("href", &format!("#{}", found.anchor()))],
            found.topic(),
        );
        out.raw("</td>");
        words::number_cell(out, facts.count);
        words::bar_cell(out, plot::class(found.kind), facts.count, most);
        out.raw("<td>");
        if let Some((who, _)) = facts.owners.top(1).rows.first() {
            words::name(out, who);
        }
        out.raw("</td>");
        for count in [
            facts.thrown.unsent,
            facts.thrown.unacked,
            facts.thrown.unread,
        ] {
            bytes_cell(out, count, facts.thrown.told_by > 0);
        }
        out.raw("</tr>");
    }
    words::close_table(out);
}

fn bytes_cell(out: &mut Markup, count: u64, is_told: bool) {
    out.raw("<td class=\"n\">");
    if count > 0 {
        out.text(bytes(count));
    } else {
        out.raw(if is_told {
            "<span class=\"dim\">–</span>"
        } else {
            "<span class=\"dim\">?</span>"
        });
    }
    out.raw("</td>");
}

pub(super) fn owners(out: &mut Markup, view: &View<'_>) {
    let story = view.story;
    let owners = story.owners.top(ROWS);
    if owners.rows.is_empty() {
        out.raw("<p>No incident that tells of trouble.</p>");
        return;
    }
    let total = |by_kind: &[u64]| by_kind.iter().copied().fold(0, u64::saturating_add);
    let most = owners
        .rows
        .first()
        .map_or(0, |(_, facts)| total(&facts.by_kind));
    words::open_table(
        out,
        "Owners: who opened, accepted or listens",
        &[("Program", false), ("Incidents", true), ("By kind", false)],
    );
    for (who, facts) in &owners.rows {
        out.raw("<tr><td>");
        words::who_with(out, who, &facts.members);
        let (exe, uid) = facts.members.origin();
        if exe.is_some() || uid.is_some() {
            out.raw("<br><span class=\"dim\">");
            out.text(exe.unwrap_or("executable not known"));
            if let Some(uid) = uid {
                out.raw(", uid ").text(uid);
            }
            out.raw("</span>");
        }
        out.raw("</td>");
        words::number_cell(out, total(&facts.by_kind));
        words::kinds_cell(out, &facts.by_kind, most);
        out.raw("</tr>");
    }
    words::close_table(out);
    words::left_out(out, &owners, "programs");
    let peers = story.peers.top(ROWS);
    if peers.rows.is_empty() {
        return;
    }
    let most = peers
        .rows
        .first()
        .map_or(0, |(_, facts)| total(&facts.by_kind));
    words::open_table(
        out,
        "Peers: addresses at the other end",
        &[("Address", false), ("Incidents", true), ("By kind", false)],
    );
    for (addr, facts) in &peers.rows {
        out.raw("<tr><td><b>").text(addr).raw("</b></td>");
        words::number_cell(out, total(&facts.by_kind));
        words::kinds_cell(out, &facts.by_kind, most);
        out.raw("</tr>");
    }
    words::close_table(out);
    words::left_out(out, &peers, "addresses");
}

pub(super) fn retransmits(out: &mut Markup, view: &View<'_>) {
    let top = view.story.resends.top(ROWS);
    let by_type: Vec<_> = view
        .findings
        .iter()
        .filter(|found| found.kind == Kind::Retransmit)
        .collect();
    if by_type.is_empty() {
        out.raw("<p>Nothing was sent again.</p>");
        return;
    }
    let most = by_type
        .iter()
        .map(|found| found.facts.count)
        .max()
        .unwrap_or(0);
    words::open_table(
        out,
        "Retransmits by type",
        &[
            ("Type", false),
            ("Sent again", true),
            ("Share", false),
            ("Given up", true),
        ],
    );
    for found in &by_type {
        out.raw("<tr><td>");
        let name = found.cause.unwrap_or("not told");
        out.element("a", &[("href", &format!("#{}", found.anchor()))], name);
        out.raw("</td>");
        words::number_cell(out, found.facts.count);
        words::bar_cell(out, plot::class(Kind::Retransmit), found.facts.count, most);
        words::number_cell(out, found.facts.gave_up);
        out.raw("</tr>");
    }
    words::close_table(out);
    if top.rows.is_empty() {
        return;
    }
    words::open_table(
        out,
        "Retransmits by peer",
        &[
            ("Address", false),
            ("Sent again", true),
            ("Bytes", true),
            ("Most attempts", true),
            ("Given up", true),
            ("By type", false),
        ],
    );
    for (addr, resends) in &top.rows {
        out.raw("<tr><td><b>").text(addr).raw("</b></td>");
        words::number_cell(out, resends.count);
        out.raw("<td class=\"n\">")
            .text(bytes(resends.bytes))
            .raw("</td><td class=\"n\">");
        out.text(words::optional(resends.attempts.map(u64::from)))
            .raw("</td>");
        words::number_cell(out, resends.gave_up);
        out.raw("<td>");
        let types = RetransmitType::ALL.iter().zip(resends.by_type);
        for (at, (kind, count)) in types.filter(|(_, count)| *count > 0).enumerate() {
            out.raw(if at == 0 { "" } else { ", " });
            words::share(out, kind.name(), count);
        }
        out.raw("</td></tr>");
    }
    words::close_table(out);
    words::left_out(out, &top, "addresses");
}

pub(super) fn counters(out: &mut Markup, view: &View<'_>) {
    let summaries: Vec<_> = view
        .story
        .runs
        .iter()
        .enumerate()
        .filter_map(|(at, run)| Some((at, run.summary.as_ref()?)))
        .filter(|(_, summary)| !summary.reconciliation.is_empty())
        .collect();
    if summaries.is_empty() {
        out.raw(
            "<p>Nothing to compare: the recording has no end, or filters were in force, which the \
             kernel's counters know nothing of.</p>",
        );
        return;
    }
    out.raw(
        "<p>What the kernel's own counters rose by while tcptrace watched, beside what tcptrace \
         counted. Where they differ without a reason, something was missed.</p>",
    );
    let is_only = view.story.runs.len() == 1;
    for (at, summary) in summaries {
        if !is_only {
            out.raw("<h3>Run ").number(at as u64 + 1).raw("</h3>");
        }
        words::open_table(
            out,
            "Kernel counters and ours",
            &[
                ("Counter", false),
                ("Kernel", true),
                ("Ours", true),
                ("Verdict", false),
                ("Reason", false),
            ],
        );
        summary
            .reconciliation
            .iter()
            .for_each(|row| counter(out, row));
        words::close_table(out);
    }
}

fn counter(out: &mut Markup, row: &Reconciled) {
    out.raw("<tr><td><code>")
        .text(&row.counter)
        .raw("</code></td>");
    words::number_cell(out, row.kernel);
    words::number_cell(out, row.ours);
    out.raw(match row.verdict {
        Verdict::Exact => "<td class=\"good\">exact</td><td>",
        Verdict::Explained => "<td>explained</td><td>",
        Verdict::Differs => "<td class=\"bad\">differs</td><td>",
    });
    if let Some(note) = &row.note {
        out.prose(note);
    }
    out.raw("</td></tr>");
}
