//! Counters of damage, in plain words.
//!
//! They count since the namespace began, so they show that something happened, not when. A counter
//! that this kernel does not have gives no row.

use crate::model::doctor::{Damage, Weight};
use crate::model::survey::Space;

/// What a count is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// There is no further explanation.
    Nothing,
    /// Connections opened, by either side.
    Opens,
    /// Connections opened from here.
    ActiveOpens,
    /// Connections accepted into a queue.
    PassiveOpens,
    /// Segments sent.
    Segments,
}

/// One counter of errors.
#[derive(Clone, Copy, Debug)]
struct Telling {
    counter: &'static str,
    weight: Weight,
    topic: Option<&'static str>,
    of: Of,
    says: &'static str,
}

const fn refused(
    counter: &'static str,
    topic: Option<&'static str>,
    says: &'static str,
) -> Telling {
    Telling {
        counter,
        weight: Weight::Refused,
        topic,
        of: Nothing,
        says,
    }
}

const fn degraded(
    counter: &'static str,
    topic: Option<&'static str>,
    of: Of,
    says: &'static str,
) -> Telling {
    Telling {
        counter,
        weight: Weight::Degraded,
        topic,
        of,
        says,
    }
}

use Of::{ActiveOpens, Nothing, Opens, PassiveOpens, Segments};

const TELLING: &[Telling] = &[
    refused(
        "TcpExt.ListenOverflows",
        Some("accept_drop"),
        "refusals because an accept queue was full; every retry counts again",
    ),
    refused(
        "TcpExt.ListenDrops",
        Some("accept_drop"),
        "SYNs and ACKs dropped by listeners for any reason, full accept queues included",
    ),
    refused(
        "TcpExt.TCPReqQFullDrop",
        Some("syn_drop/dropped"),
        "SYNs dropped because a SYN queue was full and SYN cookies were off",
    ),
    degraded(
        "TcpExt.TCPReqQFullDoCookies",
        Some("syn_drop/cookie"),
        Nothing,
        "SYNs answered with a cookie because a SYN queue was full",
    ),
    degraded(
        "TcpExt.SyncookiesSent",
        Some("syn_drop/cookie"),
        PassiveOpens,
        "SYN cookies sent",
    ),
    degraded(
        "TcpExt.SyncookiesFailed",
        Some("syn_drop/cookie"),
        Nothing,
        "ACKs whose SYN cookie was wrong or too old",
    ),
    degraded(
        "TcpExt.TCPFastOpenListenOverflow",
        None,
        Nothing,
        "TCP Fast Open requests beyond the limit of their listener",
    ),
    degraded(
        "TcpExt.TCPBacklogDrop",
        None,
        Nothing,
        "segments dropped because too many arrived while a process was using the socket",
    ),
    degraded(
        "TcpExt.PAWSPassive",
        Some("paws_drop"),
        Nothing,
        "SYNs rejected for their old timestamp (tcp_tw_recycle and clients behind NAT)",
    ),
    degraded(
        "TcpExt.PAWSActive",
        Some("paws_drop"),
        ActiveOpens,
        "SYN-ACKs rejected: they echo a timestamp that was never sent",
    ),
    degraded(
        "TcpExt.PAWSEstab",
        Some("paws_drop/established"),
        Nothing,
        "segments rejected because their timestamp was older than one received before",
    ),
    degraded(
        "TcpExt.PAWSOldAck",
        Some("paws_drop/ack"),
        Nothing,
        "old ACKs rejected for their timestamp",
    ),
    degraded(
        "TcpExt.PAWSTimewait",
        Some("paws_drop/time_wait"),
        Nothing,
        "segments to a TIME_WAIT socket rejected for their timestamp, perhaps a new connection's SYN",
    ),
    degraded(
        "TcpExt.TSEcrRejected",
        Some("paws_drop/echo"),
        Nothing,
        "ACKs of handshakes rejected: they echo a timestamp that was never sent",
    ),
    degraded(
        "TcpExt.TCPAbortOnData",
        Some("rst_sent/linger_zero"),
        Opens,
        "connections reset by close() with SO_LINGER{1,0}, or because data arrived after close()",
    ),
    degraded(
        "TcpExt.TCPAbortOnClose",
        Some("rst_sent/unread_data"),
        Opens,
        "connections reset because they were closed with data unread",
    ),
    degraded(
        "TcpExt.TCPAbortOnLinger",
        Some("rst_sent/linger2"),
        Opens,
        "connections reset after close() because TCP_LINGER2 was below 0",
    ),
    degraded(
        "TcpExt.TCPAbortOnTimeout",
        Some("timed_out"),
        Opens,
        "connections given up: no answer to a SYN, to data or to keepalive probes",
    ),
    refused(
        "TcpExt.TCPAbortOnMemory",
        Some("rst_sent/out_of_memory"),
        "closed sockets discarded: too many of them, or too little memory for TCP",
    ),
    refused(
        "TcpExt.TCPAbortFailed",
        None,
        "RSTs that could not be sent because memory was short",
    ),
    refused(
        "TcpExt.TCPTimeWaitOverflow",
        Some("time_wait/overflow"),
        "TIME_WAIT sockets that could not be created: tcp_max_tw_buckets was reached or memory was short",
    ),
    degraded(
        "TcpExt.TCPMemoryPressures",
        None,
        Nothing,
        "times that TCP used more memory than the middle value of tcp_mem",
    ),
    degraded(
        "TcpExt.PruneCalled",
        None,
        Nothing,
        "times a full receive buffer was compacted",
    ),
    degraded(
        "TcpExt.RcvPruned",
        None,
        Nothing,
        "segments dropped because a receive buffer stayed full",
    ),
    degraded(
        "TcpExt.TCPRcvQDrop",
        None,
        Nothing,
        "segments dropped because there was no memory to receive them",
    ),
    degraded(
        "Tcp.OutRsts",
        Some("rst_sent"),
        Opens,
        "RSTs sent, including those from closed ports",
    ),
    degraded(
        "Tcp.EstabResets",
        Some("rst_received/reset"),
        Opens,
        "established connections that ended without a FIN: reset by either side, or given up",
    ),
    degraded(
        "Tcp.AttemptFails",
        Some("rst_received/refused"),
        Opens,
        "failed handshakes, incoming and outgoing",
    ),
    degraded(
        "TcpExt.TCPSynRetrans",
        Some("retransmit/syn"),
        Opens,
        "SYNs and SYN-ACKs sent again",
    ),
    degraded(
        "Tcp.RetransSegs",
        Some("retransmit"),
        Segments,
        "segments sent again",
    ),
    degraded(
        "Tcp.InCsumErrors",
        None,
        Nothing,
        "segments with a wrong checksum",
    ),
];

