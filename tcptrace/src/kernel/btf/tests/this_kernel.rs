//! What is known of every kernel, asked of the one the test runs on.

use super::*;

#[test]
fn mapped_and_read_types_are_the_same_bytes() {
    let Some(btf) = this_kernel() else { return };
    assert_eq!(*btf.bytes, *std::fs::read(VMLINUX).unwrap());
}

#[test]
fn this_kernels_sockets_have_the_known_relations() {
    let Some(btf) = this_kernel() else { return };
    let at = |strukt: &str, path: &str| {
        offset(&btf, strukt, path).unwrap_or_else(|| panic!("{strukt}.{path}"))
    };
    assert_eq!(at("sock_common", "skc_daddr"), 0);
    assert_eq!(at("sock", "__sk_common.skc_rcv_saddr"), 4);
    assert_eq!(
        at("sock_common", "skc_num"),
        at("sock_common", "skc_dport") + 2
    );
    assert_eq!(
        at("sock", "__sk_common.skc_net.net"),
        at("sock_common", "skc_net")
    );
    assert_eq!(at("tcp_sock", "inet_conn"), 0);
    assert_eq!(
        at("inet_timewait_sock", "__tw_common.skc_family"),
        at("sock_common", "skc_family")
    );
    assert_eq!(
        at("inet_connection_sock", "icsk_accept_queue.qlen"),
        at("inet_connection_sock", "icsk_accept_queue") + at("request_sock_queue", "qlen")
    );
    assert_eq!(
        btf.field("task_struct", "comm").map(|field| field.size),
        Some(16)
    );
    assert!(btf.field("task_struct", "group_leader").unwrap().is_pointer);
    let reuse = btf.field("sock_common", "skc_reuse").unwrap();
    assert_eq!((reuse.bits, reuse.bit_offset), (4, 0));
    assert_eq!(
        btf.variant_values(&["TCP_CA_Loss", "SOCK_LINGER"]),
        [Some(4), Some(4)]
    );
    assert!(btf.enum_value("LINUX_MIB_TCPABORTONDATA").is_some());
    let set_state = btf.typedef_proto("btf_trace_inet_sock_set_state").unwrap();
    assert_eq!(
        types_of(&set_state),
        ["const struct sock *", "const int", "const int"]
    );
    let close = btf.function("tcp_close").unwrap();
    assert_eq!(types_of(&close), ["struct sock *", "long int"]);
    assert_eq!(
        (close.ret.as_str(), close.position("timeout")),
        ("void", Some(1))
    );
}

#[test]
fn facts_measured_on_6_18_44_agree() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.starts_with("6.18.44-fc") {
        skipped(format_args!(
            "these facts are of 6.18.44, this is {}",
            release.trim()
        ));
        return;
    }
    let Some(btf) = this_kernel() else { return };
    for (strukt, path, expected) in FACTS_6_18_44 {
        assert_eq!(
            offset(&btf, strukt, path),
            Some(*expected),
            "{strukt}.{path}"
        );
    }
    for (strukt, size) in [
        ("sock", 784),
        ("inet_connection_sock", 1400),
        ("tcp_sock", 2304),
    ] {
        assert_eq!(btf.struct_size(strukt), Some(size), "{strukt}");
    }
}

/// Measured with another BTF reader on that kernel.
const FACTS_6_18_44: &[(&str, &str, u32)] = &[
    ("sock", "sk_lingertime", 576),
    ("sock", "sk_shutdown", 575),
    ("sock", "sk_err", 284),
    ("sock", "sk_max_ack_backlog", 604),
    ("inet_connection_sock", "icsk_accept_queue", 1016),
    ("inet_connection_sock", "icsk_retransmits", 1249),
    ("inet_timewait_sock", "tw_timer", 160),
    ("inet_timewait_sock", "tw_substate", 140),
    ("tcp_sock", "write_seq", 1576),
    ("tcp_sock", "snd_una", 1672),
    ("tcp_sock", "rcv_nxt", 1664),
    ("tcp_sock", "copied_seq", 1464),
    ("sock_common", "skc_flags", 96),
    ("sock_common", "skc_state", 18),
];
