//! Listeners come and go.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::basis;
use tcptrace_common::names::limited;
use tcptrace_common::wire::{Head, OwnerRecord, UNKNOWN_U32};

use crate::full;
use crate::maps::{BACKLOGS, GROUP, LISTENERS, ListenerGroup, ListenerKey, NOBODY};
use crate::memory::Memory;
use crate::note::note;
use crate::owner;
use crate::sock::{Access, SockRef, inode_of};

/// A port without listeners. In `.rodata`, since the stack is small.
static EMPTY: ListenerGroup = ListenerGroup {
    owner: NOBODY,
    socks: [0; GROUP],
    drops: [0; GROUP],
    is_mixed: 0,
};

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
/// call left is forgotten.
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

/// A socket begins to listen, or is found listening. Its owner must be remembered already.
#[inline(always)]
pub(crate) fn on_listen<A: Access>(sk: &SockRef<A>, flow: &FlowRecord) {
    let key = ListenerKey {
        netns: flow.netns,
        port: u32::from(flow.local_port),
    };
    if LISTENERS.get_ptr(key).is_none() {
        // A full map loses the name of this listener's refused SYNs, not their count.
        if LISTENERS.insert(key, &EMPTY, 0).is_err() {
            full::count(limited::LISTENERS);
            note!("no room to remember the listener", sock: sk.address(), flow.local_port);
        }
    }
    let Some(group) = LISTENERS.get_ptr_mut(key) else {
        return;
    };
    // SAFETY: a map value; two listeners of one port that begin at once may overwrite each
    // other's place, which costs the name of one, not a count.
    let group = unsafe { &mut *group };
    if let Some(entry) = owner::entry(sk.address()) {
        if group.owner.basis == basis::NONE {
            group.owner = entry.owner;
        } else if group.owner.pid != entry.owner.pid {
            group.is_mixed = 1;
        }
    }
    let drops = sk.drops().unwrap_or(0);
    let mut place = 0;
    while place < GROUP {
        if group.socks[place] == 0 || group.socks[place] == sk.address() {
            group.socks[place] = sk.address();
            group.drops[place] = drops;
            return;
        }
        place += 1;
    }
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
    let key = ListenerKey {
        netns: flow.netns,
        port: u32::from(flow.local_port),
    };
    let Some(group) = LISTENERS.get_ptr_mut(key) else {
        return;
    };
    // Two plain searches: each leaves at its first hit, so that the verifier's paths do not
    // multiply.
    let mut place = 0;
    while place < GROUP {
        // SAFETY: as above.
        unsafe {
            let slot = &raw mut (*group).socks[place];
            if *slot == head.sock {
                *slot = 0;
                break;
            }
        }
        place += 1;
    }
    place = 0;
    while place < GROUP {
        // SAFETY: as above.
        if unsafe { (*group).socks[place] } != 0 {
            return;
        }
        place += 1;
    }
    let _ = LISTENERS.remove(key);
}
