//! The measures as a table: for a terminal, and as Markdown.

use super::measure::Measure;

/// One row: cell, measure, goal, median, range, verdict.
type Row = [String; 6];

const HEADINGS: [&str; 6] = ["cell", "measure", "goal", "median", "range", "verdict"];

fn row(measure: &Measure) -> Row {
    let (median, range) = measure.spread().map_or_else(
        || ("?".to_owned(), String::new()),
        |spread| {
            let write = |value| measure.unit.write(value);
            let range = if spread.count > 1 {
                format!("{} .. {}", write(spread.least), write(spread.most))
            } else {
                String::new()
            };
            (write(spread.median), range)
        },
    );
    [
        measure.cell.clone(),
        measure.what.clone(),
        measure.goal_text(),
        median,
        range,
        measure.verdict().name().to_owned(),
    ]
}

/// For a terminal: columns as wide as they need be.
pub(super) fn text(measures: &[Measure]) -> String {
    let rows: Vec<Row> = std::iter::once(HEADINGS.map(str::to_owned))
        .chain(measures.iter().map(row))
        .collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Row| {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// For a page.
pub(super) fn markdown(measures: &[Measure]) -> String {
    let line = |cells: &Row| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let heading = line(&HEADINGS.map(str::to_owned)) + "|---|---|---|---|---|---|\n";
    heading
        + &measures
            .iter()
            .map(|measure| line(&row(measure)))
            .collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Goal, Unit};
    use super::*;

    fn measures() -> [Measure; 2] {
        let slow = Measure::new("all-one", "slowdown", Unit::Times, vec![1.1, 1.2, 1.3]);
        let size = Measure::new("size", "binary", Unit::Megabytes, vec![5.0]);
        [slow.goal(Goal::AtMost(1.15)), size]
    }

    #[test]
    fn a_missed_goal_is_seen_with_its_range() {
        let text = text(&measures());
        let line = text.lines().nth(1).unwrap();
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>().join(" "),
            "all-one slowdown at most x1.150 x1.200 x1.100 .. x1.300 MISSED"
        );
        assert!(text.lines().nth(2).unwrap().ends_with("5.00 MB"));
    }

    #[test]
    fn a_page_has_a_row_for_each() {
        let page = markdown(&measures());
        assert_eq!(page.lines().count(), 4);
        assert!(
            page.contains("| size | binary |  | 5.00 MB |  |  |\n"),
            "{page}"
        );
    }
}
