//! Bytes of the ring -> an event with the owner as the kernel knew it.
//!
//! Never panics: a record that is too short, too new or of an unknown kind is an error that is
//! counted as lost by the caller. Enum values are never conjured from bytes.

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tcptrace_common::flow::{AF_INET, AF_INET6, FlowRecord};
use tcptrace_common::kind::{self, hook};
use tcptrace_common::wire::{
    self, CloseRecord, ConnectFailedRecord, Head, LingerRecord, OwnerRecord, PawsRecord,
    QueueDropRecord, ResetReceivedRecord, ResetRecord, RetransmitRecord, StateRecord,
    TimeWaitRecord, TimedOutRecord, UNKNOWN_U32, UNKNOWN_U64,
};

use crate::model::event::{
    CallFailed, CloseFacts, ConnectFailed, LingerEnd, QueueDrop, Reset, Retransmit, StateChange,
    TimeWait, TimedOut,
};
use crate::model::flow::TcpState;
use crate::model::incident::{
    Call, DropOutcome, LingerOutcome, PawsWhere, Queue, Step, TimeWaitPhase,
};
use crate::model::owner::ReportedOwner;
use crate::model::{Basis, Endpoint, Event, Evidence, Family, Flow, Signal};

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its kind demands.
    #[error("record of {got} bytes where {want} are needed")]
    Short {
        /// Bytes there.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
    /// Not a kind we know.
    #[error("unknown record kind {0}")]
    Kind(u16),
    /// Another layout.
    #[error("record layout {0}, this program reads {own}", own = wire::VERSION)]
    Version(u8),
    /// A number that stands for nothing.
    #[error("{field} has no value {value}")]
    Value {
        /// Which.
        field: &'static str,
        /// The number.
        value: u64,
    },
}

/// Reads one record.
///
/// # Errors
/// See [`DecodeError`].
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let head: Head = copy(bytes)?;
    if head.version != wire::VERSION {
        return Err(DecodeError::Version(head.version));
    }
    // What may fail comes before what is large: an event is then put together in its place.
    let hook = hook::NAMES
        .get(usize::from(head.hook))
        .copied()
        .ok_or_else(|| value("hook", head.hook))?;
    let evidence = match head.evidence {
        wire::evidence::SEEN => Evidence::Seen,
        wire::evidence::INFERRED => Evidence::Inferred,
        other => return Err(value("evidence", other)),
    };
    let family = family(head.flow.family)?;
    let basis = basis(head.owner.basis)?;
    Ok(Event {
        signal: signal(head.kind, bytes)?,
        boot_ns: head.time_ns,
        sock: non_zero(head.sock),
        inode: non_zero(head.inode),
        flow: flow(&head.flow, family),
        state: TcpState::from_number(head.state),
        owner: None,
        hook,
        evidence,
        // A process outside our PID namespace has no number here.
        heard: basis
            .filter(|_| head.owner.pid != 0)
            .map(|basis| heard(&head.owner, basis)),
    })
}

/// Kind number of a record, if it can be read: for counting what could not be decoded.
pub fn kind_of(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]))
}

