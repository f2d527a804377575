//! Processes by (pid, start): read from /proc, kept after they died.
//!
//! What the kernel side reported at the event wins over what /proc shows later; /proc fills in the rest.
//! What a socket remembers of its last caller is brought up to date by the kernel side at the event. Where
//! that was not possible it may be older than what /proc says now: then the name that the process bears now
//! is taken.

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashlink::LruCache;

use super::aside::Aside;
use super::{boot_ns, comm_text, proc};
use crate::model::cgroup;
use crate::model::owner::ReportedOwner;
use crate::model::{Basis, Owner, Process};

/// Beyond this the process that was not asked about for the longest time is forgotten. What is lost by that is
/// the executable and the cgroup of a process that has ended: /proc has those of all others, and the kernel side
/// sends the rest with each event. About 6 MB.
const MOST: usize = 16_384;
/// A process that nobody has asked about for so long is forgotten, so that the table of a host with many short
/// ones is as large as a minute of them.
const REMEMBERED_NS: u64 = 60_000_000_000;
/// Forgotten for each that is new, at most.
const FORGOTTEN_AT_ONCE: u32 = 2;
/// Numbers looked up a moment ago. When they are more, they are cleared, and /proc is read again.
const MOST_FOUND: usize = 1_024;
/// How long a name stands, boot clock.
pub(super) const FRESH_NS: u64 = 20_000_000;
/// Names that are read again per second at most; each takes some 50 us.
const REFRESHES_PER_SECOND: u32 = 400;
const SECOND_NS: u64 = 1_000_000_000;
/// How long a command line is waited for. The kernel takes it from the memory of the process, behind the lock that a
/// process which stands in mmap() or exec holds: `ps` hangs there.
const NAME_MOMENT: Duration = Duration::from_millis(20);
/// Command lines that may be asked for at a time.
const MOST_NAMES: usize = 64;

#[derive(Debug)]
pub(super) struct Processes {
    known: LruCache<(u32, u64), Known, RandomState>,
    /// What a process number stood for when it was last looked up.
    found: HashMap<u32, Found, RandomState>,
    second: u64,
    refreshes: u32,
    names: Aside<Process, Option<String>>,
}

#[derive(Debug)]
struct Known {
    process: Arc<Process>,
    /// The name as last reported in the process's own call: a change means exec or prctl.
    heard_comm: [u8; 16],
    /// When it was named last, boot clock.
    named_ns: u64,
}

#[derive(Debug)]
struct Found {
    process: Option<Arc<Process>>,
    /// For an event of this time, boot clock.
    read_ns: u64,
    /// Before it was read, boot clock.
    clock_ns: u64,
}

impl Default for Processes {
    fn default() -> Self {
        Self::named_by(program_of)
    }
}

impl Processes {
    /// With who finds out the name that people know a process by.
    pub(super) fn named_by(name: impl FnMut(&Process) -> Option<String> + Send + 'static) -> Self {
        Self {
            known: LruCache::with_hasher(MOST, RandomState::default()),
            found: HashMap::default(),
            second: 0,
            refreshes: 0,
            names: Aside::new("names", NAME_MOMENT, MOST_NAMES, name),
        }
    }

    /// Takes names that came late.
    #[inline]
    pub(super) fn take_late(&mut self) {
        while let Some(late) = self.names.late() {
            let process = late.question;
            let Some(start) = process.start_ticks else {
                continue;
            };
            if let Some(known) = self.known.get_mut(&(process.pid, start))
                && is_same_program(&known.process, &process)
            {
                Arc::make_mut(&mut known.process).name = late.answer;
            }
        }
    }

    /// How long the oldest reading that is not done takes.
    pub(super) fn waiting(&self, now: Instant) -> Duration {
        self.names.waiting(now)
    }

    /// The owner reported at `now_ns` (boot clock), with what /proc adds.
    pub(super) fn owner(&mut self, heard: &ReportedOwner, now_ns: u64) -> Owner {
        let has_called = matches!(heard.basis, Basis::Task | Basis::Socket);
        Owner {
            process: self.process(heard, now_ns),
            basis: heard.basis,
            shared_by: heard.holders.filter(|holders| *holders > 1),
            tid: has_called.then_some(heard.tid),
            holders: None,
            is_stale: false,
        }
    }

