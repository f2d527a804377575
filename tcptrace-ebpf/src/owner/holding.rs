//! Whether the process that used a socket last still holds it, at this moment: its descriptor is compared
//! with the socket's file.
//!
//! The first argument of the system call in which the process used the socket is its descriptor. The process used the
//! socket. Where that does not fit (io_uring, a descriptor that was moved since) the user side has to ask.

use core::hint::black_box;

use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_task_pt_regs,
};
use tcptrace_common::wire::{self, OwnerRecord};

use crate::maps::{SockEntry, UNTRIED, sock_bits};
use crate::offsets::{holder_offset, offset};
use crate::sock::{Access, Direct, Probe, SockRef, store};

/// The last call did not show the descriptor.
const NOT_SHOWN: u32 = UNTRIED - 1;

/// Reads a word of the kernel's memory; a fault reads as zero.
#[inline(always)]
pub(crate) fn word(address: u64, offset: usize) -> u64 {
    // SAFETY: probing.
    unsafe { Probe::read::<u64>((address as *const u8).add(offset)) }
}

/// The `struct file` of a socket, 0 = none.
#[inline(always)]
pub(super) fn file_of(sock: u64) -> u64 {
    let Some(at) = holder_offset!(socket_file) else {
        return 0;
    };
    // Of a socket that has none the null page is probed, which reads as zero.
    word(SockRef::<Probe>::remembered(sock).socket().unwrap_or(0), at)
}

/// 1 for 0, else 0. Without a branch: the verifier would follow both ways through all that comes after.
#[inline(always)]
pub(crate) fn is_zero(number: u64) -> u8 {
    let number = black_box(number);
    1 - ((number | number.wrapping_neg()) >> 63) as u8
}

/// Whether (1 or 0) a descriptor in a table of files is that of the file. What lies beyond the table is read
/// too, but does not count.
#[inline(always)]
fn is_at(files: u64, descriptor: u32, file: u64) -> u8 {
    let (Some(table_at), Some(files_at), Some(size_at)) = (
        holder_offset!(files_table),
        holder_offset!(table_files),
        holder_offset!(table_size),
    ) else {
        return 0;
    };
    let table = word(files, table_at);
    let size = word(table, size_at) as u32;
    let found = word(word(table, files_at), descriptor as usize * 8);
    let is_beyond = 1 - (u64::from(descriptor).wrapping_sub(u64::from(size)) >> 63);
    is_zero((found ^ file) | is_beyond) & (1 - is_zero(file))
}

/// The first argument of the system call that the current task is in.
#[inline(always)]
fn first_argument() -> u32 {
    let Some(argument_at) = holder_offset!(first_argument) else {
        return NOT_SHOWN;
    };
    // SAFETY: the running task; the offset is that of `pt_regs`. Both are only read.
    unsafe {
        if holder_offset!(helper_task_registers).is_some() {
            let registers = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u8;
            Direct::read::<u64>(registers.add(argument_at)) as u32
        } else {
            let (Some(stack_at), Some(registers_at)) =
                (holder_offset!(task_stack), holder_offset!(stack_registers))
            else {
                return NOT_SHOWN;
            };
            let stack = word(bpf_get_current_task(), stack_at);
            word(stack, registers_at + argument_at) as u32
        }
    }
}

/// Learns by which descriptor the current task, the socket's new owner, holds it.
#[inline(never)]
pub(super) fn learn(entry: &mut SockEntry, sock: u64) {
    let (Some(files_at), Some(leader_at)) =
        (holder_offset!(task_files), offset!(task_group_leader))
    else {
        return;
    };
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    entry.leader = word(task, leader_at);
    entry.descriptor = NOT_SHOWN;
    let descriptor = first_argument();
    if is_at(word(task, files_at), descriptor, file_of(sock)) != 0 {
        entry.descriptor = descriptor;
    }
}

/// A descriptor that was found in the table of the new owner. The task is a trusted argument.
#[inline(always)]
pub(crate) fn found(task: *const u8, descriptor: u32, entry: &mut SockEntry) {
    if let Some(leader_at) = offset!(task_group_leader) {
        entry.leader = word(task as u64, leader_at);
        entry.descriptor = descriptor;
    }
}

/// Brings what is remembered of the owner of `sock` up to this moment, in a record's copy: name and user
/// if the process is still there, and whether it holds the socket.
#[inline(never)]
pub(super) fn check(entry: &SockEntry, sock: u64, owner: &mut OwnerRecord) {
    let is_callers = is_zero(u64::from(
        entry.bits & (sock_bits::THROWN_AWAY | sock_bits::KERNEL_CALLED),
    ));
    owner.bits |= wire::owner::DISCARDED * (1 - is_callers);
    let (Some(files_at), Some(start_at), Some(comm_at), Some(cred_at), Some(euid_at)) = (
        holder_offset!(task_files),
        offset!(task_start_boottime),
        offset!(task_comm),
        offset!(task_cred),
        offset!(cred_euid),
    ) else {
        return;
    };
    let leader = entry.leader;
    // Memory of a process that has ended is another one's by now, with another start.
    if word(leader, start_at) != owner.start_ns {
        return;
    }
    store(
        &mut owner.comm,
        word(leader, comm_at),
        word(leader, comm_at + 8),
    );
    // kernel: a task that is freed has no credentials any more (`exit_creds`, 5.10 to 7.3).
    let cred = word(leader, cred_at);
    let uid = word(cred, euid_at) as u32;
    let is_known = u32::from(1 - is_zero(cred));
    owner.uid ^= (owner.uid ^ uid) & is_known.wrapping_neg();
    // When the process has ended, or its first thread has, it has no files any more.
    let holds = is_at(word(leader, files_at), entry.descriptor, file_of(sock));
    owner.bits |= wire::owner::CURRENT | (wire::owner::HOLDS * holds);
}
