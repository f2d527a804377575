//! Builds the eBPF object with the ordinary stable toolchain and leaves it as `OUT_DIR/tcptrace.o`.
//!
//! Needs what `cargo xtask setup` puts into `target/tools`, and says so when it is not there. Must
//! not fetch anything itself. The inner cargo has a target directory of its own: it would wait for
//! ever for the lock of the outer one.
#![allow(
    clippy::print_stderr,
    reason = "cargo shows what a build script writes when it fails"
)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

const CRATE: &str = "tcptrace-ebpf";
const SET_UP: &str = "run `cargo xtask setup` once";

/// What the outer cargo passes to build scripts or was given itself, and the inner one must not receive:
/// host flags, wrappers such as clippy's, profiles.
const OUTER_VARIABLES: [&str; 13] = [
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_PRIMARY_PACKAGE",
    "DEBUG",
    "OPT_LEVEL",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];
const OUTER_PREFIXES: [&str; 8] = [
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_UNSTABLE_",
    "DEP_",
];

/// How the object is built, whatever the profiles of the workspace say for the host.
const PROFILE: [(&str, &str); 7] = [
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    // BTF is made from debug information.
    ("CARGO_PROFILE_RELEASE_DEBUG", "2"),
    // bpf-linker sees all the bitcode and does what LTO would.
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "false"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest_dir
        .parent()
        .ok_or("the crate is not in its workspace")?;
    let tools_dir = root.join("target/tools");
    for watched in [
        root.join(CRATE),
        root.join("tcptrace-common"),
        root.join("Cargo.toml"),
        root.join("Cargo.lock"),
        tools_dir.join("ready"),
    ] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let tools = Tools::read(&tools_dir)?;
    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.to_str() {
        Some("big") => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let target_dir = out_dir.join("ebpf");
    let mut cargo = inner_cargo(root, target, &target_dir, &tools)?;
    let output = cargo
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(format!(
            "the eBPF object did not build ({}); the reason is below",
            output.status
        ));
    }
    let built = target_dir.join(target).join("release").join(CRATE);
    let object = out_dir.join("tcptrace.o");
    let bytes =
        fs::read(&built).map_err(|error| format!("cannot read {}: {error}", built.display()))?;
    let slim = without_debug_information(&bytes)
        .map_err(|error| format!("cannot strip {}: {error}", built.display()))?;
    fs::write(&object, slim).map_err(|error| format!("cannot write {}: {error}", object.display()))
}

/// The object without what BTF was made from, and without the lines of source for the verifier's log
/// (`.BTF.ext`): nine tenths of it, and nothing that loading needs.
fn without_debug_information(object: &[u8]) -> object::build::Result<Vec<u8>> {
    let mut builder = Builder::read(object)?;
    let is_debug = |name: &[u8]| {
        let name = name.strip_prefix(b".rel").unwrap_or(name);
        name.starts_with(b".debug_") || name == b".BTF.ext"
    };
    let mut gone = Vec::new();
    for section in &mut builder.sections {
        if is_debug(&section.name) {
            section.delete = true;
            gone.push(section.id());
        }
    }
    for symbol in &mut builder.symbols {
        symbol.delete |= symbol
            .section
            .is_some_and(|section| gone.contains(&section));
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections with those of symbols; the writer wants them apart.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut slim = Vec::new();
    builder.write(&mut slim)?;
    Ok(slim)
}

fn inner_cargo(
    root: &Path,
    target: &str,
    target_dir: &Path,
    tools: &Tools,
) -> Result<Command, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .current_dir(root)
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            CRATE,
            "--target",
            target,
        ])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target_dir);
    if std::env::var_os("CARGO_FEATURE_TRACE_EBPF").is_some() {
        cargo.args(["--features", "trace-ebpf"]);
    }
    for (name, _) in std::env::vars_os() {
        if is_outer(&name) {
            cargo.env_remove(&name);
        }
    }
    // The stable compiler accepts -Z for this one build.
    cargo.env("RUSTC_BOOTSTRAP", "1").envs(PROFILE);
    // Where breakpoints find arguments is a matter of the processor they are set on.
    cargo.env("AYA_BPF_TARGET_ARCH", variable("CARGO_CFG_TARGET_ARCH")?);
    if let Some(library) = &tools.library {
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    let mut linker = OsString::from("-Clinker=");
    linker.push(&tools.bpf_linker);
    // v3 is what the oldest supported kernel, 5.10, executes. Expanding copies "in order" makes
    // every clearing of memory a call of a loop over its bytes: twice the verifier's work.
    let flags = [
        &linker,
        // The object has names of source files in it.
        &renamed(&cargo_home()?, "/cargo"),
        &renamed(root, "/tcptrace"),
        OsStr::new("-Clink-arg=--btf"),
        OsStr::new("-Clink-arg=--disable-expand-memcpy-in-order"),
        OsStr::new("-Ctarget-cpu=v3"),
    ];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new("\u{1f}")));
    Ok(cargo)
}

/// The flag by which a directory of this machine gets another name in what is built.
fn renamed(directory: &Path, name: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(directory);
    flag.push("=");
    flag.push(name);
    flag
}

fn cargo_home() -> Result<PathBuf, String> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(PathBuf::from(variable("HOME")?).join(".cargo")),
    }
}

fn is_outer(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        OUTER_VARIABLES.contains(&name)
            || OUTER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// What `cargo xtask setup` left, from the file `ready` it writes last.
struct Tools {
    bpf_linker: PathBuf,
    /// The sources of `core`; None when the toolchain has its own.
    library: Option<PathBuf>,
}

impl Tools {
    fn read(directory: &Path) -> Result<Self, String> {
        let not_set_up = || format!("the eBPF tools are not set up: {SET_UP}");
        let ready = fs::read_to_string(directory.join("ready")).map_err(|_| not_set_up())?;
        let field = |name: &str| {
            let line = ready
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.ok_or_else(not_set_up)
        };
        let rustc = rustc_release()?;
        if field("rustc")? != rustc {
            return Err(format!(
                "the eBPF tools are set up for rustc {}, this is rustc {rustc}: {SET_UP}",
                field("rustc")?
            ));
        }
        let tools = Self {
            bpf_linker: directory.join("bin/bpf-linker"),
            library: match field("library")? {
                "sysroot" => None,
                relative => Some(directory.join(relative)),
            },
        };
        let all_there = tools.bpf_linker.is_file()
            && tools
                .library
                .as_ref()
                .is_none_or(|library| library.is_dir());
        if all_there {
            Ok(tools)
        } else {
            Err(not_set_up())
        }
    }
}

fn rustc_release() -> Result<String, String> {
    let output = Command::new(variable("RUSTC")?)
        .arg("-vV")
        .output()
        .map_err(|error| format!("cannot start rustc: {error}"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("release: ").map(str::to_owned))
        .ok_or_else(|| "`rustc -vV` names no release".to_owned())
}

fn variable(name: &str) -> Result<OsString, String> {
    std::env::var_os(name).ok_or_else(|| format!("{name} is not set"))
}
