//! NDJSON: one object a line, the names of the contract (see [`super::schema`]).
//!
//! What is not known is `null`. Incidents are written by the table of kinds with a key and a value each;
//! a serializer's intermediate values would cost more than everything else here. All else is seldom, and
//! serde's.

mod escape;
mod fields;
mod known;
mod plain;

use std::io::{self, Write};

use serde::Serialize;

use super::Sink;
use super::flows::Flows;
use super::out::Out;
use super::put;
use super::stamp::Rfc3339;
use crate::model::line::VERSION;
use crate::model::loss::Loss;
use crate::model::rows::{Page, Row};
use crate::model::summary::Summary;
use crate::model::{Clock, Incident};
use fields::{Object, put_name};
use known::Known;
use plain::Digits;

const BEGIN: &str = "{\"v\":1,\"ts\":\"";
const _: () = assert!(VERSION == 1, "as BEGIN says");

/// One object that is no event, with the line's end; numbers are written in full.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = plain::text(value, Digits::All);
    line.push(b'\n');
    line
}

/// Writes objects.
pub struct JsonSink<W> {
    out: Out<W>,
    time: Rfc3339,
    known: Known,
    flows: Flows,
}

impl<W: Write> JsonSink<W> {
    /// Writes nothing by itself.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self {
            out: Out::new(writer),
            time: Rfc3339::new(clock),
            known: Known::default(),
            flows: Flows::default(),
        }
    }

    /// `{"v":1,"ts":...,"mono_ns":...,"kind":...`
    #[inline(always)]
    fn begin(&mut self, kind: &str, boot_ns: u64) -> Object<'_> {
        let buffer = &mut self.out.buffer;
        buffer.extend_from_slice(BEGIN.as_bytes());
        self.time.append(buffer, boot_ns);
        buffer.extend_from_slice(b"\",\"mono_ns\":");
        put::number(buffer, boot_ns);
        buffer.extend_from_slice(b",\"kind\":\"");
        put::text(buffer, kind);
        buffer.push(b'"');
        Object {
            out: buffer,
            known: &mut self.known,
            flows: &mut self.flows,
        }
    }

    fn object(&mut self, kind: &str, boot_ns: u64, fields: &impl Serialize) -> io::Result<()> {
        self.begin(kind, boot_ns);
        plain::append(&mut self.out.buffer, fields)?;
        self.end()
    }

    /// The rows of a snapshot, and the object that ends it and bears what holds for all of it.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn page<R: Row>(&mut self, page: &Page<R>) -> io::Result<()> {
        for row in &page.rows {
            self.object(R::KIND, page.boot_ns, row)?;
        }
        self.object("snapshot", page.boot_ns, &page.end())
    }

    #[inline(always)]
    fn put(&mut self, incident: &Incident) {
        let mut object = self.begin(incident.kind().name(), incident.boot_ns);
        object.flow(&incident.flow);
        object.field(",\"state\":", &incident.state);
        object.field(",\"owner\":", &incident.owner);
        object.out.extend_from_slice(b",\"hook\":");
        put_name(object.out, incident.hook);
        object.field(",\"evidence\":", &incident.evidence);
        incident.what.write(&mut object);
        self.out.buffer.extend_from_slice(b"}\n");
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.buffer.extend_from_slice(b"}\n");
        self.out.line_done()
    }
}

/// Incidents as objects that fields are taken from.
pub(super) struct Objects(JsonSink<io::Sink>);

impl Objects {
    pub(super) fn new(clock: Clock) -> Self {
        Self(JsonSink::new(io::sink(), clock))
    }

    pub(super) fn clock(&mut self, boot_to_wall_ns: i64) {
        self.0.time.set(boot_to_wall_ns);
    }

    /// What NDJSON says of the incident.
    pub(super) fn of(&mut self, incident: &Incident) -> serde_json::Value {
        self.0.put(incident);
        // What was just written can be read.
        let object = serde_json::from_slice(&self.0.out.buffer).unwrap_or_default();
        self.0.out.buffer.clear();
        object
    }
}

impl<W: Write> Sink for JsonSink<W> {
    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.time.set(boot_to_wall_ns);
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        self.put(incident);
        self.out.line_done()
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        self.object("lost", boot_ns, loss)
    }

    /// Its time is the end of watching: the beginning plus the duration.
    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let boot_ns = self.time.boot_ns_after(summary.duration_ms);
        self.object("summary", boot_ns, summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
