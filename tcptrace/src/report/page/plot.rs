//! Values over time as inline SVG.
//!
//! The picture is stretched to the room it gets, so there is no text in it: names and numbers stand
//! beside it as HTML, readable at any width. What a bar stands for is its title, shown by pointing at
//! it and read by screen readers.

use maud::{Markup, html};

use super::clock::{Clock, Mark, duration};
use super::markup::{PathData, listed, path, plural, text, thousands};
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

/// Colours in the style sheet; there are some for kinds to come.
const COLORS: [&str; 16] = [
    "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k13", "k14",
    "k15",
];
const _: () = assert!(Kind::ALL.len() <= COLORS.len(), "a colour for each kind");

/// The colour of a kind.
pub(super) const fn class(kind: Kind) -> &'static str {
    COLORS[kind.index()]
}

impl<'a> Axis<'a> {
    pub(super) fn new(view: Grid, clock: Clock<'a>) -> Self {
        let grid = view.widened(FEWEST_BINS);
        let marks = clock.marks(&grid);
        Self { grid, clock, marks }
    }

    /// Bars of the layers, one on the other, beside a name.
    pub(super) fn lane(&self, name: &Markup, layers: &[Layer]) -> Markup {
        let totals = totals(layers, self.grid.count());
        let highest = totals.iter().copied().max().unwrap_or(0);
        let sum = totals.iter().copied().fold(0, u64::saturating_add);
        let said = format!(
            "{} in all, at most {} in {}",
            thousands(sum),
            thousands(highest),
            duration(self.grid.width_ns())
        );
        let bars = html! {
            @for (at, total) in totals.iter().enumerate().filter(|(_, total)| **total > 0) {
                (self.bar(at, layers, *total, highest))
            }
        };
        html! {
            div class="lane" {
                div class="name" { (name) }
                (self.svg(HEIGHT, &said, &bars))
                div class="top" title="highest bar" { (thousands(highest)) }
            }
        }
    }

    fn bar(&self, at: usize, layers: &[Layer], total: u64, highest: u64) -> Markup {
        let of_bin = layers.iter().filter_map(|layer| {
            let value = layer.values.get(at).copied().unwrap_or(0);
            (value > 0).then_some((layer, value))
        });
        let said = of_bin
            .clone()
            .map(|(layer, value)| html! { (layer.name) " " (thousands(value)) });
        let x = at as f64;
        let mut floor = HEIGHT;
        let parts = of_bin.map(|(layer, value)| {
            let height = (value as f64 / highest as f64 * HEIGHT).clamp(LOWEST, HEIGHT);
            // The total of many low layers may not be higher than the picture.
            let height = height.min(floor);
            floor -= height;
            path(layer.class, &PathData::of_area(x, floor, 1.0, height))
        });
        html! {
            g {
                title {
                    (text(self.clock.bin(&self.grid, at))) ": "
                    @if layers.len() == 1 { (thousands(total)) } @else { (listed(said)) }
                }
                (path("hit", &PathData::of_area(x, 0.0, 1.0, HEIGHT)))
                @for part in parts { (part) }
            }
        }
    }

    /// A level over time with its limit; refusals are marked below.
    pub(super) fn level(&self, name: &Markup, level: &Level<'_>) -> Markup {
        let highest = level.values.iter().filter_map(|peak| peak.0).max();
        let highest = highest.unwrap_or(0).max(level.peak).max(1);
        // A limit far above would press everything flat.
        let drawn_limit = level
            .limit
            .filter(|limit| *limit <= highest.saturating_mul(4));
        let top = highest.max(drawn_limit.unwrap_or(0)) as f64 * 1.1;
        let limit_said = level
            .limit
            .map_or_else(String::new, |limit| format!(", limit {}", thousands(limit)));
        let said = format!("at most {}{limit_said}", thousands(highest));
        let y = |value: u64| HEIGHT - (value as f64 / top * HEIGHT).min(HEIGHT);
        let step_path = |step: Step| {
            let is_full = level.limit.is_some_and(|limit| step.value > limit);
            let (x, width) = (step.at as f64, step.width as f64);
            let height = (HEIGHT - y(step.value)).max(1.0);
            let class = if is_full { "full" } else { "level" };
            path(class, &PathData::of_area(x, HEIGHT - height, width, height))
        };
        let limit_path = drawn_limit.map(|limit| {
            let mut line = PathData::default();
            line.start(0.0, y(limit)).across(self.grid.count() as f64);
            path("limit", &line)
        });
        let refused = level.refused.iter().enumerate();
        let inside = html! {
            @for step in steps(&level.values, &level.looks) {
                g {
                    title { (text(self.clock.bin(&self.grid, step.at))) ": " (thousands(step.value)) }
                    (step_path(step))
                }
            }
            @if let Some(line) = limit_path { (line) }
            @for (at, count) in refused.filter(|(_, count)| **count > 0) {
                g {
                    title {
                        (text(self.clock.bin(&self.grid, at))) ": "
                        (plural(*count, "refusal", "refusals"))
                    }
                    (path("refused", &PathData::of_area(at as f64, HEIGHT + 3.0, 1.0, STRIP - 3.0)))
                }
            }
        };
        html! {
            div class="lane tall" {
                div class="name" { (name) }
                (self.svg(HEIGHT + STRIP, &said, &inside))
                div class="top" {
                    @match (level.limit, drawn_limit) {
                        (Some(limit), Some(_)) => {
                            @let from_top = y(limit) / (HEIGHT + STRIP) * 100.0;
                            span class="at" style=(format!("top:{from_top:.0}%")) { (thousands(limit)) }
                        }
                        (Some(limit), None) => {
                            span class="at" style="top:0" { "↑ " (thousands(limit)) }
                        }
                        (None, _) => {}
                    }
                }
            }
        }
    }

    fn svg(&self, height: f64, said: &str, inside: &Markup) -> Markup {
        let count = self.grid.count();
        let mut lines = PathData::default();
        for mark in &self.marks {
            lines.start(mark.at * count as f64, 0.0).upright(height);
        }
        html! {
            svg viewBox=(format!("0 0 {count} {height}")) preserveAspectRatio="none" role="img"
                aria-label=(said) {
                title { (said) }
                desc { "Bars over time; the table or text next to it has the totals." }
                (path("marks", &lines))
                (inside)
            }
        }
    }

    /// The times, below the lanes.
    pub(super) fn times(&self) -> Markup {
        html! {
            div class="lane axis" aria-hidden="true" {
                div class="name" { (text(self.clock.zone_name(self.grid.begin_ns(0)))) }
                div class="times" {
                    @for (at, mark) in self.marks.iter().enumerate() {
                        span class=(side(mark.at, at % 2 == 1))
                            style=(format!("left:{:.2}%", mark.at * 100.0)) { (text(&mark.text)) }
                    }
                }
                div class="top" {}
            }
        }
    }

    /// What the width of a bar is, for a caption.
    pub(super) fn resolution(&self) -> String {
        duration(self.grid.width_ns())
    }
}

/// Class of a time at its place from 0 to 1. Every other one yields where there is little room.
const fn side(at: f64, is_odd: bool) -> &'static str {
    match (at, is_odd) {
        (..0.05, false) => "first",
        (..0.05, true) => "first odd",
        (0.95.., false) => "last",
        (0.95.., true) => "last odd",
        (_, false) => "even",
        (_, true) => "odd",
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

/// A level holds until the next sample, but not for longer than the usual interval between samples.
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
