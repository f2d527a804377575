//! Who runs beside the load: tcptrace in several ways, its peers, the reference program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::loss::{LossForm, OWN};
use super::tracer::{Ready, TracerSpec};
use crate::setup::peers;
use crate::workspace::{BENCH_EBPF_CRATE, Workspace};
use crate::{process, setup};

/// As tcptrace's `state` lines: time, owner, both ends, both states.
const BPFTRACE_STATE: &str = "tracepoint:sock:inet_sock_set_state /args->protocol == 6/ { \
    printf(\"%llu %d %s %s:%d %s:%d %d %d\\n\", nsecs, pid, comm, ntop(args->saddr), args->sport, \
    ntop(args->daddr), args->dport, args->oldstate, args->newstate); }";
/// The fields of the ends differ from kernel to kernel; these three do not.
const BPFTRACE_RESET: &str = "tracepoint:tcp:tcp_send_reset { \
    printf(\"%llu %d %s %llx %d\\n\", nsecs, pid, comm, args->skaddr, args->state); }";

/// tcptrace with these arguments.
pub(super) fn tcptrace(binary: &Path, name: &'static str, arguments: &[&str]) -> TracerSpec {
    let is_json = arguments.contains(&"--json");
    let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    if !is_json {
        arguments.push("--no-header".into());
    }
    TracerSpec {
        name,
        program: binary.to_path_buf(),
        arguments,
        libraries: None,
        ready: Ready::File,
        needs_tracefs: false,
        loss: if is_json {
            LossForm::JsonSummary
        } else {
            LossForm::TextSummary
        },
        other_lines: u64::from(is_json),
        has_own_output: false,
    }
}

/// The peers that are here, and the names of those that are not.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// Those that report changes of state or whole connections.
    pub(super) states: Vec<TracerSpec>,
    /// Those that report resets sent.
    pub(super) resets: Vec<TracerSpec>,
    pub(super) missing: Vec<&'static str>,
}

impl Peers {
    pub(super) fn find(workspace: &Workspace) -> Self {
        let mut all = Self::default();
        let mut take =
            |name: &'static str, program, arguments: &[&str], change: fn(&mut TracerSpec)| {
                let Some(peer) = peers::find(workspace, program) else {
                    all.missing.push(name);
                    return None;
                };
                let mut spec = TracerSpec {
                    name,
                    program: peer.program,
                    arguments: arguments.iter().map(OsString::from).collect(),
                    libraries: peer.libraries,
                    ready: Ready::Settled,
                    needs_tracefs: true,
                    loss: LossForm::Lines,
                    other_lines: 1,
                    has_own_output: false,
                };
                change(&mut spec);
                Some(spec)
            };
        let as_is = |_: &mut TracerSpec| {};
        let states = [
            take("tcpstates", "tcpstates", &[], as_is),
            take("tcplife", "tcplife", &[], as_is),
            take("bpftrace", "bpftrace", &["-e", BPFTRACE_STATE], as_is),
            take(
                "perf trace",
                "perf",
                &[
                    "trace",
                    "-o",
                    OWN,
                    "-e",
                    "sock:inet_sock_set_state",
                    "-e",
                    "tcp:*",
                ],
                |spec| {
                    spec.has_own_output = true;
                    spec.other_lines = 0;
                },
            ),
        ];
        let resets = take(
            "bpftrace resets",
            "bpftrace",
            &["-e", BPFTRACE_RESET],
            as_is,
        );
        all.states = states.into_iter().flatten().collect();
        all.resets = resets.into_iter().collect();
        all
    }
}

/// Builds the reference program and its loader.
pub(super) fn reference(workspace: &Workspace) -> Result<TracerSpec> {
    let object = reference_object(workspace)?;
    let mut command = workspace.cargo();
    command.args([
        "build",
        "--release",
        "--package",
        "tcptrace-bench-reference",
    ]);
    process::run(&mut command)?;
    Ok(TracerSpec {
        name: "reference",
        program: workspace.binary(true)?.with_file_name("bench-reference"),
        arguments: vec![object.into_os_string()],
        libraries: None,
        ready: Ready::Line,
        needs_tracefs: false,
        loss: LossForm::Unreported,
        other_lines: 0,
        has_own_output: false,
    })
}

/// The object, built as `tcptrace/build.rs` builds its own.
fn reference_object(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let target = if cfg!(target_endian = "big") {
        "bpfeb-unknown-none"
    } else {
        "bpfel-unknown-none"
    };
    let target_dir = workspace.root().join("target/bench/ebpf");
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            BENCH_EBPF_CRATE,
        ])
        .args(["--target", target, "-Z", "build-std=core", "--target-dir"])
        .arg(&target_dir);
    // The stable compiler accepts -Z for this one build.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    if let Some(library) = setup::own_library(workspace) {
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    for (name, value) in [
        ("CODEGEN_UNITS", "1"),
        ("DEBUG", "2"),
        ("LTO", "off"),
        ("OPT_LEVEL", "3"),
        ("OVERFLOW_CHECKS", "false"),
        ("PANIC", "abort"),
        ("STRIP", "none"),
    ] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    let mut linker = OsString::from("-Clinker=");
    linker.push(workspace.tools().join("bin/bpf-linker"));
    let mut flags = linker;
    flags.push("\u{1f}-Clink-arg=--btf\u{1f}-Ctarget-cpu=v3");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    process::run(&mut cargo)?;
    Ok(target_dir
        .join(target)
        .join("release")
        .join(BENCH_EBPF_CRATE))
}
