//! `docs/verifier.md`: how many instructions the verifier walks for each program, by kernel. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::kernels::Series;

/// Programs by name, and how many instructions of each the verifier walked.
pub(super) type Counts = BTreeMap<String, u64>;

/// More than this much of the committed number is too much, in percent...
const RISE_PERCENT: u64 = 10;
/// ...unless it is this little: a small program may need a few more.
const RISE_LEAST: u64 = 100;

const HEAD: &str = "\
# What the verifier walks

Written by `cargo xtask verifier --write`. For each program and kernel: the instructions that the kernel's verifier walked
before it allowed the program (`verified_insns`; kernels before 5.16 do not say). This is two thirds of what a start costs,
and a program that the verifier walks for too long is refused. `cargo xtask verifier` fails when a program
needs a tenth more than stands here; when that is meant, write the table again and say in the commit why.
`-`: the program is not attached on that kernel.

";

/// Counts by kernel series, such as `6.18`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: BTreeMap<Series, Counts>,
}

/// The series of a release such as `6.18.15-amd64`, or of `6.18`.
pub(super) fn series(release: &str) -> Option<Series> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some(Series {
        major: number()?,
        minor: number()?,
    })
}

impl Table {
    /// What the text of the page says; lines that are no row of the table are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut rows = text.lines().filter_map(cells);
        let columns: Vec<Option<Series>> = rows
            .next()
            .unwrap_or_default()
            .into_iter()
            .skip(1)
            .map(series)
            .collect();
        let mut table = Self::default();
        for series in columns.iter().flatten() {
            table.columns.entry(*series).or_default();
        }
        for row in rows {
            let name = row[0].trim_matches('`').to_owned();
            for (series, cell) in columns.iter().zip(&row[1..]) {
                let column = series.as_ref().and_then(|at| table.columns.get_mut(at));
                if let (Some(column), Ok(count)) = (column, cell.parse()) {
                    column.insert(name.clone(), count);
                }
            }
        }
        table
    }

    /// The whole page.
    pub(super) fn page(&self) -> String {
        let programs: BTreeSet<&String> = self.columns.values().flat_map(BTreeMap::keys).collect();
        let mut page = HEAD.to_owned();
        let mut row = |name: &str, cells: Vec<String>| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(page, "| {name} | {} |", cells.join(" | "));
        };
        row(
            "program",
            self.columns.keys().map(Series::to_string).collect(),
        );
        row(
            "---",
            self.columns.keys().map(|_| "---:".to_owned()).collect(),
        );
        for program in programs {
            let cells = self.columns.values().map(|column| {
                let count = column.get(program);
                count.map_or_else(|| "-".to_owned(), u64::to_string)
            });
            row(&format!("`{program}`"), cells.collect());
        }
        page
    }
}

/// The cells of a row of a table; None for any other line and for the line under the head.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    (cells.len() > 1 && !cells[0].starts_with("---")).then_some(cells)
}

/// What is wrong with the numbers of one kernel, a sentence each. A program that has no number there
/// yet is no finding: hosts differ in what they allow.
pub(super) fn findings(committed: &Counts, measured: &Counts) -> Vec<String> {
    let finding = |(program, count): (&String, &u64)| {
        let before = committed.get(program)?;
        let most = before + (before * RISE_PERCENT / 100).max(RISE_LEAST);
        (*count > most).then(|| {
            format!("  {program}: {count} instructions, {before} in the table: more than {most}")
        })
    };
    measured.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    fn table() -> Table {
        let columns = [
            ("6.18", counts(&[("kfree_skb", 1234), ("timer_start", 90)])),
            ("6.9", counts(&[("kfree_skb", 1300)])),
        ];
        let columns = columns.map(|(text, counts)| (series(text).unwrap(), counts));
        Table {
            columns: columns.into(),
        }
    }

    #[test]
    fn a_page_is_read_back_as_it_was_written() {
        let page = table().page();
        assert!(page.contains("| program | 6.9 | 6.18 |\n"), "{page}");
        assert!(page.contains("| `timer_start` | - | 90 |\n"), "{page}");
        assert_eq!(Table::parse(&page), table());
    }

    #[test]
    fn a_rise_of_more_than_a_tenth_is_a_finding() {
        let committed = counts(&[("a", 10_000), ("b", 50)]);
        let found = |a, b| findings(&committed, &counts(&[("a", a), ("b", b)])).len();
        assert_eq!(found(11_000, 150), 0);
        assert_eq!(found(11_001, 150), 1);
        assert_eq!(found(11_001, 151), 2);
        assert_eq!(found(1, 1), 0);
    }

    #[test]
    fn a_program_without_a_number_is_no_finding() {
        let found = findings(&Counts::new(), &counts(&[("new", 7)]));
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_series_is_the_first_two_numbers() {
        let text = |release| series(release).map(|series| series.to_string());
        assert_eq!(text("6.18.15+deb13-amd64").as_deref(), Some("6.18"));
        assert_eq!(text("7.3").as_deref(), Some("7.3"));
        assert_eq!(text("linux"), None);
    }
}
