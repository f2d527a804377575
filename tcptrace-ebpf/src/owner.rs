//! Owners: captured only where the current task IS the owner, remembered per socket.

pub(crate) mod holding;
pub(crate) mod listeners;

use core::cell::Cell;

use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_task_btf,
    bpf_get_current_uid_gid,
};
use aya_ebpf::macros::map;
use tcptrace_common::config::{FOLLOWS, HELPER_TASK_BTF, NESTED_PIDNS};
use tcptrace_common::kind::basis;
use tcptrace_common::names::limited;
use tcptrace_common::wire::{self, Head, OwnerRecord};

use crate::full_maps;
use crate::head_slot::{self, Draft};
use crate::maps::{FOLLOWED, SOCKS, SockEntry, sock_bits};
use crate::memory::{Memory, fence};
use crate::note::note;
use crate::offsets::{config, has, offset};
use crate::sock::{Access, Direct, Probe, SockRef, store};

/// `PF_KTHREAD` (the same bit from 5.10 to 7.3).
const PF_KTHREAD: u32 = 0x0020_0000;
/// Nanoseconds in a clock tick of /proc: `USER_HZ` is 100.
const TICK_NS: u64 = 10_000_000;
/// `PF_EXITING`.
const PF_EXITING: u32 = 0x0000_0004;
/// `ECONNABORTED`: set by SOCK_DESTROY before the state changes; the caller is the killer.
pub(crate) const ECONNABORTED: i32 = 103;
/// PID namespaces nest at most 32 deep; deeper than this we do not look.
const PIDNS_DEPTH: usize = 8;

/// pid (high half) and tid (low half) of the current task, in the initial namespace.
#[inline(always)]
pub(crate) fn pid_tgid() -> u64 {
    // SAFETY: no arguments, no preconditions.
    unsafe { bpf_get_current_pid_tgid() }
}

/// The socket that was just destroyed on this CPU, and what was remembered of it.
#[map]
static DESTROYED: Memory<Destroyed> = Memory::new();

struct Destroyed {
    /// Address; 0 = none.
    sock: Cell<u64>,
    entry: Cell<SockEntry>,
}

/// Forgets a socket, but leaves what was known of it for the RST that may follow in the same softirq.
#[inline(always)]
pub(crate) fn forget(sock: u64) {
    let Some(entry) = entry(sock) else {
        return;
    };
    if let Some(destroyed) = DESTROYED.get() {
        // An interrupt in between must not find the address with another socket's facts.
        destroyed.sock.set(0);
        fence();
        // SAFETY: this CPU's own value; no reference into the cell is held here.
        unsafe { destroyed.entry.as_ptr().write(*entry) };
        fence();
        destroyed.sock.set(sock);
    }
    let _ = SOCKS.remove(sock);
}

/// What was remembered of a socket that was just destroyed on this CPU.
#[inline(always)]
pub(crate) fn destroyed(sock: u64) -> Option<&'static SockEntry> {
    let destroyed = DESTROYED.get()?;
    if sock == 0 || destroyed.sock.get() != sock {
        return None;
    }
    // SAFETY: this CPU's own value of the map.
    Some(unsafe { &*destroyed.entry.as_ptr() })
}

/// The current task's flags; a kernel thread is nobody's owner.
#[inline(always)]
fn task_flags() -> u32 {
    let Some(at) = offset!(task_flags) else {
        return 0;
    };
    // SAFETY: the offset is `task_struct.flags`; the pointer is the running task.
    unsafe {
        if has(HELPER_TASK_BTF) {
            Direct::read::<u32>(bpf_get_current_task_btf().cast::<u8>().add(at))
        } else {
            Probe::read::<u32>((bpf_get_current_task() as *const u8).add(at))
        }
    }
}

/// Whether the current task is a user process.
#[inline(always)]
pub(crate) fn task_is_user() -> bool {
    task_flags() & PF_KTHREAD == 0
}

/// Whether the current task is dying (its closes never linger: `inet_release`).
#[inline(always)]
pub(crate) fn task_is_exiting() -> bool {
    task_flags() & PF_EXITING != 0
}

