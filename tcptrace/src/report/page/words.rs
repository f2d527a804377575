//! Phrases that several sections use: programs, shares, tables.

use super::markup::{Markup, thousands};
use super::plot;
use crate::model::Kind;
use crate::report::ranking::Top;
use crate::report::story::{ByKind, Story};
use crate::report::who::{Members, Who};

/// Kinds as a reader wants them.
pub(super) const ORDER: [Kind; Kind::ALL.len()] = Kind::BY_RANK;

/// The name of a program.
pub(super) fn name(out: &mut Markup, who: &Who) {
    match &who.comm {
        Some(comm) if comm.is_empty() => out.raw("<b>(no name)</b>"),
        Some(comm) => out.raw("<b>").text(comm).raw("</b>"),
        None => out.raw("<b class=\"dim\">owner not known</b>"),
    };
}

/// The name of a program, its processes and its place.
pub(super) fn who(out: &mut Markup, story: &Story, who: &Who) {
    name(out, who);
    let members = story.owners.find(who).map(|facts| facts.members.text());
    details(out, who, members.as_deref().unwrap_or_default());
}

/// The same where the processes are at hand.
pub(super) fn who_with(out: &mut Markup, who: &Who, members: &Members) {
    name(out, who);
    details(out, who, &members.text());
}

fn details(out: &mut Markup, who: &Who, members: &str) {
    if members.is_empty() && who.place.is_none() {
        return;
    }
    out.raw(" <span class=\"dim\">").text(members);
    if let Some(place) = &who.place {
        out.raw(if members.is_empty() { "in " } else { " in " });
        out.text(place);
    }
    out.raw("</span>");
}

/// `a 600, b 20 and 12 others 31`: the rows of a ranking in a line; `put` writes a key.
pub(super) fn shares<K, V>(
    out: &mut Markup,
    top: &Top<'_, K, V>,
    mut put: impl FnMut(&mut Markup, &K, &V),
) {
    for (at, (key, value)) in top.rows.iter().enumerate() {
        out.raw(if at == 0 { "" } else { ", " });
        put(out, key, value);
    }
    if top.others > 0 {
        out.raw(if top.rows.is_empty() { "" } else { " and " });
        out.raw(if top.is_exact { "" } else { "about " });
        out.number(top.others);
        out.raw(if top.others == 1 { " other" } else { " others" });
    }
}

/// A key and how much of it, in a line of shares.
pub(super) fn share(out: &mut Markup, key: impl std::fmt::Display, count: u64) {
    out.raw("<span class=\"keep\">")
        .text(key)
        .raw(" <span class=\"dim\">");
    out.raw("×").number(count).raw("</span></span>");
}

/// Says what a table left out.
pub(super) fn left_out<K, V>(out: &mut Markup, top: &Top<'_, K, V>, what: &'static str) {
    if top.others == 0 {
        return;
    }
    out.raw("<p class=\"dim\">Not listed: ");
    if !top.is_exact {
        out.raw("about ");
    }
    out.number(top.others)
        .raw(" more ")
        .raw(what)
        .raw(", together ");
    out.number(top.others_weight).raw(".");
    if !top.is_exact {
        out.raw(" There were too many to keep them all: a row may be some too low.");
    }
    out.raw("</p>");
}

/// A column: its title, and whether it holds numbers.
pub(super) type Column = (&'static str, bool);

/// Begins a table.
pub(super) fn open_table(out: &mut Markup, caption: &'static str, columns: &[Column]) {
    out.raw("<div class=\"scroll\"><table><caption>")
        .raw(caption)
        .raw("</caption><thead><tr>");
    for (title, is_number) in columns {
        let class = if *is_number { "n" } else { "t" };
        out.element("th", &[("scope", &"col"), ("class", &class)], title);
    }
    out.raw("</tr></thead><tbody>");
}

/// Ends it.
pub(super) fn close_table(out: &mut Markup) {
    out.raw("</tbody></table></div>");
}

/// A cell with a number; zero is a dash.
pub(super) fn number_cell(out: &mut Markup, number: u64) {
    out.raw("<td class=\"n\">");
    if number == 0 {
        out.raw("<span class=\"dim\">–</span>");
    } else {
        out.number(number);
    }
    out.raw("</td>");
}

/// A cell with a bar of all kinds, as long as its share of the most, and the kinds in words.
pub(super) fn kinds_cell(out: &mut Markup, by_kind: &ByKind, most: u64) {
    out.raw("<td class=\"kinds\"><span class=\"bar\">");
    let present = ORDER
        .iter()
        .copied()
        .filter(|kind| by_kind[kind.index()] > 0);
    for kind in present.clone() {
        let width = by_kind[kind.index()] as f64 / most.max(1) as f64 * 100.0;
        let style = format!("width:{width:.1}%");
        out.element("i", &[("class", &plot::class(kind)), ("style", &style)], "");
    }
    out.raw("</span><span class=\"dim\">");
    for (at, kind) in present.enumerate() {
        out.raw(if at == 0 { "" } else { ", " });
        out.raw(kind.name()).raw(" ").number(by_kind[kind.index()]);
    }
    out.raw("</span></td>");
}

/// A cell with a plain bar.
pub(super) fn bar_cell(out: &mut Markup, class: &'static str, value: u64, most: u64) {
    let width = value as f64 / most.max(1) as f64 * 100.0;
    out.raw("<td class=\"kinds\"><span class=\"bar\">");
    let style = format!("width:{width:.1}%");
    out.element("i", &[("class", &class), ("style", &style)], "");
    out.raw("</span></td>");
}

/// `12`, or nothing known.
pub(super) fn optional(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), thousands)
}
