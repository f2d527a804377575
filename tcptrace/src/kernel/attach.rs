//! Loads and attaches: one program at a time, falling to the next candidate of a signal when one
//! is refused, and keeping every error for the report.
//!
//! Everything is held by links: when this process ends, however it ends, the kernel detaches all.

mod attacher;
mod baseline;
mod expected;
mod gaps;
mod links;
mod loader;
#[cfg(feature = "trace-ebpf")]
mod notes;
mod programs;

use anyhow::{Context, anyhow};
use aya::maps::{Array, PerCpuArray};
use aya::{Btf, Ebpf, Endianness};
use tcptrace_common::config::{Config, by_function};
use tcptrace_common::names;

use super::Kernel;
use super::tiers::{
    ACCEPT, Candidate, FORKS, LISTENED, OWNERS, SIGNALS, Signal, WAITS, tracepoint,
};
use crate::model::{Kind, KindSet, Tier};
use attacher::Attacher;
use links::Links;

pub use baseline::Baselines;
pub use gaps::Gap;
pub use links::{Maps, Programs};

/// The eBPF object, aligned for the ELF reader.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tcptrace.o"));

/// How large the maps are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of the ring: a power of two, at least a page.
    pub ring: u32,
    /// Sockets remembered at once.
    pub socks: u32,
    /// Network namespaces whose counters are remembered at once.
    pub namespaces: u32,
    /// Entries of every map but the ring at most, for trials of what happens when one is full.
    pub most: Option<u32>,
}

/// What became of one signal.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub signal: &'static Signal,
    /// The candidate that serves; `None` = cannot be seen here.
    pub chosen: Option<&'static Candidate>,
    /// Its hook, as events name it; empty without one.
    pub hook: String,
    /// Why the better ones do not.
    pub refusals: Vec<String>,
}

/// Listeners whose accepts are measured, and tasks inside accept() at once, at most.
const ACCEPTS: (u32, u32) = (4096, 16_384);

/// Why a candidate of another tier than the one insisted on is passed over.
const OTHER_TIER: &str = "another tier was requested";

impl Outcome {
    /// The most informative refusal; empty without any.
    pub fn reason(&self) -> &str {
        let own = self.refusals.iter().find(|why| !why.ends_with(OTHER_TIER));
        own.or(self.refusals.first()).map_or("", String::as_str)
    }
}

/// What became of all of them.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    /// In the order of [`SIGNALS`], only of the kinds asked for.
    pub outcomes: Vec<Outcome>,
    /// How the process that accepts a connection is observed.
    pub accept: Option<Outcome>,
    /// How the backlogs of listeners are observed; `None` = not requested.
    pub backlogs: Option<Outcome>,
    /// By what the waits for accept() are measured; `None` = not wanted.
    pub waits: Option<Outcome>,
    /// Programs attached, by their names in the object.
    pub attached: Vec<String>,
    /// Why older sockets could not be listed by the iterator.
    pub snapshot_refused: Option<String>,
    /// Why children of processes cannot be followed, where that was wanted.
    pub forks_refused: Option<String>,
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

    /// Whether a hook of this tier serves anything.
    pub fn has_tier(&self, tier: Tier) -> bool {
        let by_tier = |o: &Outcome| o.chosen.is_some_and(|c| c.tier == tier);
        self.accept.iter().chain(&self.outcomes).any(by_tier)
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
    /// What the programs write to, for their readers to take.
    pub maps: Maps,
    /// What serves which signal.
    pub report: AttachReport,
    links: Links,
}

impl Attached {
    /// What is attached, for whoever asks the kernel about it while it runs. To be called once.
    pub fn take_programs(&mut self) -> Programs {
        std::mem::take(&mut self.links.programs)
    }