#[inline(always)]
fn signal(kind: u16, bytes: &[u8]) -> Result<Signal, DecodeError> {
    Ok(match kind {
        kind::STATE => state(&copy(bytes)?)?,
        kind::RST_SENT => Signal::Reset(reset(&copy(bytes)?)),
        kind::RST_RECEIVED => {
            let record: ResetReceivedRecord = copy(bytes)?;
            match known_u32(record.silent_jiffies) {
                Some(silent_jiffies) if record.dead == 0 => {
                    Signal::ResetAfterSilence { silent_jiffies }
                }
                _ => Signal::ResetReceived {
                    dead: record.dead != 0,
                },
            }
        }
        kind::LINGER_CLOSE => Signal::Linger(linger(&copy(bytes)?)?),
        kind::ACCEPT_DROP => Signal::AcceptDrop(queue_drop(&copy(bytes)?)?),
        kind::SYN_DROP => {
            let record: QueueDropRecord = copy(bytes)?;
            let facts = queue_drop(&record)?;
            if record.by_max_syn_backlog == 0 {
                Signal::SynDrop(facts)
            } else {
                Signal::BacklogDrop(facts)
            }
        }
        kind::RETRANSMIT => Signal::Retransmit(retransmit(&copy(bytes)?)),
        kind::TIME_WAIT => Signal::TimeWait(time_wait(&copy(bytes)?)?),
        kind::PAWS_DROP => {
            let record: PawsRecord = copy(bytes)?;
            let check = match record.check {
                wire::check::BY_REASON => None,
                wire::check::ESTABLISHED => Some(PawsWhere::Established),
                wire::check::TIME_WAIT => Some(PawsWhere::TimeWait),
                other => return Err(value("check", other)),
            };
            Signal::Paws {
                reason: record.reason,
                check,
            }
        }
        kind::CLOSE => Signal::Close(close(&copy(bytes)?)),
        kind::TIMED_OUT => Signal::TimedOut(timed_out(&copy(bytes)?)),
        kind::CONNECT_FAILED => connect_failed(&copy(bytes)?),
        other => return Err(DecodeError::Kind(other)),
    })
}

/// Copies a record out of the ring, which aligns to 8 bytes only by convention. Inlined, only the
/// fields that are asked for are copied.
#[inline(always)]
fn copy<T: Copy>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() < size_of::<T>() {
        return Err(DecodeError::Short {
            got: bytes.len(),
            want: size_of::<T>(),
        });
    }
    let mut record = MaybeUninit::<T>::uninit();
    // SAFETY: the source is long enough, the destination is ours. T is a record of
    // `tcptrace_common::wire`: integers without hidden padding, valid for any bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), record.as_mut_ptr().cast(), size_of::<T>());
        Ok(record.assume_init())
    }
}

/// Ticks of /proc/PID/stat: `USER_HZ` is 100 on every architecture tcptrace runs on.
const TICK_NS: u64 = 10_000_000;

fn basis(number: u8) -> Result<Option<Basis>, DecodeError> {
    Ok(match number {
        kind::basis::NONE => None,
        kind::basis::TASK => Some(Basis::Task),
        kind::basis::SOCKET => Some(Basis::Socket),
        kind::basis::LISTENER => Some(Basis::Listener),
        kind::basis::SNAPSHOT => Some(Basis::Snapshot),
        other => return Err(value("basis", other)),
    })
}

#[inline(always)]
fn heard(record: &OwnerRecord, basis: Basis) -> ReportedOwner {
    ReportedOwner {
        pid: record.pid,
        tid: record.tid,
        start_ticks: record.start_ns / TICK_NS,
        comm: record.comm,
        uid: known_u32(record.uid),
        basis,
        holders: (record.holders != 0).then_some(u32::from(record.holders)),
        is_followed: record.bits & wire::owner::FOLLOWED != 0,
        has_listener_file: record.bits & wire::owner::LISTENER_FILE != 0,
        holds: record.bits & wire::owner::HOLDS != 0,
        is_current: record.bits & wire::owner::CURRENT != 0,
        is_discarded: record.bits & wire::owner::DISCARDED != 0,
    }
}

fn family(number: u16) -> Result<Family, DecodeError> {
    match number {
        AF_INET => Ok(Family::Inet),
        AF_INET6 => Ok(Family::Inet6),
        other => Err(DecodeError::Value {
            field: "family",
            value: u64::from(other),
        }),
    }
}

#[inline(always)]
fn flow(record: &FlowRecord, family: Family) -> Flow {
    let end = |addr: &[u8; 16], port: u16| {
        (port != 0).then(|| Endpoint {
            addr: address(family, addr),
            port,
        })
    };
    Flow {
        family,
        local: end(&record.local_addr, record.local_port),
        unbound: (record.local_port == 0).then(|| address(family, &record.local_addr)),
        remote: end(&record.remote_addr, record.remote_port),
        netns: (record.netns != 0).then_some(record.netns),
        cookie: non_zero(record.cookie),
    }
}