/// Who the current task is, into `owner`.
#[inline(always)]
pub(crate) fn current(basis: u8, owner: &mut OwnerRecord) {
    let ids = pid_tgid();
    *owner = OwnerRecord {
        basis,
        ..OwnerRecord::default()
    };
    owner.pid = (ids >> 32) as u32;
    owner.tid = ids as u32;
    // SAFETY: helpers without arguments; the running task cannot go away meanwhile.
    unsafe {
        owner.uid = bpf_get_current_uid_gid() as u32;
        leader_facts(bpf_get_current_task() as *const u8, owner);
    }
    if has(FOLLOWS) && is_followed(owner.pid, owner.start_ns / TICK_NS) {
        owner.bits |= wire::owner::FOLLOWED;
    }
}

/// Whether the process of that number (in our PID namespace) and start is followed.
#[inline(always)]
pub(crate) fn is_followed(pid: u32, start_ticks: u64) -> bool {
    // SAFETY: a map value, copied at once.
    FOLLOWED
        .get_ptr(pid)
        .is_some_and(|start| unsafe { *start } == start_ticks)
}

/// Start of a task's process as /proc reports it, in clock ticks since boot. The task is a trusted
/// argument.
#[inline(always)]
pub(crate) fn start_ticks(task: *const u8) -> u64 {
    let (Some(leader_at), Some(start_at)) =
        (offset!(task_group_leader), offset!(task_start_boottime))
    else {
        return 0;
    };
    // SAFETY: offsets of `task_struct`; the leader of a live task is not freed before it.
    unsafe {
        let leader = Probe::read::<*const u8>(task.add(leader_at));
        as_in_proc(Probe::read::<u64>(leader.add(start_at))) / TICK_NS
    }
}

/// A start as /proc reports it in the time namespace of the user side.
#[inline(always)]
fn as_in_proc(start_ns: u64) -> u64 {
    start_ns.wrapping_add(config!(boot_offset_ns))
}

/// Fills start, name and (in a nested namespace) the numbers from a task.
///
/// # Safety
/// `task` must be a live task.
#[inline(always)]
pub(crate) unsafe fn leader_facts(task: *const u8, owner: &mut OwnerRecord) {
    let Some(leader) = start_and_name(task, owner) else {
        return;
    };
    if has(NESTED_PIDNS) {
        // SAFETY: what the caller promises; the leader of a live task is not freed before it.
        unsafe {
            owner.pid = number_in_our_namespace(leader);
            owner.tid = number_in_our_namespace(task);
        }
    }
}

/// Fills start and name from a task, which must live; its leader.
#[inline(always)]
fn start_and_name(task: *const u8, owner: &mut OwnerRecord) -> Option<*const u8> {
    let (leader_at, start_at, comm_at) = (
        offset!(task_group_leader)?,
        offset!(task_start_boottime)?,
        offset!(task_comm)?,
    );
    // SAFETY: by probing, which faults nowhere, as `SockRef::net`; the offsets are the running kernel's for
    // `task_struct`.
    unsafe {
        let leader = Probe::read::<*const u8>(task.add(leader_at));
        owner.start_ns = as_in_proc(Probe::read::<u64>(leader.add(start_at)));
        let comm = Probe::read::<[u64; 2]>(leader.add(comm_at));
        store(&mut owner.comm, comm[0], comm[1]);
        Some(leader)
    }
}

/// Number of a task's process in our PID namespace. The task is a trusted argument.
#[inline(always)]
pub(crate) fn process_number(task: *const u8) -> u32 {
    let (Some(leader_at), Some(tgid_at)) = (offset!(task_group_leader), offset!(task_tgid)) else {
        return 0;
    };
    // SAFETY: offsets of `task_struct`; the leader of a live task is not freed before it.
    unsafe {
        if has(NESTED_PIDNS) {
            number_in_our_namespace(Probe::read::<*const u8>(task.add(leader_at)))
        } else {
            Direct::read::<u32>(task.add(tgid_at))
        }
    }
}