    /// Gives a process that is remembered the name and the user it has now, or had last.
    pub(super) fn bring_up_to_date(&mut self, process: &mut Arc<Process>, now_ns: u64) {
        let Some(start_ticks) = process.start_ticks else {
            return;
        };
        let is_it = |other: &Arc<Process>| other.start_ticks == Some(start_ticks);
        let latest = self.found(process.pid, now_ns).filter(is_it).or_else(|| {
            let known = self.known.get(&(process.pid, start_ticks))?;
            Some(Arc::clone(&known.process))
        });
        if let Some(latest) = latest {
            *process = latest;
        }
    }

    /// As [`Self::found`], as it is after the event of `now_ns`, while this second's budget lasts.
    pub(super) fn present(&mut self, pid: u32, now_ns: u64) -> Option<Arc<Process>> {
        let is_older = |found: &Found| found.clock_ns < now_ns;
        if self.found.get(&pid).is_some_and(is_older) && self.may_refresh(now_ns) {
            self.found.remove(&pid);
        }
        self.found(pid, now_ns)
    }

    /// The process that bears the number now. Read a few times a second at most: each event of its
    /// sockets may ask.
    pub(super) fn found(&mut self, pid: u32, now_ns: u64) -> Option<Arc<Process>> {
        if let Some(found) = self.found.get(&pid)
            && now_ns.saturating_sub(found.read_ns) < FRESH_NS
        {
            return found.process.clone();
        }
        let clock_ns = boot_ns();
        let process = self.read(pid, now_ns);
        if self.found.len() >= MOST_FOUND {
            self.found.clear();
        }
        let found = Found {
            process: process.clone(),
            read_ns: now_ns,
            clock_ns,
        };
        self.found.insert(pid, found);
        process
    }

    /// What /proc says now, under the name that it says.
    fn read(&mut self, pid: u32, now_ns: u64) -> Option<Arc<Process>> {
        let facts = proc::read(pid).ok()??;
        let key = (pid, facts.start_ticks);
        let process = self.named(from_facts(facts));
        if let Some(known) = self.known.get_mut(&key) {
            known.named_ns = now_ns;
            if *known.process != process {
                known.heard_comm = comm_bytes(&process.comm);
                known.process = Arc::new(process);
            }
            return Some(Arc::clone(&known.process));
        }
        let comm = comm_bytes(&process.comm);
        Some(self.keep(key, comm, process, now_ns))
    }

    fn process(&mut self, heard: &ReportedOwner, now_ns: u64) -> Arc<Process> {
        let key = (heard.pid, heard.start_ticks);
        let is_own_word = heard.basis == Basis::Task || heard.is_current;
        if let Some(known) = self.known.get_mut(&key) {
            if is_own_word && known.heard_comm == heard.comm {
                if heard.uid.is_some() && known.process.uid != heard.uid {
                    Arc::make_mut(&mut known.process).uid = heard.uid;
                }
                known.named_ns = now_ns;
                return Arc::clone(&known.process);
            }
            if !is_own_word && now_ns.saturating_sub(known.named_ns) < FRESH_NS {
                return Arc::clone(&known.process);
            }
        }
        if !is_own_word
            && !self.may_refresh(now_ns)
            && let Some(known) = self.known.get(&key)
        {
            return Arc::clone(&known.process);
        }
        let live = proc::read(heard.pid).ok().flatten();
        let process = match live.filter(|facts| facts.start_ticks == heard.start_ticks) {
            Some(facts) if is_own_word => {
                let now = self.named(from_facts(facts));
                self.at_the_event(heard, now)
            }
            Some(facts) => self.named(from_facts(facts)),
            None if is_own_word || !self.known.contains_key(&key) => self.last_known(heard),
            // The socket may remember an older name than the last that was known.
            None => return self.keep_as_it_is(key, now_ns, heard),
        };
        let comm = if is_own_word {
            heard.comm
        } else {
            comm_bytes(&process.comm)
        };
        self.keep(key, comm, process, now_ns)
    }

    /// What was reported at the event, and what /proc showed a moment later: the executable only where the
    /// name says that the program was still the same.
    fn at_the_event(&self, heard: &ReportedOwner, now: Process) -> Process {
        let comm = comm_text(heard);
        let (exe, name) = if now.comm == comm {
            (now.exe, now.name)
        } else {
            let before = self.known.peek(&(heard.pid, heard.start_ticks));
            before
                .filter(|known| known.process.comm == comm)
                .map(|known| (known.process.exe.clone(), known.process.name.clone()))
                .unwrap_or_default()
        };
        Process {
            comm,
            name,
            exe,
            uid: heard.uid.or(now.uid),
            ..now
        }
    }