/// Every counter that is reported, and its weight.
pub fn names() -> impl Iterator<Item = (&'static str, Weight)> {
    TELLING
        .iter()
        .map(|telling| (telling.counter, telling.weight))
}

/// Every error counter of the namespace, including those at 0.
#[must_use]
pub fn all(space: &Space) -> Vec<Damage> {
    let one = |telling: &Telling| {
        let share = share(space, telling.of);
        Some(Damage {
            counter: telling.counter,
            count: space.count(telling.counter)?,
            weight: telling.weight,
            says: says(telling, space),
            of: share.map(|(of, _)| of),
            of_total: share.map(|(_, total)| total),
            topic: telling.topic,
        })
    };
    TELLING.iter().filter_map(one).collect()
}

fn says(telling: &Telling, space: &Space) -> &'static str {
    // kernel: tcp_syncookies=2 counts every SYN there, whether a queue is full or not.
    let always = space.settings.number("net.ipv4.tcp_syncookies") == Some(2);
    if always && telling.counter == "TcpExt.TCPReqQFullDoCookies" {
        return "SYNs answered with a cookie because tcp_syncookies=2 answers every SYN with one";
    }
    telling.says
}

/// Those that have moved.
#[must_use]
pub fn moved(space: &Space) -> Vec<Damage> {
    let mut damages = all(space);
    damages.retain(|damage| damage.count.total > 0);
    damages
}

/// What it is part of, and how many of these there were since the namespace began.
fn share(space: &Space, of: Of) -> Option<(&'static str, u64)> {
    let total = |name: &str| space.count(name).map(|count| count.total);
    let (of, total) = match of {
        Nothing => return None,
        Opens => (
            "connections opened",
            total("Tcp.ActiveOpens")?.saturating_add(total("Tcp.PassiveOpens")?),
        ),
        ActiveOpens => ("connections opened from here", total("Tcp.ActiveOpens")?),
        PassiveOpens => ("connections taken in", total("Tcp.PassiveOpens")?),
        Segments => ("segments sent", total("Tcp.OutSegs")?),
    };
    (total > 0).then_some((of, total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::advice;
    use crate::model::Kind;

    #[test]
    fn every_topic_can_be_explained() {
        for telling in TELLING {
            let Some(topic) = telling.topic else { continue };
            let (kind, cause) = match topic.split_once('/') {
                Some((kind, cause)) => (kind, Some(cause)),
                None => (topic, None),
            };
            let kind = Kind::from_name(kind).expect(telling.counter);
            assert!(advice::find(kind, cause).is_some(), "{topic}");
        }
    }

    #[test]
    fn every_counter_is_reported_once() {
        for (at, telling) in TELLING.iter().enumerate() {
            let rest = &TELLING[at + 1..];
            assert!(rest.iter().all(|other| other.counter != telling.counter));
            assert!(!telling.says.ends_with('.') && telling.says.is_ascii());
        }
    }
}
