//! `cargo xtask test vm`: the ground-truth kit on every kernel in every tier, and the verdicts.
//!
//! One VM per kernel and tier, some at a time. A scenario that was planned and gave no verdict has
//! failed, whatever the reason: the VM hung, died or was too slow. Verdicts are printed as they come
//! and all written to `target/vm/results.json`.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::initramfs::{Job, Root};
use super::payload::Payload;
use super::qemu::{self, Accelerator, Boot, End};
use super::{Hardware, directory, probe, remove};
use crate::kernels::{self, Kernel, MATRIX, Wanted};
use crate::workspace::Workspace;

const TIERS: [&str; 3] = ["fentry", "kprobe", "tracepoint"];
/// Not a tier: few privileges, no tracefs, a killed tracer; whatever hooks are best.
const CONDITIONS: &str = "conditions";
/// Not a tier: a kernel that keeps its memory to itself.
const LOCKDOWN: &str = "lockdown";
/// What a cell can be, in the order they run.
const COLUMNS: [&str; 5] = ["fentry", "kprobe", "tracepoint", CONDITIONS, LOCKDOWN];
/// Where all verdicts are kept, under the directory of the VMs.
pub(super) const RESULTS: &str = "results.json";
/// What a scenario is called that stands for the run as a whole.
pub(super) const WHOLE_RUN: &str = "(the run)";

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// vm: only this kernel, a series such as 6.1, or `newest`
    #[arg(long)]
    kernel: Vec<Wanted>,
    /// vm: only this tier, or only what is tried under these conditions
    #[arg(long, value_parser = COLUMNS)]
    tier: Vec<String>,
    /// vm: only the scenarios that share one tracer
    #[arg(long)]
    quick: bool,
    /// vm: how many VMs at a time
    #[arg(long, default_value_t = 2)]
    vms: usize,
    /// vm: seconds for the scenarios of one kernel and tier
    #[arg(long, default_value_t = 1800)]
    limit: u64,
    #[command(flatten)]
    hardware: Hardware,
}

/// One kernel in one tier, and what came of it.
struct Cell {
    kernel: Kernel,
    tier: String,
    planned: Vec<String>,
    /// `scenario`, `verdict`, `seconds`, `problems`, `notes`.
    verdicts: Vec<Value>,
    /// Kind, hook, evidence, count: what the tracer of the run reported.
    measured: Value,
    seconds: f64,
}

pub(crate) fn main(workspace: &Workspace, args: &Args, filters: &[String]) -> Result<()> {
    qemu::ensure_installed()?;
    let directory = directory(workspace)?;
    let wanted = if args.kernel.is_empty() {
        &MATRIX[..]
    } else {
        &args.kernel
    };
    let kernels = kernels::ensure(workspace, wanted, false)?;
    let root = Root::build(&Payload::build(workspace)?, &[])?;
    println!("vm: accelerator {}", args.hardware.accel.name());
    let tiers: Vec<String> = if args.tier.is_empty() {
        COLUMNS.map(str::to_owned).to_vec()
    } else {
        args.tier.clone()
    };
    let mut queue = VecDeque::new();
    for kernel in kernels {
        if args.hardware.accel == Accelerator::Kvm {
            probe(&root, &kernel, &args.hardware, &directory)?;
        }
        queue.extend(tiers.iter().map(|tier| Cell {
            kernel: kernel.clone(),
            tier: tier.clone(),
            planned: Vec::new(),
            verdicts: Vec::new(),
            measured: Value::Null,
            seconds: 0.0,
        }));
    }
    let (queue, done) = (Mutex::new(queue), Mutex::new(Vec::new()));
    let worker = || -> Result<()> {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
            let Some(mut cell) = next else { return Ok(()) };
            cell.run(&root, args, filters, &directory)?;
            if let Ok(mut done) = done.lock() {
                done.push(cell);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.vms.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| bail!("a thread of the matrix panicked"))
        })
    })?;
    report(&mut done.into_inner().unwrap_or_default(), &directory)
}

impl Cell {
    fn run(
        &mut self,
        root: &Root,
        args: &Args,
        filters: &[String],
        directory: &Path,
    ) -> Result<()> {
        let name = format!("{}-{}", self.kernel.series, self.tier);
        let (initramfs, log) = (
            directory.join(format!("{name}.cpio")),
            directory.join(format!("{name}.log")),
        );
        root.write(&self.kernel, &self.job(args, filters), &initramfs)?;
        let append = if self.tier == LOCKDOWN {
            "lockdown=confidentiality"
        } else {
            ""
        };
        let machine = args.hardware.machine(append, args.limit);
        let started = Instant::now();
        for attempt in 0..2 {
            self.planned.clear();
            self.verdicts.clear();
            let kernel = self.kernel.clone();
            let booted = qemu::boot(&machine, &kernel, &initramfs, &log, &mut |line| {
                self.hear(line);
            })?;
            if booted.console.panicked() && attempt == 0 {
                println!("vm: {name}: {:?}, trying once more", booted.console.fatal);
                continue;
            }
            self.seconds = started.elapsed().as_secs_f64();
            self.close(&booted);
            break;
        }
        remove(&initramfs)
    }

