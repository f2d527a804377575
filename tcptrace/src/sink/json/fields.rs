//! Fields appended to an open object. The key, with comma, quotes and colon, is given whole: it is
//! known when compiling, and inlined it is a copy of known length instead of a call.

use super::known::Known;
use crate::model::incident::{Linger, Queue, TimeWaitPhase, What};
use crate::model::loss::Tally;
use crate::model::summary::{OwnerCount, Reconciled, Summary};
use crate::model::{Endpoint, Flow, Kind, Owner};
use crate::sink::flows::Flows;
use crate::sink::{put, sanitize};

/// An object that has its opening brace.
pub(super) struct Object<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) known: &'a mut Known,
    pub(super) flows: &'a mut Flows,
}

#[inline(always)]
pub(super) fn put_number(out: &mut Vec<u8>, key: &str, value: Option<impl put::Number>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(value) => put::number(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline(always)]
pub(super) fn put_text(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(value) => put_string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

impl Object<'_> {
    #[inline(always)]
    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline(always)]
    pub(super) fn number(&mut self, key: &str, value: Option<impl put::Number>) {
        put_number(self.out, key, value);
    }

    /// A value of our own that needs no escaping.
    #[inline(always)]
    pub(super) fn name(&mut self, key: &str, value: Option<&'static str>) {
        self.raw(key);
        match value {
            Some(value) => {
                self.out.push(b'"');
                put::text(self.out, value);
                self.out.push(b'"');
            }
            None => self.raw("null"),
        }
    }

    #[inline(always)]
    pub(super) fn string(&mut self, key: &str, value: Option<&str>) {
        put_text(self.out, key, value);
    }

    pub(super) fn endpoint(&mut self, key: &str, value: Option<Endpoint>) {
        put_endpoint(self.out, key, value);
    }

    /// `,"netns":...,"remote":...`
    #[inline]
    pub(super) fn flow(&mut self, flow: &Flow) {
        let Self { out, flows, .. } = self;
        out.extend_from_slice(flows.text(flow, put_flow));
    }

    pub(super) fn owner(&mut self, key: &str, owner: Option<&Owner>) {
        self.raw(key);
        let Some(owner) = owner else {
            self.raw(
                "{\"pid\":null,\"start_ticks\":null,\"comm\":null,\"exe\":null,\"uid\":null,\
                 \"cgroup\":null,\"container\":null,\"basis\":\"none\",\"shared_by\":null}",
            );
            return;
        };
        let Self { out, known, .. } = self;
        out.extend_from_slice(known.text(&owner.process));
        self.name(",\"basis\":", Some(owner.basis.name()));
        self.number(",\"shared_by\":", owner.shared_by);
        self.raw("}");
    }

    fn linger(&mut self, linger: Option<Linger>) {
        match linger {
            Some(linger) => {
                self.raw(if linger.on {
                    ",\"linger\":{\"on\":true"
                } else {
                    ",\"linger\":{\"on\":false"
                });
                self.number(",\"seconds\":", linger.seconds);
                self.raw("}");
            }
            None => self.raw(",\"linger\":null"),
        }
    }

    fn queue(&mut self, queue: Option<Queue>) {
        match queue {
            Some(queue) => {
                self.number(",\"queue\":{\"length\":", Some(queue.length));
                self.number(",\"limit\":", Some(queue.limit));
                self.raw("}");
            }
            None => self.raw(",\"queue\":null"),
        }
    }

    /// The fields of the kind.
    pub(super) fn what(&mut self, what: &What) {
        match what {
            What::RstSent {
                cause,
                reason,
                unsent_bytes,
                unacked_bytes,
                unread_bytes,
                linger,
            } => {
                self.name(",\"cause\":", Some(cause.name()));
                self.string(",\"reason\":", reason.as_deref());
                self.number(",\"unsent_bytes\":", *unsent_bytes);
                self.number(",\"unacked_bytes\":", *unacked_bytes);
                self.number(",\"unread_bytes\":", *unread_bytes);
                self.linger(*linger);
            }
            What::RstReceived { meaning } => self.name(",\"meaning\":", Some(meaning.name())),
            What::LingerClose {
                linger_seconds,
                blocked_ms,
                outcome,
                unsent_bytes,
                unacked_bytes,
                remaining_bytes,
            } => {
                self.number(",\"linger_seconds\":", *linger_seconds);
                self.number(",\"blocked_ms\":", Some(*blocked_ms));
                self.name(",\"outcome\":", Some(outcome.name()));
                self.number(",\"unsent_bytes\":", *unsent_bytes);
                self.number(",\"unacked_bytes\":", *unacked_bytes);
                self.number(",\"remaining_bytes\":", *remaining_bytes);
            }
            What::AcceptDrop {
                step,
                outcome,
                queue,
                limited_by,
                count,
            } => {
                self.name(",\"step\":", step.map(crate::model::incident::Step::name));
                self.name(
                    ",\"outcome\":",
                    outcome.map(crate::model::incident::DropOutcome::name),
                );
                self.queue(*queue);
                self.name(
                    ",\"limited_by\":",
                    limited_by.map(crate::model::incident::LimitedBy::name),
                );
                self.number(",\"count\":", Some(*count));
            }
            What::SynDrop {
                outcome,
                queue,
                count,
            } => {
                self.name(
                    ",\"outcome\":",
                    outcome.map(crate::model::incident::DropOutcome::name),
                );
                self.queue(*queue);
                self.number(",\"count\":", Some(*count));
            }
            What::Retransmit {
                kind,
                attempt,
                bytes,
                sequence,
                segments,
                error,
                gave_up,
            } => {
                self.name(",\"type\":", Some(kind.name()));
                self.number(",\"attempt\":", *attempt);
                self.number(",\"bytes\":", Some(*bytes));
                self.number(",\"sequence\":", *sequence);
                self.number(",\"segments\":", *segments);
                self.number(",\"error\":", *error);
                if *gave_up {
                    self.raw(",\"gave_up\":true");
                }
            }
            What::TimeWait {
                phase,
                substate,
                timeout_ms,
                ended_by,
                new_owner,
            } => {
                self.name(",\"phase\":", Some(phase.name()));
                self.name(
                    ",\"substate\":",
                    substate.map(crate::model::flow::TcpState::name),
                );
                self.number(",\"timeout_ms\":", *timeout_ms);
                self.name(
                    ",\"ended_by\":",
                    ended_by.map(crate::model::incident::TimeWaitEnd::name),
                );
                if *phase == TimeWaitPhase::Reuse {
                    self.owner(",\"new_owner\":", new_owner.as_ref());
                }
            }
            What::PawsDrop { place, reason } => {
                self.name(",\"where\":", Some(place.name()));
                self.string(",\"reason\":", reason.as_deref());
            }
            What::State {
                old,
                new,
                in_old_us,
            } => {
                self.name(",\"old\":", Some(old.name()));
                self.name(",\"new\":", Some(new.name()));
                self.number(",\"in_old_us\":", *in_old_us);
            }
            What::Close {
                duration_us,
                bytes_sent,
                bytes_received,
                srtt_us,
                retransmits,
                closed_by,
                how,
            } => {
                self.number(",\"duration_us\":", *duration_us);
                self.number(",\"bytes_sent\":", *bytes_sent);
                self.number(",\"bytes_received\":", *bytes_received);
                self.number(",\"srtt_us\":", *srtt_us);
                self.number(",\"retransmits\":", *retransmits);
                self.name(
                    ",\"closed_by\":",
                    closed_by.map(crate::model::incident::ClosedBy::name),
                );
                self.name(",\"how\":", how.map(crate::model::incident::CloseHow::name));
            }
        }
    }

    /// The fields of the summary.
    pub(super) fn summary(&mut self, summary: &Summary) {
        self.number(",\"duration_ms\":", Some(summary.duration_ms));
        self.by_kind(&summary.by_kind);
        self.raw(",\"by_owner\":[");
        for (at, owner) in summary.by_owner.iter().enumerate() {
            self.raw(if at == 0 { "" } else { "," });
            self.owner_count(owner);
        }
        self.number("],\"owners_left_out\":", Some(summary.owners_left_out));
        self.tally(&summary.loss);
        self.reconciliation(&summary.reconciliation);
    }

    pub(super) fn reconciliation(&mut self, rows: &[Reconciled]) {
        self.raw(",\"reconciliation\":[");
        for (at, row) in rows.iter().enumerate() {
            self.raw(if at == 0 { "" } else { "," });
            self.reconciled(row);
        }
        self.raw("]");
    }

    fn by_kind(&mut self, counts: &[(Kind, u64)]) {
        self.raw(",\"by_kind\":{");
        for (at, (kind, count)) in counts.iter().enumerate() {
            self.raw(if at == 0 { "\"" } else { ",\"" });
            self.raw(kind.name());
            self.number("\":", Some(*count));
        }
        self.raw("}");
    }

    fn owner_count(&mut self, owner: &OwnerCount) {
        self.number("{\"pid\":", owner.pid);
        self.string(",\"comm\":", owner.comm.as_deref());
        self.number(",\"total\":", Some(owner.total));
        self.by_kind(&owner.by_kind);
        self.raw("}");
    }

    fn tally(&mut self, tally: &Tally) {
        self.number(",\"loss\":{\"seen\":", Some(tally.seen));
        self.number(",\"shown\":", Some(tally.shown));
        self.number(",\"filtered\":", Some(tally.filtered));
        self.number(",\"rate_limited\":", Some(tally.rate_limited));
        self.number(",\"lost\":", Some(tally.lost));
        self.raw("}");
    }

    fn reconciled(&mut self, row: &Reconciled) {
        self.name("{\"counter\":", Some(row.counter));
        self.number(",\"kernel\":", Some(row.kernel));
        self.number(",\"ours\":", Some(row.ours));
        self.name(",\"verdict\":", Some(row.verdict.name()));
        self.string(",\"note\":", row.note.as_deref());
        self.raw("}");
    }
}

