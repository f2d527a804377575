//! Drops in the kernel what certainly does not pass the filter; all else is the user side's.

use tcptrace_common::config::{FILTER_FAMILY, FILTER_NETNS, FILTER_PID, FILTER_PORTS, LIST};
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::basis;
use tcptrace_common::wire::OwnerRecord;

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
pub(crate) fn passes(flow: &FlowRecord, owner: &OwnerRecord) -> bool {
    !has(FILTER_NETNS | FILTER_FAMILY | FILTER_PORTS | FILTER_PID) || matches(flow, owner)
}

/// A function of its own: most runs have no filter, and its code would be in every program several
/// times, for the verifier to read and remove.
#[inline(never)]
fn matches(flow: &FlowRecord, owner: &OwnerRecord) -> bool {
    if has(FILTER_NETNS) && flow.netns != 0 && !listed!(netns, flow.netns) {
        return false;
    }
    if has(FILTER_FAMILY) && u32::from(flow.spoken_family()) != config!(family) {
        return false;
    }
    if has(FILTER_PORTS) && !ports_pass(flow) {
        return false;
    }
    // Only what the owner's own calls told is certain enough; a snapshot or a listener may be
    // corrected on the user side.
    let is_certain = owner.basis == basis::TASK || owner.basis == basis::SOCKET;
    !(has(FILTER_PID) && is_certain && !listed!(pids, owner.pid))
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
