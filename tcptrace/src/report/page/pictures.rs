//! The pictures: incidents by kind and by process, accept queues, TIME_WAIT.

use maud::{Markup, html};

use super::View;
use super::markup::{plural, thousands};
use super::phrases;
use super::plot::{self, Layer, Level};
use crate::model::incident::TimeWaitPhase;
use crate::model::{Endpoint, Kind};
use crate::report::bins::Series;
use crate::report::story::queues::{Listener, Place, Queues};

/// Programs with a lane.
const LANES: usize = 10;
/// Listeners with a picture.
const LISTENERS: usize = 12;
/// Namespaces with a picture.
const SPACES: usize = 4;
/// Rows of a table.
const ROWS: usize = 15;

pub(super) fn timeline(view: &View<'_>) -> Markup {
    let story = view.story;
    if story.over_time.is_empty() && story.losses.by_place.is_empty() {
        return html! { p { "No incident to draw." } };
    }
    let of_kind = |kind: Kind, series: &Series<u64>| Layer {
        class: plot::class(kind),
        name: kind.name(),
        values: series.over(&view.axis.grid),
    };
    let by_kind = phrases::ORDER.iter().filter_map(|kind| {
        let layer = of_kind(*kind, story.over_time.get(kind)?);
        let count = thousands(story.by_kind[kind.index()]);
        let name = html! { b { (kind.name()) } " " span class="dim" { (count) } };
        Some(view.axis.lane(&name, &[layer]))
    });
    let top = story.owners.top(LANES);
    let by_owner = top.rows.iter().map(|(who, facts)| {
        let layers: Vec<Layer> = phrases::ORDER
            .into_iter()
            .filter_map(|kind| Some(of_kind(kind, facts.over_time.get(&kind)?)))
            .collect();
        let name = phrases::who_with(who, &facts.members);
        view.axis.lane(&name, &layers)
    });
    let lost = || Layer {
        class: "refused",
        name: "lost",
        values: story.losses.over_time.over(&view.axis.grid),
    };
    html! {
        figure {
            figcaption {
                "Incidents by kind. Each bar is " (view.axis.resolution())
                "; each row has its own scale, and the number at the right is its highest bar."
            }
            div class="lanes" {
                @for lane in by_kind { (lane) }
                @if !story.losses.by_place.is_empty() {
                    (view.axis.lane(&html! { b { "events lost" } }, &[lost()]))
                }
                (view.axis.times())
            }
        }
        @if !top.rows.is_empty() {
            figure {
                figcaption { "Incidents by process, most first." }
                div class="lanes" {
                    @for lane in by_owner { (lane) }
                    (view.axis.times())
                }
                (legend(view))
                (phrases::left_out(&top, "programs"))
            }
        }
    }
}

fn legend(view: &View<'_>) -> Markup {
    let by_kind = &view.story.by_kind;
    html! {
        ul class="legend" {
            @for kind in phrases::ORDER.iter().filter(|kind| by_kind[kind.index()] > 0) {
                li { i class=(plot::class(*kind)) {} " " (kind.name()) }
            }
        }
    }
}

pub(super) fn queues(view: &View<'_>) -> Markup {
    let queues = &view.story.queues;
    let all = queues.listeners.sorted();
    let looks = queues.looks.over(&view.axis.grid);
    let drawn = all.iter().take(LISTENERS).map(|(place, listener)| {
        let refused = listener.refused_over_time.over(&view.axis.grid);
        let level = Level {
            values: listener.length.over(&view.axis.grid),
            looks: looks.clone(),
            limit: listener.limit.map(u64::from),
            peak: listener.peak.map_or(0, |queue| queue.length.into()),
            refused: &refused,
        };
        let name = listener_name(**place, listener);
        view.axis.level(&name, &level)
    });
    html! {
        p { (queues_said(view, queues, all.len())) }
        @if !all.is_empty() {
            figure {
                figcaption {
                    "Connections that wait for accept(), the maximum of each interval, with the limit as a \
                     dashed line. Red: above the limit; red below the axis: refusals."
                }
                div class="lanes" {
                    @for lane in drawn { (lane) }
                    (view.axis.times())
                }
            }
        }
    }
}

