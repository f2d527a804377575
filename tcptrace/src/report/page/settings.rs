//! The sysctls of each network namespace: what somebody changed, and what bears on what was found.

use super::View;
use super::markup::Markup;
use super::words;
use crate::diagnose::settings::{DefaultValue, known};
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
        "tcp_syn_retries" => &[(Kind::Retransmit, Some("syn"))],
        "tcp_tw_recycle" | "tcp_timestamps" => PAWS,
        "tcp_fin_timeout" => &[(Kind::RstSent, Some("fin_timeout"))],
        "tcp_max_orphans" => &[(Kind::RstSent, Some("out_of_memory"))],
        _ => WAIT,
    }
}

pub(super) fn put(out: &mut Markup, view: &View<'_>) {
    let groups = alike(view);
    if groups.is_empty() {
        out.raw("<p>Not known: the recording does not tell them.</p>");
        return;
    }
    out.raw(
        "<p>As they were when the run began. <b class=\"bad\">changed</b>: not what the kernel \
         sets by itself.</p>",
    );
    let others = groups.len().saturating_sub(GROUPS);
    for spaces in groups.into_iter().take(GROUPS) {
        group(out, view, &spaces);
    }
    if others > 0 {
        out.raw("<p class=\"dim\">").number(others as u64);
        out.raw(" more groups of namespaces are left out.</p>");
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

fn group(out: &mut Markup, view: &View<'_>, spaces: &[&SpaceFacts]) {
    let Some(first) = spaces.first() else {
        return;
    };
    out.raw("<h3>Network namespace");
    out.raw(if spaces.len() == 1 { " " } else { "s " });
    for (at, space) in spaces.iter().take(NAMED).enumerate() {
        out.raw(if at == 0 { "" } else { ", " }).text(space.netns);
        out.raw(if space.is_own {
            " (tcptrace's own)"
        } else {
            ""
        });
    }
    if spaces.len() > NAMED {
        out.raw(" and ")
            .number((spaces.len() - NAMED) as u64)
            .raw(" more");
    }
    out.raw("</h3>");
    words::open_table(
        out,
        "Settings that decide over queues, orphans and TIME_WAIT",
        &[
            ("Setting", false),
            ("Value", true),
            ("Kernel's default", true),
            ("Differs", false),
            ("Bears on", false),
        ],
    );
    for row in known(&first.settings) {
        let is_changed = row.is_default() == Some(false);
        let default = match &row.default {
            DefaultValue::Known(value) => value.as_str(),
            DefaultValue::FromMemory => "from memory",
        };
        out.raw("<tr><td><code>")
            .raw(row.name)
            .raw("</code></td><td class=\"n\">");
        out.text(row.value.as_deref().unwrap_or("?"))
            .raw("</td><td class=\"n dim\">");
        out.text(default).raw("</td><td>");
        out.raw(if is_changed {
            "<b class=\"bad\">changed</b>"
        } else {
            ""
        });
        out.raw("</td><td>");
        bearing(out, view, spaces, bears_on(row.name));
        out.raw("</td></tr>");
    }
    words::close_table(out);
}

/// The findings in these namespaces that it decides over.
fn bearing(
    out: &mut Markup,
    view: &View<'_>,
    spaces: &[&SpaceFacts],
    on: &[(Kind, Option<&'static str>)],
) {
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
    for (at, found) in concerned.enumerate() {
        out.raw(if at == 0 { "" } else { ", " });
        out.element(
            "a",
            &[("href", &format!("#{}", found.anchor()))],
            found.topic(),
        );
    }
}
