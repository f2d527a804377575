//! Families of function hooks that serve together.

use tcptrace_common::config::served;

use super::{Candidate, Function, Hooks, Place, Tier};
use crate::model::Evidence;

/// A family in both tiers: what it attaches together.
pub(super) struct Family {
    functions: &'static [Function],
    served: u32,
}

impl Family {
    /// The two candidates, better first. `reporter` is the place of the function that reports.
    pub(super) const fn candidates(&self, reporter: usize) -> [Candidate; 2] {
        [
            self.candidate(Tier::Fentry, reporter),
            self.candidate(Tier::Kprobe, reporter),
        ]
    }

    const fn candidate(&self, tier: Tier, reporter: usize) -> Candidate {
        Candidate {
            tier,
            hooks: Hooks::Functions(self.functions),
            reporter,
            evidence: Evidence::Seen,
            blind_to: "",
            served: self.served,
            obstacle: super::nothing,
        }
    }
}

const fn at(place: Place, names: &'static [&'static str]) -> Function {
    Function { names, place }
}

/// accept() hands a connection over.
pub(super) const ACCEPTED: Family = Family {
    functions: &[at(Place::Entry, &["security_sock_graft"])],
    served: 0,
};

/// Which listener a task asks, and when it gets a connection from it.
pub(super) const ACCEPT_WAITS: Family = Family {
    functions: &[
        at(Place::Entry, &["inet_csk_accept"]),
        at(Place::Entry, &["security_sock_graft"]),
    ],
    served: 0,
};

/// What listen() is given, before net.core.somaxconn cuts it.
pub(super) const BACKLOGS: Family = Family {
    functions: &[
        at(Place::Entry, &["__sys_listen"]),
        at(Place::Entry, &["security_socket_listen"]),
    ],
    served: 0,
};

/// SYNs that a listener takes or refuses.
pub(super) const SYNS: Family = Family {
    functions: &[at(Place::Both, &["tcp_conn_request"])],
    served: served::SYN,
};

/// What follows the SYN, cookies included. `tcp_v4_syn_recv_sock` would name the refusal, but its
/// seven arguments cannot be traced through BTF on 6.1.
pub(super) const ACKS: Family = Family {
    functions: &[
        at(Place::Both, &["tcp_check_req"]),
        at(Place::Both, &["tcp_get_cookie_sock"]),
    ],
    served: served::ACK,
};

/// SYN-ACKs that are due again.
pub(super) const REQUEST_TIMER: Family = Family {
    functions: &[at(Place::Both, &["reqsk_timer_handler"])],
    served: 0,
};

/// A close that waits.
pub(super) const WAIT_CLOSE: Family = Family {
    functions: &[at(Place::Both, &["sk_stream_wait_close"])],
    served: served::LINGER,
};

/// TIME_WAIT sockets. From 6.12 on one function hashes and schedules them; before, scheduling is
/// a function of its own.
pub(super) const TIME_WAIT: Family = Family {
    functions: &[
        at(
            Place::Entry,
            &["inet_twsk_hashdance_schedule", "__inet_twsk_schedule"],
        ),
        at(Place::Call, &["inet_twsk_alloc"]),
        at(Place::Entry, &["tw_timer_handler"]),
        at(Place::Entry, &["inet_twsk_deschedule_put"]),
        at(Place::Both, &["tcp_timewait_state_process"]),
        at(Place::Call, &["tcp_twsk_unique"]),
    ],
    served: served::TIME_WAIT,
};
/// Places in [`TIME_WAIT`].
pub(super) mod turn {
    pub(in crate::kernel::tiers) const ENTER: usize = 0;
    pub(in crate::kernel::tiers) const OVERFLOW: usize = 1;
    pub(in crate::kernel::tiers) const EXPIRE: usize = 2;
    pub(in crate::kernel::tiers) const REUSE: usize = 3;
    pub(in crate::kernel::tiers) const REJECT: usize = 4;
}

/// RSTs without a full socket.
pub(super) const ANSWERS: Family = Family {
    functions: &[
        at(Place::Both, &["tcp_v4_send_reset"]),
        at(Place::Both, &["tcp_v6_send_reset"]),
    ],
    served: served::NO_SOCKET,
};

/// Timestamps of connections.
pub(super) const VALIDATION: Family = Family {
    functions: &[at(Place::Both, &["tcp_validate_incoming"])],
    served: served::PAWS,
};

/// The function that stands for the walk of all open files in the kernel's types.
pub const WALK: &str = "bpf_iter_task_file";

/// Every function that may be hooked: looked for in the kernel's types once.
pub const FUNCTIONS: &[&str] = &[
    "__inet_twsk_schedule",
    "__sys_listen",
    "inet_csk_accept",
    "inet_twsk_alloc",
    "inet_twsk_deschedule_put",
    "inet_twsk_hashdance_schedule",
    "reqsk_timer_handler",
    "security_sock_graft",
    "security_socket_listen",
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
            &ACCEPT_WAITS,
            &BACKLOGS,
            &SYNS,
            &ACKS,
            &REQUEST_TIMER,
            &WAIT_CLOSE,
            &TIME_WAIT,
            &ANSWERS,
            &VALIDATION,
        ];
        let mut hooked: Vec<&str> = families
            .iter()
            .flat_map(|family| family.functions.iter().flat_map(|function| function.names))
            .copied()
            .collect();
        hooked.sort_unstable();
        hooked.dedup();
        assert_eq!(hooked, FUNCTIONS);
    }
}
