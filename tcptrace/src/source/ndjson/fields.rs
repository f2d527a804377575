//! The objects of a line: every field is optional here, since `null` and absent are one, and is
//! named when its value is of another type than expected.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::NdjsonError;
use super::value::{Counts, Of, Text, named, without_place};
use crate::model::flow::TcpState;
use crate::model::incident::{
    CloseHow, ClosedBy, Evidence, LimitedBy, Linger, Queue, ResetCause, ResetMeaning,
    RetransmitType, Step, TimeWaitEnd, TimeWaitPhase,
};
use crate::model::summary::Verdict;
use crate::model::{Basis, Endpoint, Family, Owner, Process};

/// Declares an object by its fields; others are passed over.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $of:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'de> {
            $(pub(super) $field: Option<$of>,)*
            line: PhantomData<&'de ()>,
        }

        impl<'de> Deserialize<'de> for $name<'de> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Fields<'de>(PhantomData<&'de ()>);

                impl<'de> Visitor<'de> for Fields<'de> {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<Text<'de>>()? {
                            match key.as_str() {
                                $($key => {
                                    if object.$field.is_some() {
                                        return Err(A::Error::custom(concat!($key, " is there twice")));
                                    }
                                    object.$field = map.next_value().map_err(|error| {
                                        let why = without_place(&error);
                                        A::Error::custom(format_args!(concat!($key, ": {}"), why))
                                    })?;
                                })*
                                _ => drop(map.next_value::<IgnoredAny>()?),
                            }
                        }
                        Ok(object)
                    }
                }

                from.deserialize_map(Fields(PhantomData))
            }
        }
    };
}

object! {
    /// What tells whether a line is ours, and what it is.
    Head {
        v: u64 = "v",
        kind: Text<'de> = "kind",
    }
}

object! {
    /// The fields of all kinds; a kind uses its own.
    Raw {
        ts: Text<'de> = "ts",
        mono_ns: u64 = "mono_ns",
        netns: u32 = "netns",
        cookie: u64 = "cookie",
        family: Of<Family> = "family",
        local: RawEnd<'de> = "local",
        remote: RawEnd<'de> = "remote",
        state: Of<TcpState> = "state",
        owner: RawOwner<'de> = "owner",
        hook: Text<'de> = "hook",
        evidence: Of<Evidence> = "evidence",
        cause: Of<ResetCause> = "cause",
        reason: Text<'de> = "reason",
        unsent_bytes: u32 = "unsent_bytes",
        unacked_bytes: u32 = "unacked_bytes",
        unread_bytes: u32 = "unread_bytes",
        linger: RawLinger<'de> = "linger",
        meaning: Of<ResetMeaning> = "meaning",
        linger_seconds: u64 = "linger_seconds",
        blocked_ms: u64 = "blocked_ms",
        outcome: Text<'de> = "outcome",
        remaining_bytes: u32 = "remaining_bytes",
        step: Of<Step> = "step",
        queue: RawQueue<'de> = "queue",
        limited_by: Of<LimitedBy> = "limited_by",
        count: u64 = "count",
        kind_of_resend: Of<RetransmitType> = "type",
        attempt: u32 = "attempt",
        bytes: u32 = "bytes",
        sequence: u32 = "sequence",
        segments: u32 = "segments",
        error: i32 = "error",
        gave_up: bool = "gave_up",
        phase: Of<TimeWaitPhase> = "phase",
        substate: Of<TcpState> = "substate",
        timeout_ms: u64 = "timeout_ms",
        ended_by: Of<TimeWaitEnd> = "ended_by",
        new_owner: RawOwner<'de> = "new_owner",
        place: Text<'de> = "where",
        old: Of<TcpState> = "old",
        new: Of<TcpState> = "new",
        in_old_us: u64 = "in_old_us",
        duration_us: u64 = "duration_us",
        bytes_sent: u64 = "bytes_sent",
        bytes_received: u64 = "bytes_received",
        srtt_us: u32 = "srtt_us",
        retransmits: u32 = "retransmits",
        closed_by: Of<ClosedBy> = "closed_by",
        how: Of<CloseHow> = "how",
        of_kind: Text<'de> = "of_kind",
        duration_ms: u64 = "duration_ms",
        by_kind: Counts = "by_kind",
        by_owner: Vec<RawOwnerCount<'de>> = "by_owner",
        owners_left_out: u64 = "owners_left_out",
        loss: RawTally<'de> = "loss",
        reconciliation: Vec<RawReconciled<'de>> = "reconciliation",
    }
}

