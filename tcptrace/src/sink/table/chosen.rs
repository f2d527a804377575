//! Tables of columns that were asked for by name, and tables in an order that was asked for.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Align, By, Grid, TableStyle, Tabled, unseen};
use crate::model::rows::{Page, Row};
use crate::sink::columns::{self, Sort};

/// What can be chosen of a table: its columns, then the other fields of its objects.
pub fn column_names<R: Tabled>() -> Vec<String> {
    let own = R::COLUMNS.iter().map(|column| column.name.to_owned());
    let mut names: Vec<String> = own.collect();
    let fields = columns::fields_of_row::<R>();
    names.extend(fields.into_iter().filter(|field| !is_own::<R>(field)));
    names
}

/// By what a table can be ordered.
pub fn sort_names<R: Tabled>() -> Vec<String> {
    let mut names = column_names::<R>();
    let is_text = |name: &String| {
        let mut columns = R::COLUMNS.iter();
        columns.any(|column| column.name == name && matches!(column.by, By::Nothing))
    };
    names.retain(|name| !is_text(name));
    names
}

fn is_own<R: Tabled>(name: &str) -> bool {
    R::COLUMNS.iter().any(|column| column.name == name)
}

/// Appends a table of these columns, without marks in front, and what is not visible.
pub fn chosen<R: Tabled>(out: &mut Vec<u8>, page: &Page<R>, names: &[String], style: &TableStyle) {
    let lines: Vec<_> = page
        .rows
        .iter()
        .map(|row| (object(row), row.line(page, style)))
        .collect();
    let places = names.iter().map(|name| {
        let place = R::COLUMNS.iter().position(|column| column.name == name);
        (name, place)
    });
    let places: Vec<_> = places.collect();
    let mut grid = Grid::new(places.iter().map(|(name, place)| {
        match place.and_then(|place| R::COLUMNS.get(place)) {
            Some(column) => (column.title, column.align, column.most),
            None => {
                let mut known = lines
                    .iter()
                    .filter_map(|(object, _)| columns::at(object, name))
                    .filter(|value| !value.is_null())
                    .peekable();
                let is_right = known.peek().is_some() && known.all(Value::is_number);
                let align = if is_right { Align::Right } else { Align::Left };
                (name.as_str(), align, usize::MAX)
            }
        }
    }));
    grid.has_marks = false;
    for (object, (impact, cells)) in &lines {
        let cells = places.iter().map(|(name, place)| match place {
            Some(place) => cells.get(*place).cloned().unwrap_or_default(),
            None => columns::cell(columns::at(object, name)),
        });
        grid.push(*impact, cells.collect());
    }
    let whole = TableStyle {
        columns: usize::MAX,
        ..*style
    };
    // What was asked for is cut only where the screen ends.
    grid.render(out, if style.is_clipped { style } else { &whole });
    unseen(out, &page.unseen, style);
}

/// Puts the rows in that order; what is not known comes last.
pub fn sort<R: Tabled>(page: &mut Page<R>, sort: &Sort) {
    let column = R::COLUMNS.iter().find(|column| column.name == sort.column);
    let mut rows: Vec<(Value, R)> = std::mem::take(&mut page.rows)
        .into_iter()
        .map(|row| {
            let object = object(&row);
            let key = match column.map(|column| column.by) {
                None | Some(By::Nothing) => columns::at(&object, &sort.column).cloned(),
                Some(By::First(fields)) => fields
                    .iter()
                    .filter_map(|field| columns::at(&object, field))
                    .find(|value| !value.is_null())
                    .cloned(),
                Some(By::Sum(fields)) => {
                    let numbers = fields
                        .iter()
                        .filter_map(|field| columns::at(&object, field).and_then(Value::as_u64));
                    Some(Value::from(numbers.sum::<u64>()))
                }
            };
            (key.unwrap_or_default(), row)
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if sort.is_descending => columns::compare(b, a),
        (false, false) => columns::compare(a, b),
    });
    page.rows = rows.into_iter().map(|(_, row)| row).collect();
}

/// A row as NDJSON has it.
fn object(row: &impl Row) -> Value {
    // The model's rows can be written.
    serde_json::to_value(row).unwrap_or_default()
}