    fn job(&self, args: &Args, filters: &[String]) -> Job {
        let is_tier = TIERS.contains(&self.tier.as_str());
        let own: &[&str] = match self.tier.as_str() {
            CONDITIONS => &[
                "privileges::",
                "killed_tracer_leaves_nothing",
                "waits_for_accept",
                "signals::",
            ],
            LOCKDOWN => &["privileges::lockdown"],
            _ => &[],
        };
        let words = ["/bin/root_live", "--format=json", "--test-threads=3"];
        let shared = (args.quick && is_tier).then_some("--shared");
        let mut env = vec![
            ("TCPTRACE_BIN", "/bin/tcptrace"),
            ("TCPTRACE_TEST_SLOWNESS", "6"),
            ("TCPTRACE_TEST_RETRY", "1"),
        ];
        if is_tier {
            env.push(("TCPTRACE_TIER", &self.tier));
        } else {
            // Nothing else runs there whose clock could be set.
            env.push(("TCPTRACE_TEST_OWN_MACHINE", "1"));
        }
        let filters = filters.iter().map(String::as_str).filter(|_| is_tier);
        Job {
            args: words
                .into_iter()
                .chain(shared)
                .chain(own.iter().copied())
                .chain(filters)
                .map(str::to_owned)
                .collect(),
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            limit_seconds: args.limit,
            tracefs: is_tier,
        }
    }

    fn hear(&mut self, line: &str) {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            return;
        };
        if let Some(plan) = said["plan"].as_array() {
            let names = plan.iter().filter_map(Value::as_str);
            self.planned = names.map(str::to_owned).collect();
        } else if said["measured"].is_array() {
            self.measured = said["measured"].clone();
        } else if said["scenario"].is_string() && said["verdict"].is_string() {
            self.add(said);
        }
    }

    fn add(&mut self, verdict: Value) {
        let mut line = format!(
            "{} {} {} {} {:.1}s",
            self.kernel.series,
            self.tier,
            verdict["scenario"].as_str().unwrap_or_default(),
            verdict["verdict"].as_str().unwrap_or_default(),
            verdict["seconds"].as_f64().unwrap_or_default()
        );
        for note in verdict["notes"].as_array().into_iter().flatten() {
            line.push_str(&format!(" [{}]", note.as_str().unwrap_or_default()));
        }
        for problem in verdict["problems"].as_array().into_iter().flatten() {
            line.push_str(&format!("\n{}", problem.as_str().unwrap_or_default()));
        }
        println!("{line}");
        self.verdicts.push(verdict);
    }

    /// What never gave a verdict has failed, and so has a run whose kernel broke or ended oddly.
    fn close(&mut self, booted: &Boot) {
        let missing: Vec<String> = self
            .planned
            .iter()
            .filter(|name| !self.verdicts.iter().any(|one| one["scenario"] == **name))
            .cloned()
            .collect();
        for name in missing {
            self.add(failed(&name, &format!("no verdict: {}", booted.end)));
        }
        let whole = !self.verdicts.is_empty() && matches!(booted.end, End::Exit(0 | 101));
        if !whole {
            self.add(failed(WHOLE_RUN, &booted.end.to_string()));
        }
        for line in &booted.console.fatal {
            self.add(failed(WHOLE_RUN, line));
        }
        for line in &booted.console.warnings {
            println!("{} {}: console: {line}", self.kernel.series, self.tier);
        }
    }

    fn count(&self, verdict: &str) -> usize {
        let same = self.verdicts.iter().filter(|one| one["verdict"] == verdict);
        same.count()
    }
}

fn failed(scenario: &str, problem: &str) -> Value {
    json!({ "scenario": scenario, "verdict": "failed", "seconds": null,
        "problems": [format!("  {problem}")], "notes": [] })
}

fn report(cells: &mut [Cell], directory: &Path) -> Result<()> {
    cells.sort_by_key(|cell| (cell.kernel.series, cell.tier.clone()));
    println!("\nkernel tier       passed failed unseen skipped seconds");
    let mut all = Vec::new();
    for cell in &*cells {
        let [passed, failed, unseen, skipped] =
            ["passed", "failed", "unseen", "skipped"].map(|verdict| cell.count(verdict));
        println!(
            "{:<6} {:<10} {passed:>6} {failed:>6} {unseen:>6} {skipped:>7} {:>7.0}",
            cell.kernel.series.to_string(),
            cell.tier,
            cell.seconds
        );
        all.push(
            json!({ "kernel": cell.kernel.series.to_string(), "package": cell.kernel.package,
            "tier": cell.tier, "seconds": cell.seconds, "measured": cell.measured,
            "verdicts": cell.verdicts }),
        );
    }
    let file = directory.join(RESULTS);
    std::fs::write(&file, serde_json::to_string_pretty(&all)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let [passed, broken, unseen, skipped] = ["passed", "failed", "unseen", "skipped"]
        .map(|verdict| cells.iter().map(|cell| cell.count(verdict)).sum::<usize>());
    println!(
        "test result: matrix: {passed} passed; {broken} failed; {} ignored",
        unseen + skipped
    );
    if broken > 0 {
        bail!("{broken} failed, all verdicts in {}", file.display());
    }
    Ok(())
}