    /// A process that is gone: what was known of it before, under its latest name.
    fn last_known(&self, heard: &ReportedOwner) -> Process {
        let before = self
            .known
            .peek(&(heard.pid, heard.start_ticks))
            .map(|known| &known.process);
        let comm = comm_text(heard);
        Process {
            pid: heard.pid,
            start_ticks: Some(heard.start_ticks),
            name: before
                .filter(|process| process.comm == comm)
                .and_then(|process| process.name.clone()),
            comm,
            exe: before.and_then(|process| process.exe.clone()),
            uid: heard.uid,
            cgroup: before.and_then(|process| process.cgroup.clone()),
            unit: before.and_then(|process| process.unit.clone()),
            container: before.and_then(|process| process.container.clone()),
        }
    }

    /// With the name that people know it by, asked for once as long as it runs the same program.
    fn named(&mut self, mut process: Process) -> Process {
        let known = process
            .start_ticks
            .and_then(|start| self.known.peek(&(process.pid, start)))
            .map(|known| &known.process)
            .filter(|known| is_same_program(known, &process));
        process.name = match known {
            Some(known) => known.name.clone(),
            None if proc::is_interpreter(&process.comm, process.exe.as_deref()) => {
                self.names.ask(process.clone()).flatten()
            }
            None => None,
        };
        process
    }

    fn keep_as_it_is(
        &mut self,
        key: (u32, u64),
        now_ns: u64,
        heard: &ReportedOwner,
    ) -> Arc<Process> {
        match self.known.get_mut(&key) {
            Some(known) => {
                known.named_ns = now_ns;
                Arc::clone(&known.process)
            }
            None => Arc::new(self.last_known(heard)),
        }
    }

    /// Whether a name may be read again within this second's budget.
    fn may_refresh(&mut self, now_ns: u64) -> bool {
        let second = now_ns / SECOND_NS;
        if second != self.second {
            self.second = second;
            self.refreshes = 0;
        }
        self.refreshes += 1;
        self.refreshes <= REFRESHES_PER_SECOND
    }

    fn forget_the_unasked(&mut self, now_ns: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let oldest = self.known.iter().next();
            let is_old = |known: &Known| now_ns.saturating_sub(known.named_ns) > REMEMBERED_NS;
            if !oldest.is_some_and(|(_, known)| is_old(known)) {
                return;
            }
            self.known.remove_lru();
        }
    }

    fn keep(
        &mut self,
        key: (u32, u64),
        heard_comm: [u8; 16],
        process: Process,
        now_ns: u64,
    ) -> Arc<Process> {
        self.forget_the_unasked(now_ns);
        let process = Arc::new(process);
        self.known.insert(
            key,
            Known {
                process: Arc::clone(&process),
                heard_comm,
                named_ns: now_ns,
            },
        );
        process
    }
}

fn is_same_program(one: &Process, other: &Process) -> bool {
    one.comm == other.comm && one.exe == other.exe
}

/// What it runs, if it is an interpreter and still the same process and program.
fn program_of(process: &Process) -> Option<String> {
    let name = proc::display_name(process.pid, &process.comm, process.exe.as_deref())?;
    let now = from_facts(proc::read(process.pid).ok()??);
    let is_it = now.start_ticks == process.start_ticks && is_same_program(&now, process);
    is_it.then_some(name)
}

/// A name as the kernel holds it: 15 bytes at most, and a NUL.
fn comm_bytes(comm: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(comm.bytes()) {
        *to = from;
    }
    bytes
}

/// A process as rows and incidents bear it, with the name that people know it by.
#[must_use]
pub fn with_name(facts: proc::ProcessFacts) -> Process {
    let process = from_facts(facts);
    Process {
        name: proc::display_name(process.pid, &process.comm, process.exe.as_deref()),
        ..process
    }
}

fn from_facts(facts: proc::ProcessFacts) -> Process {
    Process {
        pid: facts.pid,
        start_ticks: Some(facts.start_ticks),
        comm: facts.comm,
        name: None,
        exe: facts.exe.map(|path| path.to_string_lossy().into_owned()),
        uid: facts.uid,
        unit: facts.cgroup.as_deref().and_then(cgroup::unit),
        cgroup: facts.cgroup,
        container: facts.container,
    }
}
