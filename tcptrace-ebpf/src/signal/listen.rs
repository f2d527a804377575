//! Listeners come and go.

use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::basis;
use tcptrace_common::wire::{Head, UNKNOWN_U32};

use crate::maps::{BACKLOGS, GROUP, LISTENERS, ListenerGroup, ListenerKey, NOBODY};
use crate::owner;
use crate::sock::{Access, SockRef, inode_of};

/// A port without listeners. In `.rodata`, since the stack is small.
static EMPTY: ListenerGroup = ListenerGroup {
    owner: NOBODY,
    socks: [0; GROUP],
    drops: [0; GROUP],
    is_mixed: 0,
};

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
    let key = ListenerKey {
        netns: flow.netns,
        port: u32::from(flow.local_port),
    };
    if LISTENERS.get_ptr(key).is_none() {
        // A full map loses the name of this listener's refused SYNs, not their count.
        let _ = LISTENERS.insert(key, &EMPTY, 0);
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
    if let Some(scratch) = owner::scratch() {
        scratch.closing_task = owner::pid_tgid();
        scratch.closing_listener = head.sock;
        scratch.closing_port = u32::from(flow.local_port);
        scratch.closing_owner = head.owner;
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
