//! NDJSON: one object a line, the names of the contract (see [`super::schema`]).
//!
//! What is not known is `null`. Written by hand, field by field: a serializer's intermediate values
//! would cost more than everything else here.

mod fields;
pub mod finding;
mod known;
mod rows;

use std::io::{self, Write};

use super::Sink;
use super::flows::Flows;
use super::out::Out;
use super::put;
use super::stamp::Rfc3339;
use crate::model::flow::TcpState;
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Clock, Incident};
use fields::Object;
use known::Known;

/// Version of the event format.
pub const VERSION: u8 = 1;
const BEGIN: &str = "{\"v\":1,\"ts\":\"";
const _: () = assert!(VERSION == 1, "as BEGIN says");

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

    fn end(&mut self) -> io::Result<()> {
        self.out.buffer.extend_from_slice(b"}\n");
        self.out.line_done()
    }
}

impl<W: Write> Sink for JsonSink<W> {
    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        let mut object = self.begin(incident.kind().name(), incident.boot_ns);
        object.flow(&incident.flow);
        object.name(",\"state\":", incident.state.map(TcpState::name));
        object.owner(",\"owner\":", incident.owner.as_ref());
        object.name(",\"hook\":", Some(incident.hook));
        object.name(",\"evidence\":", Some(incident.evidence.name()));
        object.what(&incident.what);
        self.end()
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        let mut object = self.begin("lost", boot_ns);
        object.name(",\"where\":", Some(loss.place.name()));
        object.name(
            ",\"of_kind\":",
            loss.of_kind.map(super::super::model::kind::Kind::name),
        );
        object.number(",\"count\":", Some(loss.count));
        self.end()
    }

    /// Its time is the end of watching: the beginning plus the duration.
    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let boot_ns = self.time.boot_ns_after(summary.duration_ms);
        let mut object = self.begin("summary", boot_ns);
        object.summary(summary);
        self.end()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
