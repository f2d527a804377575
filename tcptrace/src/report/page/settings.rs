//! The sysctls of each network namespace: what was changed, and what affects the findings.

use maud::{Markup, html};

use super::View;
use super::markup::{listed, text, thousands};
use super::phrases;
use crate::diagnose::settings::known;
use crate::model::Kind;
use crate::model::run::SpaceFacts;

/// Groups of namespaces shown.
const GROUPS: usize = 6;
/// Namespaces named in a group.
const NAMED: usize = 8;

const ACCEPT: &[(Kind, Option<&str>)] = &[
    (Kind::AcceptDrop, None),
    (Kind::RstSent, Some("accept_overflow")),
];
const SYN: &[(Kind, Option<&str>)] = &[(Kind::SynDrop, None)];
const WAIT: &[(Kind, Option<&str>)] = &[(Kind::TimeWait, None)];
const PAWS: &[(Kind, Option<&str>)] = &[(Kind::PawsDrop, None)];

/// Kinds, and causes of them, that a setting decides over; no cause: all.
fn bears_on(name: &str) -> &'static [(Kind, Option<&'static str>)] {
    match name.rsplit('.').next().unwrap_or(name) {
        "somaxconn" | "tcp_abort_on_overflow" => ACCEPT,
        "tcp_max_syn_backlog" | "tcp_syncookies" => SYN,
        "tcp_syn_retries" => &[
            (Kind::Retransmit, Some("syn")),
            (Kind::ConnectFailed, Some("ETIMEDOUT")),
        ],
        "tcp_tw_recycle" | "tcp_timestamps" => PAWS,
        "tcp_fin_timeout" => &[(Kind::RstSent, Some("fin_timeout"))],
        "tcp_max_orphans" => &[(Kind::RstSent, Some("out_of_memory"))],
        _ => WAIT,
    }
}

pub(super) fn section(view: &View<'_>) -> Markup {
    let groups = alike(view);
    let others = groups.len().saturating_sub(GROUPS) as u64;
    html! {
        @if groups.is_empty() {
            p { "Unknown: the recording does not contain them." }
        } @else {
            p {
                "As they were when the run began. " b class="bad" { "changed" }
                ": not the kernel's default."
            }
        }
        @for spaces in groups.iter().take(GROUPS) { (group(view, spaces)) }
        @if others > 0 {
            p class="dim" { (thousands(others)) " more groups of namespaces are not listed." }
        }
    }
}

/// Namespaces by their settings: the own one's first, then in the order in which they were reported.
fn alike<'a>(view: &View<'a>) -> Vec<Vec<&'a SpaceFacts>> {
    let facts = view.story.runs.iter().filter_map(|run| run.facts.as_ref());
    let mut groups: Vec<Vec<&SpaceFacts>> = Vec::new();
    for space in facts.flat_map(|facts| &facts.spaces) {
        let is_of = |group: &&mut Vec<&SpaceFacts>| {
            group
                .first()
                .is_some_and(|first| first.settings == space.settings)
        };
        match groups.iter_mut().find(is_of) {
            Some(group) if group.iter().any(|known| known.netns == space.netns) => {}
            Some(group) => group.push(space),
            None => groups.push(vec![space]),
        }
    }
    groups.sort_by_key(|group| !group.iter().any(|space| space.is_own));
    groups
}

fn group(view: &View<'_>, spaces: &[&SpaceFacts]) -> Markup {
    let settings = spaces.first().map(|space| known(&space.settings));
    let rows = settings.into_iter().flatten();
    let named = spaces.iter().take(NAMED).map(|space| {
        html! {
            (space.netns)
            @if space.is_own { " (tcptrace's own)" }
        }
    });
    let columns = [
        ("Setting", false),
        ("Value", true),
        ("Kernel's default", true),
        ("Differs", false),
        ("Bears on", false),
    ];
    let rows = html! {
        @for row in rows {
            @let default = row.default.as_deref().unwrap_or("from memory");
            tr {
                td { code { (row.name) } }
                td class="n" { (text(row.value.as_deref().unwrap_or("?"))) }
                td class="n dim" { (text(default)) }
                td {
                    @if row.changed == Some(true) {
                        b class="bad" { "changed" }
                    }
                }
                td { (bearing(view, spaces, bears_on(row.name))) }
            }
        }
    };
    html! {
        h3 {
            "Network namespace" @if spaces.len() != 1 { "s" } " " (listed(named))
            @if spaces.len() > NAMED {
                " and " (thousands((spaces.len() - NAMED) as u64)) " more"
            }
        }
        (phrases::table("Settings for queues, orphans and TIME_WAIT", &columns, &rows))
    }
}

/// The findings in these namespaces that it decides over.
fn bearing(view: &View<'_>, spaces: &[&SpaceFacts], on: &[(Kind, Option<&'static str>)]) -> Markup {
    let concerned = view.findings.iter().filter(|found| {
        let known = &found.facts.spaces;
        let is_here = known.is_empty()
            || spaces
                .iter()
                .any(|space| known.find(&space.netns).is_some());
        let is_meant = on
            .iter()
            .any(|(kind, cause)| found.kind == *kind && (cause.is_none() || *cause == found.cause));
        is_here && is_meant
    });
    listed(concerned.map(super::Found::link))
}
