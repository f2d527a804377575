//! One tracer: started, waited for until it traces, and stopped by SIGINT; its cost and its output.
//!
//! A tracer is never pinned, so that it disturbs the load as it would in use. One that does not end
//! on SIGINT is killed and an error; however this module is left, no tracer stays.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::loss::{self, LossForm};
use super::programs::{self, Cost};
use super::{proc, tracefs};
use crate::process;

/// How long one may take to start, to become still, and to end.
const LIMIT: Duration = Duration::from_secs(30);
/// One that used less than this in [`STILL`] does nothing any more.
const STILL_CPU_NS: u64 = 3_000_000;
const STILL: Duration = Duration::from_millis(120);
/// Before this no peer is attached.
const SETTLE: Duration = Duration::from_millis(300);

/// How a tracer says that it traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// By a file that is given to it as `--ready-file`.
    File,
    /// By a line on stdout.
    Line,
    /// Not at all: it is waited for until it uses no more time, and some more.
    Settled,
}

/// What to start.
#[derive(Clone, Debug)]
pub(super) struct TracerSpec {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// For `LD_LIBRARY_PATH`.
    pub(super) libraries: Option<PathBuf>,
    pub(super) ready: Ready,
    /// It reads `/sys/kernel/tracing`, which not every host has mounted.
    pub(super) needs_tracefs: bool,
    pub(super) loss: LossForm,
    /// Lines that it writes besides those of events.
    pub(super) other_lines: u64,
    /// It writes to the file [`loss::OWN`] by itself; else its stdout is taken.
    pub(super) has_own_output: bool,
}

/// Where stdout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    File,
    Pipe,
}

/// Cost and output of a tracer.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// From its start until it traced. None if it does not report that.
    pub(super) ready_ms: Option<f64>,
    /// User and system time from when the load was let go until all was written.
    pub(super) cpu_s: Option<f64>,
    pub(super) rss_kib: Option<u64>,
    pub(super) peak_rss_kib: Option<u64>,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// Events that it reports as lost; None if it does not report them.
    pub(super) lost: Option<u64>,
    /// What its programs cost since the load was let go.
    pub(super) programs: Vec<Cost>,
}

/// A running tracer.
pub(super) struct Running {
    spec: TracerSpec,
    child: Child,
    pid: u32,
    is_reaped: bool,
    /// Held: the reference ends with its stdin.
    stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    directory: PathBuf,
    pub(super) started_ns: u64,
    ready_ms: Option<f64>,
    cpu_at_go_ns: Option<u64>,
    costs_at_go: Vec<Cost>,
}

