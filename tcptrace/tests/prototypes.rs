//! The prototypes that the programs quote, held against every kernel there is a fixture of, and
//! against the one that runs here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tcptrace::kernel::btf::{Btf, Param, Prototype};

#[path = "fixture/kernels.rs"]
#[allow(dead_code, reason = "shared with the other tests of kernels")]
mod fixtures;
mod quoted;

use quoted::{Form, Shim, Target, shims, shims_of};

fn form(name: &str, args: &[&str], required: usize) -> Form {
    Form {
        name: name.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        required,
    }
}

#[test]
fn brackets_are_optional_arguments() {
    let expected = form("f", &["struct a *", "int", "b"], 1);
    assert_eq!(Form::parse("f(struct a *[, int[, b]])"), Some(expected));
    for other in ["f", "see f() there)", "f(int", "two words(int)", "(int)"] {
        assert_eq!(Form::parse(other), None, "{other}");
    }
}

#[test]
fn alternatives_may_stand_on_one_line_or_on_several() {
    let source = "\
/// `f(int)` or `f(struct a *,
/// bool[, u32])`: with a later kernel's `flag`.
#[inline(always)]
#[fexit(function = \"f\")]
fn fexit_f(ctx: FExitContext) {}

/// `g(int)`
#[kretprobe]
fn kretprobe_g(ctx: RetProbeContext) {}
";
    let shim = |attached_to: Option<&str>, forms: &[Form]| Shim {
        file: "x.rs".to_owned(),
        target: Target::Function,
        attached_to: attached_to.map(str::to_owned),
        forms: forms.to_vec(),
    };
    let expected = [
        shim(
            Some("f"),
            &[
                form("f", &["int"], 1),
                form("f", &["struct a *", "bool", "u32"], 2),
            ],
        ),
        shim(None, &[form("g", &["int"], 1)]),
    ];
    assert_eq!(shims_of("x.rs", source), expected);
}

#[test]
fn a_prototype_with_more_or_other_arguments_differs() {
    let there = |types: &[&str]| Prototype {
        params: types
            .iter()
            .map(|type_name| Param {
                name: None,
                type_name: (*type_name).to_owned(),
            })
            .collect(),
        ret: "int".to_owned(),
    };
    let form = form("f", &["struct sock *", "int"], 1);
    let differs = |types: &[&str]| form.differs_from(&there(types)).is_some();
    assert!(!differs(&["const struct sock *"]) && !differs(&["struct sock *", "int"]));
    assert!(differs(&[]) && differs(&["struct sock *", "int", "int"]));
    assert!(differs(&["struct sk_buff *"]) && differs(&["struct sock *", "bool"]));
}

#[test]
fn every_program_quotes_what_it_attaches_to() {
    let shims = shims();
    assert!(shims.len() >= 14, "only {}", shims.len());
    for shim in shims {
        assert!(
            !shim.forms.is_empty(),
            "{}: {shim} quotes nothing",
            shim.file
        );
        for form in &shim.forms {
            assert_eq!(form.name, shim.name(), "{}", shim.file);
        }
    }
}

/// Nothing when a kernel has what a program quotes; `Some(None)` when it has no such hook.
fn trouble(shim: &Shim, kernel: &Btf) -> Option<Option<String>> {
    let Some(there) = shim.prototype(kernel) else {
        return Some(None);
    };
    let differences: Option<Vec<String>> = shim
        .forms
        .iter()
        .map(|form| form.differs_from(&there))
        .collect();
    differences.map(|differences| Some(differences.join("; ")))
}

#[test]
fn quoted_prototypes_are_every_kernels_or_absent_there() {
    let mut absent = String::new();
    for fixture in fixtures::all() {
        let kernel = fixture.types();
        let mut names = BTreeSet::new();
        for shim in shims() {
            match trouble(&shim, &kernel) {
                None => {}
                Some(None) => drop(names.insert(shim.to_string())),
                Some(Some(why)) => panic!("{}, {}: {shim}: {why}", fixture.release, shim.file),
            }
        }
        let _ = writeln!(absent, "{}: {names:?}", fixture.release);
    }
    // What a kernel does not have is declared here.
    insta::assert_snapshot!(absent);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn quoted_prototypes_are_this_kernels_or_absent_here() {
    let kernel = match Btf::from_kernel() {
        Ok(kernel) => kernel,
        Err(error) => {
            eprintln!("SKIPPED: no BTF on this machine: {error}");
            return;
        }
    };
    for shim in shims() {
        if let Some(Some(why)) = trouble(&shim, &kernel) {
            panic!("{}: {shim}: {why}", shim.file);
        }
    }
}
