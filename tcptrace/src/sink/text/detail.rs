//! The DETAIL column: words by weight, the most important first, because the end may be cut.

use std::sync::Arc;

use crate::model::flow::TcpState;
use crate::model::incident::{
    Call, ConnectOutcome, DropOutcome, Evidence, LimitedBy, Linger, Queue, Step, What,
};
use crate::model::{Errno, Incident, Owner};
use crate::sink::{put, sanitize};

/// Longest foreign name printed within the details.
const NAME_WIDTH: usize = 60;
/// A silence before a RST that is worth a word.
const LONG_SILENCE_MS: u64 = 5_000;

/// Appends words separated by single spaces.
struct Words<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Words<'_> {
    fn next(&mut self) -> &mut Vec<u8> {
        if !self.is_first {
            self.out.push(b' ');
        }
        self.is_first = false;
        self.out
    }

    fn word(&mut self, text: &str) {
        put::text(self.next(), text);
    }

    fn labelled(&mut self, label: &str) -> &mut Vec<u8> {
        let out = self.next();
        put::text(out, label);
        out
    }

    fn number(&mut self, label: &str, value: Option<impl put::Number>, unit: &str) {
        if let Some(value) = value {
            let out = self.labelled(label);
            put::number(out, value);
            put::text(out, unit);
        }
    }

    fn foreign(&mut self, label: &str, text: &str) {
        sanitize::append(self.labelled(label), text, NAME_WIDTH);
    }

    fn reason(&mut self, reason: Option<&Arc<str>>) {
        if let Some(reason) = reason {
            self.foreign("", reason);
        }
    }

    fn owner(&mut self, label: &str, owner: Option<&Owner>) {
        match owner {
            Some(owner) => {
                put::number(self.labelled(label), owner.process.pid);
                self.foreign("", owner.process.display_name());
            }
            None => self.labelled(label).push(b'?'),
        }
    }

    /// The sum of what is known; `+` says that a part is not.
    fn lost(&mut self, parts: [Option<u32>; 3]) {
        if parts.iter().all(Option::is_none) {
            return;
        }
        let out = self.next();
        put::number(
            out,
            parts
                .iter()
                .flatten()
                .map(|&bytes| u64::from(bytes))
                .sum::<u64>(),
        );
        out.push(b'B');
        if parts.iter().any(Option::is_none) {
            out.push(b'+');
        }
        self.word("lost");
    }

    /// A handshake that a queue refused.
    fn refusal(
        &mut self,
        queue: Option<Queue>,
        outcome: Option<DropOutcome>,
        step: Option<Step>,
        limited_by: Option<LimitedBy>,
    ) {
        self.queue(queue);
        let names = [outcome.map(DropOutcome::name), step.map(Step::name)];
        for name in names.into_iter().flatten() {
            self.word(name);
        }
        if let Some(limited_by) = limited_by {
            self.labelled("by=")
                .extend_from_slice(limited_by.name().as_bytes());
        }
    }

    fn queue(&mut self, queue: Option<Queue>) {
        if let Some(queue) = queue {
            let out = self.next();
            put::number(out, queue.length);
            out.push(b'/');
            put::number(out, queue.limit);
        }
    }

    fn linger(&mut self, linger: Option<Linger>) {
        match linger {
            Some(Linger { on: false, .. }) => self.word("linger=off"),
            Some(Linger {
                on: true,
                seconds: Some(seconds),
            }) => {
                self.number("linger=", Some(seconds), "s");
            }
            Some(Linger {
                on: true,
                seconds: None,
            }) => self.word("linger=on"),
            None => {}
        }
    }

    fn count(&mut self, count: u64, evidence: Evidence) {
        if count != 1 || evidence == Evidence::Counted {
            self.number("x", Some(count), "");
        }
    }
}

/// States as `ss` prints them where room is short.
const fn short(state: TcpState, is_wide: bool) -> &'static str {
    match state {
        TcpState::Established if !is_wide => "ESTAB",
        _ => state.name(),
    }
}

/// Appends the details of an incident.
pub(super) fn put(out: &mut Vec<u8>, incident: &Incident, is_wide: bool) {
    let mut words = Words {
        out,
        is_first: true,
    };
    put_what(&mut words, incident, is_wide);
    if is_wide {
        if let Some(state) = incident.state {
            words
                .labelled("state=")
                .extend_from_slice(state.name().as_bytes());
        }
        words.number("netns=", incident.flow.netns, "");
        words.number("cookie=", incident.flow.cookie, "");
        words
            .labelled("hook=")
            .extend_from_slice(incident.hook.as_bytes());
    }
}

