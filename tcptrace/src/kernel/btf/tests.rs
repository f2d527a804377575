use super::fixture::{
    Blob, CONST, FUNC, FWD, PTR, RESTRICT, STRUCT, TYPE_TAG, TYPEDEF, UNION, VOLATILE, skipped,
};
use super::*;

mod extract;
mod hostile;
mod this_kernel;

const INT: u32 = 2;

fn read(blob: &Blob) -> Btf {
    Btf::parse(blob.bytes()).expect("the fixture is valid")
}

fn offset(btf: &Btf, strukt: &str, path: &str) -> Option<u32> {
    btf.field(strukt, path).map(|field| field.byte_offset)
}

/// The BTF of the machine the test runs on.
fn this_kernel() -> Option<Btf> {
    let btf = Btf::from_kernel();
    if let Err(error) = &btf {
        skipped(error);
    }
    btf.ok()
}

fn types_of(proto: &Prototype) -> Vec<&str> {
    proto
        .params
        .iter()
        .map(|param| param.type_name.as_str())
        .collect()
}

/// A little of everything: members behind every kind of detour, all kinds of names.
fn sample() -> Blob {
    let mut blob = Blob::new();
    let pair = blob.aggregate(STRUCT, "", 8, &[("low", INT, 0), ("high", INT, 32)]);
    let either = blob.aggregate(UNION, "", 8, &[("whole", 1, 0), ("", pair, 0)]);
    let alias = blob.refer(TYPEDEF, "inner_t", either);
    let quiet = blob.refer(CONST, "", alias);
    let quiet = blob.refer(VOLATILE, "", quiet);
    let tagged = blob.refer(TYPE_TAG, "rcu", quiet);
    let list = blob.array(tagged, 3);
    let outer = blob.aggregate(
        STRUCT,
        "outer",
        48,
        &[
            ("first", INT, 0),
            ("", tagged, 64),
            ("named", tagged, 128),
            ("list", list, 192),
        ],
    );
    blob.bitfields(
        "flags",
        &[
            ("a", INT, 3 << 24),
            ("b", INT, 2 << 24 | 11),
            ("plain", INT, 32),
        ],
    );
    let pointer = blob.refer(PTR, "", outer);
    let untouched = blob.refer(CONST, "", outer);
    let reader = blob.refer(PTR, "", untouched);
    let restricted = blob.refer(RESTRICT, "", reader);
    blob.aggregate(STRUCT, "holder", 8, &[("outer", pointer, 0)]);
    let anything = blob.refer(PTR, "", 0);
    let callback = blob.proto(0, &[("", pointer), ("", reader)]);
    let callback = blob.refer(PTR, "", callback);
    let ahead = blob.refer(FWD, "ahead", 0);
    let ahead = blob.refer(PTR, "", ahead);
    let proto = blob.proto(
        reader,
        &[
            ("data", anything),
            ("r", restricted),
            ("cb", callback),
            ("a", ahead),
            ("", 0),
        ],
    );
    blob.refer(FUNC, "outer", proto);
    let hook = blob.refer(PTR, "", proto);
    blob.refer(TYPEDEF, "btf_trace_outer", hook);
    blob.enumeration("", true, &[("MINUS", -3), ("PLUS", 3)]);
    blob.enumeration("outer", false, &[("HIGH", -1)]);
    blob.enumeration64("wide", &[("FAR", 1 << 40), ("BELOW", -(1 << 40))]);
    blob
}

#[test]
fn members_are_found_through_anonymous_unions_typedefs_and_qualifiers() {
    let btf = read(&sample());
    assert_eq!(offset(&btf, "outer", "first"), Some(0));
    assert_eq!(offset(&btf, "outer", "whole"), Some(8));
    assert_eq!(offset(&btf, "outer", "high"), Some(12));
    assert_eq!(offset(&btf, "outer", "named.high"), Some(20));
    assert_eq!(offset(&btf, "inner_t", "high"), Some(4));
    assert_eq!(btf.struct_size("outer"), Some(48));
}

#[test]
fn an_array_counts_as_its_first_element() {
    let btf = read(&sample());
    assert_eq!(offset(&btf, "outer", "list.high"), Some(28));
    assert_eq!(
        btf.field("outer", "list").unwrap().size,
        24,
        "the whole array's size"
    );
}

