//! The prototypes that the programs quote in their comments, read from the sources of the hooks.
//!
//! A hook's comment quotes what it is attached to as `name(type, type[, type[, type]])`: types of
//! parameters, those from the first bracket on not there on every kernel. Where a kernel has
//! another prototype of the name, that is quoted too: `name(...)` or `name(...)`, on one line or
//! on several.

use std::fmt;
use std::fs;
use std::path::Path;

use tcptrace::kernel::btf::{Btf, Prototype};

/// One way a prototype may look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    /// Those before the first bracket are there on every kernel.
    pub(crate) required: usize,
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Tracepoint,
    Function,
}

/// One program: what it is attached to, and what its comment says of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shim {
    pub(crate) file: String,
    pub(crate) target: Target,
    /// As written in the attribute; `None` where that names nothing.
    pub(crate) attached_to: Option<String>,
    /// In the order of the comment.
    pub(crate) forms: Vec<Form>,
}

impl Shim {
    /// The kernel's name of what it is attached to.
    pub(crate) fn name(&self) -> &str {
        let quoted = self.forms.first().map(|form| &form.name);
        let name = self.attached_to.as_ref().or(quoted);
        name.unwrap_or_else(|| panic!("{}: a program without a name", self.file))
    }

    /// The prototype a kernel has for it; `None` = the kernel does not have it.
    pub(crate) fn prototype(&self, kernel: &Btf) -> Option<Prototype> {
        match self.target {
            Target::Tracepoint => kernel.typedef_proto(&format!("btf_trace_{}", self.name())),
            Target::Function => kernel.function(self.name()),
        }
    }
}

impl fmt::Display for Shim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.target, self.name())
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

/// Every program of every hook.
pub(crate) fn shims() -> Vec<Shim> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcptrace-ebpf/src/hook");
    let entries = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files
        .iter()
        .flat_map(|path| shims_of(&name(path), &text(path)))
        .collect()
}

/// The programs of one source.
pub(crate) fn shims_of(file: &str, source: &str) -> Vec<Shim> {
    let mut shims = Vec::new();
    let mut comment = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
        } else if let Some((target, attached_to)) = attribute(line) {
            shims.push(Shim {
                file: file.to_owned(),
                target,
                attached_to,
                // Between backticks is every second part.
                forms: comment
                    .split('`')
                    .skip(1)
                    .step_by(2)
                    .filter_map(Form::parse)
                    .collect(),
            });
        } else if !line.starts_with("#[") {
            comment.clear();
        }
    }
    shims
}

/// What an attribute attaches to; `None` = it attaches nothing.
fn attribute(line: &str) -> Option<(Target, Option<String>)> {
    let inside = line.strip_prefix("#[")?.strip_suffix(']')?;
    let (word, rest) = match inside.split_once('(') {
        Some((word, rest)) => (word, rest),
        None => (inside, ""),
    };
    let function = rest
        .split_once("function = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(name, _)| name.to_owned());
    match word {
        "btf_tracepoint" => Some((Target::Tracepoint, function)),
        "fentry" | "fexit" | "kprobe" | "kretprobe" => Some((Target::Function, function)),
        "unsafe" => {
            let iterator = rest.strip_prefix("link_section = \"iter/")?;
            let (name, _) = iterator.split_once('"')?;
            Some((Target::Function, Some(format!("bpf_iter_{name}"))))
        }
        _ => None,
    }
}
