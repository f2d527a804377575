//! accept() hands a connection to the process that called it.
//!
//! Heard where the new socket is grafted to its file, since that neither blocks nor returns
//! anything: of the returns of a function that blocks a breakpoint misses all but a few.

use tcptrace_common::flow::{AF_INET, AF_INET6};
use tcptrace_common::kind::basis;
use tcptrace_common::wire::OwnerRecord;

use crate::owner;
use crate::sock::{PROTOCOL_TCP, Probe, SockRef};

/// `security_sock_graft(sk, socket)`: sockets of other protocols pass here as well.
#[inline(always)]
pub(crate) fn on_graft(sock: u64) {
    let sk = SockRef::<Probe>::remembered(sock);
    let is_inet = matches!(sk.family(), Some(AF_INET | AF_INET6));
    if !is_inet || sk.protocol() != Some(PROTOCOL_TCP) || !owner::task_is_user() {
        return;
    }
    if owner::entry(sock).is_none() {
        // Established before we watched: its age is not known.
        owner::born(sock, 0, 0);
    }
    let mut owner = OwnerRecord::default();
    owner::current(basis::TASK, &mut owner);
    owner::remember(sock, &owner);
}
