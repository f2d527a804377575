//! The load of `cargo xtask bench`: TCP connections made, used and ended at full speed, or paced,
//! in a network namespace of its own that goes with it.
//!
//! It says `{"ready":true,"pid":N}`, waits for a line on stdin, runs, and prints one JSON object of
//! what it did. It ends when stdin is closed, so that what it leaves behind (TIME_WAIT sockets, idle
//! connections) stays as long as its measurer needs it. Fails without the right to make a namespace.
#![allow(clippy::print_stdout, reason = "its only output")]

mod churn;
mod crowd;
mod pace;
mod place;
mod stream;

use std::io::{BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};

use pace::Pace;

/// Run before the clock starts, so that caches and limits have settled.
const WARM_UP: Duration = Duration::from_millis(200);

#[derive(Parser)]
#[command(name = "load", about)]
struct Args {
    /// What an operation is
    mode: Mode,
    /// On which processors
    #[arg(long, default_value = "one")]
    layout: Layout,
    /// How long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Established connections held besides
    #[arg(long, default_value_t = 0)]
    idle: u32,
    /// Listeners held besides
    #[arg(long, default_value_t = 0)]
    listeners: u16,
    /// Processes held besides, with a socket each
    #[arg(long, default_value_t = 0)]
    processes: u32,
    /// Operations a second (default: as many as go)
    #[arg(long)]
    rate: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Connect, 64 bytes there and back, the client closes
    Normal,
    /// The same, but the client resets by SO_LINGER{1,0}
    Linger0,
    /// The client closes over bytes it has not read
    Unread,
    /// Connect to a listener whose accept queue is full
    Overflow,
    /// 64 KiB through one connection
    Bulk,
    /// 64 bytes there and back through one connection
    PingPong,
    /// Nothing
    Hold,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Both ends on the first processor
    One,
    /// On the first and the second
    Both,
}

impl Layout {
    fn cpus(self) -> usize {
        match self {
            Self::One => 1,
            Self::Both => 2,
        }
    }
}

/// What one thread did.
#[derive(Default)]
struct Done {
    /// How long each operation took.
    latencies_ns: Vec<u32>,
    /// Boot clock before each call that must be reported, when paced.
    at_ns: Vec<u64>,
    elapsed: Duration,
}

fn main() -> Result<()> {
    let args = Args::parse();
    place::enter()?;
    let crowd = crowd::gather(args.idle, args.listeners, args.processes)?;
    let mut out = std::io::stdout();
    writeln!(out, "{{\"ready\":true,\"pid\":{}}}", std::process::id())?;
    let mut lines = std::io::stdin().lock().lines();
    if lines.next().is_none() {
        return Ok(());
    }
    if args.mode != Mode::Hold {
        let done = run(&args)?;
        writeln!(out, "{}", report(&args, &done)?)?;
    }
    for line in lines {
        line.context("cannot read stdin")?;
    }
    drop(crowd);
    Ok(())
}

fn run(args: &Args) -> Result<Vec<Done>> {
    let seconds = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    let cpus = args.layout.cpus();
    match args.mode {
        Mode::Bulk | Mode::PingPong => {
            let is_bulk = args.mode == Mode::Bulk;
            Ok(vec![stream::run(is_bulk, cpus - 1, WARM_UP, seconds)?])
        }
        _ => {
            let work = |cpu| {
                place::pin(cpu)?;
                let pace = Pace::new(args.rate, cpus);
                churn::run(args.mode, cpu, pace, WARM_UP, seconds)
            };
            thread::scope(|scope| {
                let all: Vec<_> = (0..cpus)
                    .map(|cpu| scope.spawn(move || work(cpu)))
                    .collect();
                all.into_iter()
                    .map(|one| {
                        one.join()
                            .map_err(|_| anyhow!("a thread of the load ended early"))?
                    })
                    .collect()
            })
        }
    }
}

/// Runs `operation` for the warm-up and then, measured, for `seconds`. It returns the boot clock of
/// its call that must be reported, if it stored one.
fn measure(
    warm_up: Duration,
    seconds: Duration,
    mut operation: impl FnMut() -> Result<Option<u64>>,
) -> Result<Done> {
    let begin = Instant::now();
    while begin.elapsed() < warm_up {
        operation()?;
    }
    let mut done = Done::default();
    let begin = Instant::now();
    let mut before = begin;
    loop {
        let at_ns = operation()?;
        let after = Instant::now();
        let took = u32::try_from((after - before).as_nanos()).unwrap_or(u32::MAX);
        done.latencies_ns.push(took);
        done.at_ns.extend(at_ns);
        before = after;
        done.elapsed = after - begin;
        if done.elapsed >= seconds {
            return Ok(done);
        }
    }
}

fn report(args: &Args, done: &[Done]) -> Result<serde_json::Value> {
    let mut latencies: Vec<u32> = done.iter().flat_map(|d| &d.latencies_ns).copied().collect();
    latencies.sort_unstable();
    let percentile = |of: usize| {
        let place = (latencies.len() * of / 100).min(latencies.len().saturating_sub(1));
        latencies.get(place).map(|ns| f64::from(*ns) / 1000.0)
    };
    let rate: f64 = done
        .iter()
        .map(|d| d.latencies_ns.len() as f64 / d.elapsed.as_secs_f64())
        .sum();
    let elapsed = done
        .iter()
        .map(|d| d.elapsed)
        .max()
        .context("no thread ran")?;
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
    let mut answer = serde_json::json!({
        "mode": name(args.mode.to_possible_value()),
        "layout": name(args.layout.to_possible_value()),
        "operations": latencies.len(),
        "elapsed_ms": u64::try_from(elapsed.as_millis())?,
        "rate_per_s": rate,
        "p50_us": percentile(50),
        "p99_us": percentile(99),
        "cpus": args.layout.cpus(),
    });
    if args.rate.is_some() {
        let at_ns: Vec<u64> = done.iter().flat_map(|d| &d.at_ns).copied().collect();
        answer["at_ns"] = at_ns.into();
    }
    Ok(answer)
}
