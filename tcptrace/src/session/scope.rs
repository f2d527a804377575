//! Whom and what to watch: names of the command line resolved on this machine.

use std::collections::BTreeMap;

use anyhow::Context;
use aya::maps::Map;

use super::plan::{NetnsSpec, Plan};
use crate::attribute::proc;
use crate::interpret::filter::Filter;
use crate::source::followed::Followed;
use crate::source::netns;

/// A filter with everything looked up.
#[derive(Debug)]
pub struct Scope {
    /// What to show.
    pub filter: Filter,
    /// Filters besides kinds and namespaces are in force.
    pub(super) is_partial: bool,
    with_children: bool,
    has_command: bool,
}

impl Scope {
    /// Looks everything up.
    ///
    /// # Errors
    /// A usage error, in one sentence.
    pub fn resolve(plan: &Plan) -> Result<Self, String> {
        let mut filter = plan.filter.clone();
        for pid in plan.filter.pids.numbers() {
            let Ok(Some(facts)) = proc::read(pid) else {
                return Err(format!(
                    "--pid {pid}: no such process; run ps -e to find it, or trace a new process with \
                     tcptrace watch -- COMMAND"
                ));
            };
            filter.pids.pin(pid, facts.start_ticks);
        }
        if plan.with_children {
            let roots: Vec<_> = filter.pids.processes().collect();
            let all = proc::children_closure(&roots)
                .map_err(|error| format!("--children: cannot read /proc: {error}"))?;
            for (pid, start_ticks) in all {
                filter.pids.add(pid, start_ticks);
            }
        }
        filter.netns.extend(namespaces(&plan.netns)?);
        let has_command = plan.stop.command.is_some();
        let is_partial = has_command || filter.is_partial();
        if has_command {
            // Matches nobody until the command's processes join.
            let pid = std::process::id();
            let facts = proc::read(pid)
                .ok()
                .flatten()
                .ok_or("cannot read our own entry in /proc")?;
            filter.pids.add(pid, facts.start_ticks);
        }
        Ok(Self {
            filter,
            is_partial,
            with_children: plan.with_children,
            has_command,
        })
    }

    /// Whether descendants are followed.
    pub fn follows(&self) -> bool {
        self.with_children || self.has_command
    }

    /// Begins to follow. A command is our own child, so it and its descendants descend from us.
    ///
    /// Children forked since they were looked up are found by looking again, now that forks are reported
    /// of: until nobody new is there.
    ///
    /// # Errors
    /// When there is no map of followed processes, it is full, or /proc cannot be read.
    pub(super) fn follow(&mut self, maps: &mut BTreeMap<String, Map>) -> anyhow::Result<Followed> {
        let pids = &mut self.filter.pids;
        let mut followed = Followed::open(maps, pids.processes())?;
        let mut has_news = self.with_children;
        while has_news {
            has_news = false;
            let roots: Vec<_> = pids.processes().collect();
            for (pid, start_ticks) in proc::children_closure(&roots).context("cannot read /proc")? {
                has_news |= followed.add(pid, start_ticks)?;
                pids.add(pid, start_ticks);
            }
        }
        Ok(followed)
    }
}

/// Network namespaces as inode numbers.
///
/// # Errors
/// A usage error, in one sentence.
pub fn namespaces(specs: &[NetnsSpec]) -> Result<Vec<u32>, String> {
    let inode = |spec: &NetnsSpec| {
        let failed = |why: String| format!("--netns {spec}: {why}");
        let inode = netns::resolve(&spec.to_string()).map_err(|error| failed(error.to_string()))?;
        let inode = u32::try_from(inode)
            .map_err(|_| failed(format!("{inode} is not a namespace inode number")))?;
        let is_there = !matches!(spec, NetnsSpec::Inode(_))
            || matches!(netns::find(u64::from(inode)), Ok(Some(_)));
        let why = "no process runs in this network namespace and it has no name; lsns -t net lists \
                   namespaces";
        is_there
            .then_some(inode)
            .ok_or_else(|| failed(why.to_owned()))
    };
    specs.iter().map(inode).collect()
}
