//! Listeners come and go.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind;
use tcptrace_common::wire::{Head, OwnerRecord, QueueDropRecord, UNKNOWN_U32, outcome, step};

use crate::emit::emit;
use crate::head_slot::Draft;
use crate::maps::BACKLOGS;
use crate::memory::Memory;
use crate::owner;
use crate::sock::{Access, SockRef, inode_of};

/// The listen() in progress on this CPU: task, and what it was given.
#[map]
static LISTENING: Memory<Listening> = Memory::new();

struct Listening {
    task: Cell<u64>,
    backlog: Cell<u64>,
}

/// The listener that was closed last on this CPU.
#[map]
static CLOSING: Memory<Closing> = Memory::new();

struct Closing {
    /// The task that closes it.
    task: Cell<u64>,
    /// Address.
    listener: Cell<u64>,
    port: Cell<u32>,
    owner: Cell<OwnerRecord>,
}

/// The owner of a listener on this port that the current task is closing.
#[inline(always)]
pub(super) fn closed_by_task(port: u16) -> Option<&'static OwnerRecord> {
    let closing = CLOSING.get()?;
    let is_same = closing.task.get() == owner::pid_tgid()
        && closing.port.get() == u32::from(port)
        && closing.listener.get() != 0;
    if !is_same {
        return None;
    }
    // SAFETY: this CPU's own value of the map.
    Some(unsafe { &*closing.owner.as_ptr() })
}

/// `__sys_listen(fd, backlog)`: what the program asks for, before net.core.somaxconn cuts it.
#[inline(always)]
pub(crate) fn on_call(backlog: u64) {
    if let Some(listening) = LISTENING.get() {
        listening.task.set(owner::pid_tgid());
        listening.backlog.set(backlog & 0xffff_ffff);
    }
}

/// `security_socket_listen(sock, backlog)`, in the same system call: which socket it is for, and
/// what is left of the backlog. When the task was moved to another CPU in between, what an earlier
/// call left is stale.
#[inline(always)]
pub(crate) fn on_allowed(socket: u64, granted: u64) {
    let Some(inode) = inode_of(socket) else {
        return;
    };
    let asked = LISTENING.get().and_then(|listening| {
        let is_same = listening.task.get() == owner::pid_tgid()
            && listening.backlog.get() >= granted & 0xffff_ffff;
        listening.task.set(0);
        is_same.then_some(listening.backlog.get() as u32)
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

/// The accept queue of a listener; `UNKNOWN_U32` for what cannot be read.
pub(super) struct AcceptQueue {
    length: u32,
    limit: u32,
    somaxconn: u32,
}

impl AcceptQueue {
    #[inline(always)]
    pub(super) fn of<A: Access>(sk: &SockRef<A>) -> Self {
        Self {
            length: sk.accept_queue_length().unwrap_or(UNKNOWN_U32),
            limit: sk.accept_queue_limit().unwrap_or(UNKNOWN_U32),
            somaxconn: sk.somaxconn().unwrap_or(UNKNOWN_U32),
        }
    }

    /// Whether it is known to be full: it holds one more than its limit then.
    #[inline(always)]
    pub(super) fn is_over_limit(&self) -> bool {
        self.length != UNKNOWN_U32 && self.length > self.limit
    }
}

/// A third ACK found the accept queue full; `reason` of the kernel is `UNKNOWN_U32` where it gave none.
#[inline(always)]
pub(super) fn report_refused_ack(
    head: &mut Draft,
    hook: u8,
    queue: &AcceptQueue,
    reason: u32,
    was_reset: bool,
) {
    let backlog = backlog(head.inode);
    emit(
        kind::ACCEPT_DROP,
        hook,
        head,
        |record: &mut QueueDropRecord| {
            record.length = queue.length;
            record.limit = queue.limit;
            record.reason = reason;
            record.somaxconn = queue.somaxconn;
            record.backlog = backlog;
            record.count = 1;
            record.step = step::ACK;
            record.outcome = if was_reset {
                outcome::RESET
            } else {
                outcome::DROPPED
            };
        },
    );
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
    if let Some(closing) = CLOSING.get() {
        closing.task.set(owner::pid_tgid());
        closing.listener.set(head.sock);
        closing.port.set(u32::from(flow.local_port));
        // SAFETY: this CPU's own value of the map; nobody holds a reference into it here.
        unsafe { closing.owner.as_ptr().write(head.owner) };
    }
    owner::listeners::leave(head.sock, flow.netns, flow.local_port);
}