fn put_endpoint(out: &mut Vec<u8>, key: &str, value: Option<Endpoint>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(end) => {
            out.extend_from_slice(b"{\"addr\":\"");
            put::address(out, end.addr);
            put_number(out, "\",\"port\":", Some(end.port));
            out.push(b'}');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn put_flow(out: &mut Vec<u8>, flow: &Flow) {
    put_number(out, ",\"netns\":", flow.netns);
    put_number(out, ",\"cookie\":", flow.cookie);
    put_text(out, ",\"family\":", Some(flow.family.name()));
    match flow.unbound {
        // Its port is not chosen yet.
        Some(addr) => {
            out.extend_from_slice(b",\"local\":{\"addr\":\"");
            put::address(out, addr);
            out.extend_from_slice(b"\",\"port\":null}");
        }
        None => put_endpoint(out, ",\"local\":", flow.local),
    }
    put_endpoint(out, ",\"remote\":", flow.remote);
}

/// A string with quotes. Escapes what JSON demands and what could harm a terminal: the value stays
/// the same.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Without an early end the check works on many bytes at once.
    let is_plain = text.bytes().fold(true, |is_plain, byte| {
        is_plain & (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
    });
    if is_plain {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                c if sanitize::is_hostile(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        put_unit(out, *unit);
                    }
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

fn put_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = (unit >> shift & 0xf) as u8;
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_string_reads_back_and_stays_on_one_harmless_line(text: String) {
            let mut out = Vec::new();
            put_string(&mut out, &text);
            let written = String::from_utf8(out).unwrap();
            prop_assert!(!written.chars().any(sanitize::is_hostile));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
