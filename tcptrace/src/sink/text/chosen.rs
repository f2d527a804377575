//! Lines of columns that were asked for by name.

use serde_json::Value;

use super::owners::suffix;
use super::{FLOW_WIDTH, KIND_WIDTH, Stamp, TextStyle, detail_of, put_flow};
use crate::model::line::End;
use crate::model::{Clock, Incident};
use crate::sink::columns::{self, UNKNOWN};
use crate::sink::json::Objects;
use crate::sink::{TimeStyle, put, sanitize};

/// What a line has without being asked: name, head and width.
const OWN: &[(&str, &str, usize)] = &[
    ("time", "TIME", 12),
    ("kind", "KIND", KIND_WIDTH + 2),
    ("pid", "PID", 7),
    ("process", "PROCESS", 15),
    ("local", "LOCAL", 21),
    ("remote", "REMOTE", 21),
    ("flow", "LOCAL > REMOTE", FLOW_WIDTH),
    ("detail", "DETAIL", 0),
];

/// A field's column is as wide as its name, and this at least.
const FIELD_WIDTH: usize = 10;

/// A column of the lines.
#[derive(Clone, Debug)]
enum Column {
    /// By its place in [`OWN`].
    Own(usize),
    /// A field of the object, by its path.
    Field(String),
}

/// What can be chosen: the columns of a line, then the other fields of the objects.
pub fn column_names() -> Vec<String> {
    let mut names: Vec<String> = OWN.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let fields = columns::fields_of_incidents();
    names.extend(fields.into_iter().filter(|field| own(field).is_none()));
    names
}

fn own(name: &str) -> Option<usize> {
    OWN.iter().position(|(own, ..)| *own == name)
}

/// Writes such lines.
pub(super) struct Chosen {
    columns: Vec<Column>,
    /// The objects that fields are taken from, where there are any.
    objects: Option<Objects>,
}

impl Chosen {
    pub(super) fn new(names: &[String], clock: Clock) -> Self {
        let column = |name: &String| own(name).map_or(Column::Field(name.clone()), Column::Own);
        let columns: Vec<Column> = names.iter().map(column).collect();
        let has_fields = columns
            .iter()
            .any(|column| matches!(column, Column::Field(_)));
        Self {
            columns,
            objects: has_fields.then(|| Objects::new(clock)),
        }
    }

    pub(super) fn clock(&mut self, boot_to_wall_ns: i64) {
        if let Some(objects) = &mut self.objects {
            objects.clock(boot_to_wall_ns);
        }
    }

    /// The heads of the columns, with the end of the line.
    pub(super) fn put_header(&self, out: &mut Vec<u8>, style: &TextStyle) {
        let heads = self.columns.iter().map(|column| match column {
            Column::Own(place) => match OWN.get(*place) {
                Some(("time", ..)) if style.time == TimeStyle::Utc => "TIME(UTC)",
                own => own.map_or("", |(_, head, _)| head),
            },
            Column::Field(path) => path,
        });
        let heads: Vec<String> = heads.map(str::to_owned).collect();
        self.put_cells(out, &heads, style);
    }

    /// The line of an incident.
    pub(super) fn put_line(
        &mut self,
        out: &mut Vec<u8>,
        incident: &Incident,
        stamp: &mut Stamp,
        style: &TextStyle,
    ) {
        let object = self
            .objects
            .as_mut()
            .map_or(Value::Null, |objects| objects.of(incident));
        let cells = self.columns.iter().map(|column| match column {
            Column::Own(place) => own_cell(*place, incident, stamp, style),
            Column::Field(path) => columns::cell(columns::at(&object, path)),
        });
        let cells: Vec<String> = cells.collect();
        self.put_cells(out, &cells, style);
    }

    /// The last cell is not padded, and none is cut.
    fn put_cells(&self, out: &mut Vec<u8>, cells: &[String], style: &TextStyle) {
        for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            let width = match column {
                Column::Own(0) => style.time.width(),
                Column::Own(place) => OWN.get(*place).map_or(0, |(.., width)| *width),
                Column::Field(path) => path.len().max(FIELD_WIDTH),
            };
            let missing = width.saturating_sub(cell.chars().count());
            let is_right = matches!(column, Column::Own(2));
            if is_right {
                put::spaces(out, missing);
            }
            out.extend_from_slice(cell.as_bytes());
            if !is_right && at + 1 < self.columns.len() {
                put::spaces(out, missing);
            }
        }
        out.push(b'\n');
    }
}

fn own_cell(place: usize, incident: &Incident, stamp: &mut Stamp, style: &TextStyle) -> String {
    let mut text = Vec::new();
    let owner = incident.owner.as_ref();
    match OWN.get(place).map_or("", |(name, ..)| name) {
        "time" => drop(stamp.append(&mut text, incident.boot_ns)),
        "kind" => put::text(&mut text, incident.kind().name()),
        "pid" => match owner {
            Some(owner) => put::number(&mut text, owner.process.pid),
            None => put::text(&mut text, UNKNOWN),
        },
        "process" => match owner {
            Some(owner) => {
                sanitize::append(&mut text, owner.process.display_name(), usize::MAX);
                put::text(&mut text, suffix(owner));
            }
            None => put::text(&mut text, UNKNOWN),
        },
        "local" => match (incident.flow.local, incident.flow.unbound) {
            (Some(end), _) => put::endpoint(&mut text, end),
            (None, Some(addr)) => {
                let end = End { addr, port: None };
                let end = serde_json::to_value(end).unwrap_or_default();
                put::text(&mut text, &columns::cell(Some(&end)));
            }
            (None, None) => put::text(&mut text, UNKNOWN),
        },
        "remote" => match incident.flow.remote {
            Some(end) => put::endpoint(&mut text, end),
            None => text.push(b'*'),
        },
        "flow" => put_flow(&mut text, &incident.flow),
        _ => put::text(&mut text, &detail_of(incident, style.is_wide)),
    }
    String::from_utf8_lossy(&text).into_owned()
}
