//! The prototypes in the table of hooks, held against every kernel there is a fixture of, and
//! against the one that runs here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tcptrace::kernel::btf::{Btf, Param, Prototype};
use tcptrace_common::hook::{HOOKS, Hook};

#[path = "fixture/kernels.rs"]
#[allow(dead_code, reason = "shared with the other tests of kernels")]
mod fixtures;
mod quoted;

use quoted::{Form, forms, prototype, target};

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
fn every_row_quotes_what_it_is_attached_to() {
    assert!(HOOKS.len() >= 33, "only {}", HOOKS.len());
    for hook in HOOKS {
        let forms = forms(hook);
        assert!(!forms.is_empty(), "{} quotes nothing", hook.name);
        for form in forms {
            assert_eq!(form.name, target(hook));
        }
    }
}

/// Nothing when a kernel has what a row quotes; `Some(None)` when it has no such hook.
fn trouble(hook: &Hook, kernel: &Btf) -> Option<Option<String>> {
    let Some(there) = prototype(hook, kernel) else {
        return Some(None);
    };
    let forms = forms(hook);
    let differences: Option<Vec<String>> =
        forms.iter().map(|form| form.differs_from(&there)).collect();
    differences.map(|differences| Some(differences.join("; ")))
}

#[test]
fn quoted_prototypes_are_every_kernels_or_absent_there() {
    let mut absent = String::new();
    for fixture in fixtures::all() {
        let kernel = fixture.types();
        let mut names = BTreeSet::new();
        for hook in HOOKS {
            match trouble(hook, &kernel) {
                None => {}
                Some(None) => drop(names.insert(format!("{:?} {}", hook.site, target(hook)))),
                Some(Some(why)) => panic!("{}: {}: {why}", fixture.release, hook.name),
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
    for hook in HOOKS {
        if let Some(Some(why)) = trouble(hook, &kernel) {
            panic!("{}: {why}", hook.name);
        }
    }
}