fn put_what(words: &mut Words<'_>, incident: &Incident, is_wide: bool) {
    match &incident.what {
        What::RstSent {
            cause,
            reason,
            unsent_bytes,
            unacked_bytes,
            unread_bytes,
            linger,
        } => {
            words.word(cause.name());
            words.lost([*unsent_bytes, *unacked_bytes, *unread_bytes]);
            words.number("unsent=", *unsent_bytes, "");
            words.number("unacked=", *unacked_bytes, "");
            words.number("unread=", *unread_bytes, "");
            words.reason(reason.as_ref());
            words.linger(*linger);
        }
        What::RstReceived { meaning, silent_ms } => {
            words.word(meaning.name());
            if let Some(silent_ms) = silent_ms.filter(|ms| *ms >= LONG_SILENCE_MS) {
                words.word("silent");
                put::millis(words.next(), silent_ms);
            }
            if let (Some(state), false) = (incident.state, is_wide) {
                words.word(short(state, is_wide));
            }
        }
        What::LingerClose {
            linger_seconds,
            blocked_ms,
            outcome,
            unsent_bytes,
            unacked_bytes,
            remaining_bytes,
        } => {
            words.word(outcome.name());
            put::millis(words.next(), *blocked_ms);
            words.number("", *remaining_bytes, "B");
            if remaining_bytes.is_some() {
                words.word("left");
            }
            words.number("linger=", *linger_seconds, "s");
            words.number("unsent=", *unsent_bytes, "");
            words.number("unacked=", *unacked_bytes, "");
        }
        What::AcceptDrop {
            step,
            outcome,
            queue,
            limited_by,
            count,
        } => {
            words.count(*count, incident.evidence);
            words.refusal(*queue, *outcome, *step, *limited_by);
        }
        What::SynDrop {
            outcome,
            queue,
            limited_by,
            count,
        } => {
            words.count(*count, incident.evidence);
            words.refusal(*queue, *outcome, None, *limited_by);
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
            words.word(kind.name());
            if *gave_up {
                words.word("given_up after");
            }
            words.number("#", *attempt, "");
            if !gave_up {
                words.number("", Some(*bytes), "B");
            }
            if error.is_some_and(|error| error != 0) {
                words.number("error=", *error, "");
            }
            if is_wide {
                words.number("seq=", *sequence, "");
                words.number("segments=", *segments, "");
            }
        }
        What::TimeWait {
            phase,
            substate,
            timeout_ms,
            ended_by,
            new_owner,
        } => {
            words.word(phase.name());
            if let Some(timeout_ms) = timeout_ms {
                put::millis(words.next(), *timeout_ms);
            }
            if let Some(ended_by) = ended_by {
                words.word(ended_by.name());
            }
            if *phase == crate::model::incident::TimeWaitPhase::Reuse {
                words.owner("by=", new_owner.as_ref());
            }
            if let Some(substate) = substate {
                words.word(substate.name());
            }
        }
        What::PawsDrop { place, reason } => {
            words.word(place.name());
            words.reason(reason.as_ref());
        }
        What::State {
            old,
            new,
            in_old_us,
        } => {
            let out = words.labelled(short(*old, is_wide));
            out.push(b'>');
            put::text(out, short(*new, is_wide));
            if let Some(in_old_us) = in_old_us {
                put::micros(words.labelled("after="), *in_old_us);
            }
        }
        What::Close { .. } => put_close(words, &incident.what),
        What::ConnectFailed {
            outcome,
            call,
            error,
            after_ms,
            syns,
        } => {
            if is_wide || *call != Call::Connect {
                words.word(call.name());
            }
            match (outcome, error) {
                (ConnectOutcome::Failed, Some(error)) => words.word(error.name()),
                (outcome, _) => words.word(outcome.name()),
            }
            if let Some(after_ms) = after_ms {
                words.word("after");
                put::millis(words.next(), *after_ms);
            }
            words.number("syns=", *syns, "");
        }
        What::TimedOut {
            cause,
            silent_ms,
            resends,
            unacked_bytes,
            unsent_bytes,
            error,
        } => {
            words.word(cause.name());
            if let Some(silent_ms) = silent_ms {
                words.word("silent");
                put::millis(words.next(), *silent_ms);
            }
            words.number("resends=", *resends, "");
            words.number("unacked=", *unacked_bytes, "");
            words.number("unsent=", *unsent_bytes, "");
            if let Some(error) = error
                && (is_wide || *error != Errno::Etimedout)
            {
                words.word(error.name());
            }
        }
    }
}

fn put_close(words: &mut Words<'_>, what: &What) {
    let What::Close {
        duration_us,
        bytes_sent,
        bytes_received,
        srtt_us,
        retransmits,
        closed_by,
        how,
    } = what
    else {
        return;
    };
    words.word(how.map_or("?", |how| how.name()));
    if let Some(duration_us) = duration_us {
        put::micros(words.next(), *duration_us);
    }
    words.number("tx=", *bytes_sent, "");
    words.number("rx=", *bytes_received, "");
    if let Some(closed_by) = closed_by {
        words
            .labelled("by=")
            .extend_from_slice(closed_by.name().as_bytes());
    }
    if let Some(srtt_us) = srtt_us {
        put::micros(words.labelled("rtt="), u64::from(*srtt_us));
    }
    words.number("retransmits=", *retransmits, "");
}