#[test]
fn what_a_kernel_lacks_is_none() {
    let btf = read(&sample());
    for path in [
        "",
        ".",
        "nope",
        "first.",
        ".first",
        "first.x",
        "list.nope",
        "named..high",
    ] {
        assert_eq!(btf.field("outer", path), None, "{path:?}");
    }
    assert_eq!(btf.field("nope", "first"), None);
    assert_eq!(
        btf.field("", "first"),
        None,
        "anonymous structs have no name to ask for"
    );
    assert_eq!(
        btf.field("holder", "outer.first"),
        None,
        "a pointer is not followed"
    );
    assert_eq!(btf.struct_size("wide"), None);
    assert_eq!(btf.function("wide"), None);
    assert_eq!(btf.typedef_proto("inner_t"), None);
    assert_eq!(btf.enum_values("flags"), None);
    assert_eq!(btf.enum_value("NOPE"), None);
}

#[test]
fn bitfields_show_their_bits_and_others_have_none() {
    let btf = read(&sample());
    let bits = |path| {
        btf.field("flags", path)
            .map(|f| (f.byte_offset, f.bit_offset, f.bits))
    };
    assert_eq!(bits("a"), Some((0, 0, 3)));
    assert_eq!(bits("b"), Some((1, 3, 2)));
    assert_eq!(bits("plain"), Some((4, 0, 0)));
}

#[test]
fn narrow_integers_are_bitfields_even_without_the_flag() {
    let mut blob = Blob::new();
    let narrow = blob.int("unsigned char", 1, 0, 5);
    let shifted = blob.record("unsigned int", (1, false, 0), 4, &[9 << 16 | 7]);
    blob.aggregate(
        STRUCT,
        "old",
        8,
        &[("five", narrow, 11), ("seven", shifted, 32)],
    );
    let btf = read(&blob);
    let bits = |path| {
        btf.field("old", path)
            .map(|f| (f.byte_offset, f.bit_offset, f.bits))
    };
    assert_eq!(bits("five"), Some((1, 3, 5)));
    assert_eq!(
        bits("seven"),
        Some((5, 1, 7)),
        "the integer's own shift counts too"
    );
}

#[test]
fn fields_show_pointers_and_signs() {
    let btf = read(&sample());
    let outer = btf.field("holder", "outer").unwrap();
    assert_eq!(
        (outer.is_pointer, outer.signed, outer.size),
        (true, false, 8)
    );
    let first = btf.field("outer", "first").unwrap();
    assert_eq!(
        (first.is_pointer, first.signed, first.size),
        (false, true, 4)
    );
    assert!(!btf.field("outer", "whole").unwrap().signed);
}

#[test]
fn one_name_may_mean_a_struct_a_function_and_an_enum() {
    let btf = read(&sample());
    assert_eq!(btf.struct_size("outer"), Some(48));
    assert!(btf.function("outer").is_some());
    assert_eq!(
        btf.enum_values("outer"),
        Some(vec![("HIGH", 4_294_967_295)])
    );
}

#[test]
fn the_first_struct_with_members_counts() {
    let mut blob = Blob::new();
    blob.aggregate(STRUCT, "twin", 0, &[]);
    blob.aggregate(STRUCT, "twin", 4, &[("a", INT, 0)]);
    blob.aggregate(STRUCT, "twin", 8, &[("b", INT, 32)]);
    let btf = read(&blob);
    assert_eq!(btf.struct_size("twin"), Some(4));
    assert_eq!(btf.field("twin", "b"), None);
}

#[test]
fn variants_of_anonymous_and_wide_enums_are_found_in_one_call() {
    let btf = read(&sample());
    assert_eq!(
        btf.variant_values(&["BELOW", "NOPE", "MINUS", "FAR", "PLUS", "FAR"]),
        [
            Some(-(1 << 40)),
            None,
            Some(-3),
            Some(1 << 40),
            Some(3),
            Some(1 << 40)
        ]
    );
    assert_eq!(btf.enum_value("HIGH"), Some(4_294_967_295));
    assert_eq!(btf.enum_values("wide").unwrap().len(), 2);
}

#[test]
fn prototypes_read_as_c() {
    let btf = read(&sample());
    let proto = btf.function("outer").unwrap();
    let expected = [
        "void *",
        "const struct outer *restrict",
        "void (*)(struct outer *, const struct outer *)",
        "struct ahead *",
        "...",
    ];
    assert_eq!(types_of(&proto), expected);
    assert_eq!(proto.ret, "const struct outer *");
    assert_eq!(proto.position("cb"), Some(2));
    assert_eq!(proto.params[4].name, None);
}