/// The task's number in the PID namespace whose /proc we print from; 0 = invisible there. A function
/// of its own: the stack of the programs that call it is nearly full.
#[inline(never)]
unsafe fn number_in_our_namespace(task: *const u8) -> u32 {
    let (Some(pid_at), Some(numbers), Some(size), Some(nr), Some(ns), Some(inum)) = (
        offset!(task_thread_pid),
        offset!(pid_numbers),
        offset!(upid_size),
        offset!(upid_nr),
        offset!(upid_ns),
        offset!(pidns_inum),
    ) else {
        return 0;
    };
    let Some(level_at) = offset!(pid_level) else {
        return 0;
    };
    // SAFETY: probing only; a fault reads as zero and matches no namespace.
    unsafe {
        let pid = Probe::read::<u64>(task.add(pid_at));
        let level = Probe::read::<u32>((pid + level_at as u64) as *const u8);
        let mut found = 0;
        let mut depth = 0;
        while depth < PIDNS_DEPTH {
            let upid = pid + (numbers + depth * size) as u64;
            let namespace = Probe::read::<u64>((upid + ns as u64) as *const u8);
            let number = Probe::read::<u32>((namespace + inum as u64) as *const u8);
            // Without a branch: each would double the verifier's paths through all that follows,
            // which older kernels (5.10, 6.1) then walk for minutes.
            let differs = u64::from(number ^ config!(pidns)).wrapping_neg() >> 63;
            let is_beyond = u64::from(level.wrapping_sub(depth as u32) >> 31);
            let wrong = core::hint::black_box(differs | is_beyond);
            found |= upid & wrong.wrapping_sub(1);
            // Not to be unrolled: each round would have stack of its own.
            depth = core::hint::black_box(depth + 1);
        }
        if found == 0 {
            return 0;
        }
        Probe::read::<u32>((found + nr as u64) as *const u8)
    }
}

/// What is remembered of a socket.
#[inline(always)]
pub(crate) fn entry(sock: u64) -> Option<&'static mut SockEntry> {
    let entry = SOCKS.get_ptr_mut(sock)?;
    // SAFETY: a map value stays valid memory while the program runs; concurrent writers of one
    // socket are serialised by the socket's own lock.
    Some(unsafe { &mut *entry })
}

/// What a socket is remembered by at first. In `.rodata`, since the stack is small.
static BLANK: SockEntry = SockEntry::BLANK;

/// Remembers a socket at its birth, replacing whatever its address stood for before. `None` when
/// the map is full: then its owner is looked up on the user side.
#[inline(always)]
pub(crate) fn born(sock: u64, bits: u8, now: u64) -> Option<&'static mut SockEntry> {
    if SOCKS.insert(sock, &BLANK, 0).is_err() {
        full_maps::count(limited::SOCKS);
        note!("no room to remember the socket", sock: sock, bits);
        return None;
    }
    let entry = entry(sock)?;
    entry.born_ns = now;
    entry.since_ns = now;
    entry.bits = bits;
    Some(entry)
}

/// Remembers a socket born in a system call of its owner.
#[inline(always)]
pub(crate) fn born_by_task(sock: u64, now: u64) -> Option<&'static mut SockEntry> {
    let entry = born(sock, 0, now)?;
    if task_is_user() {
        used_by_task(entry, sock);
    }
    Some(entry)
}

/// Whether the current task speaks for this socket: it holds the socket's lock in a system call, is
/// no kernel thread, and is not killing another process's socket.
#[inline(always)]
pub(crate) fn task_owns<A: Access>(sk: &SockRef<A>) -> bool {
    sk.is_owned() && sk.err() != Some(ECONNABORTED) && task_is_user()
}

/// Finds the owner of `head.sock` at this moment, best knowledge first. Remembers the caller if
/// the current task owns the socket.
#[inline(always)]
pub(crate) fn find<A: Access>(sk: &SockRef<A>, head: &mut Draft) {
    find_with(sk, entry(head.sock), head);
}

/// As [`find`], for a socket whose entry was looked up already.
#[inline(always)]
pub(crate) fn find_with<A: Access>(
    sk: &SockRef<A>,
    entry: Option<&mut SockEntry>,
    head: &mut Draft,
) {
    let Some(entry) = entry else {
        if task_owns(sk) {
            current(basis::TASK, &mut head.owner);
        } else {
            known(head);
            note_file(sk, head);
        }
        return;
    };
    if is_callers(sk, entry) {
        used_by_task(entry, head.sock);
        head.owner = entry.owner;
        head.owner.basis = basis::TASK;
    } else {
        known(head);
        note_file(sk, head);
    }
}

