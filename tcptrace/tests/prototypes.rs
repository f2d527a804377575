//! The prototypes the programs quote, held against the kernel that runs here.

use tcptrace::kernel::btf::Btf;

const SHIMS: &str = include_str!("../../tcptrace-ebpf/src/hook/tracepoint.rs");

/// What one program says about its tracepoint.
#[derive(Debug, PartialEq)]
struct Quoted {
    name: String,
    args: Vec<String>,
    /// Those before the first bracket are there on every kernel.
    required: usize,
}

/// `name(arg, arg[, arg[, arg]])`
fn quoted(text: &str) -> Option<Quoted> {
    let (name, args) = text.strip_suffix(')')?.split_once('(')?;
    let list = |text: &str| -> Vec<String> {
        let args = text.split(',').map(|arg| arg.replace(['[', ']'], ""));
        args.map(|arg| arg.trim().to_owned())
            .filter(|arg| !arg.is_empty())
            .collect()
    };
    Some(Quoted {
        name: name.to_owned(),
        required: list(args.split('[').next()?).len(),
        args: list(args),
    })
}

/// The tracepoint each program attaches to, with the prototype in the comment before it.
fn shims() -> Vec<(String, Option<Quoted>)> {
    let mut shims = Vec::new();
    let mut said = None;
    for line in SHIMS.lines() {
        if let Some(text) = line.strip_prefix("/// `") {
            said = text.strip_suffix('`').and_then(quoted);
        } else if let Some(rest) = line.strip_prefix("#[btf_tracepoint(function = \"") {
            let name = rest.trim_end_matches("\")]").to_owned();
            shims.push((name, said.take()));
        }
    }
    shims
}

/// Kernels add and drop `const` freely; a program reads the same bytes.
fn plain(type_name: &str) -> String {
    type_name.trim_start_matches("const ").to_owned()
}

#[test]
fn brackets_are_optional_arguments() {
    let expected = Quoted {
        name: "f".to_owned(),
        args: vec!["struct a *".to_owned(), "int".to_owned(), "b".to_owned()],
        required: 1,
    };
    assert_eq!(quoted("f(struct a *[, int[, b]])"), Some(expected));
}

#[test]
fn every_program_quotes_the_tracepoint_it_attaches_to() {
    let shims = shims();
    let attributes = SHIMS.matches("#[btf_tracepoint(").count();
    assert!(attributes > 0);
    assert_eq!(shims.len(), attributes);
    for (name, quoted) in shims {
        assert_eq!(quoted.map(|quoted| quoted.name), Some(name));
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn quoted_prototypes_are_this_kernels() {
    let kernel = match Btf::from_kernel() {
        Ok(kernel) => kernel,
        Err(error) => {
            eprintln!("SKIPPED: no BTF on this machine: {error}");
            return;
        }
    };
    for quoted in shims().into_iter().filter_map(|(_, quoted)| quoted) {
        let name = &quoted.name;
        let proto = kernel.typedef_proto(&format!("btf_trace_{name}"));
        let proto = proto.unwrap_or_else(|| panic!("this kernel has no tracepoint {name}"));
        let there: Vec<_> = proto.params.iter().map(|p| plain(&p.type_name)).collect();
        assert!(there.len() >= quoted.required, "{name}: only {there:?}");
        for (place, (there, said)) in there.iter().zip(&quoted.args).enumerate() {
            assert_eq!(*there, plain(said), "{name}, argument {place}");
        }
    }
}