impl Running {
    /// Starts it; its output goes to `directory`, which must exist.
    pub(super) fn start(spec: &TracerSpec, directory: &Path, output: Output) -> Result<Self> {
        let mut command = Command::new(&spec.program);
        command.args(&spec.arguments).current_dir(directory);
        let ready = directory.join("ready");
        if spec.ready == Ready::File {
            let _absent = fs::remove_file(&ready);
            command.arg("--ready-file").arg(&ready);
        }
        if let Some(libraries) = &spec.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let file = |name: &str| {
            let path = directory.join(name);
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))
        };
        let is_piped = output == Output::Pipe || spec.ready == Ready::Line;
        command
            .stdin(if spec.ready == Ready::Line {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(if is_piped {
                Stdio::piped()
            } else {
                file("stdout")?.into()
            })
            .stderr(file("stderr")?);
        let needs_mount = spec.needs_tracefs && !tracefs::is_mounted();
        let before_exec = move || {
            // However the benchmark ends, no tracer stays.
            // SAFETY: a plain system call with plain numbers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            if needs_mount {
                tracefs::mount()
            } else {
                Ok(())
            }
        };
        // SAFETY: only system calls with numbers and constants; nothing is allocated.
        unsafe { command.pre_exec(before_exec) };
        let started_ns = proc::boot_ns();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", spec.program.display()))?;
        Ok(Self {
            spec: spec.clone(),
            pid: child.id(),
            is_reaped: false,
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            child,
            directory: directory.to_path_buf(),
            started_ns,
            ready_ms: None,
            cpu_at_go_ns: None,
            costs_at_go: Vec::new(),
        })
    }

    /// What it says of its loss went elsewhere.
    pub(super) fn without_loss(mut self) -> Self {
        self.spec.loss = LossForm::Unreported;
        self
    }

    /// Waits until it traces.
    pub(super) fn wait_ready(&mut self) -> Result<()> {
        match self.spec.ready {
            Ready::File => {
                let file = self.directory.join("ready");
                let begin = Instant::now();
                while !file.exists() {
                    self.must_live(begin, "ready")?;
                    thread::sleep(Duration::from_millis(1));
                }
                self.note_ready();
            }
            Ready::Line => {
                let stdout = self.stdout.as_mut().context("it has no stdout")?;
                let mut line = String::new();
                BufReader::new(stdout).read_line(&mut line)?;
                if line.trim() != "ready" {
                    bail!(
                        "{} is not ready: {line:?}{}",
                        self.spec.name,
                        self.complaint()
                    );
                }
                self.note_ready();
            }
            Ready::Settled => {
                thread::sleep(SETTLE);
                self.settle()?;
            }
        }
        Ok(())
    }

    fn note_ready(&mut self) {
        let took_ns = proc::boot_ns().saturating_sub(self.started_ns);
        self.ready_ms = Some(took_ns as f64 / 1e6);
    }

    /// Waits until it has nothing to do any more.
    pub(super) fn settle(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut last = proc::cpu_ns(self.pid);
        loop {
            thread::sleep(STILL);
            self.must_live(begin, "still")?;
            let now = proc::cpu_ns(self.pid);
            if let (Some(last), Some(now)) = (last, now)
                && now.saturating_sub(last) < STILL_CPU_NS
            {
                return Ok(());
            }
            last = now;
        }
    }

    fn must_live(&mut self, begin: Instant, what: &str) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            self.is_reaped = true;
            bail!(
                "{} ended early ({status}){}",
                self.spec.name,
                self.complaint()
            );
        }
        if begin.elapsed() > LIMIT {
            bail!(
                "{} is not {what} after {} s{}",
                self.spec.name,
                LIMIT.as_secs(),
                self.complaint()
            );
        }
        Ok(())
    }

    /// The end of what it wrote to stderr, for an error.
    fn complaint(&self) -> String {
        let text = fs::read(self.directory.join("stderr")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.reverse();
        lines.iter().map(|line| format!("\n  {line}")).collect()
    }

    /// Notes what it has used until now: what it takes counts from here on.
    pub(super) fn note_go(&mut self) {
        self.costs_at_go = self.costs();
        self.cpu_at_go_ns = proc::cpu_ns(self.pid);
    }

    fn costs(&self) -> Vec<Cost> {
        programs::costs(&proc::program_ids(self.pid))
    }

    /// Ends it by SIGINT; what it took. `stdout` must have been taken when it is a pipe.
    pub(super) fn stop(mut self) -> Result<Observed> {
        let cpu_ns = proc::cpu_ns(self.pid);
        let costs = self.costs();
        let programs = costs
            .iter()
            .filter_map(|cost| cost.since(&self.costs_at_go))
            .collect();
        let rss_kib = proc::status_kib(self.pid, "VmRSS");
        let peak_rss_kib = proc::status_kib(self.pid, "VmHWM");
        self.signal(libc::SIGINT);
        drop(self.stdin.take());
        self.reap()?;
        let lost = loss::read(self.spec.loss, &self.directory)?;
        let output = self.directory.join(if self.spec.has_own_output {
            loss::OWN
        } else {
            "stdout"
        });
        let (lines, bytes) = if output.is_file() {
            loss::count_lines(&output)?
        } else {
            (0, 0)
        };
        Ok(Observed {
            ready_ms: self.ready_ms,
            cpu_s: cpu_ns
                .zip(self.cpu_at_go_ns)
                .map(|(now, at_go)| now.saturating_sub(at_go) as f64 / 1e9),
            rss_kib,
            peak_rss_kib,
            lines: lines.saturating_sub(self.spec.other_lines),
            bytes,
            lost,
            programs,
        })
    }

    fn signal(&self, signal: i32) {
        let Ok(pid) = libc::pid_t::try_from(self.pid) else {
            return;
        };
        // SAFETY: a plain system call; the child has not been waited for, so the number is its own.
        unsafe { libc::kill(pid, signal) };
    }

    /// Waits for its end.
    fn reap(&mut self) -> Result<()> {
        if process::wait_limited(&mut self.child, LIMIT).is_none() {
            bail!(
                "{} does not end on SIGINT{}",
                self.spec.name,
                self.complaint()
            );
        }
        self.is_reaped = true;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.signal(libc::SIGKILL);
            let _reaped = self.child.wait();
        }
    }
}
