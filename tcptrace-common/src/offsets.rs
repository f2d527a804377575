//! Where the running kernel keeps what tcptrace reads.
//!
//! The user side fills this from the kernel's BTF before the programs are loaded; the verifier
//! then sees constants, prunes what is absent and allows direct loads.

/// Not in this kernel.
pub const NONE: u16 = u16::MAX;

macro_rules! kernel_offsets {
    ($(#[$about:meta])* $Struct:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$about])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct $Struct { $($(#[$doc])* pub $name: u16,)* }

        impl $Struct {
            /// Every offset absent.
            pub const ABSENT: Self = Self { $($name: NONE,)* };
            /// The names of all fields, for reports.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];
            /// The values in the order of [`Self::NAMES`].
            pub fn values(&self) -> [u16; Self::NAMES.len()] { [$(self.$name,)*] }
        }
    };
}

kernel_offsets! {
    /// Byte offsets (or, where said, bit numbers) in kernel structures; [`NONE`] = absent.
    KernelOffsets {
    /// `sock_common.skc_daddr`
    skc_daddr,
    /// `sock_common.skc_rcv_saddr`
    skc_rcv_saddr,
    /// `sock_common.skc_dport`, big endian
    skc_dport,
    /// `sock_common.skc_num`, host order; 0 once the port is given back
    skc_num,
    /// `sock_common.skc_family`
    skc_family,
    /// `sock_common.skc_state`
    skc_state,
    /// `sock_common.skc_net.net`
    skc_net,
    /// `sock_common.skc_v6_daddr`
    skc_v6_daddr,
    /// `sock_common.skc_v6_rcv_saddr`
    skc_v6_rcv_saddr,
    /// `sock_common.skc_cookie`
    skc_cookie,
    /// `sock_common.skc_flags`
    skc_flags,
    /// `sock.sk_lingertime`, jiffies
    sk_lingertime,
    /// `sock.sk_shutdown`
    sk_shutdown,
    /// `sock.sk_err`
    sk_err,
    /// `sock.sk_ack_backlog`
    sk_ack_backlog,
    /// `sock.sk_max_ack_backlog`
    sk_max_ack_backlog,
    /// `sock.sk_drops`
    sk_drops,
    /// `sock.sk_socket`
    sk_socket,
    /// `sock.sk_protocol`, 16 bits
    sk_protocol,
    /// `sock.sk_lock.owned`: non-zero while a system call owns the socket
    sk_lock_owned,
    /// `inet_sock.inet_sport`, big endian
    inet_sport,
    /// `inet_connection_sock.icsk_accept_queue.qlen`: the SYN queue's length
    icsk_syn_qlen,
    /// The byte of `inet_connection_sock.icsk_ca_state`
    icsk_ca_state,
    /// `inet_connection_sock.icsk_pending`
    icsk_pending,
    /// `inet_connection_sock.icsk_retransmits`
    icsk_retransmits,
    /// `inet_connection_sock.icsk_user_timeout`, ms
    icsk_user_timeout,
    /// `inet_connection_sock.icsk_probes_out`
    icsk_probes_out,
    /// `inet_connection_sock.icsk_ack.lrcvtime`, jiffies: when data came last
    icsk_last_data,
    /// `tcp_sock.write_seq`
    write_seq,
    /// `tcp_sock.snd_una`
    snd_una,
    /// `tcp_sock.snd_nxt`
    snd_nxt,
    /// `tcp_sock.snd_wnd`
    snd_wnd,
    /// `tcp_sock.packets_out`
    packets_out,
    /// `tcp_sock.rcv_tstamp`, jiffies: when an acknowledgement came last
    last_ack,
    /// `tcp_sock.rcv_nxt`
    rcv_nxt,
    /// `tcp_sock.copied_seq`
    copied_seq,
    /// `tcp_sock.bytes_sent`
    bytes_sent,
    /// `tcp_sock.bytes_retrans`
    bytes_retrans,
    /// `tcp_sock.bytes_received`
    bytes_received,
    /// `tcp_sock.total_retrans`
    total_retrans,
    /// `tcp_sock.srtt_us`, eighths of a microsecond
    srtt_us,
    /// `tcp_sock.linger2`
    linger2,
    /// `inet_timewait_sock.tw_timer`
    tw_timer,
    /// `inet_timewait_sock.tw_substate`
    tw_substate,
    /// `request_sock.num_retrans`
    req_num_retrans,
    /// The byte of `request_sock.num_timeout`
    req_num_timeout,
    /// `request_sock.__req_common.skc_listener`
    req_listener,
    /// `request_sock.rsk_timer`
    req_timer,
    /// `tcp_request_sock.snt_isn`
    req_snt_isn,
    /// `net.ns.inum`
    net_inum,
    /// `net.core.sysctl_somaxconn`
    net_somaxconn,
    /// `net.net_cookie`: never used twice; 0 on kernels before 5.12 until it is requested
    net_cookie,
    /// `net.mib.net_statistics`, a per-CPU pointer
    net_mib_statistics,
    /// `net.mib.tcp_statistics`, a per-CPU pointer
    net_mib_tcp,
    /// `bpf_array.pptrs`: how a per-CPU pointer looks before this CPU's offset is added
    bpf_array_pptrs,
    /// `sk_buff.head`
    skb_head,
    /// `sk_buff.transport_header`
    skb_transport_header,
    /// `sk_buff.network_header`
    skb_network_header,
    /// `sk_buff.protocol`
    skb_protocol,
    /// `sk_buff.len`
    skb_len,
    /// `sk_buff._skb_refdst`
    skb_refdst,
    /// `sk_buff.cb` + `tcp_skb_cb.tcp_flags`
    skb_cb_tcp_flags,
    /// `sk_buff.cb` + `tcp_skb_cb.seq`
    skb_cb_seq,
    /// `sk_buff.cb` + `tcp_skb_cb.tcp_gso_segs`
    skb_cb_gso_segs,
    /// `dst_entry.dev`
    dst_dev,
    /// `net_device.nd_net.net`
    dev_net,
    /// `timer_list.function`
    timer_function,
    /// `timer_list.expires`
    timer_expires,
    /// `process_timer.task`
    process_timer_task,
    /// `task_struct.pid`: the thread
    task_pid,
    /// `task_struct.tgid`: the process
    task_tgid,
    /// `task_struct.flags`
    task_flags,
    /// `task_struct.group_leader`
    task_group_leader,
    /// `task_struct.start_boottime`
    task_start_boottime,
    /// `task_struct.comm`
    task_comm,
    /// `task_struct.cred`
    task_cred,
    /// `task_struct.thread_pid`
    task_thread_pid,
    /// `task_struct.pending.signal`
    task_pending,
    /// `task_struct.blocked`
    task_blocked,
    /// `task_struct.signal`
    task_signal,
    /// `signal_struct.shared_pending.signal`
    signal_shared_pending,
    /// `cred.euid`
    cred_euid,
    /// `pid.level`
    pid_level,
    /// `pid.numbers`
    pid_numbers,
    /// Size of `struct upid`
    upid_size,
    /// `upid.nr`
    upid_nr,
    /// `upid.ns`
    upid_ns,
    /// `pid_namespace.ns.inum`
    pidns_inum,
    /// `file.f_inode`
    file_f_inode,
    /// `inode.i_mode`
    inode_i_mode,
    /// `file.private_data`
    file_private_data,
    /// `socket.sk`
    socket_sk,
    /// From `struct socket` to the inode number of its file (`socket_alloc`)
    socket_ino,
    /// Bit number of `SOCK_DEAD` in `skc_flags`
    bit_sock_dead,
    /// Bit number of `SOCK_LINGER` in `skc_flags`
    bit_sock_linger,
    }
}

kernel_offsets! {
    /// By what the programs find out whether a process still holds a socket's file. Known of the running
    /// kernel only. [`NONE`] = absent; then the user side asks `/proc`.
    HolderOffsets {
    /// `task_struct.files`
    task_files,
    /// `task_struct.stack`
    task_stack,
    /// `files_struct.fdt`
    files_table,
    /// `fdtable.fd`
    table_files,
    /// `fdtable.max_fds`
    table_size,
    /// `socket.file`
    socket_file,
    /// From the beginning of a task's stack of 16 KiB to the registers of its system call
    stack_registers,
    /// In `pt_regs`: the first argument of a system call
    first_argument,
    /// 0 = the programs may call `bpf_task_pt_regs` (from 5.15)
    helper_task_registers,
    /// `sk_buff.sk`
    skb_sk,
    /// `sk_buff.cb` + `unix_skb_parms.fp`: the descriptors on their way
    skb_cb_descriptors,
    /// `scm_fp_list.count`
    descriptors_count,
    /// `scm_fp_list.fp`
    descriptors_files,
    /// The count of references in `struct file`
    file_references,
    /// Not an offset: what that count says of the last reference
    last_reference,
    }
}

// SAFETY: plain 16-bit integers without padding, any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KernelOffsets {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for HolderOffsets {}
