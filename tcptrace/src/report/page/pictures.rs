//! The pictures: incidents by kind and by process, accept queues, TIME_WAIT.

use super::View;
use super::markup::{Markup, plural};
use super::plot::{self, Layer, Level};
use super::words;
use crate::model::incident::TimeWaitPhase;
use crate::model::{Endpoint, Kind};
use crate::report::bins::Series;
use crate::report::story::queues::{Listener, Place};

/// Programs with a lane.
const LANES: usize = 10;
/// Listeners with a picture.
const LISTENERS: usize = 12;
/// Namespaces with a picture.
const SPACES: usize = 4;
/// Rows of a table.
const ROWS: usize = 15;

pub(super) fn timeline(out: &mut Markup, view: &View<'_>) {
    let story = view.story;
    if story.over_time.is_empty() && story.losses.by_place.is_empty() {
        out.raw("<p>No incident to draw.</p>");
        return;
    }
    let of_kind = |kind: Kind, series: &Series<u64>| Layer {
        class: plot::class(kind),
        name: kind.name(),
        values: series.over(&view.axis.grid),
    };
    out.raw("<figure><figcaption>Incidents by kind. Each bar is ")
        .text(view.axis.resolution());
    out.raw("; each row has a scale of its own, its highest bar at the right.</figcaption>");
    out.raw("<div class=\"lanes\">");
    for kind in words::ORDER {
        if let Some(series) = story.over_time.get(&kind) {
            view.axis.lane(out, &[of_kind(kind, series)], |out| {
                out.raw("<b>")
                    .raw(kind.name())
                    .raw("</b> <span class=\"dim\">");
                out.number(story.by_kind[kind.index()]).raw("</span>");
            });
        }
    }
    if !story.losses.by_place.is_empty() {
        let layer = Layer {
            class: "refused",
            name: "lost",
            values: story.losses.over_time.over(&view.axis.grid),
        };
        view.axis.lane(out, &[layer], |out| {
            out.raw("<b>events lost</b>");
        });
    }
    view.axis.times(out);
    out.raw("</div></figure>");
    let top = story.owners.top(LANES);
    if top.rows.is_empty() {
        return;
    }
    out.raw("<figure><figcaption>Incidents by process, most first.</figcaption>");
    out.raw("<div class=\"lanes\">");
    for (who, facts) in &top.rows {
        let layers: Vec<Layer> = words::ORDER
            .into_iter()
            .filter_map(|kind| Some(of_kind(kind, facts.over_time.get(&kind)?)))
            .collect();
        view.axis.lane(out, &layers, |out| {
            words::who_with(out, who, &facts.members);
        });
    }
    view.axis.times(out);
    out.raw("</div>");
    legend(out, view);
    words::left_out(out, &top, "programs");
    out.raw("</figure>");
}

fn legend(out: &mut Markup, view: &View<'_>) {
    out.raw("<ul class=\"legend\">");
    for kind in words::ORDER
        .into_iter()
        .filter(|kind| view.story.by_kind[kind.index()] > 0)
    {
        out.raw("<li><i class=\"")
            .raw(plot::class(kind))
            .raw("\"></i> ");
        out.raw(kind.name()).raw("</li>");
    }
    out.raw("</ul>");
}

pub(super) fn queues(out: &mut Markup, view: &View<'_>) {
    let queues = &view.story.queues;
    let all = queues.listeners.sorted();
    let sampled = queues.sampled();
    out.raw("<p>");
    if !view.story.has_samples {
        out.raw("The recording has no samples of queues; what is here was told by refusals. ");
    } else if sampled == 0 {
        out.raw("No listener was seen. ");
    }
    if all.is_empty() {
        out.raw(if sampled > 0 {
            "No listener ever had a queue, and none refused anybody: "
        } else {
            "No listener refused anybody."
        });
        if sampled > 0 {
            out.text(plural(sampled, "listener was", "listeners were"))
                .raw(" watched.");
        }
        out.raw("</p>");
        return;
    }
    out.text(plural(all.len() as u64, "listener", "listeners"));
    out.raw(" had a queue or refused connections");
    if sampled > 0 {
        out.raw(", of ").raw(if queues.has_uncounted {
            "more than "
        } else {
            ""
        });
        out.number(sampled).raw(" watched");
    }
    out.raw(". The fullest come first; a queue is full above its limit.");
    if all.len() > LISTENERS {
        out.raw(" ")
            .number((all.len() - LISTENERS) as u64)
            .raw(" more are not drawn.");
    }
    out.raw(
        "</p><figure><figcaption>Connections that wait to be accepted, the most in each \
             stretch of time, with the limit as a dashed line. Red: above it; red below: refusals.</figcaption><div class=\"lanes\">",
    );
    let looks = queues.looks.over(&view.axis.grid);
    for (place, listener) in all.into_iter().take(LISTENERS) {
        let refused = listener.refused_over_time.over(&view.axis.grid);
        let level = Level {
            values: listener.length.over(&view.axis.grid),
            looks: looks.clone(),
            limit: listener.limit.map(u64::from),
            peak: listener.peak.map_or(0, |queue| queue.length.into()),
            refused: &refused,
        };
        view.axis
            .level(out, &level, |out| listener_name(out, *place, listener));
    }
    view.axis.times(out);
    out.raw("</div></figure>");
}

