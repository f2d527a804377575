//! Where the running kernel keeps what the programs read: names of the kernel's BTF -> offsets.
//!
//! The one place that knows kernel field names on the user side. A field that is not found stays
//! [`NONE`]; which of them matter is said in [`super::tiers`].

#[cfg(test)]
mod tests;

use tcptrace_common::config::{Config, NO_REASON};
use tcptrace_common::offsets::{HolderOffsets, KernelOffsets, NONE};

use super::btf::{Btf, Field};

macro_rules! table {
    ($($field:ident = $strukt:literal $path:literal,)*) => {
        /// Field of [`KernelOffsets`], kernel structure, path in it.
        const FIELDS: &[(&str, &str, &str)] = &[$((stringify!($field), $strukt, $path),)*];

        fn fields(kernel: &Btf, offsets: &mut KernelOffsets) {
            $(offsets.$field = byte_of(kernel.field($strukt, $path));)*
        }
    };
}

table! {
    skc_daddr = "sock_common" "skc_daddr",
    skc_rcv_saddr = "sock_common" "skc_rcv_saddr",
    skc_dport = "sock_common" "skc_dport",
    skc_num = "sock_common" "skc_num",
    skc_family = "sock_common" "skc_family",
    skc_state = "sock_common" "skc_state",
    skc_net = "sock_common" "skc_net.net",
    skc_v6_daddr = "sock_common" "skc_v6_daddr",
    skc_v6_rcv_saddr = "sock_common" "skc_v6_rcv_saddr",
    skc_cookie = "sock_common" "skc_cookie",
    skc_flags = "sock_common" "skc_flags",
    sk_lingertime = "sock" "sk_lingertime",
    sk_shutdown = "sock" "sk_shutdown",
    sk_err = "sock" "sk_err",
    sk_ack_backlog = "sock" "sk_ack_backlog",
    sk_max_ack_backlog = "sock" "sk_max_ack_backlog",
    sk_drops = "sock" "sk_drops",
    sk_socket = "sock" "sk_socket",
    sk_protocol = "sock" "sk_protocol",
    sk_lock_owned = "sock" "sk_lock.owned",
    inet_sport = "inet_sock" "inet_sport",
    icsk_syn_qlen = "inet_connection_sock" "icsk_accept_queue.qlen",
    icsk_ca_state = "inet_connection_sock" "icsk_ca_state",
    icsk_pending = "inet_connection_sock" "icsk_pending",
    icsk_retransmits = "inet_connection_sock" "icsk_retransmits",
    icsk_user_timeout = "inet_connection_sock" "icsk_user_timeout",
    icsk_probes_out = "inet_connection_sock" "icsk_probes_out",
    icsk_last_data = "inet_connection_sock" "icsk_ack.lrcvtime",
    write_seq = "tcp_sock" "write_seq",
    snd_una = "tcp_sock" "snd_una",
    snd_nxt = "tcp_sock" "snd_nxt",
    snd_wnd = "tcp_sock" "snd_wnd",
    packets_out = "tcp_sock" "packets_out",
    last_ack = "tcp_sock" "rcv_tstamp",
    rcv_nxt = "tcp_sock" "rcv_nxt",
    copied_seq = "tcp_sock" "copied_seq",
    bytes_sent = "tcp_sock" "bytes_sent",
    bytes_retrans = "tcp_sock" "bytes_retrans",
    bytes_received = "tcp_sock" "bytes_received",
    total_retrans = "tcp_sock" "total_retrans",
    srtt_us = "tcp_sock" "srtt_us",
    linger2 = "tcp_sock" "linger2",
    tw_timer = "inet_timewait_sock" "tw_timer",
    tw_substate = "inet_timewait_sock" "tw_substate",
    req_num_retrans = "request_sock" "num_retrans",
    req_num_timeout = "request_sock" "num_timeout",
    req_listener = "request_sock" "__req_common.skc_listener",
    req_timer = "request_sock" "rsk_timer",
    req_snt_isn = "tcp_request_sock" "snt_isn",
    net_inum = "net" "ns.inum",
    net_cookie = "net" "net_cookie",
    net_somaxconn = "net" "core.sysctl_somaxconn",
    net_mib_statistics = "net" "mib.net_statistics",
    net_mib_tcp = "net" "mib.tcp_statistics",
    bpf_array_pptrs = "bpf_array" "pptrs",
    skb_head = "sk_buff" "head",
    skb_transport_header = "sk_buff" "transport_header",
    skb_network_header = "sk_buff" "network_header",
    skb_protocol = "sk_buff" "protocol",
    skb_len = "sk_buff" "len",
    skb_refdst = "sk_buff" "_skb_refdst",
    dst_dev = "dst_entry" "dev",
    dev_net = "net_device" "nd_net.net",
    timer_function = "timer_list" "function",
    timer_expires = "timer_list" "expires",
    process_timer_task = "process_timer" "task",
    task_pid = "task_struct" "pid",
    task_tgid = "task_struct" "tgid",
    task_flags = "task_struct" "flags",
    task_group_leader = "task_struct" "group_leader",
    task_start_boottime = "task_struct" "start_boottime",
    task_comm = "task_struct" "comm",
    task_cred = "task_struct" "cred",
    task_thread_pid = "task_struct" "thread_pid",
    task_pending = "task_struct" "pending.signal",
    task_blocked = "task_struct" "blocked",
    task_signal = "task_struct" "signal",
    signal_shared_pending = "signal_struct" "shared_pending.signal",
    cred_euid = "cred" "euid",
    pid_level = "pid" "level",
    pid_numbers = "pid" "numbers",
    upid_nr = "upid" "nr",
    upid_ns = "upid" "ns",
    pidns_inum = "pid_namespace" "ns.inum",
    file_f_inode = "file" "f_inode",
    inode_i_mode = "inode" "i_mode",
    file_private_data = "file" "private_data",
    socket_sk = "socket" "sk",
}

