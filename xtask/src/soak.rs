//! `cargo xtask soak`: whether memory stays bounded. `tcptrace watch --json` beside many short processes whose
//! connections end by resets, for minutes; its memory is read each second and judged at the end.
//!
//! Fails when it grows in the second half, when all tables have reached their bounds, takes more than is promised, or when lines and connections
//! differ and no loss is reported. Needs root.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{build, process};

/// Until all hooks are attached.
const START: Duration = Duration::from_secs(60);
/// Memory that is not mapped from files must not grow by more in the second half, KiB.
const GROWTH: u64 = 1024;
/// What a release may take in all, KiB.
const MOST: u64 = 20 << 10;
const MINUTE: u64 = 60;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Connections a second
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Connections of a process before it ends
    #[arg(long, default_value_t = 60)]
    connections: u32,
    /// The unoptimised build, of which only growth is judged: it maps more of its own file
    #[arg(long)]
    debug: bool,
}

/// KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    resident: u64,
    /// Not mapped from a file.
    anonymous: u64,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    if !process::is_root() {
        bail!("attaching and a network namespace of its own need root");
    }
    build::build(workspace, !args.debug, &[])?;
    let tracer = workspace.binary(!args.debug)?;
    let short_lived = build_short_lived(workspace, !args.debug)?;
    let home = workspace.root().join("target/soak");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let mut tracer = Tracer::start(&tracer, &home)?;
    let load = Load::start(&short_lived, args)?;
    let sampled = watch(&tracer, args);
    let made = load.finish()?;
    let summary = tracer.stop()?;
    judge(&sampled?, &made, &summary, args)
}

fn build_short_lived(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let mut command = workspace.cargo();
    command.args(["build", "--package", "xtask", "--bin", "short-lived"]);
    if release {
        command.arg("--release");
    }
    process::run(&mut command)?;
    Ok(workspace.binary(release)?.with_file_name("short-lived"))
}

/// Ended with the value.
struct Tracer {
    child: Child,
    lines: Option<JoinHandle<Summary>>,
}

/// What it printed.
#[derive(Debug, Default)]
struct Summary {
    lines: u64,
    last: Value,
}

impl Tracer {
    fn start(program: &Path, home: &Path) -> Result<Self> {
        let ready = home.join("ready");
        let _absent = fs::remove_file(&ready);
        let errors = File::create(home.join("stderr")).context("cannot create a file")?;
        let mut child = Command::new(program)
            .args([
                "watch",
                "--json",
                "--only",
                "rst_sent,rst_received",
                "--ready-file",
            ])
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot start tcptrace")?;
        let stdout = child.stdout.take().context("its output")?;
        let mut tracer = Self {
            child,
            lines: Some(thread::spawn(|| count(stdout))),
        };
        let begin = Instant::now();
        while !ready.exists() {
            let ended = tracer.child.try_wait().context("waiting for tcptrace")?;
            if ended.is_some() || begin.elapsed() > START {
                bail!("tcptrace does not start: see {}", home.display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(tracer)
    }

    fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        memory(&text).with_context(|| format!("{path} says nothing of memory: it has ended"))
    }

    fn stop(&mut self) -> Result<Summary> {
        let pid = Pid::from_raw(self.child.id().try_into()?).context("no process")?;
        kill_process(pid, Signal::INT).context("cannot interrupt tcptrace")?;
        let status = self.child.wait().context("waiting for tcptrace")?;
        let lines = self.lines.take().context("stopped twice")?;
        let summary = lines.join().ok().context("the reader panicked")?;
        if !status.success() {
            bail!("tcptrace ended with {status}");
        }
        Ok(summary)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // One that has ended is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn count(stdout: ChildStdout) -> Summary {
    let mut summary = Summary::default();
    let mut reader = BufReader::with_capacity(1 << 20, stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return summary,
        }
        summary.lines += 1;
        if line.windows(9).any(|part| part == b"\"summary\"") {
            summary.last = serde_json::from_slice(&line).unwrap_or_default();
        }
    }
}

fn memory(status: &str) -> Option<Memory> {
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory {
        resident: of("VmRSS:")?,
        anonymous: of("RssAnon:")?,
    })
}

/// Processes that come and go, in a network namespace of their own.
struct Load(JoinHandle<Result<Made>>);

#[derive(Debug, Default)]
struct Made {
    processes: u64,
    connections: u64,
}

impl Load {
    fn start(program: &Path, args: &Args) -> Result<Self> {
        let program = program.to_owned();
        let lasting = Duration::from_secs(args.minutes * MINUTE);
        let each = args.connections;
        let pause = Duration::from_secs_f64(f64::from(each) / f64::from(args.rate.max(1)));
        let thread = thread::spawn(move || {
            own_network()?;
            let begin = Instant::now();
            let mut made = Made::default();
            let mut running: Vec<Child> = Vec::new();
            while begin.elapsed() < lasting {
                let due = pause * u32::try_from(made.processes).unwrap_or(u32::MAX);
                thread::sleep(due.saturating_sub(begin.elapsed()));
                running.push(start(&program, each)?);
                made.processes += 1;
                made.connections += u64::from(each);
                reap(&mut running)?;
            }
            while !running.is_empty() {
                thread::sleep(Duration::from_millis(10));
                reap(&mut running)?;
            }
            Ok(made)
        });
        Ok(Self(thread))
    }

