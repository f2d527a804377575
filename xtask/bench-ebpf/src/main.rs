//! The reference of `cargo xtask bench`: one record for each change of state, of the size and with
//! the contents of tcptrace's own, and nothing else.
//!
//! It stores no state, filters nothing and wakes no reader: its cost is what a hook that reports
//! this much costs at least. A full ring loses records; nobody counts them.
#![no_std]
#![no_main]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the macro hands over the context by value"
)]

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_get_current_task_btf, bpf_get_current_uid_gid,
    bpf_get_socket_cookie, bpf_ktime_get_boot_ns, bpf_skc_to_tcp_sock,
};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::RingBuf;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_common::flow::{AF_INET6, FlowRecord};
use tcptrace_common::kind::{self, basis, hook};
use tcptrace_common::offsets::KernelOffsets;
use tcptrace_common::wire::{Head, OwnerRecord, StateRecord, UNKNOWN_U64, VERSION};

/// The kernel lets only GPL-compatible programs call the helpers used here.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 4] = *b"GPL\0";

/// Where the running kernel keeps things; the loader's to fill.
#[unsafe(no_mangle)]
static OFFSETS: KernelOffsets = KernelOffsets::ABSENT;

/// Size is set by the loader.
#[map]
static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

/// A constant for the verifier: it lies in `.rodata`.
macro_rules! offset {
    ($field:ident) => {
        patched(&raw const OFFSETS.$field)
    };
}

#[inline(always)]
fn patched(field: *const u16) -> usize {
    // SAFETY: only ever given a field of the static, by the macro; volatile, since the loader
    // fills it.
    usize::from(unsafe { field.read_volatile() })
}

/// `inet_sock_set_state(const struct sock *, const int, const int)`
#[btf_tracepoint(function = "inet_sock_set_state")]
fn reference_state(ctx: BtfTracePointContext) {
    let sk: *const u8 = ctx.arg(0);
    let (old, new) = (ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8);
    if sk.is_null() {
        return;
    }
    // SAFETY: a trusted pointer to a socket; the helper answers NULL unless it is a full TCP one.
    let tcp: *const u8 = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }
        .cast_const()
        .cast();
    if tcp.is_null() {
        return;
    }
    let Some(mut entry) = RING.reserve::<StateRecord>(0) else {
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reserved memory holds the record; the offsets are the running kernel's, and the
    // verifier allows such loads from typed pointers only.
    unsafe {
        record.write_bytes(0, 1);
        let record = &mut *record;
        common(&mut record.head, sk, old);
        flow(&mut record.head.flow, sk, tcp);
        owner(&mut record.head.owner);
        record.in_old_ns = UNKNOWN_U64;
        record.old = old;
        record.new = new;
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

#[inline(always)]
fn common(head: &mut Head, sk: *const u8, old: u8) {
    head.kind = kind::STATE;
    head.hook = hook::INET_SOCK_SET_STATE;
    head.len = size_of::<StateRecord>() as u16;
    head.version = VERSION;
    head.state = old;
    head.sock = sk as u64;
    // No inode: tcptrace reads it only where the current task is not the owner.
    // SAFETY: no arguments, no preconditions.
    head.time_ns = unsafe { bpf_ktime_get_boot_ns() };
}

/// # Safety
/// Both must be typed pointers to the same socket.
#[inline(always)]
unsafe fn flow(flow: &mut FlowRecord, sk: *const u8, tcp: *const u8) {
    // SAFETY: as promised.
    unsafe {
        flow.cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
        let net = load::<*const u8>(sk, offset!(skc_net));
        if !net.is_null() {
            flow.netns = load::<u32>(net, offset!(net_inum));
        }
        flow.family = load::<u16>(sk, offset!(skc_family));
        flow.local_port = u16::from_be(load::<u16>(tcp, offset!(inet_sport)));
        flow.remote_port = u16::from_be(load::<u16>(sk, offset!(skc_dport)));
        let local = flow.local_addr.as_mut_ptr().cast::<u64>();
        let remote = flow.remote_addr.as_mut_ptr().cast::<u64>();
        if flow.family == AF_INET6 {
            for word in 0..2 {
                let at = word * 8;
                let one = load::<u64>(sk, offset!(skc_v6_rcv_saddr) + at);
                local.add(word).write_unaligned(one);
                let one = load::<u64>(sk, offset!(skc_v6_daddr) + at);
                remote.add(word).write_unaligned(one);
            }
        } else {
            local.write_unaligned(u64::from(load::<u32>(sk, offset!(skc_rcv_saddr))));
            remote.write_unaligned(u64::from(load::<u32>(sk, offset!(skc_daddr))));
        }
    }
}

/// The current task, whether it owns the socket or not.
///
/// # Safety
/// None of its own: the helpers have no preconditions.
#[inline(always)]
unsafe fn owner(owner: &mut OwnerRecord) {
    // SAFETY: the running task and its leader stay while the program runs.
    unsafe {
        let ids = bpf_get_current_pid_tgid();
        owner.pid = (ids >> 32) as u32;
        owner.tid = ids as u32;
        owner.uid = bpf_get_current_uid_gid() as u32;
        owner.basis = basis::TASK;
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        let leader = load::<*const u8>(task, offset!(task_group_leader));
        if !leader.is_null() {
            owner.start_ns = load::<u64>(leader, offset!(task_start_boottime));
            let comm = offset!(task_comm);
            let to = owner.comm.as_mut_ptr().cast::<u64>();
            to.write_unaligned(load::<u64>(leader, comm));
            to.add(1).write_unaligned(load::<u64>(leader, comm + 8));
        }
    }
}

/// # Safety
/// `base` must be a typed pointer, `offset` that of a member of type `T`.
#[inline(always)]
unsafe fn load<T: Copy>(base: *const u8, offset: usize) -> T {
    // SAFETY: as promised; the kernel catches faults of such loads and yields zero.
    unsafe { base.add(offset).cast::<T>().read() }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
