//! Processes by (pid, start): read from /proc once, kept after they died.

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::lookups::SECOND_NS;
use super::{comm_text, proc};
use crate::model::owner::Heard;
use crate::model::{Basis, Owner, Process};

/// Beyond this the table begins anew: only names of the dead are lost by that.
const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Processes {
    known: HashMap<(u32, u64), Known, RandomState>,
    /// What a process number stood for in this second of the boot clock.
    found: HashMap<u32, Option<Arc<Process>>, RandomState>,
    second: u64,
}

#[derive(Debug)]
struct Known {
    process: Arc<Process>,
    /// The name as last heard from the process itself: a change means exec or prctl.
    heard_comm: [u8; 16],
}

impl Processes {
    /// The owner that was heard of, with what /proc adds.
    pub(super) fn owner(&mut self, heard: &Heard) -> Owner {
        let has_called = matches!(heard.basis, Basis::Task | Basis::Socket);
        Owner {
            process: self.process(heard),
            basis: heard.basis,
            shared_by: heard.holders.filter(|holders| *holders > 1),
            tid: has_called.then_some(heard.tid),
        }
    }

    /// A process found in /proc by one of its files. Read once a second: each event of its sockets
    /// may ask.
    pub(super) fn found(&mut self, pid: u32, now_ns: u64) -> Option<Owner> {
        let second = now_ns / SECOND_NS;
        if second != self.second {
            self.second = second;
            self.found.clear();
        }
        let process = match self.found.get(&pid) {
            Some(process) => process.clone(),
            None => {
                let process = self.read(pid);
                self.found.insert(pid, process.clone());
                process
            }
        }?;
        Some(Owner {
            process,
            basis: Basis::Snapshot,
            shared_by: None,
            tid: None,
        })
    }

    fn read(&mut self, pid: u32) -> Option<Arc<Process>> {
        let facts = proc::read(pid).ok()??;
        let key = (pid, facts.start_ticks);
        Some(match self.known.get(&key) {
            Some(known) => Arc::clone(&known.process),
            None => self.keep(key, [0; 16], from_facts(facts)),
        })
    }

    fn process(&mut self, heard: &Heard) -> Arc<Process> {
        let key = (heard.pid, heard.start_ticks);
        if let Some(known) = self.known.get(&key) {
            // Only the process's own call tells its name of now; what a socket remembers is old.
            if heard.basis != Basis::Task || known.heard_comm == heard.comm {
                return Arc::clone(&known.process);
            }
        }
        let live = proc::read(heard.pid).ok().flatten();
        let process = match live.filter(|facts| facts.start_ticks == heard.start_ticks) {
            Some(facts) => from_facts(facts),
            None => self.last_known(heard),
        };
        self.keep(key, heard.comm, process)
    }

    /// A process that is gone: what was known of it before, under its latest name.
    fn last_known(&self, heard: &Heard) -> Process {
        let before = self
            .known
            .get(&(heard.pid, heard.start_ticks))
            .map(|known| &known.process);
        Process {
            pid: heard.pid,
            start_ticks: Some(heard.start_ticks),
            comm: comm_text(heard),
            exe: before.and_then(|process| process.exe.clone()),
            uid: heard.uid,
            cgroup: before.and_then(|process| process.cgroup.clone()),
            container: before.and_then(|process| process.container.clone()),
        }
    }

    fn keep(&mut self, key: (u32, u64), heard_comm: [u8; 16], process: Process) -> Arc<Process> {
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let process = Arc::new(process);
        self.known.insert(
            key,
            Known {
                process: Arc::clone(&process),
                heard_comm,
            },
        );
        process
    }
}

/// A process as rows and incidents bear it.
#[must_use]
pub fn from_facts(facts: proc::ProcessFacts) -> Process {
    Process {
        pid: facts.pid,
        start_ticks: Some(facts.start_ticks),
        comm: facts.comm,
        exe: facts.exe.map(|path| path.to_string_lossy().into_owned()),
        uid: facts.uid,
        cgroup: facts.cgroup,
        container: facts.container,
    }
}