/// The offsets of a kernel. Never fails: what is not there is [`NONE`].
pub fn resolve(kernel: &Btf) -> KernelOffsets {
    let mut offsets = KernelOffsets::ABSENT;
    fields(kernel, &mut offsets);
    // The control block of a packet is TCP's while TCP has it.
    let cb = byte_of(kernel.field("sk_buff", "cb"));
    offsets.skb_cb_tcp_flags = sum(cb, byte_of(kernel.field("tcp_skb_cb", "tcp_flags")));
    offsets.skb_cb_seq = sum(cb, byte_of(kernel.field("tcp_skb_cb", "seq")));
    offsets.skb_cb_gso_segs = sum(cb, byte_of(kernel.field("tcp_skb_cb", "tcp_gso_segs")));
    // `struct socket` lies at the start of `struct socket_alloc`, its inode behind it.
    let inode = byte_of(kernel.field("socket_alloc", "vfs_inode"));
    offsets.socket_ino = sum(inode, byte_of(kernel.field("inode", "i_ino")));
    offsets.upid_size = kernel.struct_size("upid").and_then(narrow).unwrap_or(NONE);
    let bits = kernel.enum_values("sock_flags").unwrap_or_default();
    let bit = |name: &str| {
        let found = bits.iter().find(|(variant, _)| *variant == name);
        found
            .and_then(|(_, value)| u16::try_from(*value).ok())
            .unwrap_or(NONE)
    };
    offsets.bit_sock_dead = bit("SOCK_DEAD");
    offsets.bit_sock_linger = bit("SOCK_LINGER");
    offsets
}

/// Where a TCP socket keeps the head of its list of sent segments.
pub fn sent_queue(kernel: &Btf) -> Option<u32> {
    let at = byte_of(kernel.field("tcp_sock", "tsorted_sent_queue"));
    (at != NONE).then_some(u32::from(at))
}

/// Stacks of tasks are 16 KiB (x86-64 and arm64 with 4 KiB pages, without KASAN). Where they are not, the
/// registers are not found, and no descriptor fits what is read.
const STACK_BYTES: u32 = 16 * 1024;

/// By what the programs find out who holds a socket's file.
pub fn holders(kernel: &Btf) -> HolderOffsets {
    let of = |strukt: &str, path: &str| byte_of(kernel.field(strukt, path));
    let cb = of("sk_buff", "cb");
    let registers = kernel
        .struct_size("pt_regs")
        .and_then(|size| STACK_BYTES.checked_sub(size));
    let has_helper = kernel.function("bpf_task_pt_regs").is_some()
        && kernel.function("bpf_get_current_task_btf").is_some();
    // Until 6.12 a plain number; since then one that is 0 for the last reference.
    let (references, last) = match of("file", "f_count.counter") {
        NONE => (of("file", "f_ref.refcnt.counter"), 0),
        at => (at, 1),
    };
    HolderOffsets {
        task_files: of("task_struct", "files"),
        task_stack: of("task_struct", "stack"),
        files_table: of("files_struct", "fdt"),
        table_files: of("fdtable", "fd"),
        table_size: of("fdtable", "max_fds"),
        socket_file: of("socket", "file"),
        stack_registers: registers.and_then(narrow).unwrap_or(NONE),
        // x86-64, then arm64.
        first_argument: match of("pt_regs", "di") {
            NONE => of("pt_regs", "orig_x0"),
            at => at,
        },
        helper_task_registers: if has_helper { 0 } else { NONE },
        skb_sk: of("sk_buff", "sk"),
        skb_cb_descriptors: sum(cb, of("unix_skb_parms", "fp")),
        descriptors_count: of("scm_fp_list", "count"),
        descriptors_files: of("scm_fp_list", "fp"),
        file_references: references,
        last_reference: last,
    }
}

/// Where the sysctls lie that limit half-open connections, and the number of the counter of SYNs
/// refused for them.
pub fn half_open_limits(kernel: &Btf, config: &mut Config) {
    let field = |path: &str| {
        let field = kernel.field("net", path);
        field.map_or(NO_REASON, |field| field.byte_offset)
    };
    config.net_max_syn_backlog = field("ipv4.sysctl_max_syn_backlog");
    config.net_syncookies = field("ipv4.sysctl_tcp_syncookies");
    let drops = kernel.variant_values(&["LINUX_MIB_LISTENDROPS"]);
    let drops = drops.first().copied().flatten();
    config.mib_listen_drops = drops
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(NO_REASON);
}

/// The way from a task to its network namespace.
pub fn own_netns(kernel: &Btf) -> Option<[u64; 2]> {
    let field = |strukt, path| {
        kernel
            .field(strukt, path)
            .map(|field| u64::from(field.byte_offset))
    };
    Some([
        field("task_struct", "nsproxy")?,
        field("nsproxy", "net_ns")?,
    ])
}

/// The kernel's name of an offset that was looked up as one field, for messages.
pub fn kernel_name(field: &str) -> Option<String> {
    let (_, strukt, path) = FIELDS.iter().find(|(name, _, _)| *name == field)?;
    Some(format!("{strukt}.{path}"))
}

fn byte_of(field: Option<Field>) -> u16 {
    field
        .and_then(|field| narrow(field.byte_offset))
        .unwrap_or(NONE)
}

fn narrow(offset: u32) -> Option<u16> {
    u16::try_from(offset).ok().filter(|offset| *offset != NONE)
}

fn sum(a: u16, b: u16) -> u16 {
    if a == NONE || b == NONE {
        NONE
    } else {
        a.checked_add(b).unwrap_or(NONE)
    }
}
