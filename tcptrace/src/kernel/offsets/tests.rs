use super::*;

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn this_kernel() -> Option<Btf> {
    let kernel = Btf::from_kernel();
    if let Err(error) = &kernel {
        eprintln!("SKIPPED: no BTF on this machine: {error}");
    }
    kernel.ok()
}

fn byte(kernel: &Btf, strukt: &str, path: &str) -> u16 {
    u16::try_from(kernel.field(strukt, path).unwrap().byte_offset).unwrap()
}

#[test]
fn nothing_is_missing_on_this_kernel() {
    let Some(kernel) = this_kernel() else { return };
    let offsets = resolve(&kernel);
    let values = KernelOffsets::NAMES.iter().zip(offsets.values());
    let missing: Vec<_> = values.filter(|(_, value)| *value == NONE).collect();
    assert_eq!(missing, []);
}

#[test]
fn addresses_begin_a_socket_and_members_lie_in_the_order_of_their_structs() {
    let Some(kernel) = this_kernel() else { return };
    let offsets = resolve(&kernel);
    assert_eq!(offsets.skc_daddr, 0);
    assert_eq!(offsets.skc_rcv_saddr, 4);
    // The ports follow the pair of addresses and its hash.
    assert_eq!((offsets.skc_dport, offsets.skc_num), (12, 14));
    assert_eq!((offsets.skc_family, offsets.skc_state), (16, 18));
    let common = kernel.struct_size("sock_common").unwrap();
    assert!(u32::from(offsets.sk_err) > common && u32::from(offsets.sk_shutdown) > common);
    let inet = kernel.struct_size("inet_sock").unwrap();
    assert!(u32::from(offsets.icsk_retransmits) >= inet);
    let connection = kernel.struct_size("inet_connection_sock").unwrap();
    assert!(u32::from(offsets.snd_una) >= connection && u32::from(offsets.linger2) >= connection);
}

#[test]
fn sums_are_of_their_parts() {
    let Some(kernel) = this_kernel() else { return };
    let offsets = resolve(&kernel);
    let cb = byte(&kernel, "sk_buff", "cb");
    assert_eq!(offsets.skb_cb_seq, cb + byte(&kernel, "tcp_skb_cb", "seq"));
    assert!(offsets.skb_cb_tcp_flags > cb && offsets.skb_cb_gso_segs > cb);
    let inode = byte(&kernel, "socket_alloc", "vfs_inode");
    assert_eq!(offsets.socket_ino, inode + byte(&kernel, "inode", "i_ino"));
}

#[test]
fn bits_are_bit_numbers() {
    let Some(kernel) = this_kernel() else { return };
    let offsets = resolve(&kernel);
    assert_eq!((offsets.bit_sock_dead, offsets.bit_sock_linger), (0, 4));
}

#[test]
fn parts_that_are_missing_or_too_far_have_no_sum() {
    assert_eq!(sum(3, 4), 7);
    assert_eq!([sum(NONE, 4), sum(3, NONE), sum(40_000, 30_000)], [NONE; 3]);
    assert_eq!([narrow(0), narrow(0xfffe)], [Some(0), Some(0xfffe)]);
    assert_eq!([narrow(u32::from(NONE)), narrow(0x1_0000)], [None; 2]);
}

#[test]
fn kernel_names_are_reported_by_field() {
    let name = kernel_name("icsk_syn_qlen");
    assert_eq!(
        name.as_deref(),
        Some("inet_connection_sock.icsk_accept_queue.qlen")
    );
    assert_eq!(kernel_name("upid_size"), None);
}
