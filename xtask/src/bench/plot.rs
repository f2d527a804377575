//! The growth of costs as one SVG file: a panel for each cost, a line for each kind of growth, both
//! axes logarithmic.

use std::fmt::Write as _;

use super::growth::{COSTS, Line};

const PANEL: (f64, f64) = (300.0, 220.0);
const MARGIN: f64 = 48.0;
const COLOURS: [&str; 3] = ["#1b6ca8", "#c2571a", "#3d7a37"];

/// The whole file.
pub(super) fn svg(lines: &[Line]) -> String {
    let width = PANEL.0 * 2.0;
    let height = PANEL.1 * 2.0 + 24.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let mut kinds: Vec<&str> = lines.iter().map(|line| line.kind).collect();
    kinds.dedup();
    kinds.sort_unstable();
    kinds.dedup();
    for (index, cost) in COSTS.iter().enumerate() {
        let corner = ((index % 2) as f64 * PANEL.0, (index / 2) as f64 * PANEL.1);
        let of_cost: Vec<&Line> = lines.iter().filter(|line| line.cost == *cost).collect();
        panel(&mut out, corner, cost, &of_cost, &kinds);
    }
    for (index, kind) in kinds.iter().enumerate() {
        let x = MARGIN + index as f64 * 130.0;
        let colour = COLOURS[index % COLOURS.len()];
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{kind}</text>",
            height - 14.0,
            x + 20.0,
            height - 9.0
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Where a value lies between the powers of ten around all values, from 0 to 1.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// None when no value is above 0.
    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        let logs: Vec<f64> = values.filter(|v| *v > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().reduce(f64::min)?.floor();
        let high = logs.iter().copied().reduce(f64::max)?.ceil();
        Some(Self {
            low,
            high: high.max(low + 1.0),
        })
    }

    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    /// The powers of ten on it.
    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10_f64.powi(power))
    }
}

fn panel(out: &mut String, corner: (f64, f64), cost: &str, lines: &[&Line], kinds: &[&str]) {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let (Some(across), Some(up)) = (
        Axis::around(points().map(|point| point.0)),
        Axis::around(points().map(|point| point.1)),
    ) else {
        return;
    };
    let inner = (PANEL.0 - 2.0 * MARGIN + 20.0, PANEL.1 - 2.0 * MARGIN + 10.0);
    let x = |value: f64| corner.0 + MARGIN + across.place(value) * inner.0;
    let y = |value: f64| corner.1 + MARGIN - 10.0 + (1.0 - up.place(value)) * inner.1;
    let mut write = |text: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(out, "{text}");
    };
    write(format_args!(
        "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{cost}</text>",
        corner.0 + MARGIN,
        corner.1 + 20.0
    ));
    let (bottom, top) = (y(10_f64.powf(up.low)), y(10_f64.powf(up.high)));
    let (left, right) = (x(10_f64.powf(across.low)), x(10_f64.powf(across.high)));
    for mark in across.marks() {
        let at = x(mark);
        write(format_args!(
            "<path d=\"M{at:.1} {bottom:.1}V{top:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
            bottom + 14.0
        ));
    }
    for mark in up.marks() {
        let at = y(mark);
        write(format_args!(
            "<path d=\"M{left:.1} {at:.1}H{right:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            left - 5.0,
            at + 4.0
        ));
    }
    for line in lines {
        let index = kinds
            .iter()
            .position(|kind| *kind == line.kind)
            .unwrap_or(0);
        let colour = COLOURS[index % COLOURS.len()];
        let shown = line
            .points
            .iter()
            .filter(|point| point.0 > 0.0 && point.1 > 0.0);
        let places: Vec<String> = shown
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        write(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_and_none_without_points() {
        let line = |kind, points: &[(f64, f64)]| Line {
            kind,
            cost: COSTS[0],
            points: points.to_vec(),
        };
        let lines = [
            line("connections", &[(1000.0, 5.0), (10_000.0, 50.0)]),
            line("listeners", &[(100.0, 5.0), (1000.0, 6.0)]),
        ];
        let drawn = svg(&lines);
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
        assert!(!drawn.contains("NaN"));
        assert_eq!(svg(&[]).matches("<polyline").count(), 0);
    }

    #[test]
    fn an_axis_reaches_from_power_to_power_of_ten() {
        let axis = Axis::around([20.0, 300.0].into_iter()).unwrap();
        assert_eq!(axis.marks().collect::<Vec<_>>(), [10.0, 100.0, 1000.0]);
        assert!((axis.place(100.0) - 0.5).abs() < 1e-9);
        assert!(Axis::around([0.0].into_iter()).is_none());
    }
}
