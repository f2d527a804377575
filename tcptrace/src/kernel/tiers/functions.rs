//! Families of function hooks that serve together.

use tcptrace_common::config::served;

use super::{Candidate, Function, Hooks, Obstacle, Place, Tier};
use crate::model::Evidence;

/// A family in both tiers: what it attaches, what the reporting hook is called in each.
pub(super) struct Family {
    functions: &'static [Function],
    by_btf: &'static str,
    by_breakpoint: &'static str,
    served: u32,
}

impl Family {
    /// The two candidates, better first.
    pub(super) const fn candidates(&self, obstacle: Obstacle) -> [Candidate; 2] {
        [
            self.candidate(Tier::Fentry, self.by_btf, obstacle),
            self.candidate(Tier::Kprobe, self.by_breakpoint, obstacle),
        ]
    }

    const fn candidate(&self, tier: Tier, hook: &'static str, obstacle: Obstacle) -> Candidate {
        Candidate {
            tier,
            hooks: Hooks::Functions(self.functions),
            hook,
            evidence: Evidence::Seen,
            blind_to: "",
            served: self.served,
            obstacle,
        }
    }
}

const fn entry(name: &'static str) -> Function {
    Function {
        name,
        place: Place::Entry,
    }
}

const fn exit(name: &'static str) -> Function {
    Function {
        name,
        place: Place::Exit,
    }
}

/// accept() hands a connection over.
pub(super) const ACCEPTED: Family = Family {
    functions: &[exit("inet_csk_accept")],
    by_btf: "fexit/inet_csk_accept",
    by_breakpoint: "kretprobe/inet_csk_accept",
    served: 0,
};

/// SYNs that a listener takes or refuses.
pub(super) const SYNS: Family = Family {
    functions: &[entry("tcp_conn_request"), exit("tcp_conn_request")],
    by_btf: "fexit/tcp_conn_request",
    by_breakpoint: "kretprobe/tcp_conn_request",
    served: served::SYN,
};

/// What follows the SYN, cookies included. `tcp_v4_syn_recv_sock` would name the refusal, but its
/// seven arguments cannot be traced through BTF on 6.1.
pub(super) const ACKS: Family = Family {
    functions: &[
        entry("tcp_check_req"),
        exit("tcp_check_req"),
        entry("tcp_get_cookie_sock"),
        exit("tcp_get_cookie_sock"),
    ],
    by_btf: "fexit/tcp_check_req",
    by_breakpoint: "kretprobe/tcp_check_req",
    served: served::ACK,
};

/// SYN-ACKs that are due again.
pub(super) const REQUEST_TIMER: Family = Family {
    functions: &[entry("reqsk_timer_handler"), exit("reqsk_timer_handler")],
    by_btf: "fexit/reqsk_timer_handler",
    by_breakpoint: "kretprobe/reqsk_timer_handler",
    served: 0,
};

/// A close that waits.
pub(super) const WAIT_CLOSE: Family = Family {
    functions: &[entry("sk_stream_wait_close"), exit("sk_stream_wait_close")],
    by_btf: "fexit/sk_stream_wait_close",
    by_breakpoint: "kretprobe/sk_stream_wait_close",
    served: served::LINGER,
};

/// TIME_WAIT sockets where one function hashes and schedules them (6.12 and later).
pub(super) const TIME_WAIT: Family = Family {
    functions: &[
        entry("inet_twsk_alloc"),
        exit("inet_twsk_alloc"),
        entry("inet_twsk_hashdance_schedule"),
        entry("tw_timer_handler"),
        entry("tcp_twsk_unique"),
        exit("tcp_twsk_unique"),
        entry("tcp_timewait_state_process"),
        exit("tcp_timewait_state_process"),
        entry("inet_twsk_deschedule_put"),
    ],
    by_btf: "fentry/inet_twsk_hashdance_schedule",
    by_breakpoint: "kprobe/inet_twsk_hashdance_schedule",
    served: served::TIME_WAIT,
};

/// TIME_WAIT sockets where scheduling is a function of its own (5.10, 6.1).
pub(super) const OLDER_TIME_WAIT: Family = Family {
    functions: &[
        entry("inet_twsk_alloc"),
        exit("inet_twsk_alloc"),
        entry("__inet_twsk_schedule"),
        entry("tw_timer_handler"),
        entry("tcp_twsk_unique"),
        exit("tcp_twsk_unique"),
        entry("tcp_timewait_state_process"),
        exit("tcp_timewait_state_process"),
        entry("inet_twsk_deschedule_put"),
    ],
    by_btf: "fentry/__inet_twsk_schedule",
    by_breakpoint: "kprobe/__inet_twsk_schedule",
    served: served::TIME_WAIT,
};

/// RSTs without a full socket.
pub(super) const ANSWERS: Family = Family {
    functions: &[
        entry("tcp_v4_send_reset"),
        exit("tcp_v4_send_reset"),
        entry("tcp_v6_send_reset"),
        exit("tcp_v6_send_reset"),
    ],
    by_btf: "fexit/tcp_v4_send_reset",
    by_breakpoint: "kretprobe/tcp_v4_send_reset",
    served: served::NO_SOCKET,
};

/// Timestamps of connections.
pub(super) const VALIDATION: Family = Family {
    functions: &[
        entry("tcp_validate_incoming"),
        exit("tcp_validate_incoming"),
    ],
    by_btf: "fexit/tcp_validate_incoming",
    by_breakpoint: "kretprobe/tcp_validate_incoming",
    served: 0,
};

/// Every function that may be hooked: looked for in the kernel's types once.
pub const FUNCTIONS: &[&str] = &[
    "__inet_twsk_schedule",
    "inet_csk_accept",
    "inet_twsk_alloc",
    "inet_twsk_deschedule_put",
    "inet_twsk_hashdance_schedule",
    "reqsk_timer_handler",
    "sk_stream_wait_close",
    "tcp_check_req",
    "tcp_conn_request",
    "tcp_get_cookie_sock",
    "tcp_timewait_state_process",
    "tcp_twsk_unique",
    "tcp_v4_send_reset",
    "tcp_v6_send_reset",
    "tcp_validate_incoming",
    "tw_timer_handler",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hooked_function_is_looked_for() {
        let families = [
            &ACCEPTED,
            &SYNS,
            &ACKS,
            &REQUEST_TIMER,
            &WAIT_CLOSE,
            &TIME_WAIT,
            &OLDER_TIME_WAIT,
            &ANSWERS,
            &VALIDATION,
        ];
        let mut hooked: Vec<&str> = families
            .iter()
            .flat_map(|family| family.functions.iter().map(|function| function.name))
            .collect();
        hooked.sort_unstable();
        hooked.dedup();
        assert_eq!(hooked, FUNCTIONS);
    }
}
