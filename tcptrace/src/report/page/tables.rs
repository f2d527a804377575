//! Totals: resets by cause, who and where, what was sent again, and how our counts compare with the
//! kernel's.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::markup::{bytes, listed, prose, text};
use super::phrases;
use super::plot;
use super::{Found, View};
use crate::model::Kind;
use crate::model::incident::RetransmitType;
use crate::model::summary::{Reconciled, Verdict};
use crate::report::story::{ByKind, OwnerFacts};

/// Rows of a table.
const ROWS: usize = 20;

/// The findings of these kinds, and the highest count of them.
fn of_kinds<'a>(view: &'a View<'_>, kinds: &[Kind]) -> (Vec<&'a Found<'a>>, u64) {
    let all = view.findings.iter();
    let found: Vec<_> = all.filter(|found| kinds.contains(&found.kind)).collect();
    let most = found.iter().map(|found| found.facts.tally.count).max();
    (found, most.unwrap_or(0))
}

fn total(by_kind: &ByKind) -> u64 {
    by_kind.iter().copied().fold(0, u64::saturating_add)
}

pub(super) fn resets(view: &View<'_>) -> Markup {
    let (mut resets, most) = of_kinds(view, &[Kind::RstSent, Kind::RstReceived]);
    if resets.is_empty() {
        return html! { p { "No RST was observed." } };
    }
    resets.sort_by_key(|found| Reverse(found.facts.tally.count));
    let columns = [
        ("Cause", false),
        ("RSTs", true),
        ("Share", false),
        ("Most by", false),
        ("Never sent", true),
        ("Not acknowledged", true),
        ("Never read", true),
    ];
    let rows = html! {
        @for found in resets {
            @let facts = found.facts;
            @let thrown = facts.tally.discarded;
            tr {
                td { (found.link()) }
                (phrases::number_cell(facts.tally.count))
                (phrases::bar_cell(plot::class(found.kind), facts.tally.count, most))
                td { @if let Some((who, _)) = facts.owners.top(1).rows.first() { (phrases::name(who)) } }
                @for count in [thrown.unsent, thrown.unacked, thrown.unread] {
                    (bytes_cell(count, thrown.reported_by > 0))
                }
            }
        }
    };
    phrases::table("RSTs sent and received", &columns, &rows)
}

fn bytes_cell(count: u64, is_reported: bool) -> Markup {
    html! {
        td class="n" {
            @if count > 0 {
                (bytes(count))
            } @else {
                span class="dim" { @if is_reported { "–" } @else { "?" } }
            }
        }
    }
}

pub(super) fn owners(view: &View<'_>) -> Markup {
    let (owners, peers) = (view.story.owners.top(ROWS), view.story.peers.top(ROWS));
    if owners.rows.is_empty() {
        return html! { p { "No incident that indicates a problem." } };
    }
    let most = |first: Option<&ByKind>| first.map_or(0, total);
    let most_owned = most(owners.rows.first().map(|(_, facts)| &facts.by_kind));
    let most_met = most(peers.rows.first().map(|(_, facts)| &facts.by_kind));
    let counts = |by_kind: &ByKind, most| {
        html! {
            (phrases::number_cell(total(by_kind)))
            (phrases::kinds_cell(by_kind, most))
        }
    };
    let owner_rows = html! {
        @for (who, facts) in &owners.rows {
            tr {
                td { (phrases::who_with(who, &facts.members)) (origin(facts)) }
                (counts(&facts.by_kind, most_owned))
            }
        }
    };
    let peer_rows = html! {
        @for (addr, facts) in &peers.rows {
            tr { td { b { (addr) } } (counts(&facts.by_kind, most_met)) }
        }
    };
    let columns = |first| [(first, false), ("Incidents", true), ("By kind", false)];
    html! {
        (phrases::table("Owners: the processes that opened, accepted or listen", &columns("Program"), &owner_rows))
        (phrases::left_out(&owners, "programs"))
        @if !peers.rows.is_empty() {
            (phrases::table("Peers: addresses at the other end", &columns("Address"), &peer_rows))
            (phrases::left_out(&peers, "addresses"))
        }
    }
}

