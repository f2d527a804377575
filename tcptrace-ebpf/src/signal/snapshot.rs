//! Sockets that are older than us: their owners, and which of them listen.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::kind::{basis, tcp_state};
use tcptrace_common::names::limited;

use super::{baseline, listen};
use crate::full_maps;
use crate::maps::{SOCKS, SockEntry};
use crate::memory::Memory;
use crate::note::note;
use crate::offsets::offset;
use crate::owner;
use crate::sock::{Access, Direct, Probe, SockRef};

/// `S_IFMT` and `S_IFSOCK`.
const TYPE_MASK: u16 = 0o170_000;
const TYPE_SOCKET: u16 = 0o140_000;
/// `BPF_NOEXIST`: what a hook has recorded since is newer.
const IF_ABSENT: u64 = 1;
/// `-EEXIST`
const EXISTS: i32 = -17;
const IPPROTO_TCP: u16 = 6;

/// The socket at hand.
#[map]
static FOUND: Memory<Cell<SockEntry>> = Memory::new();

/// One open file of one task (`iter/task_file`).
#[inline(always)]
pub(crate) fn on_task_file(task: *const u8, descriptor: u32, file: *const u8) {
    if task.is_null() || file.is_null() {
        return;
    }
    let Some(sk) = tcp_socket(file) else { return };
    let address = sk.address();
    if let Some(entry) = owner::entry(address) {
        // Held by several processes: the first one found (the oldest) stays the owner. One process may
        // hold it by several descriptors.
        let tgid = number(task);
        if entry.owner.basis == basis::SNAPSHOT && entry.counted != tgid {
            entry.counted = tgid;
            entry.owner.holders = entry.owner.holders.saturating_add(1);
        }
        return;
    }
    // Made whole before it is there: a hook that finds the socket meanwhile must not be overwritten.
    let Some(found) = FOUND.get() else { return };
    // SAFETY: this CPU's own value of a map; only one walk is under way, and no hook uses it.
    let found = unsafe { &mut *found.as_ptr() };
    *found = SockEntry::BLANK;
    describe(task, found);
    owner::holding::found(task, descriptor, found);
    match SOCKS.insert(address, &*found, IF_ABSENT) {
        Ok(()) => {}
        Err(EXISTS) => {
            // And has noted a listener already.
            note!("the walk over open files: a hook was faster", sock: address, found.tgid);
            return;
        }
        Err(_) => {
            full_maps::count(limited::SOCKS);
            return;
        }
    }
    if sk.state() == Some(tcp_state::LISTEN) {
        let flow = sk.flow(0);
        baseline::on_older_listener(flow.netns);
        listen::on_listen(&sk, &flow);
    }
}

/// The TCP socket behind a file. Only the file itself is typed for the verifier.
#[inline(always)]
fn tcp_socket(file: *const u8) -> Option<SockRef<Probe>> {
    let (inode_at, mode_at) = (offset!(file_f_inode)?, offset!(inode_i_mode)?);
    let (data_at, sk_at) = (offset!(file_private_data)?, offset!(socket_sk)?);
    // SAFETY: offsets of `file`, a trusted argument; the rest is probed.
    unsafe {
        let inode = Direct::read::<u64>(file.add(inode_at)) as *const u8;
        if Probe::read::<u16>(inode.add(mode_at)) & TYPE_MASK != TYPE_SOCKET {
            return None;
        }
        let socket = Direct::read::<u64>(file.add(data_at)) as *const u8;
        let sk = Probe::read::<u64>(socket.add(sk_at));
        if sk == 0 {
            return None;
        }
        let sk = SockRef::<Probe>::remembered(sk);
        let is_inet = matches!(sk.family(), Some(2 | 10));
        (is_inet && sk.protocol() == Some(IPPROTO_TCP)).then_some(sk)
    }
}

/// The process of a task, in the initial PID namespace.
#[inline(always)]
fn number(task: *const u8) -> u32 {
    // SAFETY: an offset of `task_struct`, a trusted argument.
    offset!(task_tgid).map_or(0, |at| unsafe { Direct::read::<u32>(task.add(at)) })
}

/// Who a task is.
#[inline(always)]
fn describe(task: *const u8, entry: &mut SockEntry) {
    let (Some(pid_at), Some(tgid_at)) = (offset!(task_pid), offset!(task_tgid)) else {
        return;
    };
    let owner = &mut entry.owner;
    // SAFETY: offsets of `task_struct`, a trusted argument.
    unsafe {
        owner.tid = Direct::read::<u32>(task.add(pid_at));
        owner.pid = Direct::read::<u32>(task.add(tgid_at));
        entry.tgid = owner.pid;
        entry.counted = owner.pid;
        owner.uid = euid(task);
        owner.holders = 1;
        owner::leader_facts(task, owner);
        owner.basis = basis::SNAPSHOT;
    }
}

/// # Safety
/// `task` must be a live task.
#[inline(always)]
unsafe fn euid(task: *const u8) -> u32 {
    let (Some(cred_at), Some(euid_at)) = (offset!(task_cred), offset!(cred_euid)) else {
        return u32::MAX;
    };
    // SAFETY: the caller's; the credentials are probed.
    unsafe {
        let cred = Direct::read::<u64>(task.add(cred_at)) as *const u8;
        Probe::read::<u32>(cred.add(euid_at))
    }
}
