//! A randomised oracle: processes do random things with sockets, one at a time and several at once,
//! and everything `tcptrace watch --all --json` prints about them is judged. See `README.md`.
//!
//! `root_live --oracle [--seed N] [--seconds S] [--lanes N] [--script FILE] [--keep FILE] [--go-on]`

mod feed;
mod judge;
mod lane;
mod lives;
mod plan;
mod random;
mod report;
mod script;
mod shrink;
mod stage;
mod steps;
mod truth;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feed::{LANES, Running};
use lane::{Lane, Round};
use random::Random;
use report::Report;
use script::Step;
use verdict::Deviation;

use crate::scenario::kit::{Space, runner, sys_ops};

struct Options {
    seed: u64,
    seconds: u64,
    lanes: u8,
    /// To be played instead of random steps.
    script: Option<PathBuf>,
    /// Does not stop at the first deviation that is not known.
    goes_on: bool,
    /// A file for everything that the tracer prints.
    keep: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seed: sys_ops::boot_time_ns() % 1_000_000,
            seconds: 60,
            lanes: 4,
            script: None,
            goes_on: false,
            keep: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--go-on" {
                options.goes_on = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("{arg} {value}: no number"))
            };
            match arg.as_str() {
                "--seed" => options.seed = number()?,
                "--seconds" => options.seconds = number()?,
                "--lanes" => {
                    let lanes = number()?.clamp(1, LANES as u64 - 1);
                    options.lanes = u8::try_from(lanes).expect("few lanes");
                }
                "--keep" => options.keep = Some(PathBuf::from(value)),
                "--script" => options.script = Some(PathBuf::from(value)),
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }
}

/// The first round that deviates in a way that is not known yet.
struct Failure {
    lane: u8,
    round: u64,
    script: Vec<Step>,
    deviation: Deviation,
}

/// Runs it; the exit code is 101 on a deviation that is not in the list of known faults.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let result = Options::parse(args).and_then(|options| {
        let binary = runner::binary()?.ok_or("the oracle needs a tracer")?;
        if sys_ops::effective_uid() != 0 {
            return Err("the oracle needs root".to_owned());
        }
        try_run(&options, &binary)
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("oracle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(options: &Options, binary: &Path) -> Result<bool, String> {
    println!("oracle: seed {}, {} s", options.seed, options.seconds);
    let spaces = [Space::make(), Space::make()].map(Arc::new);
    for space in &spaces {
        let space = Arc::clone(space);
        let work = std::thread::spawn(move || {
            space.enter();
            // A run makes more of them than a small machine allows.
            std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "1000000")
        });
        let done = work.join().map_err(|_| "no namespace".to_owned())?;
        done.map_err(|error| format!("tcp_max_tw_buckets: {error}"))?;
    }
    let inodes: Vec<u64> = spaces.iter().map(|space| space.inode).collect();
    let running = Running::start(binary, &inodes, options.keep.as_deref())?;
    let report = Mutex::new(Report::default());
    let failure = match &options.script {
        Some(path) => play(path, &spaces, &running, &report)?,
        None => invent(options, &spaces, &running, &report),
    };
    let mut report = report.into_inner().expect("no panic");
    let mut is_right = true;
    if let Some(failure) = failure {
        is_right = false;
        describe(options, &failure, &spaces, &running);
    }
    report.skipped = running.skipped();
    let strays = running.feed.strays();
    report.lost = running.feed.lost.load(Ordering::Relaxed);
    report.lines = running.feed.lines.load(Ordering::Relaxed);
    let (summary, wrong) = running.stop();
    report.print(summary.as_ref());
    for problem in wrong.iter().chain(strays.iter().take(5)) {
        println!("not expected: {problem}");
    }
    let is_right = is_right && wrong.is_empty() && strays.is_empty();
    let verdict = if is_right { "ok" } else { "FAILED" };
    println!(
        "\noracle: seed {}\n\ntest result: {verdict}. {} passed; {} failed; 0 ignored",
        options.seed,
        u8::from(is_right),
        u8::from(!is_right)
    );
    Ok(is_right)
}

/// All lanes, each with rounds of its own, until the time is over or one finds something.
fn invent(
    options: &Options,
    spaces: &[Arc<Space>; 2],
    running: &Running,
    report: &Mutex<Report>,
) -> Option<Failure> {
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let (failure, is_over) = (Mutex::new(None), AtomicBool::new(false));
    let work = |number: u8| {
        let mut lane = Lane::new(number, spaces.clone(), Arc::clone(&running.feed));
        let mut round_number = 0;
        while Instant::now() < until && !is_over.load(Ordering::Relaxed) {
            let series = u64::from(number) << 32 | round_number;
            let round = lane.invent(&mut Random::series(options.seed, series));
            let new = report
                .lock()
                .expect("no panic")
                .take(&round, running.skipped());
            if let Some(deviation) = new {
                is_over.store(!options.goes_on, Ordering::Relaxed);
                failure.lock().expect("no panic").get_or_insert(Failure {
                    lane: number,
                    round: round_number,
                    script: round.script,
                    deviation,
                });
            }
            round_number += 1;
        }
    };
    std::thread::scope(|scope| {
        for number in 0..options.lanes {
            scope.spawn(move || work(number));
        }
    });
    failure.into_inner().expect("no panic")
}

/// One script from a file, by itself.
fn play(
    path: &Path,
    spaces: &[Arc<Space>; 2],
    running: &Running,
    report: &Mutex<Report>,
) -> Result<Option<Failure>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let script = script::from_text(&text)?;
    let (spaces, feed) = (spaces.clone(), Arc::clone(&running.feed));
    let work = std::thread::spawn(move || Lane::new(0, spaces, feed).repeat(&script));
    let round: Round = work.join().map_err(|_| "the script panicked".to_owned())?;
    for deviation in &round.deviations {
        println!("{}", deviation.text);
    }
    let new = report
        .lock()
        .expect("no panic")
        .take(&round, running.skipped());
    Ok(new.map(|deviation| Failure {
        lane: 0,
        round: 0,
        script: round.script,
        deviation,
    }))
}

/// Says what was found, and in how few steps it shows.
fn describe(options: &Options, failure: &Failure, spaces: &[Arc<Space>; 2], running: &Running) {
    println!(
        "\nfound in round {} of lane {}:\n{}",
        failure.round, failure.lane, failure.deviation.text
    );
    let (class, script) = (failure.deviation.class, failure.script.clone());
    let (spaces, feed) = (spaces.clone(), Arc::clone(&running.feed));
    let work = std::thread::spawn(move || {
        let mut lane = Lane::new(LANES as u8 - 1, spaces, feed);
        shrink::shrink(&mut lane, &script, class)
    });
    let (script, how) = match work.join() {
        Ok(Some((script, deviation))) => {
            println!(
                "\nas it shows in {} steps:\n{}",
                script.len(),
                deviation.text
            );
            (script, "shrunk")
        }
        _ => {
            println!("\nits script alone, with nothing beside it, does not show it again");
            (failure.script.clone(), "as it was")
        }
    };
    let text = script::to_text(&script);
    let name = format!(
        "tcptrace-oracle-{}-{}-{}.script",
        options.seed, failure.lane, failure.round
    );
    let path = std::env::temp_dir().join(name);
    match std::fs::write(&path, &text) {
        Ok(()) => println!(
            "\nthe script, {how}, to be played by --script {}:",
            path.display()
        ),
        Err(error) => println!("\nthe script, {how} ({}: {error}):", path.display()),
    }
    print!("{text}");
}
