//! Virtual machines: `cargo xtask vm run` for one command on one kernel, and the matrix of
//! `cargo xtask test vm`.
//!
//! A kernel comes from [`crate::kernels`], its root directory is made here and lives in memory, QEMU
//! runs it. Nothing of the host is visible inside but what is copied into the initramfs; nothing
//! comes out but text. Installs nothing.

mod console;
mod cpio;
mod initramfs;
pub(crate) mod matrix;
mod page;
mod payload;
mod qemu;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::initramfs::{Added, Job, Root};
use self::payload::Payload;
use self::qemu::{Accelerator, End, Machine};
use crate::kernels::{self, Kernel, Series, Wanted};
use crate::workspace::Workspace;

/// The rest of a boot beside its job.
const AROUND_JOB: Duration = Duration::from_secs(180);
/// Long enough for a kernel that works: it takes a second.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Boot a kernel and run one command in it
    Run(RunArgs),
    /// Write docs/matrix.md from the results of the last `test vm`
    Page,
}

#[derive(clap::Args)]
struct RunArgs {
    /// A series such as 6.1, or `newest`
    #[arg(long)]
    kernel: Wanted,
    /// A file of this machine to have in the VM
    #[arg(long, value_name = "HOSTPATH:VMPATH")]
    add: Vec<Added>,
    /// A variable of the command's environment
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Further words for the kernel's command line
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    append: String,
    /// Mount tracefs
    #[arg(long)]
    tracefs: bool,
    /// Seconds the command may take
    #[arg(long, default_value_t = 300)]
    limit: u64,
    #[command(flatten)]
    hardware: Hardware,
    /// One word is a line for a shell, more are a program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What the VM is made of.
#[derive(clap::Args, Clone)]
pub(crate) struct Hardware {
    /// What executes the guest; kvm only after a short probe boot
    #[arg(long, value_enum, default_value = "tcg")]
    accel: Accelerator,
    /// Processors of a VM
    #[arg(long, default_value_t = 1)]
    smp: u32,
    /// Memory of a VM in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
}

impl Hardware {
    fn machine(&self, append: &str, job_seconds: u64) -> Machine {
        Machine {
            accelerator: self.accel,
            processors: self.smp,
            memory_mib: self.memory,
            append: append.to_owned(),
            limit: Duration::from_secs(job_seconds) + AROUND_JOB,
        }
    }
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    match &args.what {
        What::Run(args) => run(workspace, args),
        What::Page => page::main(workspace, &directory(workspace)?),
    }
}

fn run(workspace: &Workspace, args: &RunArgs) -> Result<()> {
    qemu::ensure_installed()?;
    let directory = directory(workspace)?;
    let kernel = kernels::ensure(workspace, &[args.kernel], false)?
        .pop()
        .context("one kernel was asked for")?;
    let root = Root::build(&Payload::build(workspace)?, &args.add)?;
    if args.hardware.accel == Accelerator::Kvm {
        probe(&root, &kernel, &args.hardware, &directory)?;
    }
    let command = match args.command.as_slice() {
        [line] if root.has_shell => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        words => words.to_vec(),
    };
    let variables = args.env.iter().map(|text| {
        let (name, value) = text
            .split_once('=')
            .with_context(|| format!("`{text}` is not NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let job = Job {
        args: command,
        env: variables.collect::<Result<_>>()?,
        limit_seconds: args.limit,
        tracefs: args.tracefs,
    };
    let initramfs = directory.join(format!("run-{}.cpio", std::process::id()));
    let log = directory.join(format!("run-{}.log", kernel.series));
    root.write(&kernel, &job, &initramfs)?;
    let machine = args.hardware.machine(&args.append, args.limit);
    let booted = qemu::boot(&machine, &kernel, &initramfs, &log, &mut |line| {
        println!("{line}");
    });
    remove(&initramfs)?;
    let booted = booted?;
    for line in booted.console.fatal.iter().chain(&booted.console.warnings) {
        eprintln!("vm: console: {line}");
    }
    eprintln!(
        "vm: {} ({}): {}, console in {}",
        booted
            .release
            .as_deref()
            .unwrap_or("the kernel never ran init"),
        args.hardware.accel.name(),
        booted.end,
        log.display()
    );
    match booted.end {
        End::Exit(0) if booted.console.fatal.is_empty() => Ok(()),
        end => bail!("in the VM: {end}"),
    }
}

/// Runs a program on one kernel, by emulation, and hands over each line it prints. Returns which
/// kernel it was.
pub(crate) fn run_program(
    workspace: &Workspace,
    wanted: Wanted,
    words: &[&str],
    env: &[(&str, &str)],
    limit_seconds: u64,
    on_line: &mut dyn FnMut(&str),
) -> Result<Series> {
    qemu::ensure_installed()?;
    let directory = directory(workspace)?;
    let kernel = kernels::ensure(workspace, &[wanted], false)?
        .pop()
        .context("one kernel was asked for")?;
    let root = Root::build(&Payload::build(workspace)?, &[])?;
    let job = Job {
        args: words.iter().map(|word| (*word).to_owned()).collect(),
        env: env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        limit_seconds,
        tracefs: false,
    };
    let initramfs = directory.join(format!("program-{}.cpio", std::process::id()));
    let log = directory.join(format!("program-{}.log", kernel.series));
    root.write(&kernel, &job, &initramfs)?;
    let hardware = Hardware {
        accel: Accelerator::Tcg,
        smp: 1,
        memory: 1024,
    };
    let machine = hardware.machine("", limit_seconds);
    let booted = qemu::boot(&machine, &kernel, &initramfs, &log, on_line);
    remove(&initramfs)?;
    match booted?.end {
        End::Exit(0) => Ok(kernel.series),
        end => bail!("on {}: {end}, console in {}", kernel.series, log.display()),
    }
}

/// Boots without a job. /dev/kvm can exist where kernels die or hang under it.
fn probe(root: &Root, kernel: &Kernel, hardware: &Hardware, directory: &Path) -> Result<()> {
    let initramfs = directory.join(format!("probe-{}.cpio", std::process::id()));
    let log = directory.join("probe.log");
    root.write(kernel, &Job::default(), &initramfs)?;
    let machine = Machine {
        limit: PROBE_LIMIT,
        ..hardware.machine("", 0)
    };
    let booted = qemu::boot(&machine, kernel, &initramfs, &log, &mut |_| {});
    remove(&initramfs)?;
    match booted?.end {
        End::Off => {
            println!("vm: kernel {} boots with kvm, using it", kernel.series);
            Ok(())
        }
        end => bail!(
            "a probe boot of kernel {} with kvm: {end}; use --accel tcg (console in {})",
            kernel.series,
            log.display()
        ),
    }
}

/// `target/vm`.
fn directory(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.root().join("target/vm");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}