    fn finish(self) -> Result<Made> {
        self.0.join().ok().context("the load panicked")?
    }
}

/// The calling thread's, with a loopback interface.
fn own_network() -> Result<()> {
    // SAFETY: only the network namespace of this thread changes, and of the processes that it starts.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(std::io::Error::last_os_error()).context("cannot make a network namespace");
    }
    let mut up = Command::new("ip");
    process::run(up.args(["link", "set", "lo", "up"]))
}

fn start(program: &Path, connections: u32) -> Result<Child> {
    let mut command = Command::new(program);
    command.arg(connections.to_string()).stdin(Stdio::null());
    command
        .spawn()
        .context("cannot start a process of the load")
}

fn reap(running: &mut Vec<Child>) -> Result<()> {
    let mut left = Vec::with_capacity(running.len());
    for mut child in running.drain(..) {
        match child.try_wait().context("waiting for the load")? {
            None => left.push(child),
            Some(status) if status.success() => {}
            Some(status) => bail!("a process of the load ended with {status}"),
        }
    }
    *running = left;
    Ok(())
}

/// Memory each second, from the beginning.
fn watch(tracer: &Tracer, args: &Args) -> Result<Vec<Memory>> {
    let begin = Instant::now();
    let mut sampled = Vec::new();
    println!("soak: after s   resident MB   not from files MB");
    for second in 1..=args.minutes * MINUTE {
        thread::sleep(Duration::from_secs(second).saturating_sub(begin.elapsed()));
        let memory = tracer.memory()?;
        sampled.push(memory);
        if [5, 30].contains(&second) || second % MINUTE == 0 {
            println!(
                "soak: {second:>7}   {:>11.1}   {:>17.1}",
                memory.resident as f64 / 1024.0,
                memory.anonymous as f64 / 1024.0
            );
        }
    }
    Ok(sampled)
}

fn judge(sampled: &[Memory], made: &Made, summary: &Summary, args: &Args) -> Result<()> {
    let loss = &summary.last["loss"];
    println!(
        "soak: {} connections of {} processes; {} lines; {loss}",
        made.connections, made.processes, summary.lines
    );
    let mut wrong = Vec::new();
    let (first, later) = sampled.split_at(sampled.len() / 2);
    let most = |of: &[Memory]| of.iter().map(|memory| memory.anonymous).max();
    if let (Some(first), Some(later)) = (most(first), most(later)) {
        let grown = later.saturating_sub(first);
        println!("soak: grown by {grown} KiB in the second half");
        if grown > GROWTH {
            wrong.push(format!("it grew by {grown} KiB, more than {GROWTH}"));
        }
    }
    let resident = sampled.iter().map(|memory| memory.resident).max();
    if let Some(resident) = resident.filter(|resident| !args.debug && *resident > MOST) {
        wrong.push(format!("it took {resident} KiB, more than {MOST}"));
    }
    let number = |name: &str| loss[name].as_u64().unwrap_or(0);
    // Each connection is a reset that was sent and one that was received.
    let reported = number("shown") + number("lost");
    if reported < made.connections * 2 {
        wrong.push(format!(
            "{reported} were reported or lost, of {} that were made",
            made.connections * 2
        ));
    }
    if !wrong.is_empty() {
        bail!("soak: {}", wrong.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(anonymous: impl Iterator<Item = u64>) -> Vec<Memory> {
        anonymous
            .map(|anonymous| Memory {
                resident: anonymous + 5_000,
                anonymous,
            })
            .collect()
    }

    fn judged(sampled: &[Memory], shown: u64) -> Result<()> {
        let made = Made {
            processes: 2,
            connections: 120,
        };
        let summary = Summary {
            lines: 1,
            last: serde_json::json!({ "loss": { "shown": shown, "lost": 7 } }),
        };
        let args = Args {
            minutes: 3,
            rate: 1,
            connections: 60,
            debug: false,
        };
        judge(sampled, &made, &summary, &args)
    }

    #[test]
    fn growth_size_and_silence_are_found() {
        let still = sampled((0..180).map(|_| 9_000));
        assert!(judged(&still, 233).is_ok());
        assert!(
            judged(&still, 232).is_err(),
            "seven are lost, one is silent"
        );
        let growing = sampled((0..180).map(|second| 9_000 + second * 20));
        assert!(judged(&growing, 233).is_err());
        // What fills in the first half is no growth.
        let filling = sampled((0..180).map(|second| 5_000 + second.min(80) * 60));
        assert!(judged(&filling, 233).is_ok());
        let large = sampled((0..180).map(|_| 16_000));
        assert!(judged(&large, 233).is_err());
    }

    #[test]
    fn memory_is_read_from_a_status() {
        let text = "Name:\tx\nVmRSS:\t   1234 kB\nRssAnon:\t     567 kB\n";
        let memory = memory(text).unwrap();
        assert_eq!((memory.resident, memory.anonymous), (1234, 567));
        assert!(super::memory("Name:\tx\n").is_none());
    }
}
