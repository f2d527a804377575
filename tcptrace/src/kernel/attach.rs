//! Loads and attaches: one program at a time, falling to the next candidate of a signal when one
//! is refused, and keeping every error for the report.
//!
//! Everything is held by links: when this process ends, however it ends, the kernel detaches all.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;

use anyhow::{Context, anyhow};
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use tcptrace_common::config::Config;
use tcptrace_common::names;

use super::Kernel;
use super::tiers::{Candidate, FORKS, OWNERS, SIGNALS, Signal, Tier};
use crate::model::{Kind, KindSet};

/// The eBPF object, aligned for the ELF reader.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tcptrace.o"));

/// How large the maps are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of the ring: a power of two, at least a page.
    pub ring: u32,
    /// Sockets remembered at once.
    pub socks: u32,
}

/// What became of one signal.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub signal: &'static Signal,
    /// The candidate that serves; `None` = cannot be seen here.
    pub chosen: Option<&'static Candidate>,
    /// Why the better ones do not.
    pub refusals: Vec<String>,
}

/// What became of all of them.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    /// In the order of [`SIGNALS`], only of the kinds asked for.
    pub outcomes: Vec<Outcome>,
    /// Programs attached.
    pub attached: Vec<&'static str>,
    /// Why older sockets could not be listed by the iterator.
    pub snapshot_refused: Option<String>,
}

impl AttachReport {
    /// Kinds of which not a single part can be seen or counted.
    pub fn impossible(&self, asked: KindSet) -> Vec<Kind> {
        asked
            .iter()
            .filter(|kind| {
                self.of(*kind).next().is_some() && self.of(*kind).all(|o| o.chosen.is_none())
            })
            .collect()
    }

    /// Kinds of which a part is only counted.
    pub fn counted(&self) -> KindSet {
        let is_counted = |o: &&Outcome| o.chosen.is_some_and(|c| c.tier == Tier::Counting);
        self.outcomes
            .iter()
            .filter(is_counted)
            .map(|o| o.signal.kind)
            .collect()
    }

    /// What became of the parts of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(move |outcome| outcome.signal.kind == kind)
    }
}

/// The programs at work.
#[derive(Debug)]
pub struct Attached {
    /// Holds programs, links and maps.
    pub object: Ebpf,
    /// What serves which signal.
    pub report: AttachReport,
}

impl Attached {
    /// Programs of which the kernel skipped runs, because an interrupt brought the same hook while
    /// they ran, and how many. Kernels before 5.12 do not say.
    pub fn skipped(&self) -> Vec<(String, u64)> {
        let skips = |(name, program): (&str, &Program)| {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            let line = facts
                .lines()
                .find_map(|line| line.strip_prefix("recursion_misses:"))?;
            let count = line.trim().parse().ok().filter(|count| *count > 0)?;
            Some((name.to_owned(), count))
        };
        self.object.programs().filter_map(skips).collect()
    }
}

/// Loads and attaches what the kinds need (`follows`: children of processes too), then lists the sockets that exist already.
///
/// # Errors
/// When the object cannot be loaded at all, or the programs that remember owners are refused.
pub fn attach_all(
    kernel: &Kernel,
    config: Config,
    kinds: KindSet,
    sizes: Sizes,
    follows: bool,
) -> anyhow::Result<Attached> {
    // The loader reads the kernel's types for itself when it is made, and keeps them to itself:
    // the reading for the programs runs beside it.
    let reading = std::thread::spawn(Btf::from_sys_fs);
    let mut loader = EbpfLoader::new();
    let types = reading
        .join()
        .map_err(|_| anyhow!("reading the kernel's BTF ended early"))?
        .context("cannot read the kernel's BTF")?;
    let mut object = loader
        .btf(Some(&types))
        .override_global(names::OFFSETS, &kernel.offsets, true)
        .override_global(names::CONFIG, &config, true)
        .map_max_entries(names::RING, sizes.ring)
        .map_max_entries(names::SOCKS, sizes.socks)
        .load(OBJECT)
        .context("cannot load the eBPF object")?;
    let loaded = load_first_choices(&mut object, &types, kernel, kinds);
    let mut attacher = Attacher {
        object: &mut object,
        types: &types,
        loaded,
        tried: BTreeMap::new(),
    };
    for program in OWNERS {
        attacher
            .attach(program)
            .map_err(|error| anyhow!("cannot attach {program}, which every kind needs: {error}"))?;
    }
    if follows {
        attacher.attach(FORKS).map_err(|error| {
            anyhow!("cannot attach {FORKS}, which following children needs: {error}")
        })?;
    }
    let mut report = AttachReport::default();
    for signal in SIGNALS.iter().filter(|signal| kinds.contains(signal.kind)) {
        report.outcomes.push(attacher.settle(signal, kernel));
    }
    report.attached = attacher.attached();
    report.snapshot_refused = attacher.snapshot().err().map(|error| format!("{error:#}"));
    Ok(Attached { object, report })
}