/// v4-mapped becomes IPv4: one flow has one spelling.
#[inline(always)]
fn address(family: Family, bytes: &[u8; 16]) -> IpAddr {
    match family {
        Family::Inet => {
            let [a, b, c, d, ..] = *bytes;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        Family::Inet6 => {
            let addr = Ipv6Addr::from(*bytes);
            addr.to_ipv4_mapped().map_or(IpAddr::V6(addr), IpAddr::V4)
        }
    }
}

#[inline(always)]
fn state(record: &StateRecord) -> Result<Signal, DecodeError> {
    let number = |n: u8| TcpState::from_number(n).ok_or_else(|| value("state", n));
    Ok(Signal::State(StateChange {
        old: number(record.old)?,
        new: number(record.new)?,
        in_old_ns: known_u64(record.in_old_ns),
    }))
}

#[inline(always)]
fn reset(record: &ResetRecord) -> Reset {
    use wire::reset as bit;
    let has = |bit: u8| record.bits & bit != 0;
    let queue = match (
        known_u32(record.queue_length),
        known_u32(record.queue_limit),
    ) {
        (Some(length), Some(limit)) => Some(Queue { length, limit }),
        _ => None,
    };
    Reset {
        reason: known_u32(record.reason),
        has_sock: has(bit::HAS_SOCK),
        is_minisock: has(bit::MINISOCK),
        is_reply: has(bit::REPLY),
        is_dead: has(bit::DEAD),
        is_owned: has(bit::OWNED),
        has_socket: has(bit::HAS_SOCKET),
        listener_is_closing: has(bit::LISTENER_CLOSING),
        linger_on: has(bit::LINGER),
        linger_jiffies: record.linger_jiffies,
        linger2: record.linger2,
        user_timeout_ms: record.user_timeout_ms,
        shutdown: record.shutdown,
        sk_err: record.sk_err,
        state_now: record.state_now,
        queue,
        unsent_bytes: known_u32(record.unsent_bytes),
        unacked_bytes: known_u32(record.unacked_bytes),
        unread_bytes: known_u32(record.unread_bytes),
    }
}

fn linger(record: &LingerRecord) -> Result<LingerEnd, DecodeError> {
    Ok(LingerEnd {
        start_ns: record.start_ns,
        linger_jiffies: record.linger_jiffies,
        outcome: match record.end {
            wire::linger_end::DRAINED => LingerOutcome::Drained,
            wire::linger_end::TIMED_OUT => LingerOutcome::TimedOut,
            wire::linger_end::INTERRUPTED => LingerOutcome::Interrupted,
            wire::linger_end::RESET => LingerOutcome::Reset,
            other => return Err(value("linger end", other)),
        },
        unsent_bytes: known_u32(record.unsent_bytes),
        unacked_bytes: known_u32(record.unacked_bytes),
        remaining_bytes: known_u32(record.remaining_bytes),
    })
}

fn queue_drop(record: &QueueDropRecord) -> Result<QueueDrop, DecodeError> {
    Ok(QueueDrop {
        step: match record.step {
            wire::step::SYN => Some(Step::Syn),
            wire::step::ACK => Some(Step::Ack),
            other => return Err(value("step", other)),
        },
        outcome: match record.outcome {
            wire::outcome::DROPPED => Some(DropOutcome::Dropped),
            wire::outcome::RESET => Some(DropOutcome::Reset),
            wire::outcome::COOKIE => Some(DropOutcome::Cookie),
            other => return Err(value("outcome", other)),
        },
        queue: match (known_u32(record.length), known_u32(record.limit)) {
            (Some(length), Some(limit)) => Some(Queue { length, limit }),
            _ => None,
        },
        count: u64::from(record.count),
        somaxconn: known_u32(record.somaxconn),
        backlog: known_u32(record.backlog),
    })
}

fn retransmit(record: &RetransmitRecord) -> Retransmit {
    Retransmit {
        sequence: record.sequence,
        bytes: record.bytes,
        segments: (record.segments != 0).then_some(record.segments),
        attempt: known_u32(record.attempt).filter(|attempt| *attempt != 0),
        error: (record.error != i32::MIN).then_some(record.error),
        ca_state: record.ca_state,
        pending: record.pending,
        tcp_flags: record.tcp_flags,
        is_syn_ack: record.bits & wire::retransmit::SYN_ACK != 0,
        gave_up: record.bits & wire::retransmit::GIVEN_UP != 0,
    }
}

#[inline(always)]
fn time_wait(record: &TimeWaitRecord) -> Result<TimeWait, DecodeError> {
    let (phase, is_cancelled) = match record.phase {
        wire::phase::ENTER => (TimeWaitPhase::Enter, false),
        wire::phase::REUSE => (TimeWaitPhase::Reuse, false),
        wire::phase::OVERFLOW => (TimeWaitPhase::Overflow, false),
        wire::phase::EXPIRE => (TimeWaitPhase::Expire, false),
        wire::phase::CANCEL => (TimeWaitPhase::Expire, true),
        other => return Err(value("phase", other)),
    };
    Ok(TimeWait {
        phase,
        is_cancelled,
        substate: TcpState::from_number(record.substate),
        timeout_jiffies: known_u64(record.timeout_jiffies),
        new_owner: None,
    })
}

#[inline(always)]
fn close(record: &CloseRecord) -> CloseFacts {
    use wire::close as bit;
    CloseFacts {
        duration_ns: known_u64(record.duration_ns),
        bytes_sent: record.bytes_sent,
        bytes_received: record.bytes_received,
        srtt_us: known_u32(record.srtt_us),
        retransmits: record.retransmits,
        sk_err: record.sk_err,
        rst_received: record.bits & bit::RST_RECEIVED != 0,
        has_time_wait: record.bits & bit::TIME_WAIT != 0,
        is_owned: record.bits & bit::OWNED != 0,
    }
}

fn timed_out(record: &TimedOutRecord) -> TimedOut {
    TimedOut {
        silent_jiffies: known_u32(record.silent_jiffies),
        unsent_bytes: known_u32(record.unsent_bytes),
        unacked_bytes: known_u32(record.unacked_bytes),
        user_timeout_ms: record.user_timeout_ms,
        window: known_u32(record.window),
        sk_err: record.sk_err,
        retransmits: record.retransmits,
        probes: record.probes,
        is_dead: record.bits & wire::timed_out::DEAD != 0,
    }
}

fn connect_failed(record: &ConnectFailedRecord) -> Signal {
    let has = |bit: u8| record.bits & bit != 0;
    if has(wire::connect_failed::RETURNED) {
        return Signal::CallFailed(CallFailed {
            call: if has(wire::connect_failed::BIND) {
                Call::Bind
            } else {
                Call::Connect
            },
            errno: record.sk_err,
        });
    }
    Signal::ConnectFailed(ConnectFailed {
        waited_ns: known_u64(record.waited_ns),
        sk_err: record.sk_err,
        retransmits: record.retransmits,
        is_owned: has(wire::connect_failed::OWNED),
        is_shut: has(wire::connect_failed::SHUT),
        is_sent: has(wire::connect_failed::SENT),
        has_port: has(wire::connect_failed::HAS_PORT),
    })
}

fn value(field: &'static str, value: u8) -> DecodeError {
    DecodeError::Value {
        field,
        value: u64::from(value),
    }
}

fn non_zero(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

fn known_u32(number: u32) -> Option<u32> {
    (number != UNKNOWN_U32).then_some(number)
}

fn known_u64(number: u64) -> Option<u64> {
    (number != UNKNOWN_U64).then_some(number)
}
