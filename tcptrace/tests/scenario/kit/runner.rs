//! A small runner with libtest's arguments and closing line. Each scenario gets a thread of its
//! own, which moves into a network namespace of its own; a panic or a claim that did not hold fails
//! that scenario only.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::json;

use super::group::{Groups, Place};
use super::sys_ops;
use super::world::{Report, World};

/// One scenario: a name that states the claim, and what shows it.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    name: &'static str,
    run: fn(&World),
    alone: bool,
    slow: bool,
    own: bool,
}

/// Scenarios about one thing; the name is the module's.
pub(crate) struct Family {
    name: &'static str,
    scenarios: Vec<Scenario>,
}

impl Family {
    pub(crate) const fn new(name: &'static str, scenarios: Vec<Scenario>) -> Self {
        Self { name, scenarios }
    }

    /// Each of them starts a tracer of its own.
    pub(crate) fn own(mut self) -> Self {
        self.scenarios = self.scenarios.into_iter().map(Scenario::own).collect();
        self
    }
}

impl Scenario {
    pub(crate) const fn new(name: &'static str, run: fn(&World)) -> Self {
        Self {
            name,
            run,
            alone: false,
            slow: false,
            own: false,
        }
    }

    /// Runs with no other scenario beside it.
    pub(crate) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Runs only with `--ignored` or `--include-ignored`.
    pub(crate) const fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// Starts a tracer of its own: left out by `--shared`, where a start takes many seconds.
    pub(crate) const fn own(mut self) -> Self {
        self.own = true;
        self
    }
}

/// `scenarios![a, b]`: the scenarios of a family, named after their functions;
/// `#[own] a` marks one.
macro_rules! scenarios {
    ($($(#[$mark:ident])? $name:ident),* $(,)?) => {
        vec![$($crate::scenario::kit::Scenario::new(stringify!($name), $name)$(.$mark())?),*]
    };
}
pub(crate) use scenarios;

#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    only_slow: bool,
    also_slow: bool,
    shared: bool,
    json: bool,
    threads: Option<usize>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let mut value = || {
                let next = inline.clone().or_else(|| args.next().cloned());
                next.ok_or_else(|| format!("{name} needs a value"))
            };
            match name {
                "--shared" => options.shared = true,
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--ignored" => options.only_slow = true,
                "--include-ignored" => options.also_slow = true,
                "--skip" => options.skip.push(value()?),
                "--test-threads" => {
                    options.threads = Some(value()?.parse().map_err(|_| "not a number")?);
                }
                "--nocapture" | "--no-capture" | "--show-output" | "-q" | "--quiet" => {}
                "--format" => options.json = value()? == "json",
                "--color" => drop(value()?),
                _ if name.starts_with('-') => return Err(format!("unknown option {name}")),
                _ => options.filters.push(arg.clone()),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        let hits = |pattern: &String| {
            if self.exact {
                name == pattern
            } else {
                name.contains(pattern.as_str())
            }
        };
        (self.filters.is_empty() || self.filters.iter().any(hits)) && !self.skip.iter().any(hits)
    }
}

struct Outcome {
    name: String,
    report: Report,
}

/// The tracer: `$TCPTRACE_BIN`, else the release build beside the test's own target directory.
/// `TCPTRACE_BIN=none` checks the mechanics of the scenarios without a tracer.
pub(crate) fn binary() -> Result<Option<PathBuf>, String> {
    let path = match std::env::var_os("TCPTRACE_BIN") {
        Some(name) if name == "none" => return Ok(None),
        Some(path) => PathBuf::from(path),
        None => {
            let target = std::env::current_exe().map_err(|error| error.to_string())?;
            let target = target.ancestors().nth(3).map(Path::to_path_buf);
            target
                .ok_or("no target directory")?
                .join("release/tcptrace")
        }
    };
    if path.is_file() {
        return Ok(Some(path));
    }
    Err(format!("there is no {}", path.display()))
}

/// Runs what the arguments select; the exit code is libtest's (101 on failure).
pub(crate) fn run(families: Vec<Family>, args: &[String]) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(1);
        }
    };
    let mut selected: Vec<(String, Scenario)> = Vec::new();
    let mut left_out = 0;
    for family in families {
        for scenario in family.scenarios {
            let name = format!("{}::{}", family.name, scenario.name);
            if options.wants(&name) && !(scenario.own && options.shared) {
                selected.push((name, scenario));
            } else {
                left_out += 1;
            }
        }
    }
    if options.list {
        selected
            .iter()
            .for_each(|(name, _)| println!("{name}: test"));
        println!("\n{} tests, 0 benchmarks", selected.len());
        return ExitCode::SUCCESS;
    }
    let all = selected.len();
    selected.retain(|(_, s)| options.also_slow || s.slow == options.only_slow);
    let ignored = all - selected.len();
    let binary = match binary() {
        Ok(binary) if sys_ops::effective_uid() == 0 => binary,
        cannot => {
            let reason = cannot
                .err()
                .unwrap_or_else(|| "live scenarios need root".into());
            let demanded = std::env::var_os("TCPTRACE_BIN").is_some();
            println!(
                "\nlive scenarios cannot run: {reason}; build with `cargo xtask build --release`"
            );
            return close(0, usize::from(demanded), all, left_out, Instant::now());
        }
    };
    let dry = binary.is_none();
    println!("\nrunning {} tests", selected.len());
    if options.json {
        let names: Vec<&str> = selected.iter().map(|(name, _)| name.as_str()).collect();
        println!("{}", json!({ "plan": names }));
    }
    let started = Instant::now();
    let outcomes = run_all(&selected, binary.as_deref(), &options);
    let failed: Vec<&Outcome> = outcomes
        .iter()
        .filter(|o| o.report.verdict() == "failed")
        .collect();
    let unseen = outcomes
        .iter()
        .filter(|o| o.report.verdict() == "unseen")
        .count();
    if !failed.is_empty() && !options.json {
        println!("\nfailures:");
        for outcome in &failed {
            println!(
                "\n---- {} ----\n{}",
                outcome.name,
                outcome.report.problems.join("\n")
            );
        }
        println!("\nfailures:");
        failed
            .iter()
            .for_each(|outcome| println!("    {}", outcome.name));
    }
    if dry {
        println!(
            "\nno tracer (TCPTRACE_BIN=none): only the mechanics of the scenarios were checked"
        );
    }
    close(
        outcomes.len() - failed.len() - unseen,
        failed.len(),
        ignored + unseen,
        left_out,
        started,
    )
}