/// Programs that take the verifier longest.
const LONG: &[&str] = &[
    "consume_skb",
    "inet_sock_set_state",
    "kfree_skb",
    "tcp_send_reset",
];

/// What became of loading a program.
type Loaded = BTreeMap<String, Result<(), ProgramError>>;

/// Loads the programs that will most likely be wanted, on two threads: verifying them is most of
/// the time a start takes. One that is refused is not tried again; its error is kept.
fn load_first_choices(object: &mut Ebpf, types: &Btf, kernel: &Kernel, kinds: KindSet) -> Loaded {
    let first = |signal: &Signal| {
        let fits = |c: &&Candidate| c.tier == Tier::Tracepoint && (c.obstacle)(kernel).is_none();
        signal.candidates.iter().find(fits).map(|c| c.program)
    };
    let signals = SIGNALS.iter().filter(|signal| kinds.contains(signal.kind));
    let mut wanted: BTreeSet<&str> = signals.filter_map(first).collect();
    wanted.extend(OWNERS);
    let mut programs: Vec<(String, &mut BtfTracePoint)> = object
        .programs_mut()
        .filter(|(name, _)| wanted.contains(name))
        .filter_map(|(name, program)| Some((name.to_owned(), program.try_into().ok()?)))
        .collect();
    // Two threads take from the end: the long ones first, so that both end at about one time.
    programs.sort_by_key(|(name, _)| LONG.contains(&name.as_str()));
    let queue = Mutex::new(programs);
    let work = || -> Loaded {
        let mut loaded = Loaded::new();
        loop {
            let next = queue.lock().map(|mut queue| queue.pop());
            let Ok(Some((name, program))) = next else {
                return loaded;
            };
            let answer = program.load(&name, types);
            loaded.insert(name, answer);
        }
    };
    std::thread::scope(|scope| {
        let beside = scope.spawn(work);
        let mut loaded = work();
        // A thread that ended early has loaded nothing: its programs are then loaded one by one.
        loaded.extend(beside.join().unwrap_or_default());
        loaded
    })
}

struct Attacher<'a> {
    object: &'a mut Ebpf,
    types: &'a Btf,
    /// Programs that were loaded, or refused, already.
    loaded: Loaded,
    tried: BTreeMap<&'static str, Result<(), String>>,
}

impl Attacher<'_> {
    /// The first candidate that works.
    fn settle(&mut self, signal: &'static Signal, kernel: &Kernel) -> Outcome {
        let mut refusals = Vec::new();
        for candidate in signal.candidates {
            if let Some(obstacle) = (candidate.obstacle)(kernel) {
                refusals.push(format!("{}: {obstacle}", label(candidate)));
                continue;
            }
            if candidate.tier == Tier::Counting {
                return Outcome {
                    signal,
                    chosen: Some(candidate),
                    refusals,
                };
            }
            match self.attach(candidate.program) {
                Ok(()) => {
                    return Outcome {
                        signal,
                        chosen: Some(candidate),
                        refusals,
                    };
                }
                Err(error) => refusals.push(format!("{}: {error}", label(candidate))),
            }
        }
        Outcome {
            signal,
            chosen: None,
            refusals,
        }
    }

    /// Attaches a tracepoint once; the answer is remembered.
    fn attach(&mut self, program: &'static str) -> Result<(), String> {
        if let Some(answer) = self.tried.get(program) {
            return answer.clone();
        }
        let answer = self.attach_now(program).map_err(|error| describe(&error));
        self.tried.insert(program, answer.clone());
        answer
    }

    fn attach_now(&mut self, name: &'static str) -> anyhow::Result<()> {
        let program = self.object.program_mut(name).context("not in the object")?;
        let program: &mut BtfTracePoint = program.try_into()?;
        match self.loaded.remove(name) {
            Some(answer) => answer?,
            None => program.load(name, self.types)?,
        }
        program.attach()?;
        Ok(())
    }

    fn attached(&self) -> Vec<&'static str> {
        self.tried
            .iter()
            .filter(|(_, answer)| answer.is_ok())
            .map(|(name, _)| *name)
            .collect()
    }

    /// Walks all open files once: owners of sockets that are older than us, and the listeners.
    fn snapshot(&mut self) -> anyhow::Result<()> {
        let program = self
            .object
            .program_mut("task_file")
            .context("not in the object")?;
        let program: &mut Iter = program.try_into()?;
        program.load("task_file", self.types)?;
        let link = program.attach()?;
        let link = program.take_link(link)?;
        let mut walk = link.into_file()?;
        let mut nothing = [0; 64];
        while walk.read(&mut nothing)? > 0 {}
        Ok(())
    }
}

fn label(candidate: &Candidate) -> String {
    match candidate.tier {
        Tier::Tracepoint => format!("tp_btf/{}", candidate.program),
        Tier::Counting => Tier::Counting.to_string(),
    }
}

/// One line: the verifier's log can be megabytes, its last line says why.
fn describe(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("no reason given").trim().to_owned();
    match lines.rfind(|line| !line.starts_with("processed ")) {
        Some(last) => format!("{first} ... {}", last.trim()),
        None => first,
    }
}
