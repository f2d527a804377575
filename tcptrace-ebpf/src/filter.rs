//! Drops in the kernel what certainly does not pass the filter; all else is the user side's.

use tcptrace_common::config::{FILTER_FAMILY, FILTER_NETNS, FILTER_PID, FILTER_PORTS, LIST};
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::{basis, tcp_state};
use tcptrace_common::wire::{self, Head};

use crate::head_slot::{self, Draft};
use crate::offsets::{config, has};

macro_rules! listed {
    ($list:ident, $value:expr) => {{
        let value = $value;
        let mut found = false;
        let mut place = 0;
        while place < LIST {
            found |= config!($list[place]) == value;
            place += 1;
        }
        found
    }};
}

/// Whether the kind is wanted at all.
#[inline(always)]
pub(crate) fn wants(kind: u16) -> bool {
    config!(kinds) & 1 << kind != 0
}

/// Whether a fact may pass.
#[inline(always)]
pub(crate) fn passes(draft: &Draft) -> bool {
    !has(FILTER_NETNS | FILTER_FAMILY | FILTER_PORTS | FILTER_PID)
        || draft_matches(draft.level()) != 0
}

/// Whether (1 or 0) what is built at that level of slots may pass. A global function: the verifier checks it
/// once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn draft_matches(level: u32) -> u32 {
    head_slot::draft_at(level).map_or(0, |draft| u32::from(matches(draft)))
}

#[inline(always)]
fn matches(head: &Head) -> bool {
    let flow = &head.flow;
    if has(FILTER_NETNS) && flow.netns != 0 && !listed!(netns, flow.netns) {
        return false;
    }
    if has(FILTER_FAMILY) && u32::from(flow.spoken_family()) != config!(family) {
        return false;
    }
    if has(FILTER_PORTS) && !ports_pass(flow) {
        return false;
    }
    !(has(FILTER_PID) && is_certain(head) && !listed!(pids, head.owner.pid))
}

/// Whether the user side will name the same owner. The caller of now is certain. Who used the socket
/// before is when he was seen to hold it still, or the socket has no file. A listener may have other
/// holders, which pass.
#[inline(always)]
fn is_certain(head: &Head) -> bool {
    match head.owner.basis {
        basis::TASK => true,
        basis::SOCKET => {
            let holds = head.owner.bits & wire::owner::HOLDS != 0;
            (holds || head.inode == 0) && head.state != tcp_state::LISTEN
        }
        _ => false,
    }
}

#[inline(always)]
fn ports_pass(flow: &FlowRecord) -> bool {
    let (local, remote) = (flow.local_port, flow.remote_port);
    let any = config!(any_ports[0]) == 0
        || listed!(any_ports, local) && local != 0
        || listed!(any_ports, remote) && remote != 0;
    let by_local = config!(local_ports[0]) == 0 || local != 0 && listed!(local_ports, local);
    let by_remote = config!(remote_ports[0]) == 0 || remote != 0 && listed!(remote_ports, remote);
    any && by_local && by_remote
}
