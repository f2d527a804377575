//! Listeners come and go.

use tcptrace_common::flow::FlowRecord;
use tcptrace_common::wire::{Head, UNKNOWN_U32};

use crate::maps::BACKLOGS;
use crate::owner;
use crate::sock::{Access, SockRef, inode_of};

/// `__sys_listen(fd, backlog)`: what the program asks for, before net.core.somaxconn cuts it.
#[inline(always)]
pub(crate) fn on_call(backlog: u64) {
    if let Some(scratch) = owner::scratch() {
        scratch.listening_task = owner::pid_tgid();
        scratch.listening_backlog = backlog & 0xffff_ffff;
    }
}

/// `security_socket_listen(sock, backlog)`, in the same system call: which socket it is for, and
/// what is left of the backlog. When the task was moved to another CPU in between, what an earlier
/// call left is forgotten.
#[inline(always)]
pub(crate) fn on_allowed(socket: u64, granted: u64) {
    let Some(inode) = inode_of(socket) else {
        return;
    };
    let asked = owner::scratch().and_then(|scratch| {
        let is_same = scratch.listening_task == owner::pid_tgid()
            && scratch.listening_backlog >= granted & 0xffff_ffff;
        scratch.listening_task = 0;
        is_same.then_some(scratch.listening_backlog as u32)
    });
    match asked {
        // Below 0 means no bound of its own (`__sys_listen` compares it as unsigned, 5.10 to 7.3).
        Some(asked) => {
            let _ = BACKLOGS.insert(inode, asked.min(i32::MAX as u32), 0);
        }
        None => {
            let _ = BACKLOGS.remove(inode);
        }
    }
}

/// What listen() was given for the listener of this file; `u32::MAX` when that was not seen.
#[inline(always)]
pub(super) fn backlog(inode: u64) -> u32 {
    // SAFETY: copied at once.
    unsafe { BACKLOGS.get(inode) }
        .copied()
        .unwrap_or(UNKNOWN_U32)
}

/// A socket begins to listen, or is found listening. Its owner must be remembered already.
#[inline(always)]
pub(crate) fn on_listen<A: Access>(sk: &SockRef<A>, flow: &FlowRecord) {
    owner::listeners::join(sk, flow.netns, flow.local_port);
}

/// A listener is closed: its children that nobody accepted are reset next, by the same task.
#[inline(always)]
pub(crate) fn on_unlisten(head: &Head) {
    let flow = &head.flow;
    if let Some(scratch) = owner::scratch() {
        scratch.closing_task = owner::pid_tgid();
        scratch.closing_listener = head.sock;
        scratch.closing_port = u32::from(flow.local_port);
        scratch.closing_owner = head.owner;
    }
    owner::listeners::leave(head.sock, flow.netns, flow.local_port);
}