object! {
    /// One end of a connection.
    RawEnd {
        addr: IpAddr = "addr",
        port: u16 = "port",
    }
}

object! {
    /// An owner; of nobody with basis `none`.
    RawOwner {
        pid: u32 = "pid",
        start_ticks: u64 = "start_ticks",
        comm: Text<'de> = "comm",
        exe: Text<'de> = "exe",
        uid: u32 = "uid",
        cgroup: Text<'de> = "cgroup",
        container: Text<'de> = "container",
        basis: Text<'de> = "basis",
        shared_by: u32 = "shared_by",
    }
}

object! {
    /// A linger setting.
    RawLinger {
        on: bool = "on",
        seconds: u64 = "seconds",
    }
}

object! {
    /// A queue.
    RawQueue {
        length: u32 = "length",
        limit: u32 = "limit",
    }
}

object! {
    /// The incidents of an owner in a summary.
    RawOwnerCount {
        pid: u32 = "pid",
        comm: Text<'de> = "comm",
        by_kind: Counts = "by_kind",
        total: u64 = "total",
    }
}

object! {
    /// The identity of loss.
    RawTally {
        seen: u64 = "seen",
        shown: u64 = "shown",
        filtered: u64 = "filtered",
        rate_limited: u64 = "rate_limited",
        lost: u64 = "lost",
    }
}

object! {
    /// A counter of the kernel and ours.
    RawReconciled {
        counter: Text<'de> = "counter",
        kernel: u64 = "kernel",
        ours: u64 = "ours",
        verdict: Of<Verdict> = "verdict",
        note: Text<'de> = "note",
    }
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, NdjsonError> {
    value.ok_or_else(|| NdjsonError::Field(format!("{field}: not there")))
}

impl RawEnd<'_> {
    /// The end, or its address alone while no port is chosen.
    pub(super) fn bound_or_not(self) -> (Option<Endpoint>, Option<IpAddr>) {
        let Some(addr) = self.addr.map(|addr| addr.to_canonical()) else {
            return (None, None);
        };
        match self.port {
            Some(port) => (Some(Endpoint { addr, port }), None),
            None => (None, Some(addr)),
        }
    }

    /// The end, which must have both.
    pub(super) fn bound(self) -> Result<Endpoint, NdjsonError> {
        Ok(Endpoint {
            addr: needed(self.addr, "remote: addr")?.to_canonical(),
            port: needed(self.port, "remote: port")?,
        })
    }
}

impl RawLinger<'_> {
    pub(super) fn linger(self) -> Result<Linger, NdjsonError> {
        Ok(Linger {
            on: needed(self.on, "linger: on")?,
            seconds: self.seconds,
        })
    }
}

impl RawQueue<'_> {
    pub(super) fn queue(self) -> Result<Queue, NdjsonError> {
        Ok(Queue {
            length: needed(self.length, "queue: length")?,
            limit: needed(self.limit, "queue: limit")?,
        })
    }
}

/// The owner; `None` where the line has none.
pub(super) fn owner(
    field: &'static str,
    raw: Option<RawOwner<'_>>,
) -> Result<Option<Owner>, NdjsonError> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let basis = needed(raw.basis, &format!("{field}: basis"))?;
    if basis.as_str() == "none" {
        return Ok(None);
    }
    let basis = named::<Basis>(field, &basis)?;
    let process = Process {
        pid: needed(raw.pid, &format!("{field}: pid"))?,
        start_ticks: raw.start_ticks,
        comm: needed(raw.comm, &format!("{field}: comm"))?.into_string(),
        exe: raw.exe.map(Text::into_string),
        uid: raw.uid,
        cgroup: raw.cgroup.map(Text::into_string),
        container: raw.container.map(Text::into_string),
    };
    Ok(Some(Owner {
        process: Arc::new(process),
        basis,
        shared_by: raw.shared_by,
        tid: None,
        holders: None,
    }))
}
