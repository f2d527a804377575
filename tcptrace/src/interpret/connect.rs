//! connect() calls that came to nothing: the error, or that the process did not wait for the answer.

use crate::model::event::{CallFailed, ConnectFailed};
use crate::model::incident::{Call, ConnectOutcome};
use crate::model::{Errno, Evidence, What};

const NS_PER_MS: u64 = 1_000_000;

/// How it is known: an error that the socket bears is seen; that no port was free follows from a call that
/// gave up before it sent anything.
pub(super) fn evidence(facts: &ConnectFailed) -> Evidence {
    if found_no_port(facts) {
        Evidence::Inferred
    } else {
        Evidence::Seen
    }
}

/// The fields of the incident. `None` for a refusal of a socket that is older than the run: whether a RST
/// refused it, which is reported as that, is not known.
pub(super) fn what(facts: &ConnectFailed) -> Option<What> {
    let (outcome, error) = outcome(facts);
    if facts.waited_ns.is_none() && error == Some(Errno::Econnrefused) {
        return None;
    }
    // The first SYN and those that timeouts sent again; where nothing is in the send queue, none was sent.
    let syns = if facts.is_sent || (facts.sk_err != 0 && !found_no_port(facts)) {
        u32::from(facts.retransmits) + 1
    } else {
        0
    };
    Some(What::ConnectFailed {
        outcome,
        call: Call::Connect,
        error,
        after_ms: facts.waited_ns.map(|waited_ns| waited_ns / NS_PER_MS),
        syns: Some(syns),
    })
}

/// The fields of the incident of a call that returned an error: nothing was sent.
pub(super) fn returned(facts: &CallFailed) -> What {
    What::ConnectFailed {
        outcome: ConnectOutcome::Failed,
        call: facts.call,
        error: Errno::of_number(facts.errno),
        after_ms: None,
        syns: (facts.call == Call::Connect).then_some(0),
    }
}

/// Whether connect() gave up before it sent anything: no port of the range was free, or the one that bind()
/// chose is in use towards this peer. An error of an earlier attempt may still be in `sk_err`.
const fn found_no_port(facts: &ConnectFailed) -> bool {
    facts.is_owned && !facts.is_sent && !facts.is_shut && facts.retransmits == 0
}

/// kernel: a timer and the network leave their error in `sk_err` before the state changes; connect()
/// itself does not (`tcp_v4_connect`, `tcp_write_err`, `tcp_v4_err`, `tcp_disconnect`; 5.10 to 7.3).
fn outcome(facts: &ConnectFailed) -> (ConnectOutcome, Option<Errno>) {
    if found_no_port(facts) {
        return (ConnectOutcome::Failed, Some(Errno::Eaddrnotavail));
    }
    match facts.sk_err {
        // close(), shutdown(), connect() to AF_UNSPEC, the end of the process.
        0 => (ConnectOutcome::Closed, None),
        error => (ConnectOutcome::Failed, Errno::of_number(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: ConnectFailed = ConnectFailed {
        waited_ns: Some(7_250_000_000),
        sk_err: 110,
        retransmits: 2,
        is_owned: false,
        is_shut: false,
        is_sent: true,
        has_port: true,
    };

    #[track_caller]
    fn is(facts: ConnectFailed, outcome: ConnectOutcome, error: Option<Errno>, syns: u32) {
        let expected = What::ConnectFailed {
            outcome,
            call: Call::Connect,
            error,
            after_ms: Some(7250),
            syns: Some(syns),
        };
        assert_eq!(what(&facts), Some(expected));
    }

    #[test]
    fn errors_of_timers_and_of_the_network_are_seen() {
        is(WAITING, ConnectOutcome::Failed, Some(Errno::Etimedout), 3);
        let unreachable = ConnectFailed {
            sk_err: 113,
            retransmits: 0,
            ..WAITING
        };
        is(
            unreachable,
            ConnectOutcome::Failed,
            Some(Errno::Ehostunreach),
            1,
        );
        let unknown = ConnectFailed {
            sk_err: 4095,
            ..WAITING
        };
        is(unknown, ConnectOutcome::Failed, None, 3);
        assert_eq!(evidence(&WAITING), Evidence::Seen);
    }

    #[test]
    fn a_call_that_sent_nothing_found_no_port() {
        for (has_port, sk_err) in [(false, 0), (true, 0), (true, 110)] {
            let facts = ConnectFailed {
                sk_err,
                retransmits: 0,
                is_owned: true,
                is_sent: false,
                has_port,
                ..WAITING
            };
            is(facts, ConnectOutcome::Failed, Some(Errno::Eaddrnotavail), 0);
            assert_eq!(evidence(&facts), Evidence::Inferred);
        }
    }

    #[test]
    fn a_refusal_of_an_older_socket_may_have_been_a_reset() {
        let refused = ConnectFailed {
            sk_err: 111,
            ..WAITING
        };
        assert!(what(&refused).is_some());
        let older = ConnectFailed {
            waited_ns: None,
            ..refused
        };
        assert_eq!(what(&older), None);
    }

    #[test]
    fn a_process_that_closes_has_no_error() {
        for is_shut in [false, true] {
            let facts = ConnectFailed {
                sk_err: 0,
                is_owned: true,
                is_shut,
                ..WAITING
            };
            is(facts, ConnectOutcome::Closed, None, 3);
            assert_eq!(evidence(&facts), Evidence::Seen);
        }
    }
}
