//! What is held at the entry of a function and compared at its exit.

use core::cell::Cell;

use crate::maps::SynCounters;
use crate::owner;

/// One call in progress on this CPU. In a softirq nothing else runs here between entry and exit. In a
/// system call (a socket's backlog) an interrupt may, and the task may be moved to another CPU: so the
/// exit compares who it is for.
pub(crate) struct Window {
    /// The socket it is called with, 0 = none.
    sock: Cell<u64>,
    /// The packet; 0 = the window is closed.
    skb: Cell<u64>,
    /// The task it runs in, or interrupts.
    task: Cell<u64>,
    /// Where this CPU counts in the socket's namespace; 0 = that could not be read.
    pub(super) base: Cell<u64>,
    /// The socket's drop counter.
    pub(super) drops: Cell<u64>,
    pub(super) refusals: Cell<SynCounters>,
    pub(super) embryonic_resets: Cell<u64>,
    pub(super) paws_rejects: Cell<u64>,
    pub(super) out_resets: Cell<u64>,
}

impl Window {
    /// Opens it for a call with this socket (0 = none) and packet.
    #[inline(always)]
    pub(super) fn open(&self, sock: u64, skb: u64) {
        self.sock.set(sock);
        self.skb.set(skb);
        self.task.set(owner::pid_tgid());
        self.base.set(0);
    }

    /// Whether a call is in progress.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.skb.get() != 0
    }

    /// Closes it without a look at what was held.
    #[inline(always)]
    pub(super) fn discard(&self) {
        self.skb.set(0);
    }

    /// Closes it at the exit of a call with this socket and packet (`skb` 0: the hook does not show
    /// with which): the two, `None` when what is held is another call's, or none.
    #[inline(always)]
    pub(super) fn close(&self, sock: u64, skb: u64) -> Option<(u64, u64)> {
        let (held_sock, held_skb) = (self.sock.get(), self.skb.get());
        self.skb.set(0);
        let is_same = held_skb != 0
            && self.task.get() == owner::pid_tgid()
            && (skb == 0 || skb == held_skb && sock == held_sock);
        is_same.then_some((held_sock, held_skb))
    }
}