#[test]
fn a_tracepoints_leading_data_pointer_is_dropped() {
    let proto = read(&sample()).typedef_proto("btf_trace_outer").unwrap();
    assert_eq!(proto.params.len(), 4);
    assert_eq!(proto.params[0].name.as_deref(), Some("r"));
}

#[test]
fn circles_and_endless_chains_are_none() {
    let mut blob = Blob::new();
    blob.refer(TYPEDEF, "ring_t", 3);
    blob.aggregate(STRUCT, "ring", 8, &[("", 5, 0), ("self", 3, 0)]);
    blob.refer(CONST, "", 4);
    let proto = blob.proto(7, &[("", 7)]);
    blob.refer(PTR, "", proto);
    blob.refer(FUNC, "endless", proto);
    let btf = read(&blob);
    assert_eq!(btf.field("ring", "nope"), None);
    assert_eq!(btf.field("ring", "self").map(|field| field.size), Some(0));
    assert_eq!(btf.field("ring_t", "self"), None);
    assert_eq!(btf.function("endless"), None);
}

#[test]
fn a_bush_of_anonymous_structs_costs_bounded_work() {
    let mut blob = Blob::new();
    let members: Vec<(&str, u32, u32)> = vec![("", 3, 0); 1000];
    blob.aggregate(STRUCT, "bush", 8, &members);
    assert_eq!(read(&blob).field("bush", "nope"), None);
}

#[test]
fn offsets_beyond_any_struct_are_none_or_exact() {
    let mut blob = Blob::new();
    let deep = blob.aggregate(STRUCT, "deep", 8, &[("x", INT, u32::MAX)]);
    blob.aggregate(
        STRUCT,
        "far",
        8,
        &[("", deep, u32::MAX), ("d", deep, u32::MAX)],
    );
    let far = 2 * u64::from(u32::MAX) / 8;
    assert_eq!(offset(&read(&blob), "far", "x").map(u64::from), Some(far));
    assert_eq!(offset(&read(&blob), "far", "d.x").map(u64::from), Some(far));
}

#[test]
fn damage_is_named() {
    let good = sample().bytes();
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Btf::parse(bytes)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert!(with(2, 2).contains("version 2"));
    assert!(with(0, 0).contains("not BTF"));
    assert!(with(4, 23).contains("header"));
    assert!(with(23, 0xff).contains("string section"));
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    assert!(matches!(Btf::parse(swapped), Err(BtfError::ForeignEndian)));
    let mut newer = Blob::new();
    newer.record("new", (20, false, 0), 0, &[]);
    let error = Btf::parse(newer.bytes()).err().unwrap();
    assert!(
        matches!(error, BtfError::UnknownKind { kind: 20, id: 3 }),
        "{error}"
    );
    let mut none = Blob::new();
    none.record("none", (0, false, 0), 0, &[]);
    assert!(matches!(
        Btf::parse(none.bytes()),
        Err(BtfError::UnknownKind { kind: 0, .. })
    ));
    assert!(matches!(
        Btf::parse(Vec::new()),
        Err(BtfError::Damaged { .. })
    ));
}

#[test]
fn every_known_kind_is_stepped_over() {
    let mut blob = Blob::new();
    blob.record("variable", (14, false, 0), INT, &[1]);
    blob.record(".data", (15, false, 2), 8, &[3, 0, 4, 3, 4, 4]);
    blob.record("double", (16, false, 0), 8, &[]);
    blob.record("note", (17, false, 0), 3, &[u32::MAX]);
    blob.aggregate(STRUCT, "after", 12, &[("x", INT, 64)]);
    assert_eq!(offset(&read(&blob), "after", "x"), Some(8));
}

#[test]
fn a_name_longer_than_the_hash_is_reported_from_its_neighbours() {
    let mut blob = Blob::new();
    let stem = "a_name_of_more_than_twenty_four_bytes_";
    for i in 0..20 {
        blob.aggregate(STRUCT, &format!("{stem}{i}"), i + 1, &[("x", INT, 0)]);
    }
    for len in 1..=30 {
        blob.aggregate(STRUCT, &"n".repeat(len), len as u32, &[("x", INT, 0)]);
    }
    let btf = read(&blob);
    for i in 0..20 {
        assert_eq!(btf.struct_size(&format!("{stem}{i}")), Some(i + 1));
    }
    for len in 1..=30 {
        assert_eq!(btf.struct_size(&"n".repeat(len)), Some(len as u32));
    }
}