    /// What the programs had no room for, by its number in [`names::limited`], and how often. Nothing where the counters
    /// cannot be read.
    pub fn full(&self) -> Vec<(u32, u64)> {
        let Some(map) = self.maps.get(names::FULL) else {
            return Vec::new();
        };
        let Ok(counters) = PerCpuArray::<_, u64>::try_from(map) else {
            return Vec::new();
        };
        let count = |place: u32| -> u64 {
            let by_cpu = counters.get(&place, 0);
            by_cpu.map_or(0, |counts| counts.iter().sum())
        };
        (0..names::limited::COUNT as u32)
            .map(|place| (place, count(place)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// What to attach.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Kinds to be seen.
    pub kinds: KindSet,
    /// Children of processes are followed.
    pub follows: bool,
    /// Waits for accept() are measured.
    pub measures_accepts: bool,
    /// The tier the user insists on.
    pub tier: Option<Tier>,
}

/// Loads and attaches what is wanted, then lists the sockets that exist already.
///
/// Function hooks come first: only when they are attached is it known what the tracepoints still
/// have to report. `begin` reads what was counted before in every namespace, where tracepoints need that; it
/// returns those that it could not enter.
///
/// # Errors
/// When the object cannot be loaded at all, or the programs that remember owners are refused.
pub fn attach_all(
    kernel: &Kernel,
    config: Config,
    wanted: Wanted,
    sizes: Sizes,
    begin: impl FnOnce(&Baselines<'_>) -> anyhow::Result<Vec<u32>>,
) -> anyhow::Result<Attached> {
    let types = Btf::parse(&kernel.attach_places.blob(), Endianness::default())
        .context("cannot pass on the kernel's BTF")?;
    let room = if wanted.measures_accepts {
        ACCEPTS
    } else {
        (1, 1)
    };
    let mut loader = loader::loader();
    loader
        .btf(None)
        .override_global(names::OFFSETS, &kernel.offsets, true)
        .override_global(names::HOLDERS, &kernel.holder_offsets, true)
        .override_global(names::CONFIG, &config, true)
        .map_max_entries(names::RING, sizes.ring)
        .map_max_entries(names::SOCKS, sizes.socks)
        .map_max_entries(names::SYN_COUNTERS, sizes.namespaces)
        .map_max_entries(names::TIME_WAIT_OVERFLOWS, sizes.namespaces)
        .map_max_entries(names::OLDER, sizes.namespaces)
        .map_max_entries(names::WAITS, room.0)
        .map_max_entries(names::ACCEPTING, room.1);
    if !wanted.follows {
        // Its room is taken when it is made.
        loader.map_max_entries(names::FOLLOWED, 1);
    }
    if let Some(most) = sizes.most {
        for name in names::limited::MAPS {
            loader.map_max_entries(name, most);
        }
    }
    #[cfg(feature = "trace-ebpf")]
    let level = notes::level();
    #[cfg(feature = "trace-ebpf")]
    loader.override_global(aya_log::LEVEL, &level, true);
    let mut object = loader.load(OBJECT).context("cannot load the eBPF object")?;
    #[cfg(feature = "trace-ebpf")]
    notes::follow(&mut object)?;
    let signals: Vec<&'static Signal> = SIGNALS
        .iter()
        .filter(|signal| wanted.kinds.contains(signal.kind))
        .collect();
    let mut attacher = Attacher::new(&mut object, &types, kernel, wanted.tier);
    let accept = attacher.by_functions(&ACCEPT);
    let knows_backlogs = wanted.measures_accepts || wanted.kinds.contains(Kind::AcceptDrop);
    let backlogs = knows_backlogs.then(|| attacher.by_functions(&LISTENED));
    let waits = wanted
        .measures_accepts
        .then(|| attacher.by_functions(&WAITS));
    let settled: Vec<_> = signals.iter().map(|s| attacher.by_functions(s)).collect();
    attacher.serve()?;
    let needed = settled.iter().flat_map(|open| attacher.first_choice(open));
    let needed: Vec<_> = needed
        .chain(OWNERS.iter().map(|name| tracepoint(name)))
        .collect();
    attacher.load_ahead(&needed);
    for name in OWNERS {
        attacher
            .attach(&tracepoint(name))
            .map_err(|error| anyhow!("cannot attach {name}, which every kind requires: {error}"))?;
    }
    if kernel.skips_runs {
        attacher.attach_again();
    }
    let mut report = AttachReport::default();
    if wanted.follows {
        let answer = attacher.attach(&tracepoint(FORKS));
        report.forks_refused = answer.err().map(|why| format!("tp_btf/{FORKS}: {why}"));
    }
    report.accept = Some(attacher.by_the_rest(accept));
    report.backlogs = backlogs.map(|open| attacher.by_the_rest(open));
    report.waits = waits.map(|open| attacher.by_the_rest(open));
    for open in settled {
        report.outcomes.push(attacher.by_the_rest(open));
    }
    let by_function = attacher.serve()?;
    let links = attacher.into_links();
    let by_counters = by_function & by_function::BY_COUNTERS != by_function::BY_COUNTERS;
    let is_read = by_counters && read_baselines(&mut object, kernel, begin);
    report.attached = links.keys().cloned().collect();
    report.log_gaps();
    report.snapshot_refused = programs::walk_files(&mut object, &types)
        .err()
        .map(|error| format!("{error:#}"));
    // The walk has found every namespace with a listener, unless it does not see all processes.
    if is_read && report.snapshot_refused.is_none() && !kernel.is_nested() {
        serve(&mut object, by_function | by_function::BASELINES)?;
    }
    let (links, maps) = Links::take(object, links)?;
    links.programs.log_verified();
    Ok(Attached {
        maps,
        report,
        links,
    })
}

/// Reads what was counted before; whether that worked.
fn read_baselines(
    object: &mut Ebpf,
    kernel: &Kernel,
    begin: impl FnOnce(&Baselines<'_>) -> anyhow::Result<Vec<u32>>,
) -> bool {
    let older = Baselines::load(object, kernel.own_netns).and_then(|all| begin(&all));
    let noted = older.and_then(|older| baseline::note_older(object, &older));
    if let Err(error) = &noted {
        log::info!(target: "attach", "counters of before: {error:#}");
    }
    noted.is_ok()
}

/// Sets for the tracepoints what function hooks already report.
fn serve(object: &mut Ebpf, bits: u32) -> anyhow::Result<()> {
    let map = object
        .map_mut(names::BY_FUNCTION)
        .context("the object has no map of by_function signals")?;
    let mut by_function: Array<_, u32> = Array::try_from(map)?;
    by_function
        .set(0, bits, 0)
        .context("cannot set what is by_function")
}