/// The state of a socket has changed: if that is its caller's doing, he uses it from now on.
#[inline(always)]
pub(crate) fn changed<A: Access>(sk: &SockRef<A>, entry: &mut SockEntry) {
    if is_callers(sk, entry) {
        used_by_task(entry, sk.address());
    }
}

/// As [`task_owns`], for a recorded socket: of one whose last descriptor was discarded unreceived
/// the task that does so is no owner.
#[inline(always)]
fn is_callers<A: Access>(sk: &SockRef<A>, entry: &mut SockEntry) -> bool {
    if !sk.is_owned() || sk.err() == Some(ECONNABORTED) {
        return false;
    }
    if !task_is_user() {
        entry.bits |= sock_bits::KERNEL_CALLED;
        return false;
    }
    entry.bits &= !sock_bits::KERNEL_CALLED;
    entry.bits & sock_bits::THROWN_AWAY == 0
}

/// The file, for the user side to look up who holds it: whoever used the socket last may have given it
/// away since.
#[inline(always)]
pub(crate) fn note_file<A: Access>(sk: &SockRef<A>, head: &mut Head) {
    let basis = head.owner.basis;
    if basis == basis::TASK {
        return;
    }
    let inode = sk.inode();
    if inode != 0 {
        head.inode = inode;
        head.owner.bits &= !wire::owner::LISTENER_FILE;
    }
}

/// The remembered owner of `head.sock`, where it is no connection that waits to be accepted: a
/// listener, or a socket that its own task closes.
#[inline(always)]
pub(crate) fn last_user(head: &mut Head) {
    if let Some(entry) = entry(head.sock) {
        head.owner = entry.owner;
    } else {
        note!("nothing is remembered of the socket", head: head, head.state);
    }
}

/// The remembered owner of `draft.sock`; of its listener when nobody accepted it yet.
#[inline(always)]
pub(crate) fn known(draft: &mut Draft) {
    known_at(draft.level());
}

/// As [`known`], of what is built at that level of slots. A global function: the verifier checks it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn known_at(level: u32) -> u32 {
    let Some(draft) = head_slot::draft_at(level) else {
        return 0;
    };
    let sock = draft.sock;
    if let Some(entry) = entry(sock) {
        if entry.owner.basis != basis::NONE {
            draft.owner = entry.owner;
            holding::check(entry, sock, &mut draft.owner);
        } else if entry.bits & sock_bits::CHILD != 0 {
            listeners::owner_of_child(entry, draft);
        }
    } else if let Some(entry) = destroyed(sock) {
        draft.owner = entry.owner;
        holding::check(entry, sock, &mut draft.owner);
    } else {
        note!("nothing is remembered of the socket", head: draft, draft.state);
    }
    0
}

/// Remembers the current task as the owner of a socket from now on.
#[inline(always)]
pub(crate) fn remember(sock: u64) {
    if let Some(entry) = entry(sock) {
        used_by_task(entry, sock);
    }
}

/// The current task uses the socket: it is its owner from now on. Of the owner we know already only
/// what may have changed is read again.
#[inline(always)]
pub(crate) fn used_by_task(entry: &mut SockEntry, sock: u64) {
    let ids = pid_tgid();
    let is_known = entry.tgid == (ids >> 32) as u32 && entry.owner.basis == basis::SOCKET;
    if is_known && !has(NESTED_PIDNS) {
        entry.owner.tid = ids as u32;
        refresh(&mut entry.owner);
        return;
    }
    current(basis::SOCKET, &mut entry.owner);
    holding::learn(entry, sock);
    entry.tgid = (ids >> 32) as u32;
    entry.bits &= !sock_bits::CHILD;
}

/// User, start and name of the current task's process: `setuid` and `exec` change them, and the number
/// may have been given to another one that has inherited the socket.
#[inline(always)]
fn refresh(owner: &mut OwnerRecord) {
    // SAFETY: helpers without arguments; the current task lives.
    let (task, ids) = unsafe { (bpf_get_current_task(), bpf_get_current_uid_gid()) };
    if start_and_name(task as *const u8, owner).is_some() {
        owner.uid = ids as u32;
    }
}