fn close(passed: usize, failed: usize, ignored: usize, out: usize, started: Instant) -> ExitCode {
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; \
         0 measured; {out} filtered out; finished in {:.2}s\n",
        started.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

fn run_all(
    selected: &[(String, Scenario)],
    binary: Option<&Path>,
    options: &Options,
) -> Vec<Outcome> {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        PANIC.with_borrow_mut(|panic| *panic = format!("  {text}\n    at {place}"));
    }));
    let outcomes = Mutex::new(Vec::new());
    let (alone, together): (Vec<_>, Vec<_>) = selected.iter().partition(|(_, s)| s.alone);
    for (scenarios, threads) in [(together, options.threads.unwrap_or(2).max(1)), (alone, 1)] {
        // Those that need the machine for themselves have no second tracer beside theirs.
        let shared = binary.filter(|_| threads > 1 && scenarios.len() > 1);
        let groups = Groups::new(shared, scenarios);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((selected, place)) = groups.next() {
                        let outcome = tried(selected, binary, &groups, place, options.json);
                        outcomes.lock().expect("no panic").push(outcome);
                    }
                });
            }
        });
        if let Some((measured, problems)) = groups.into_findings() {
            if options.json {
                let measured: Vec<_> = measured
                    .into_iter()
                    .map(|([kind, hook, evidence], count)| (kind, hook, evidence, count))
                    .collect();
                println!("{}", json!({ "measured": measured }));
            }
            let report = Report {
                problems,
                ..Report::default()
            };
            let outcome = reported("kit::shared_tracer", report, 0.0, options.json);
            outcomes.lock().expect("no panic").push(outcome);
        }
    }
    let _ = std::panic::take_hook();
    outcomes.into_inner().expect("no panic")
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a scenario, and once more when it fails and `$TCPTRACE_TEST_RETRY` is set: on an emulated
/// processor the kernel's own timers may overtake a scenario. The verdict says so.
fn tried(
    (name, scenario): &(String, Scenario),
    binary: Option<&Path>,
    groups: &Groups<'_, (String, Scenario)>,
    place: Place,
    as_json: bool,
) -> Outcome {
    let started = Instant::now();
    let group = place.group.clone();
    let mut report = run_one(*scenario, binary, place);
    if report.verdict() == "failed" && std::env::var_os("TCPTRACE_TEST_RETRY").is_some() {
        let first = report.problems.join("; ");
        report = run_one(*scenario, binary, groups.another(group));
        let text = first.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(300).collect();
        report.notes.push(format!("second try; the first: {text}"));
    }
    reported(name, report, started.elapsed().as_secs_f64(), as_json)
}

/// A thread per scenario: it takes its network namespace with it when it ends.
fn run_one(scenario: Scenario, binary: Option<&Path>, place: Place) -> Report {
    let binary = binary.map(Path::to_path_buf);
    let work = std::thread::spawn(move || {
        let world = World::new(binary, &place.space, place.shared());
        let run = std::panic::AssertUnwindSafe(|| (scenario.run)(&world));
        let panicked = std::panic::catch_unwind(run).is_err();
        if !panicked {
            world.reconcile();
        }
        let mut report = world.into_report();
        if panicked {
            report.problems.push(PANIC.take());
        }
        report
    });
    work.join().unwrap_or_else(|_| Report {
        problems: vec!["  no world for the scenario".to_owned()],
        ..Report::default()
    })
}

/// Prints a verdict.
fn reported(name: &str, report: Report, seconds: f64, as_json: bool) -> Outcome {
    if as_json {
        let line = json!({ "scenario": name, "verdict": report.verdict(), "seconds": seconds,
            "problems": report.problems, "notes": report.notes, "unseen": report.unseen });
        println!("{line}");
    } else {
        let verdict = match report.verdict() {
            "passed" => "ok",
            "unseen" => "ignored",
            _ => "FAILED",
        };
        let mut line = format!("test {name} ... {verdict} <{seconds:.2}s>");
        for note in report.notes.iter().chain(&report.unseen) {
            line.push_str(&format!("\n    {note}"));
        }
        println!("{line}");
    }
    Outcome {
        name: name.into(),
        report,
    }
}