/// How many listeners there were, and how many of them are drawn.
fn queues_said(view: &View<'_>, queues: &Queues, concerned: usize) -> Markup {
    let sampled = queues.sampled();
    html! {
        @if !view.story.has_samples {
            "The recording has no samples of queues; this section shows only refusals. "
        } @else if sampled == 0 {
            "No listener was observed. "
        }
        @if concerned == 0 && sampled > 0 {
            "No listener had a queue, and none refused a client: "
            (plural(sampled, "listener was", "listeners were")) " watched."
        } @else if concerned == 0 {
            "No listener refused a client."
        } @else {
            (plural(concerned as u64, "listener", "listeners"))
            " had a queue or refused connections"
            @if sampled > 0 {
                ", of "
                @if queues.has_uncounted { "more than " }
                (thousands(sampled)) " watched"
            }
            ". The fullest come first; a queue is full above its limit."
            @if concerned > LISTENERS {
                " " (thousands((concerned - LISTENERS) as u64)) " more are not drawn."
            }
        }
    }
}

fn listener_name(place: Place, listener: &Listener) -> Markup {
    html! {
        @match (listener.local, place) {
            (Some(local), _) => { b { (shown(local)) } }
            (None, Place::Port(_, Some(port))) => { b { "port " (port) } }
            (None, _) => { b { "address not known" } }
        }
        " "
        @match &listener.who {
            Some(who) => { (phrases::who_with(who, &listener.members)) }
            None => { span class="dim" { "owner not known" } }
        }
        br;
        @if let Some(peak) = listener.peak {
            "at most " (thousands(peak.length.into())) " of " (thousands(peak.limit.into()))
        }
        @if listener.limit_changed { ", limit changed" }
        @if listener.refused > 0 {
            @if listener.peak.is_some() { ", " }
            span class="bad" { (thousands(listener.refused)) " refused" }
        }
        @if let Some(netns) = listener.netns {
            " "
            span class="dim" { "netns " (netns) }
        }
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

pub(super) fn time_wait(view: &View<'_>) -> Markup {
    let waits = &view.story.time_waits;
    if waits.spaces.is_empty() && waits.owners.is_empty() {
        return html! { p { "No TIME_WAIT socket was observed." } };
    }
    let looks = view.story.queues.looks.over(&view.axis.grid);
    let top = waits.spaces.top(SPACES);
    let levels = top.rows.iter().map(|(netns, entries)| {
        let level = Level {
            values: entries.over_time.over(&view.axis.grid),
            looks: looks.clone(),
            limit: entries.limit.map(u64::from),
            peak: entries.peak,
            refused: &[],
        };
        let name = html! {
            b { "entries" } " "
            span class="dim" { "netns " (netns) }
            br;
            "at most " (thousands(entries.peak)) ", last " (phrases::optional(entries.last))
            @if let Some(limit) = entries.limit { ", limit " (thousands(limit.into())) }
        };
        view.axis.level(&name, &level)
    });
    let phases = TimeWaitPhase::ALL.iter().zip(waits.by_phase).enumerate();
    let phases = phases.filter(|(_, (_, count))| *count > 0);
    let phases = phases.map(|(at, (phase, count))| {
        let layer = Layer {
            class: match phase {
                TimeWaitPhase::Overflow => "refused",
                _ => plot::class(Kind::TimeWait),
            },
            name: phase.name(),
            values: waits.over_time[at].over(&view.axis.grid),
        };
        let name = html! { b { (phase_text(*phase)) } " " span class="dim" { (thousands(count)) } };
        view.axis.lane(&name, &[layer])
    });
    html! {
        figure {
            figcaption {
                "The number of entries, including FIN_WAIT2, and how many began and ended. Dashed: \
                 tcp_max_tw_buckets."
            }
            div class="lanes" {
                @for lane in levels.chain(phases) { (lane) }
                (view.axis.times())
            }
            (phrases::left_out(&top, "namespaces"))
        }
        (owners(view))
    }
}

const fn phase_text(phase: TimeWaitPhase) -> &'static str {
    match phase {
        TimeWaitPhase::Enter => "began",
        TimeWaitPhase::Reuse => "reused",
        TimeWaitPhase::Overflow => "could not be made",
        TimeWaitPhase::Expire => "ended",
    }
}

fn owners(view: &View<'_>) -> Markup {
    let top = view.story.time_waits.owners.top(ROWS);
    let columns = [
        ("Program", false),
        ("Began", true),
        ("Ended", true),
        ("Reused", true),
        ("Could not be made", true),
    ];
    let phases = [
        TimeWaitPhase::Enter,
        TimeWaitPhase::Expire,
        TimeWaitPhase::Reuse,
        TimeWaitPhase::Overflow,
    ];
    let rows = html! {
        @for (who, owned) in &top.rows {
            tr {
                td { (phrases::who_with(who, &owned.members)) }
                @for phase in phases { (phrases::number_cell(owned.by_phase[phase as usize])) }
            }
        }
    };
    html! {
        @if !top.rows.is_empty() {
            (phrases::table("Who left TIME_WAIT entries", &columns, &rows))
            (phrases::left_out(&top, "programs"))
        }
    }
}
