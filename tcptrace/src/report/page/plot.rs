//! Values over time as inline SVG.
//!
//! The picture is stretched to the room it gets, so there is no text in it: names and numbers stand
//! beside it as HTML, readable at any width. What a bar stands for is its title, shown by pointing at
//! it and read by screen readers.

use std::fmt::Display;

use super::clock::{Clock, Mark, duration};
use super::markup::{Markup, PathData, plural, thousands};
use crate::model::Kind;
use crate::report::bins::{Grid, Peak};

/// Height of a picture in its own units.
const HEIGHT: f64 = 100.0;
/// Below this a bar could not be seen.
const LOWEST: f64 = 3.0;
/// Refusals are marked below a queue.
const STRIP: f64 = 12.0;
/// A line of time that is too short for a picture is made this long.
const FEWEST_BINS: usize = 40;

/// The axis that all pictures share.
pub(super) struct Axis<'a> {
    pub(super) grid: Grid,
    pub(super) clock: Clock<'a>,
    marks: Vec<Mark>,
}

/// One kind of thing in a bar.
pub(super) struct Layer {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) values: Vec<u64>,
}

/// The colour of a kind.
pub(super) const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::State => "k-state",
        Kind::RstSent => "k-rst-sent",
        Kind::RstReceived => "k-rst-received",
        Kind::LingerClose => "k-linger",
        Kind::AcceptDrop => "k-accept",
        Kind::SynDrop => "k-syn",
        Kind::Retransmit => "k-resend",
        Kind::TimeWait => "k-wait",
        Kind::PawsDrop => "k-paws",
        Kind::Close => "k-close",
    }
}

impl<'a> Axis<'a> {
    pub(super) fn new(view: Grid, clock: Clock<'a>) -> Self {
        let grid = view.widened(FEWEST_BINS);
        let marks = clock.marks(&grid);
        Self { grid, clock, marks }
    }

    /// Bars of the layers, one on the other, beside a name; `name` writes it.
    pub(super) fn lane(&self, out: &mut Markup, layers: &[Layer], name: impl FnOnce(&mut Markup)) {
        let totals = totals(layers, self.grid.count());
        let highest = totals.iter().copied().max().unwrap_or(0);
        out.raw("<div class=\"lane\"><div class=\"name\">");
        name(out);
        out.raw("</div>");
        let sum = totals.iter().copied().fold(0, u64::saturating_add);
        let said = format!(
            "{} in all, at most {} in {}",
            thousands(sum),
            thousands(highest),
            duration(self.grid.width_ns())
        );
        self.open_svg(out, HEIGHT, &said);
        for (at, total) in totals.iter().enumerate().filter(|(_, total)| **total > 0) {
            self.bar(out, at, layers, *total, highest);
        }
        out.raw("</svg><div class=\"top\" title=\"highest bar\">");
        out.number(highest).raw("</div></div>");
    }

    fn bar(&self, out: &mut Markup, at: usize, layers: &[Layer], total: u64, highest: u64) {
        out.raw("<g><title>")
            .text(self.clock.bin(&self.grid, at))
            .raw(": ");
        if layers.len() == 1 {
            out.number(total);
        }
        let of_bin = layers.iter().filter_map(|layer| {
            let value = layer.values.get(at).copied().unwrap_or(0);
            (value > 0).then_some((layer, value))
        });
        if layers.len() > 1 {
            for (n, (layer, value)) in of_bin.clone().enumerate() {
                out.raw(if n == 0 { "" } else { ", " });
                out.raw(layer.name).raw(" ").number(value);
            }
        }
        out.raw("</title>");
        let x = at as f64;
        let mut whole = PathData::default();
        out.path("hit", whole.area(x, 0.0, 1.0, HEIGHT));
        let mut floor = HEIGHT;
        for (layer, value) in of_bin {
            let height = (value as f64 / highest as f64 * HEIGHT).clamp(LOWEST, HEIGHT);
            let height = height.min(floor);
            floor -= height;
            // The total of many low layers may not be higher than the picture.
            let mut bar = PathData::default();
            out.path(layer.class, bar.area(x, floor, 1.0, height));
        }
        out.raw("</g>");
    }

