//! `cargo xtask bench`: how fast tcptrace is, end to end, as ratios within one run, beside its peers.
//!
//! The method is in `docs/performance.md`. Missed goals are reported and are not a failure; a cell that
//! could not run is one. Needs root: it makes namespaces and loads eBPF.

mod against;
mod churn;
mod contenders;
mod doc;
mod growth;
mod kernel;
mod load;
mod loss;
mod measure;
mod plot;
mod proc;
mod programs;
mod report;
mod round;
mod stats;
mod table;
mod timing;
mod tracefs;
mod tracer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::contenders::Peers;
use self::measure::{Goal, Measure, Unit};
use self::report::{Circumstances, Report};
use self::round::Place;
use self::tracer::TracerSpec;
use crate::workspace::Workspace;
use crate::{build, process};

/// All cells, in their order.
const CELLS: [&str; 19] = [
    "size",
    "start",
    "delay",
    "delay-single",
    "all-one",
    "all-both",
    "default-one",
    "default-both",
    "linger0-one",
    "linger0-both",
    "pid-one",
    "pid-both",
    "bulk-one",
    "bulk-both",
    "ping-pong-one",
    "ping-pong-both",
    "programs",
    "many",
    "growth",
];
/// Those that `--quick` leaves out: the same is seen on one processor.
const SLOW: [&str; 3] = ["pid-both", "bulk-both", "ping-pong-both"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each contender runs in each cell [default: 7, with --quick 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each run [default: 2, with --quick 1]
    #[arg(long)]
    seconds: Option<f64>,
    /// A look of some minutes: few short rounds, fewer cells
    #[arg(long)]
    quick: bool,
    /// Only cells whose name contains one of these
    #[arg(long, value_name = "CELL", value_delimiter = ',')]
    only: Vec<String>,
    /// Where the results go as JSON [default: target/bench/bench.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// tcptrace alone
    #[arg(long)]
    no_peers: bool,
    /// Measure nothing: put the results of the JSON file into docs/performance.md
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "quick", "only", "no_peers"])]
    write_doc: bool,
    /// Compare `lines`, `stages`, the start and memory with another commit or program, in turns: nothing else is
    /// measured. `--only` and `--rounds` choose
    #[arg(long, value_name = "COMMIT|PROGRAM", conflicts_with_all = ["json", "write_doc"])]
    against: Option<String>,
    /// Name the cells
    #[arg(long)]
    list: bool,
}

impl Args {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 7 }).max(1)
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 1.0 } else { 2.0 })
    }
}

/// All that a cell needs.
struct Bench {
    place: Place,
    tcptrace: PathBuf,
    reference: TracerSpec,
    peers: Peers,
    rounds: usize,
    seconds: f64,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.list {
        println!("{}", CELLS.join("\n"));
        return Ok(());
    }
    let json = args
        .json
        .clone()
        .unwrap_or_else(|| workspace.root().join("target/bench/bench.json"));
    if args.write_doc {
        return doc::write(workspace.root(), &Report::read(&json)?);
    }
    if !process::is_root() {
        bail!("the benchmark makes namespaces and loads eBPF: run it as root");
    }
    let output = output_directory(workspace);
    let _lock = lock(&output)?;
    if let Some(other) = &args.against {
        let (blocks, seconds) = (args.rounds(), args.seconds());
        return against::run(workspace, other, &args.only, blocks, seconds, output);
    }
    let cells = chosen(args)?;
    let bench = prepare(workspace, args, output)?;
    let mut report = Report {
        circumstances: Circumstances::now(
            workspace,
            bench.rounds,
            bench.seconds,
            &bench.peers.missing,
        ),
        ..Report::default()
    };
    let mut failures = Vec::new();
    for cell in cells {
        let begin = Instant::now();
        println!("bench: {cell}");
        let before = report.measures.len();
        if let Err(error) = run_cell(&bench, cell, &mut report) {
            println!("bench: {cell}: {error:#}");
            failures.push(cell);
        }
        print!("{}", table::text(&report.measures[before..]));
        println!("bench: {cell}: {:.0} s", begin.elapsed().as_secs_f32());
        // What is there is there, should a later cell not end.
        report.write(&json)?;
    }
    bench.place.clear()?;
    println!("\n{}", table::text(&report.measures));
    if !bench.peers.missing.is_empty() {
        println!(
            "bench: not installed, hence not compared: {} (`cargo xtask setup --peers`)",
            bench.peers.missing.join(", ")
        );
    }
    println!("bench: written to {}", json.display());
    if !failures.is_empty() {
        bail!("could not run: {}", failures.join(", "));
    }
    Ok(())
}

/// The cells that were asked for.
fn chosen(args: &Args) -> Result<Vec<&'static str>> {
    let is_wanted = |cell: &&str| {
        if args.only.is_empty() {
            !(args.quick && SLOW.contains(cell))
        } else {
            args.only.iter().any(|part| cell.contains(part.as_str()))
        }
    };
    let cells: Vec<_> = CELLS.into_iter().filter(is_wanted).collect();
    if cells.is_empty() {
        bail!("no cell has such a name; `cargo xtask bench --list` names them");
    }
    Ok(cells)
}

/// Where tracers write: in memory when there is such a place, so that no disk is measured.
fn output_directory(workspace: &Workspace) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.join("tcptrace-bench")
    } else {
        workspace.root().join("target/bench/output")
    }
}

/// Two benchmarks on one host would measure each other.
fn lock(output: &Path) -> Result<File> {
    let file = output.with_extension("lock");
    let lock = File::create(&file).with_context(|| format!("cannot create {}", file.display()))?;
    if lock.try_lock().is_err() {
        bail!(
            "another benchmark runs on this host ({} is locked)",
            file.display()
        );
    }
    Ok(lock)
}

fn prepare(workspace: &Workspace, args: &Args, output: PathBuf) -> Result<Bench> {
    build::build(workspace, true, &[])?;
    let load = load::build(workspace)?;
    let reference = contenders::reference(workspace)?;
    let place = Place { load, output };
    // Left by a benchmark that was interrupted.
    place.clear()?;
    Ok(Bench {
        place,
        tcptrace: workspace.binary(true)?,
        reference,
        peers: if args.no_peers {
            Peers::default()
        } else {
            Peers::find(workspace)
        },
        rounds: args.rounds(),
        seconds: args.seconds(),
    })
}

fn run_cell(bench: &Bench, name: &str, report: &mut Report) -> Result<()> {
    let measures = match name {
        "size" => vec![size(bench, name)],
        "programs" => kernel::run(bench, name)?,
        "growth" => {
            let (measures, lines) = growth::run(bench, name)?;
            report.growth.extend(lines);
            measures
        }
        _ => {
            if let Some(measures) = timing::run(bench, name) {
                measures?
            } else {
                let cell = churn::cell(bench, name).context("there is no such cell")?;
                let (runs, measures) = churn::run(bench, name, cell)?;
                report.runs.extend(runs);
                measures
            }
        }
    };
    report.measures.extend(measures);
    Ok(())
}

fn size(bench: &Bench, name: &str) -> Measure {
    let bytes = proc::file_bytes(&bench.tcptrace);
    let megabytes = bytes.map(|bytes| bytes as f64 / 1e6).into_iter().collect();
    Measure::new(name, "binary, stripped", Unit::Megabytes, megabytes).goal(Goal::AtMost(4.0))
}
