//! Damaged and arbitrary input costs bounded work and never a panic.

use proptest::prelude::*;

use super::*;

/// Every question, with names that are there and names that are not.
fn ask_everything(btf: &Btf) {
    for strukt in [
        "outer", "flags", "holder", "ring_t", "inner_t", "sock", "tcp_sock", "sk_buff",
    ] {
        for path in [
            "first",
            "high",
            "named.high",
            "list.high",
            "b",
            "__sk_common.skc_net.net",
        ] {
            let _ = btf.field(strukt, path);
        }
        let _ = (
            btf.struct_size(strukt),
            btf.enum_values(strukt),
            btf.function(strukt),
        );
    }
    let _ = (
        btf.function("tcp_close"),
        btf.typedef_proto("btf_trace_outer"),
    );
    let _ = (
        btf.typedef_proto("btf_trace_kfree_skb"),
        btf.enum_values("skb_drop_reason"),
    );
    let _ = btf.variant_values(&["MINUS", "FAR", "TCP_CA_Loss"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(btf) = Btf::parse(bytes) { ask_everything(&btf); }
    }

    #[test]
    fn arbitrary_types_never_panic(words in prop::collection::vec(any::<u32>(), 0..200)) {
        let mut blob = Blob::new();
        blob.string("outer");
        for chunk in words.chunks_exact(6) {
            let shape = (1 + chunk[0] % 19, chunk[1] & 1 == 1, chunk[1] >> 1 & 3);
            let tail: Vec<u32> = chunk[2..].iter().map(|word| word % 50).cycle().take(12).collect();
            let len = match shape.0 { 1 | 14 | 17 => 1, 3 => 3, 4 | 5 | 15 | 19 => 3 * shape.2,
                6 | 13 => 2 * shape.2, _ => 0 };
            blob.record(if chunk[1] & 8 == 0 { "outer" } else { "" }, shape, chunk[2] % 40,
                &tail[..len as usize]);
        }
        ask_everything(&read(&blob));
    }

    #[test]
    fn damaged_copies_never_panic(
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..12),
        truncate in any::<bool>(),
    ) {
        let mut bytes = sample().bytes();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if truncate { bytes.truncate(cut.index(bytes.len())); }
        if let Ok(btf) = Btf::parse(bytes) { ask_everything(&btf); }
    }
}

/// A callback that takes itself, and one that returns a pointer to itself: in a debug build the
/// first cost a frame of some kilobytes for every step and ended a test thread's stack.
#[test]
fn prototypes_that_hold_themselves_are_none_on_a_small_stack() {
    let asked = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(|| {
            let mut blob = Blob::new();
            // A record's number is known before it is written: the proto is 3, its pointer 4.
            let proto = blob.proto(INT, &[("self", 4), ("again", 4)]);
            let pointer = blob.refer(PTR, "", proto);
            blob.refer(FUNC, "callback", proto);
            blob.refer(TYPEDEF, "btf_trace_callback", pointer);
            let btf = read(&blob);
            assert_eq!((proto, pointer), (3, 4), "the fixture's ids moved");
            (
                btf.function("callback"),
                btf.typedef_proto("btf_trace_callback"),
            )
        })
        .expect("a thread can be started")
        .join();
    assert_eq!(asked.expect("no overflow"), (None, None));
}

#[test]
fn damaged_copies_of_this_kernels_types_never_panic() {
    let Some(btf) = this_kernel() else { return };
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        (state >> 33) as usize % below
    };
    let mut parsed = 0;
    for round in 0..24 {
        let mut bytes = btf.bytes.to_vec();
        // Members and names take most of the blob, so most of these copies still parse.
        for _ in 0..1 << (round % 12) {
            let at = 24 + random(bytes.len() - 24);
            bytes[at] ^= 1 << random(8);
        }
        if round % 4 == 3 {
            bytes.truncate(random(bytes.len()));
        }
        if let Ok(btf) = Btf::parse(bytes) {
            parsed += 1;
            ask_everything(&btf);
        }
    }
    assert!(parsed > 0, "no copy was whole enough to be asked anything");
}