    /// A level over time with its limit; refusals are marked below. `looks` tells the bins in which
    /// somebody looked.
    pub(super) fn level(
        &self,
        out: &mut Markup,
        level: &Level<'_>,
        name: impl FnOnce(&mut Markup),
    ) {
        let highest = level.values.iter().filter_map(|peak| peak.0).max();
        let highest = highest.unwrap_or(0).max(level.peak).max(1);
        // A limit far above would press everything flat.
        let drawn_limit = level
            .limit
            .filter(|limit| *limit <= highest.saturating_mul(4));
        let top = highest.max(drawn_limit.unwrap_or(0)) as f64 * 1.1;
        out.raw("<div class=\"lane tall\"><div class=\"name\">");
        name(out);
        out.raw("</div>");
        let limit_said = level
            .limit
            .map_or_else(String::new, |limit| format!(", limit {}", thousands(limit)));
        let said = format!("at most {}{limit_said}", thousands(highest));
        self.open_svg(out, HEIGHT + STRIP, &said);
        let y = |value: u64| HEIGHT - (value as f64 / top * HEIGHT).min(HEIGHT);
        for step in steps(&level.values, &level.looks) {
            let is_full = level.limit.is_some_and(|limit| step.value > limit);
            out.raw("<g><title>")
                .text(self.clock.bin(&self.grid, step.at))
                .raw(": ");
            out.number(step.value).raw("</title>");
            let mut area = PathData::default();
            let (x, width) = (step.at as f64, step.width as f64);
            let height = (HEIGHT - y(step.value)).max(1.0);
            let class = if is_full { "full" } else { "level" };
            out.path(class, area.area(x, HEIGHT - height, width, height));
            out.raw("</g>");
        }
        if let Some(limit) = drawn_limit {
            let mut line = PathData::default();
            line.start(0.0, y(limit)).across(self.grid.count() as f64);
            out.path("limit", &line);
        }
        for (at, count) in level
            .refused
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            out.raw("<g><title>")
                .text(self.clock.bin(&self.grid, at))
                .raw(": ");
            out.text(plural(*count, "refusal", "refusals"))
                .raw("</title>");
            let mut mark = PathData::default();
            out.path(
                "refused",
                mark.area(at as f64, HEIGHT + 3.0, 1.0, STRIP - 3.0),
            );
            out.raw("</g>");
        }
        out.raw("</svg><div class=\"top\">");
        match (level.limit, drawn_limit) {
            (Some(limit), Some(_)) => {
                let from_top = y(limit) / (HEIGHT + STRIP) * 100.0;
                let place = format!("top:{from_top:.0}%");
                out.element(
                    "span",
                    &[("class", &"at"), ("style", &place)],
                    thousands(limit),
                );
            }
            (Some(limit), None) => {
                out.raw("<span class=\"at\" style=\"top:0\">↑ ")
                    .number(limit)
                    .raw("</span>");
            }
            (None, _) => {}
        }
        out.raw("</div></div>");
    }

    fn open_svg(&self, out: &mut Markup, height: f64, said: &dyn Display) {
        let count = self.grid.count();
        let window = format!("0 0 {count} {height}");
        out.open(
            "svg",
            &[
                ("viewBox", &window),
                ("preserveAspectRatio", &"none"),
                ("role", &"img"),
                ("aria-label", said),
            ],
        );
        out.element("title", &[], said);
        out.raw("<desc>Bars over time; the table or text beside it has the totals.</desc>");
        let mut lines = PathData::default();
        for mark in &self.marks {
            lines.start(mark.at * count as f64, 0.0).upright(height);
        }
        out.path("marks", &lines);
    }

    /// The times, below the lanes.
    pub(super) fn times(&self, out: &mut Markup) {
        out.raw("<div class=\"lane axis\" aria-hidden=\"true\"><div class=\"name\">");
        out.text(self.clock.zone_name(self.grid.begin_ns(0)));
        out.raw("</div><div class=\"times\">");
        for (at, mark) in self.marks.iter().enumerate() {
            // Every other one yields where there is little room.
            let side = match (mark.at, at % 2 == 1) {
                (..0.05, false) => "first",
                (..0.05, true) => "first odd",
                (0.95.., false) => "last",
                (0.95.., true) => "last odd",
                (_, false) => "even",
                (_, true) => "odd",
            };
            let place = format!("left:{:.2}%", mark.at * 100.0);
            out.element("span", &[("class", &side), ("style", &place)], &mark.text);
        }
        out.raw("</div><div class=\"top\"></div></div>");
    }

    /// What the width of a bar is, for a caption.
    pub(super) fn resolution(&self) -> String {
        duration(self.grid.width_ns())
    }
}

