//! Phrases that several sections use: programs, shares, tables.

use maud::{Markup, html};

use super::markup::{listed, text, thousands};
use super::plot;
use crate::model::Kind;
use crate::report::ranking::Top;
use crate::report::story::{ByKind, Story};
use crate::report::who::{Members, Who};

/// Kinds as a reader wants them.
pub(super) const ORDER: [Kind; Kind::ALL.len()] = Kind::BY_RANK;

/// The name of a program.
pub(super) fn name(who: &Who) -> Markup {
    html! {
        @match &who.comm {
            Some(comm) if comm.is_empty() => { b { "(no name)" } }
            Some(comm) => { b { (text(comm)) } }
            None => { b class="dim" { "owner not known" } }
        }
    }
}

/// The name of a program, its processes and its place.
pub(super) fn who(story: &Story, who: &Who) -> Markup {
    let members = story.owners.find(who).map(|facts| facts.members.text());
    named(who, members.as_deref().unwrap_or_default())
}

/// The same where the processes are at hand.
pub(super) fn who_with(who: &Who, members: &Members) -> Markup {
    named(who, &members.text())
}

fn named(who: &Who, members: &str) -> Markup {
    html! {
        (name(who))
        @if !members.is_empty() || who.place.is_some() {
            " "
            span class="dim" {
                (text(members))
                @if let Some(place) = &who.place {
                    @if !members.is_empty() { " " }
                    "in " (text(place))
                }
            }
        }
    }
}

/// `a 600, b 20 and 12 others 31`: the rows of a ranking in a line; `show` writes a key.
pub(super) fn shares<K, V>(top: &Top<'_, K, V>, show: impl Fn(&K, &V) -> Markup) -> Markup {
    html! {
        (listed(top.rows.iter().map(|(key, value)| show(key, value))))
        @if top.others > 0 {
            @if !top.rows.is_empty() { " and " }
            @if !top.is_exact { "about " }
            (thousands(top.others))
            @if top.others == 1 { " other" } @else { " others" }
        }
    }
}

/// A key and how much of it, in a line of shares.
pub(super) fn share(key: impl std::fmt::Display, count: u64) -> Markup {
    html! { span class="keep" { (text(key)) " " (times(count)) } }
}

/// `×12`
pub(super) fn times(count: u64) -> Markup {
    html! { span class="dim" { "×" (thousands(count)) } }
}

/// Says what a table left out.
pub(super) fn left_out<K, V>(top: &Top<'_, K, V>, what: &'static str) -> Markup {
    html! {
        @if top.others > 0 {
            p class="dim" {
                "Not listed: "
                @if !top.is_exact { "about " }
                (thousands(top.others)) " more " (what) ", together " (thousands(top.others_weight)) "."
                @if !top.is_exact {
                    " There were too many to store them all, so a row may be slightly too low."
                }
            }
        }
    }
}

/// A column: its title, and whether it holds numbers.
pub(super) type Column = (&'static str, bool);

/// A table around its rows.
pub(super) fn table(caption: &'static str, columns: &[Column], rows: &Markup) -> Markup {
    html! {
        div class="scroll" {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for (title, is_number) in columns {
                            th scope="col" class=(if *is_number { "n" } else { "t" }) { (title) }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// A cell with a number; zero is a dash.
pub(super) fn number_cell(number: u64) -> Markup {
    html! {
        td class="n" {
            @if number == 0 { span class="dim" { "–" } } @else { (thousands(number)) }
        }
    }
}

/// A cell with a bar of all kinds, as long as its share of the most, and the kinds in words.
pub(super) fn kinds_cell(by_kind: &ByKind, most: u64) -> Markup {
    let present = ORDER.iter().filter(|kind| by_kind[kind.index()] > 0);
    html! {
        td class="kinds" {
            span class="bar" {
                @for kind in present.clone() {
                    (bar(plot::class(*kind), by_kind[kind.index()], most))
                }
            }
            span class="dim" { (kinds(present.map(|kind| (*kind, by_kind[kind.index()])))) }
        }
    }
}

/// `rst_sent 12, retransmit 3`
pub(super) fn kinds(counts: impl Iterator<Item = (Kind, u64)>) -> Markup {
    listed(counts.map(|(kind, count)| html! { (kind.name()) " " (thousands(count)) }))
}

/// A cell with a plain bar.
pub(super) fn bar_cell(class: &'static str, value: u64, most: u64) -> Markup {
    html! { td class="kinds" { span class="bar" { (bar(class, value, most)) } } }
}

fn bar(class: &'static str, value: u64, most: u64) -> Markup {
    let width = value as f64 / most.max(1) as f64 * 100.0;
    html! { i class=(class) style=(format!("width:{width:.1}%")) {} }
}

/// `12`, or nothing known.
pub(super) fn optional(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), thousands)
}
