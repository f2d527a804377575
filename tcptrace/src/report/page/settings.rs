//! The sysctls of each network namespace: what somebody changed, and what bears on what was found.

use maud::{Markup, html};

use super::View;
use super::markup::{listed, text, thousands};
use super::words;
use crate::model::Kind;
use crate::model::run::SpaceFacts;
use crate::model::snapshot::Settings;

/// Groups of namespaces shown.
const GROUPS: usize = 6;
/// Namespaces named in a group.
const NAMED: usize = 8;

/// A setting as it is.
struct Row {
    name: &'static str,
    value: Option<String>,
    /// What the kernel sets when a namespace begins; `None`: it follows memory.
    default: Option<&'static str>,
    /// Kernels without it are ordinary.
    is_rare: bool,
    /// Kinds, and causes of them, that it decides over; no cause: all.
    bears_on: &'static [(Kind, Option<&'static str>)],
}

const fn row(
    name: &'static str,
    value: Option<String>,
    default: Option<&'static str>,
    bears_on: &'static [(Kind, Option<&'static str>)],
) -> Row {
    Row {
        name,
        value,
        default,
        is_rare: false,
        bears_on,
    }
}

const ACCEPT: &[(Kind, Option<&str>)] = &[
    (Kind::AcceptDrop, None),
    (Kind::RstSent, Some("accept_overflow")),
];
const SYN: &[(Kind, Option<&str>)] = &[(Kind::SynDrop, None)];
const WAIT: &[(Kind, Option<&str>)] = &[(Kind::TimeWait, None)];
const PAWS: &[(Kind, Option<&str>)] = &[(Kind::PawsDrop, None)];

/// The defaults are those of `doctor`, the same from 5.10 to 7.3.
fn rows(settings: &Settings) -> Vec<Row> {
    fn text<T: ToString>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let range = settings.ip_local_port_range;
    let range = range.map(|(first, last)| format!("{first} {last}"));
    vec![
        row(
            "net.core.somaxconn",
            text(settings.somaxconn),
            Some("4096"),
            ACCEPT,
        ),
        row(
            "net.ipv4.tcp_abort_on_overflow",
            text(settings.tcp_abort_on_overflow),
            Some("0"),
            ACCEPT,
        ),
        row(
            "net.ipv4.tcp_max_syn_backlog",
            text(settings.tcp_max_syn_backlog),
            None,
            SYN,
        ),
        row(
            "net.ipv4.tcp_syncookies",
            text(settings.tcp_syncookies),
            Some("1"),
            SYN,
        ),
        row(
            "net.ipv4.tcp_tw_reuse",
            text(settings.tcp_tw_reuse),
            Some("2"),
            WAIT,
        ),
        Row {
            is_rare: true,
            ..row(
                "net.ipv4.tcp_tw_reuse_delay",
                text(settings.tcp_tw_reuse_delay_ms),
                Some("1000"),
                WAIT,
            )
        },
        Row {
            is_rare: true,
            ..row(
                "net.ipv4.tcp_tw_recycle",
                text(settings.tcp_tw_recycle),
                Some("0"),
                PAWS,
            )
        },
        row(
            "net.ipv4.tcp_max_tw_buckets",
            text(settings.tcp_max_tw_buckets),
            None,
            WAIT,
        ),
        row(
            "net.ipv4.tcp_timestamps",
            text(settings.tcp_timestamps),
            Some("1"),
            PAWS,
        ),
        row(
            "net.ipv4.tcp_fin_timeout",
            text(settings.tcp_fin_timeout_secs),
            Some("60"),
            &[(Kind::RstSent, Some("fin_timeout"))],
        ),
        row(
            "net.ipv4.tcp_max_orphans",
            text(settings.tcp_max_orphans),
            None,
            &[(Kind::RstSent, Some("out_of_memory"))],
        ),
        row(
            "net.ipv4.ip_local_port_range",
            range,
            Some("32768 60999"),
            WAIT,
        ),
    ]
}

pub(super) fn section(view: &View<'_>) -> Markup {
    let groups = alike(view);
    let others = groups.len().saturating_sub(GROUPS) as u64;
    html! {
        @if groups.is_empty() {
            p { "Not known: the recording does not tell them." }
        } @else {
            p {
                "As they were when the run began. " b class="bad" { "changed" }
                ": not what the kernel sets by itself."
            }
        }
        @for spaces in groups.iter().take(GROUPS) { (group(view, spaces)) }
        @if others > 0 {
            p class="dim" { (thousands(others)) " more groups of namespaces are left out." }
        }
    }
}

/// Namespaces by their settings: the own one's first, then in the order they were told.
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
    let settings = spaces.first().map(|space| rows(&space.settings));
    let rows = settings.into_iter().flatten();
    let rows = rows.filter(|row| row.value.is_some() || !row.is_rare);
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
            @let is_known = row.value.is_some() && row.default.is_some();
            tr {
                td { code { (row.name) } }
                td class="n" { (text(row.value.as_deref().unwrap_or("?"))) }
                td class="n dim" { (row.default.unwrap_or("from memory")) }
                td {
                    @if is_known && row.value.as_deref() != row.default {
                        b class="bad" { "changed" }
                    }
                }
                td { (bearing(view, spaces, row.bears_on)) }
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
        (words::table("Settings that decide over queues, orphans and TIME_WAIT", &columns, &rows))
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
