//! The prototypes in the table of hooks: `name(type, type[, type[, type]])`, types of parameters, those
//! from the first bracket on not there on every kernel. Where a kernel has another prototype of the
//! name, that is quoted too.

use tcptrace::kernel::btf::{Btf, Prototype};
use tcptrace_common::hook::{Hook, Site};

/// One way a prototype may look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    /// Those before the first bracket are there on every kernel.
    pub(crate) required: usize,
}

/// The forms of a hook in the table.
pub(crate) fn forms(hook: &Hook) -> Vec<Form> {
    let prototypes = hook.prototypes.iter();
    prototypes
        .map(|text| Form::parse(text).unwrap_or_else(|| panic!("{}: {text}", hook.name)))
        .collect()
}

/// The kernel's name of what the programs of a hook are attached to.
pub(crate) fn target(hook: &Hook) -> String {
    match hook.site {
        Site::Iterator => format!("bpf_iter_{}", hook.name),
        Site::Tracepoint | Site::Function => hook.name.to_owned(),
    }
}

/// The prototype a kernel has for a hook; `None` = the kernel does not have it.
pub(crate) fn prototype(hook: &Hook, kernel: &Btf) -> Option<Prototype> {
    match hook.site {
        Site::Tracepoint => kernel.typedef_proto(&format!("btf_trace_{}", hook.name)),
        Site::Iterator | Site::Function => kernel.function(&target(hook)),
    }
}

impl Form {
    /// `name(arg, arg[, arg[, arg]])`; `None` = the text is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, args) = text.trim().strip_suffix(')')?.split_once('(')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        let list = |text: &str| -> Vec<String> {
            let args = text.split(',').map(|arg| arg.replace(['[', ']'], ""));
            args.map(|arg| arg.split_whitespace().collect::<Vec<_>>().join(" "))
                .filter(|arg| !arg.is_empty())
                .collect()
        };
        Some(Self {
            name: name.to_owned(),
            required: list(args.split('[').next()?).len(),
            args: list(args),
        })
    }

    /// What speaks against a kernel's prototype being this one.
    pub(crate) fn differs_from(&self, there: &Prototype) -> Option<String> {
        let types: Vec<_> = there.params.iter().map(|p| plain(&p.type_name)).collect();
        if types.len() < self.required || types.len() > self.args.len() {
            return Some(format!("{} arguments: {types:?}", types.len()));
        }
        let pairs = types.iter().zip(&self.args).enumerate();
        let mut wrong = pairs.filter(|(_, (there, said))| **there != plain(said));
        let (place, (there, said)) = wrong.next()?;
        Some(format!("argument {place} is {there}, not {said}"))
    }
}

/// Kernels add and drop `const` freely; a program reads the same bytes.
fn plain(type_name: &str) -> String {
    type_name.trim_start_matches("const ").to_owned()
}
