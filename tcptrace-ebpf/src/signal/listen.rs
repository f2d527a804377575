//! Listeners come and go.

use tcptrace_common::flow::FlowRecord;
use tcptrace_common::wire::Head;

use crate::maps::{GROUP, LISTENERS, ListenerGroup, ListenerKey};
use crate::owner;
use crate::sock::{Access, SockRef};

/// A port without listeners. In `.rodata`, since the stack is small.
static NOBODY: ListenerGroup = ListenerGroup {
    socks: [0; GROUP],
    drops: [0; GROUP],
};

/// A socket begins to listen, or is found listening.
#[inline(always)]
pub(crate) fn on_listen<A: Access>(sk: &SockRef<A>, flow: &FlowRecord) {
    let key = ListenerKey {
        netns: flow.netns,
        port: u32::from(flow.local_port),
    };
    let drops = sk.drops().unwrap_or(0);
    if LISTENERS.get_ptr(key).is_none() {
        // A full map loses the name of this listener's refused SYNs, not their count.
        let _ = LISTENERS.insert(key, &NOBODY, 0);
    }
    let Some(group) = LISTENERS.get_ptr_mut(key) else {
        return;
    };
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the arrays' length; a map value.
        unsafe {
            let slot = &raw mut (*group).socks[place];
            if *slot == 0 || *slot == sk.address() {
                *slot = sk.address();
                (*group).drops[place] = drops;
                return;
            }
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
    let mut others = false;
    let mut place = 0;
    while place < GROUP {
        // SAFETY: as above.
        unsafe {
            let slot = &raw mut (*group).socks[place];
            if *slot == head.sock {
                *slot = 0;
            }
            others |= *slot != 0;
        }
        place += 1;
    }
    if !others {
        let _ = LISTENERS.remove(key);
    }
}
