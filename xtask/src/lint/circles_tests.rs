//! Small crates, each a list of files, with and without circles.

use super::*;

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<File> = files
        .iter()
        .map(|(name, text)| File {
            name: (*name).to_owned(),
            module: name
                .trim_end_matches("mod")
                .split('/')
                .filter(|part| !part.is_empty() && *part != "lib")
                .map(str::to_owned)
                .collect(),
            text: (*text).to_owned(),
        })
        .collect();
    findings(&files)
}

#[test]
fn two_files_that_name_each_other_are_a_circle() {
    let files = [
        ("a/x", "use super::y::Y;\npub struct X;"),
        ("a/y", "fn f(x: super::x::X) {}\npub struct Y;"),
        ("a/mod", "mod x; mod y;"),
    ];
    let found = found(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a::x, a::y modules import one another in a circle"));
    assert!(
        found[0].contains("a/x:1: `crate::a::y::Y` is in a/y"),
        "{found:?}"
    );
}

#[test]
fn a_circle_of_three_is_shown_step_by_step() {
    let files = [
        ("a", "use crate::b::B; pub struct A;"),
        ("b", "use crate::c::C; pub struct B;"),
        ("c", "use crate::a::A; pub struct C;"),
        ("d", "use crate::a::A;"),
    ];
    let found = found(&files);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines().count(), 4, "{found:?}");
}

#[test]
fn a_type_taken_through_the_parent_is_the_siblings() {
    let files = [
        ("m/mod", "mod x; mod y; pub use self::x::X; pub use y::*;"),
        ("m/x", "use super::Y; pub struct X;"),
        ("m/y", "pub struct Y;"),
    ];
    assert_eq!(found(&files), [""; 0]);
}

#[test]
fn a_child_may_use_its_parents_items_and_a_neighbour_must_not_use_it_back() {
    let parent = "mod x; use self::x::X; pub struct Shared; fn f(x: X) {}";
    let child = ("m/x", "use super::Shared; use crate::n::N; pub struct X;");
    let files = [("m/mod", parent), child, ("n", "pub struct N;")];
    assert_eq!(found(&files), [""; 0]);
    let files = [
        files[0],
        files[1],
        ("n", "pub struct N; use crate::m::x::X;"),
    ];
    assert_eq!(found(&files).len(), 1);
}

#[test]
fn a_module_brought_in_is_followed_to_the_file_of_the_item() {
    let files = [
        ("m/mod", "mod x; pub use self::x::X; pub struct M;"),
        ("m/x", "pub struct X; fn f() { crate::n::g() }"),
        ("n", "use crate::m; pub fn g() -> m::X {}"),
    ];
    let found = found(&files);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("n:1: `m::X` is in m/x"), "{found:?}");
}

#[test]
fn modules_below_two_neighbours_make_a_circle_of_the_neighbours() {
    let files = [
        ("m/x", "use crate::n::y::Y; pub struct X;"),
        ("m/z", "pub struct Z;"),
        ("n/w", "use crate::m::z::Z;"),
        ("n/y", "pub struct Y;"),
    ];
    let found = found(&files);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("m, n modules import one another"),
        "{found:?}"
    );
}

#[test]
fn tests_may_go_in_circles() {
    let files = [
        ("a", "use crate::b::B; pub struct A;"),
        (
            "b",
            "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        ),
    ];
    assert_eq!(found(&files), [""; 0]);
}
