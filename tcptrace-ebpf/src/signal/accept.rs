//! accept() hands a connection to the process that called it.

use tcptrace_common::kind::basis;
use tcptrace_common::wire::OwnerRecord;

use crate::owner;

/// `inet_csk_accept` returns: 0 = nothing was accepted.
#[inline(always)]
pub(crate) fn on_accepted(sock: u64) {
    if sock == 0 || !owner::task_is_user() {
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