fn origin(facts: &OwnerFacts) -> Markup {
    let (exe, uid) = facts.members.origin();
    html! {
        @if exe.is_some() || uid.is_some() {
            br;
            span class="dim" {
                (text(exe.unwrap_or("executable not known")))
                @if let Some(uid) = uid { ", uid " (uid) }
            }
        }
    }
}

pub(super) fn retransmits(view: &View<'_>) -> Markup {
    let (by_type, most) = of_kinds(view, &[Kind::Retransmit]);
    if by_type.is_empty() {
        return html! { p { "Nothing was sent again." } };
    }
    let type_columns = [
        ("Type", false),
        ("Sent again", true),
        ("Share", false),
        ("Given up", true),
    ];
    let type_rows = html! {
        @for found in &by_type {
            tr {
                td { a href={ "#" (found.anchor()) } { (found.cause.unwrap_or("not reported")) } }
                (phrases::number_cell(found.facts.tally.count))
                (phrases::bar_cell(plot::class(Kind::Retransmit), found.facts.tally.count, most))
                (phrases::number_cell(found.facts.tally.gave_up))
            }
        }
    };
    let top = view.story.resends.top(ROWS);
    let columns = [
        ("Address", false),
        ("Sent again", true),
        ("Bytes", true),
        ("Most attempts", true),
        ("Given up", true),
        ("By type", false),
    ];
    let rows = html! {
        @for (addr, resends) in &top.rows {
            @let types = RetransmitType::ALL.iter().zip(resends.by_type);
            @let types = types.filter(|(_, count)| *count > 0);
            tr {
                td { b { (addr) } }
                (phrases::number_cell(resends.count))
                td class="n" { (bytes(resends.bytes)) }
                td class="n" { (phrases::optional(resends.attempts.map(u64::from))) }
                (phrases::number_cell(resends.gave_up))
                td { (listed(types.map(|(kind, count)| phrases::share(kind.name(), count)))) }
            }
        }
    };
    html! {
        (phrases::table("Retransmits by type", &type_columns, &type_rows))
        @if !top.rows.is_empty() {
            (phrases::table("Retransmits by peer", &columns, &rows))
            (phrases::left_out(&top, "addresses"))
        }
    }
}

pub(super) fn counters(view: &View<'_>) -> Markup {
    let runs = &view.story.runs;
    let summaries = runs
        .iter()
        .enumerate()
        .filter_map(|(at, run)| Some((at, run.summary.as_ref()?)))
        .filter(|(_, summary)| !summary.reconciliation.is_empty());
    let columns = [
        ("Counter", false),
        ("Kernel", true),
        ("Ours", true),
        ("Verdict", false),
        ("Reason", false),
    ];
    let rows = |rows: &[Reconciled]| html! { @for row in rows { (counter(row)) } };
    html! {
        @if summaries.clone().next().is_none() {
            p {
                "There is nothing to compare: the recording has no end, or filters were active, which the \
                 kernel's counters do not apply."
            }
        } @else {
            p {
                "The increase of the kernel's own counters during the run, next to what tcptrace counted. \
                 If they differ without a reason, tcptrace missed events."
            }
        }
        @for (at, summary) in summaries {
            @if runs.len() != 1 { h3 { "Run " (at + 1) } }
            (phrases::table("Kernel counters and ours", &columns, &rows(&summary.reconciliation)))
        }
    }
}

fn counter(row: &Reconciled) -> Markup {
    html! {
        tr {
            td { code { (text(&row.counter)) } }
            (phrases::number_cell(row.kernel))
            (phrases::number_cell(row.ours))
            @match row.verdict {
                Verdict::Exact => { td class="good" { "exact" } }
                Verdict::Explained => { td { "explained" } }
                Verdict::Differs => { td class="bad" { "differs" } }
            }
            td { @if let Some(note) = &row.note { (prose(note)) } }
        }
    }
}