fn listener_name(out: &mut Markup, place: Place, listener: &Listener) {
    match (listener.local, place) {
        (Some(local), _) => out.raw("<b>").text(shown(local)).raw("</b> "),
        (None, Place::Port(_, Some(port))) => out.raw("<b>port ").text(port).raw("</b> "),
        (None, _) => out.raw("<b>address not known</b> "),
    };
    match &listener.who {
        Some(who) => words::who_with(out, who, &listener.members),
        None => {
            out.raw("<span class=\"dim\">owner not known</span>");
        }
    }
    out.raw("<br>");
    if let Some(peak) = listener.peak {
        out.raw("at most ")
            .number(peak.length.into())
            .raw(" of ")
            .number(peak.limit.into());
    }
    if listener.limit_changed {
        out.raw(", limit changed");
    }
    if listener.refused > 0 {
        out.raw(if listener.peak.is_some() { ", " } else { "" });
        out.raw("<span class=\"bad\">")
            .number(listener.refused)
            .raw(" refused</span>");
    }
    if let Some(netns) = listener.netns {
        out.raw(" <span class=\"dim\">netns ")
            .text(netns)
            .raw("</span>");
    }
}

/// `*:80` for every address.
fn shown(end: Endpoint) -> String {
    if end.addr.is_unspecified() {
        format!("*:{}", end.port)
    } else {
        end.to_string()
    }
}

pub(super) fn time_wait(out: &mut Markup, view: &View<'_>) {
    let waits = &view.story.time_waits;
    if waits.spaces.is_empty() && waits.owners.is_empty() {
        out.raw("<p>No TIME_WAIT was seen.</p>");
        return;
    }
    out.raw(
        "<figure><figcaption>Entries there are, FIN_WAIT2 ones too, and how many began and \
             ended. Dashed: tcp_max_tw_buckets.</figcaption><div class=\"lanes\">",
    );
    let looks = view.story.queues.looks.over(&view.axis.grid);
    let top = waits.spaces.top(SPACES);
    for (netns, entries) in &top.rows {
        let level = Level {
            values: entries.over_time.over(&view.axis.grid),
            looks: looks.clone(),
            limit: entries.limit.map(u64::from),
            peak: entries.peak,
            refused: &[],
        };
        view.axis.level(out, &level, |out| {
            out.raw("<b>entries</b> <span class=\"dim\">netns ")
                .text(netns);
            out.raw("</span><br>at most ").number(entries.peak);
            out.raw(", last ").text(words::optional(entries.last));
            if let Some(limit) = entries.limit {
                out.raw(", limit ").number(limit.into());
            }
        });
    }
    for (at, phase) in TimeWaitPhase::ALL.iter().enumerate() {
        if waits.by_phase[at] == 0 {
            continue;
        }
        let layer = Layer {
            class: match phase {
                TimeWaitPhase::Overflow => "refused",
                _ => plot::class(Kind::TimeWait),
            },
            name: phase.name(),
            values: waits.over_time[at].over(&view.axis.grid),
        };
        view.axis.lane(out, &[layer], |out| {
            out.raw("<b>")
                .raw(phase_text(*phase))
                .raw("</b> <span class=\"dim\">");
            out.number(waits.by_phase[at]).raw("</span>");
        });
    }
    view.axis.times(out);
    out.raw("</div>");
    words::left_out(out, &top, "namespaces");
    out.raw("</figure>");
    owners(out, view);
}

const fn phase_text(phase: TimeWaitPhase) -> &'static str {
    match phase {
        TimeWaitPhase::Enter => "began",
        TimeWaitPhase::Reuse => "reused",
        TimeWaitPhase::Overflow => "could not be made",
        TimeWaitPhase::Expire => "ended",
    }
}

fn owners(out: &mut Markup, view: &View<'_>) {
    let waits = &view.story.time_waits;
    let top = waits.owners.top(ROWS);
    if top.rows.is_empty() {
        return;
    }
    words::open_table(
        out,
        "Who left TIME_WAIT entries",
        &[
            ("Program", false),
            ("Began", true),
            ("Ended", true),
            ("Reused", true),
            ("Could not be made", true),
        ],
    );
    for (who, phases) in &top.rows {
        out.raw("<tr><td>");
        words::who_with(out, who, &phases.members);
        out.raw("</td>");
        for phase in [
            TimeWaitPhase::Enter,
            TimeWaitPhase::Expire,
            TimeWaitPhase::Reuse,
            TimeWaitPhase::Overflow,
        ] {
            words::number_cell(out, phases.by_phase[phase as usize]);
        }
        out.raw("</tr>");
    }
    words::close_table(out);
    words::left_out(out, &top, "programs");
}
