//! Whom and what to watch: names of the command line resolved on this machine.

use std::collections::HashSet;

use super::plan::{NetnsSpec, Plan};
use crate::attribute::proc;
use crate::interpret::filter::Filter;
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
        for pid in &plan.filter.pids {
            if !matches!(proc::read(*pid), Ok(Some(_))) {
                return Err(format!(
                    "--pid {pid}: no such process; see ps -e, or trace a new process with tcptrace \
                     watch -- COMMAND"
                ));
            }
        }
        if plan.with_children {
            let roots: Vec<u32> = filter.pids.iter().copied().collect();
            let all = proc::children_closure(&roots)
                .map_err(|error| format!("--children: cannot read /proc: {error}"))?;
            filter.pids.extend(all);
        }
        for spec in &plan.netns {
            let text = spec.to_string();
            let inode =
                netns::resolve(&text).map_err(|error| format!("--netns {text}: {error}"))?;
            let inode = u32::try_from(inode)
                .map_err(|_| format!("--netns {text}: {inode} is not a namespace inode number"))?;
            if matches!(spec, NetnsSpec::Inode(_)) && !is_reachable(inode) {
                return Err(format!(
                    "--netns {text}: no process runs in such a network namespace and it has no \
                     name; lsns -t net lists namespaces"
                ));
            }
            filter.netns.push(inode);
        }
        let has_command = plan.stop.command.is_some();
        let is_partial = has_command || filter.is_partial();
        if has_command {
            // Matches nobody until the command's processes join.
            filter.pids.insert(std::process::id());
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

    /// Whose. A command is our own child, so it and its descendants descend from us.
    pub(super) fn followed_roots(&self) -> HashSet<u32> {
        self.filter.pids.clone()
    }
}

fn is_reachable(inode: u32) -> bool {
    matches!(netns::find(u64::from(inode)), Ok(Some(_)))
}
