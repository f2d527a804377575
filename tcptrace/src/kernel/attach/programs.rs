//! Loading and attaching by kind of program.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, bail};
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf};
use rustix::io::Errno;

use super::links::Link;

/// Programs that take the verifier longest.
const LONG: &[&str] = &[
    "consume_skb",
    "inet_sock_set_state",
    "kfree_skb",
    "tcp_send_reset",
];

/// Only there when the kernel has breakpoints for tracing (CONFIG_KPROBE_EVENTS).
const BREAKPOINTS: &str = "/sys/bus/event_source/devices/kprobe/type";

/// What became of loading a program.
pub(super) type Loaded = BTreeMap<String, Result<(), ProgramError>>;

/// Lets the kernel verify a program.
pub(super) fn load(program: &mut Program, target: &str, types: &Btf) -> anyhow::Result<()> {
    match program {
        Program::BtfTracePoint(program) => program.load(target, types)?,
        Program::FEntry(program) => program.load(target, types)?,
        Program::FExit(program) => program.load(target, types)?,
        Program::KProbe(program) => {
            if !Path::new(BREAKPOINTS).exists() {
                return Err(anyhow::Error::new(NoBreakpoints));
            }
            program.load()?;
        }
        _ => bail!("a kind of program that is not used for hooks"),
    }
    Ok(())
}

/// Attaches a loaded program by a link of its own.
pub(super) fn attach(program: &mut Program, target: &str) -> anyhow::Result<Link> {
    Ok(match program {
        Program::BtfTracePoint(program) => {
            let id = program.attach()?;
            Link::Tracepoint(program.take_link(id)?)
        }
        Program::FEntry(program) => {
            let id = program.attach()?;
            Link::Entry(program.take_link(id)?)
        }
        Program::FExit(program) => {
            let id = program.attach()?;
            Link::Exit(program.take_link(id)?)
        }
        Program::KProbe(program) => {
            let id = program.attach(target, 0)?;
            Link::Breakpoint(program.take_link(id)?)
        }
        _ => bail!("a kind of program that is not used for hooks"),
    })
}

/// Lets the kernel forget a program that is not attached any more.
pub(super) fn unload(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::BtfTracePoint(program) => program.unload(),
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::KProbe(program) => program.unload(),
        _ => Ok(()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this kernel was built without breakpoints for tracing (no {BREAKPOINTS})")]
struct NoBreakpoints;

/// What programs share the fate of their tier, by the name of one of them.
pub(super) fn tier_of(name: &str) -> &'static str {
    for (prefix, tier) in [
        ("fentry_", "fentry"),
        ("fexit_", "fentry"),
        ("kprobe_", "kprobe"),
        ("kretprobe_", "kprobe"),
    ] {
        if name.starts_with(prefix) {
            return tier;
        }
    }
    "tracepoint"
}

/// Whether a refusal holds for every program of the tier: the kernel has no such hooks, or does
/// not let us have them. What the verifier refuses (it says EACCES) is one program's own fault.
pub(super) fn closes_tier(error: &anyhow::Error) -> bool {
    let is_barred = |code: i32| code == Errno::PERM.raw_os_error();
    error.downcast_ref::<NoBreakpoints>().is_some() || code(error).is_some_and(is_barred)
}

/// The kernel's own word where nothing else is to be said: no log of the verifier comes with it.
pub(super) fn refusal_code(error: &anyhow::Error) -> Option<std::io::Error> {
    let code = code(error)?;
    (code != Errno::ACCESS.raw_os_error() && code != Errno::INVAL.raw_os_error())
        .then(|| std::io::Error::from_raw_os_error(code))
}

fn code(error: &anyhow::Error) -> Option<i32> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
    })
}

/// Threads that load programs at once, at most.
const LOADERS: usize = 4;

/// Loads tracepoints on several threads: verifying them is most of the time a start takes. One that
/// is refused is not tried again; its error is kept.
pub(super) fn load_tracepoints(object: &mut Ebpf, types: &Btf, wanted: &BTreeSet<&str>) -> Loaded {
    let mut programs: Vec<(String, &mut BtfTracePoint)> = object
        .programs_mut()
        .filter(|(name, _)| wanted.contains(name))
        .filter_map(|(name, program)| Some((name.to_owned(), program.try_into().ok()?)))
        .collect();
    // The threads take from the end: the long ones first, so that all end at about one time.
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
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let beside: Vec<_> = (1..processors.clamp(1, LOADERS))
            .map(|_| scope.spawn(work))
            .collect();
        let mut loaded = work();
        for thread in beside {
            // A thread that ended early has loaded nothing: its programs are then loaded one by one.
            loaded.extend(thread.join().unwrap_or_default());
        }
        loaded
    })
}

/// Walks all open files once: owners of sockets that are older than us, and the listeners.
pub(super) fn walk_files(object: &mut Ebpf, types: &Btf) -> anyhow::Result<()> {
    let program = object
        .program_mut("task_file")
        .context("not in the object")?;
    let program: &mut Iter = program.try_into()?;
    program.load("task_file", types)?;
    let link = program.attach()?;
    let link = program.take_link(link)?;
    let mut walk = link.into_file()?;
    let mut nothing = [0; 64];
    while walk.read(&mut nothing)? > 0 {}
    Ok(())
}
