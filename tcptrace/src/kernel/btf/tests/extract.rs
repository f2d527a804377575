//! Small blobs answer as the whole ones they come from.

use super::*;
use crate::kernel::Kernel;

fn noting(bytes: Vec<u8>) -> Btf {
    Btf::parse_noting(bytes).unwrap()
}

/// The same questions to a blob and to its extract.
fn both<T>(blob: &Blob, ask: impl Fn(&Btf) -> T) -> (T, T, usize) {
    let whole = noting(blob.bytes());
    let said = ask(&whole);
    let extract = whole.extract();
    let size = extract.len();
    (said, ask(&Btf::parse(extract).unwrap()), size)
}

#[test]
fn members_behind_anonymous_unions_typedefs_and_arrays_stay_where_they_were() {
    let mut blob = Blob::new();
    let inner = blob.aggregate(STRUCT, "inner", 16, &[("no", 1, 0), ("deep", 2, 64)]);
    let list = blob.array(inner, 3);
    let anonymous = blob.aggregate(UNION, "", 48, &[("other", 1, 0), ("list", list, 0)]);
    let members = &[("unasked", 1, 0), ("", anonymous, 64)];
    let outer = blob.aggregate(STRUCT, "", 56, members);
    blob.refer(TYPEDEF, "outer_t", outer);
    let ask = |btf: &Btf| {
        let at = |path| btf.field("outer_t", path);
        (at("list.deep"), at("list"), btf.struct_size("outer_t"))
    };
    let (said, again, size) = both(&blob, ask);
    assert_eq!(said.0.map(|field| field.byte_offset), Some(16));
    assert_eq!(said, again);
    assert!(size < blob.bytes().len(), "what is not asked goes");
    let whole = noting(blob.bytes());
    let _ = ask(&whole);
    let part = Btf::parse(whole.extract()).unwrap();
    assert_eq!(part.field("outer_t", "unasked"), None);
}

#[test]
fn bitfields_keep_their_widths_and_sizes_their_structs() {
    let mut blob = Blob::new();
    blob.bitfields("flags", &[("a", 2, 3 << 24), ("b", 2, 4 << 24 | 3)]);
    blob.aggregate(STRUCT, "sized", 24, &[("a", 1, 0), ("b", 1, 64)]);
    let ask = |btf: &Btf| (btf.field("flags", "b"), btf.struct_size("sized"));
    let (said, again, _) = both(&blob, ask);
    assert_eq!(
        said.0.map(|field| (field.bit_offset, field.bits)),
        Some((3, 4))
    );
    assert_eq!(said, again);
}

#[test]
fn prototypes_need_only_the_names_of_what_they_point_to() {
    let mut blob = Blob::new();
    let large = blob.aggregate(STRUCT, "large", 800, &[("a", 1, 0), ("b", 1, 64)]);
    let constant = blob.refer(CONST, "", large);
    let pointer = blob.refer(PTR, "", constant);
    let reason = blob.enumeration("reason", false, &[("R_A", 0), ("R_B", 1)]);
    let proto = blob.proto(0, &[("p", pointer), ("why", reason), ("", 0)]);
    blob.refer(FUNC, "f", proto);
    let target = blob.refer(PTR, "", proto);
    blob.refer(TYPEDEF, "btf_trace_f", target);
    let ask = |btf: &Btf| (btf.function("f"), btf.typedef_proto("btf_trace_f"));
    let (said, again, _) = both(&blob, ask);
    let types = ["const struct large *", "enum reason", "..."];
    assert_eq!(types_of(&said.0.clone().unwrap()), types);
    assert_eq!(said, again);
    let whole = noting(blob.bytes());
    let _ = ask(&whole);
    let part = Btf::parse(whole.extract()).unwrap();
    assert_eq!(
        (part.struct_size("large"), part.enum_values("reason")),
        (None, None)
    );
}

#[test]
fn of_several_enums_with_a_variant_the_first_still_counts() {
    let mut blob = Blob::new();
    blob.enumeration("", false, &[("UNASKED", 1), ("TWICE", 2)]);
    blob.enumeration("named", true, &[("TWICE", 3), ("MINUS", -1)]);
    blob.enumeration64("wide", &[("FAR", 1 << 40)]);
    let ask = |btf: &Btf| {
        let named = btf.enum_values("named").map(|values| values.len());
        (
            btf.variant_values(&["FAR", "TWICE", "MINUS", "NONE"]),
            named,
        )
    };
    let (said, again, _) = both(&blob, ask);
    assert_eq!(said.0, [Some(1 << 40), Some(2), Some(-1), None]);
    assert_eq!(said, again);
}

#[test]
fn nothing_asked_is_nearly_nothing_kept() {
    let whole = noting(Blob::new().bytes());
    let part = Btf::parse(whole.extract()).unwrap();
    // Pointers have their size from it.
    assert_eq!(part.index.pointer_size, 8);
    assert_eq!(part.index.ids(), 1..2);
}

#[test]
fn questions_are_noted_once_and_only_where_that_was_asked_for() {
    let bytes = Blob::new().bytes();
    let (silent, whole) = (Btf::parse(bytes.clone()).unwrap(), noting(bytes));
    for btf in [&silent, &whole] {
        for _ in 0..2 {
            let _ = (
                btf.field("a", "b.c"),
                btf.enum_value("V"),
                btf.function("f"),
            );
        }
    }
    assert_eq!(silent.questions(), []);
    let noted: Vec<String> = whole.questions().iter().map(Question::to_string).collect();
    assert_eq!(noted, ["field a b.c", "variant V", "function f"]);
}

#[test]
fn this_kernel_is_the_same_kernel_in_its_extract() {
    let Ok(bytes) = std::fs::read(VMLINUX) else {
        skipped("this kernel has no readable BTF");
        return;
    };
    let whole = noting(bytes);
    let kernel = |types| {
        // Ids are what differs, and are only of use where the kernel runs.
        let kernel = Kernel {
            attach_places: TypeIds::default(),
            ..Kernel::from_types(types, "this".to_owned())
        };
        format!("{kernel:?}")
    };
    let said = kernel(&whole);
    let extract = whole.extract();
    assert!(extract.len() < 100_000, "{} bytes", extract.len());
    assert_eq!(kernel(&Btf::parse(extract).unwrap()), said);
}
