//! One boot of one kernel: starts QEMU, passes on what the VM says and judges how it ended.
//!
//! The first serial line is the kernel's console, kept in a file and watched; the second carries
//! what init and the job say (`bin/vm-init.rs`). A VM that says nothing for too long is ended. Must
//! not leave a QEMU behind. Err only when QEMU itself cannot be used.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::console::Watch;
use crate::kernels::Kernel;
use crate::process;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// How often the console is looked at.
const TICK: Duration = Duration::from_millis(200);
/// init says something every five seconds; this is for a host that is busy otherwise.
const SILENCE: Duration = Duration::from_secs(90);

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Accelerator {
    /// QEMU itself, in software: works everywhere
    Tcg,
    /// The processor, through /dev/kvm
    Kvm,
}

impl Accelerator {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

/// How a VM is made.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) accelerator: Accelerator,
    pub(super) processors: u32,
    pub(super) memory_mib: u32,
    /// Further words for the kernel's command line.
    pub(super) append: String,
    /// However much it says, it is ended after this.
    pub(super) limit: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The job's own end.
    Exit(i32),
    Signal(i32),
    /// The job was not done within its limit.
    Limit,
    /// Nothing was received for too long, or the VM as a whole took too long.
    Hung,
    /// It went away without saying how the job ended.
    Died,
    /// It had no job, and powered off as it should.
    Off,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Limit => f.write_str("not done within its limit"),
            Self::Hung => f.write_str("hung"),
            Self::Died => f.write_str("the VM went away before the job ended"),
            Self::Off => f.write_str("powered off"),
        }
    }
}

/// What is known after a boot.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) end: End,
    pub(super) console: Watch,
    /// The release the kernel says it is, once it ran init.
    pub(super) release: Option<String>,
    /// From the start of QEMU to the job's.
    pub(super) ready: Option<Duration>,
}

/// Err names the package when QEMU is missing.
pub(super) fn ensure_installed() -> Result<()> {
    if process::on_path(PROGRAM).is_none() {
        bail!(
            "the VM matrix needs {PROGRAM}, not found here: install the package {PACKAGE} (Debian, \
             Ubuntu: sudo apt-get install --no-install-recommends {PACKAGE}), or run \
             `cargo xtask setup --vm` as root"
        );
    }
    Ok(())
}

/// Kills QEMU when it is dropped before its end.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only when it has ended, which is what is wanted.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Boots and runs to the end. `log` gets the console, `on_line` each line the job wrote.
pub(super) fn boot(
    machine: &Machine,
    kernel: &Kernel,
    initramfs: &Path,
    log: &Path,
    hear: &mut dyn FnMut(&str),
) -> Result<Boot> {
    File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut command = command(machine, kernel, initramfs, log);
    let started = Instant::now();
    let mut guest = Guest(
        command
            .spawn()
            .with_context(|| format!("cannot start `{PROGRAM}`"))?,
    );
    let said = guest.0.stdout.take().context("a pipe was asked for")?;
    let (sender, lines) = mpsc::channel();
    // Ends with QEMU, whose end of the pipe closes.
    std::thread::spawn(move || {
        let mut said = BufReader::new(said);
        let mut line = Vec::new();
        while said
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line);
            let sent = sender.send(text.trim_end_matches(['\r', '\n']).to_owned());
            line.clear();
            if sent.is_err() {
                return;
            }
        }
    });
    let mut console = Console::open(log)?;
    let mut boot = Boot {
        end: End::Died,
        console: Watch::default(),
        release: None,
        ready: None,
    };
    let mut heard = Instant::now();
    loop {
        let next = lines.recv_timeout(TICK);
        if console.read(&mut boot.console)? {
            heard = Instant::now();
        }
        match next {
            Ok(line) => {
                heard = Instant::now();
                match line.strip_prefix("@@ ") {
                    Some(word) => control(word, started, &mut boot),
                    None => hear(&line),
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if heard.elapsed() > SILENCE || started.elapsed() > machine.limit {
                    boot.end = End::Hung;
                    break;
                }
            }
        }
    }
    drop(guest);
    console.read(&mut boot.console)?;
    boot.console.close();
    Ok(boot)
}

/// What init says.
fn control(said: &str, started: Instant, boot: &mut Boot) {
    let mut words = said.split(' ');
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
    match words.next() {
        Some("ready") => {
            boot.ready = Some(started.elapsed());
            boot.release = words.next().map(str::to_owned);
        }
        Some("exit") => boot.end = number(words.next()).map_or(End::Died, End::Exit),
        Some("signal") => boot.end = number(words.next()).map_or(End::Died, End::Signal),
        Some("limit") => boot.end = End::Limit,
        Some("off") if boot.end == End::Died && boot.ready.is_some() => boot.end = End::Off,
        Some("trouble") => println!("vm: init: {}", said.trim_start_matches("trouble ")),
        _ => {}
    }
}

fn command(machine: &Machine, kernel: &Kernel, initramfs: &Path, log: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    // Mitigations cost time in software and show nothing here; an oops ends the VM at once.
    let append = format!(
        "console=ttyS0 panic=-1 oops=panic loglevel=5 mitigations=off audit=0 apparmor=0 {}",
        machine.append
    );
    let processor = match machine.accelerator {
        Accelerator::Tcg => "max,la57=off",
        Accelerator::Kvm => "host",
    };
    command
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-monitor", "none"])
        .args(["-machine", "pc", "-accel", machine.accelerator.name()])
        .args(["-cpu", processor])
        .args(["-smp", &machine.processors.to_string()])
        .args(["-m", &machine.memory_mib.to_string()])
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .args(["-serial", "stdio", "-append", append.trim_end()])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initramfs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// The console's file, read as it grows.
struct Console {
    file: File,
    /// Bytes of a character that is not whole yet.
    pending: Vec<u8>,
}

impl Console {
    fn open(log: &Path) -> Result<Self> {
        Ok(Self {
            file: File::open(log).with_context(|| format!("cannot read {}", log.display()))?,
            pending: Vec::new(),
        })
    }

    /// Shows what is new to `watch`; true when there was something.
    fn read(&mut self, watch: &mut Watch) -> Result<bool> {
        let before = self.pending.len();
        self.file
            .read_to_end(&mut self.pending)
            .context("cannot read the console's file")?;
        let grew = self.pending.len() > before;
        // Lines are whole characters, whatever the rest is cut in.
        let end = self.pending.iter().rposition(|byte| *byte == b'\n');
        let whole: Vec<u8> = self.pending.drain(..end.map_or(0, |at| at + 1)).collect();
        watch.feed(&String::from_utf8_lossy(&whole));
        Ok(grew)
    }
}