/// See [`Axis::level`].
pub(super) struct Level<'a> {
    pub(super) values: Vec<Peak>,
    pub(super) looks: Vec<u64>,
    pub(super) limit: Option<u64>,
    /// The highest known from elsewhere.
    pub(super) peak: u64,
    pub(super) refused: &'a [u64],
}

fn totals(layers: &[Layer], count: usize) -> Vec<u64> {
    let mut totals = vec![0_u64; count];
    for layer in layers {
        for (total, value) in totals.iter_mut().zip(&layer.values) {
            *total = total.saturating_add(*value);
        }
    }
    totals
}

/// A level that held for some bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    at: usize,
    width: usize,
    value: u64,
}

/// A level holds until somebody looks again, but not for longer than looks are usually apart.
fn steps(values: &[Peak], looks: &[u64]) -> Vec<Step> {
    let looked: Vec<(usize, u64)> = values
        .iter()
        .zip(looks)
        .enumerate()
        .filter(|(_, (value, looks))| value.0.is_some() || **looks > 0)
        .map(|(at, (value, _))| (at, value.0.unwrap_or(0)))
        .collect();
    let mut gaps: Vec<usize> = looked
        .windows(2)
        .filter_map(|pair| match pair {
            [(a, _), (b, _)] => Some(b - a),
            _ => None,
        })
        .collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(1);
    let mut steps: Vec<Step> = Vec::new();
    for (n, (at, value)) in looked.iter().enumerate() {
        let next = looked.get(n + 1).map_or(at + usual, |(next, _)| *next);
        let width = (next - at).min(usual * 2).min(values.len() - at);
        match steps.last_mut() {
            Some(last) if last.value == *value && last.at + last.width == *at => {
                last.width += width;
            }
            _ => steps.push(Step {
                at: *at,
                width,
                value: *value,
            }),
        }
    }
    steps.retain(|step| step.value > 0);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(values: &[Option<u64>]) -> Vec<Peak> {
        values.iter().map(|value| Peak(*value)).collect()
    }

    #[test]
    fn a_level_holds_until_the_next_look_and_zero_is_nothing() {
        let values = peaks(&[Some(3), None, Some(3), None, None, None, Some(5), None]);
        let looks = [1, 0, 1, 0, 1, 0, 1, 0];
        let step = |at, width, value| Step { at, width, value };
        assert_eq!(steps(&values, &looks), [step(0, 4, 3), step(6, 2, 5)]);
    }

    #[test]
    fn a_level_does_not_hold_over_a_gap() {
        let mut values = peaks(&[Some(7); 3]);
        values.resize(100, Peak(None));
        values.push(Peak(Some(1)));
        let looks = vec![0; values.len()];
        let steps = steps(&values, &looks);
        assert_eq!(
            steps[0],
            Step {
                at: 0,
                width: 4,
                value: 7
            }
        );
        assert_eq!(steps[1].at, 100);
    }

    #[test]
    fn a_single_look_is_one_bin() {
        assert_eq!(
            steps(&peaks(&[None, Some(2), None]), &[0, 1, 0]),
            [Step {
                at: 1,
                width: 1,
                value: 2
            }]
        );
        assert_eq!(steps(&[], &[]), []);
    }
}
