//! Connections whose data does not move: the peer does not acknowledge it, or one end does not read.

use super::unanswered::{of_row, rows, to};
use super::{Case, Family, first_fix, proof};
use crate::diagnose::retries::{data_ms, rto_max_ms, span};
use crate::model::Kind;
use crate::model::finding::Finding;
use crate::model::rows::{Anomaly, StateRow};
use crate::model::survey::Space;

const RETRIES: &str = "net.ipv4.tcp_retries2";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "send_stuck",
        topics: &[],
        find: senders,
    },
    Family {
        id: "peer_window_shut",
        topics: &[],
        find: peers,
    },
    Family {
        id: "own_window_shut",
        topics: &[],
        find: readers,
    },
];

fn senders(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let of = |(space, row): (&Space, &StateRow)| {
        let give_up = space.settings.number(RETRIES).map_or_else(String::new, |n| {
            let after = span(data_ms(n, rto_max_ms(&space.settings)));
            format!(" tcp_retries2 is {n}: the kernel gives up after {after} or later.")
        });
        let title = format!("data{} is sent again and again without an answer", to(space, row));
        let mut finding = of_row(family, space, row, title, state(row));
        finding.count = row.stuck;
        if let Some(ms) = row.stuck_ms_max {
            let text = format!(
                "{} of them received no acknowledgement, for up to {}",
                row.stuck,
                span(ms)
            );
            finding.evidence.push(proof(text, ms, "sock_diag"));
        }
        Finding {
            why: format!(
                "The peer's host is gone, or the path drops the segments or their \
                 acknowledgements.{give_up}"
            ),
            do_first: first_fix((Kind::Retransmit, Some("rto"))),
            explain: Some((Kind::Retransmit, Some("rto"))),
            ..finding
        }
    };
    rows(case, Anomaly::SendStuck).map(of).collect()
}

fn peers(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let of = |(space, row): (&Space, &StateRow)| {
        let title = format!("the peer{} does not read what is sent", to(space, row));
        let mut finding = of_row(family, space, row, title, state(row));
        finding.count = row.window_shut;
        if let Some(ms) = row.window_shut_ms_max {
            let text = format!(
                "the window of {} of them is shut, for up to {}",
                row.window_shut,
                span(ms)
            );
            finding.evidence.push(proof(text, ms, "sock_diag"));
        }
        Finding {
            why: "The buffer of the peer is full: its process does not read, or reads more slowly \
                  than this one writes. The path is fine: the peer's host answers the probes. This \
                  process blocks in write(), or keeps what it cannot send."
                .to_owned(),
            do_first: "Look at the peer's process, on its host: tcptrace states shows it there as not \
                       reading. Here, set a limit on how long a write may wait (TCP_USER_TIMEOUT, a \
                       timeout of the program)."
                .to_owned(),
            explain: Some((Kind::TimedOut, Some("zero_window"))),
            ..finding
        }
    };
    rows(case, Anomaly::PeerWindowShut).map(of).collect()
}

fn readers(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let of = |(space, row): (&Space, &StateRow)| {
        let who = row.owner.as_ref().map_or_else(
            || "an unknown process".to_owned(),
            |owner| format!("{} ({})", owner.process.display_name(), owner.process.pid),
        );
        let shut = row.own_window_shut.unwrap_or(0);
        let title = format!("{who} does not read what its peer{} sent", to(space, row));
        let mut finding = of_row(family, space, row, title, state(row));
        finding.count = shut;
        finding.evidence.push(proof(
            format!(
                "{shut} of them have no room left; {} bytes wait to be read",
                row.unread_bytes
            ),
            row.unread_bytes,
            "sock_diag",
        ));
        Finding {
            why: "The receive buffer is full, and the window asks the peer to wait: its data does not move \
                  until this process reads."
                .to_owned(),
            do_first: "Find what the process does instead of reading: a worker that is busy or \
                       blocked, a consumer behind it that is slower than the peer, or a connection \
                       that nobody reads any more."
                .to_owned(),
            ..finding
        }
    };
    rows(case, Anomaly::OwnWindowShut).map(of).collect()
}

fn state(row: &StateRow) -> &'static str {
    match row.state.name() {
        "ESTABLISHED" => "are in ESTABLISHED",
        "CLOSE_WAIT" => "are in CLOSE_WAIT",
        _ => "are closing",
    }
}
