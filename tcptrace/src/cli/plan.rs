//! From what was written to what is meant. Refuses contradictions that no single option shows.

use thiserror::Error;

use super::args::filter::FilterArgs;
use super::args::groups::{CommandArgs, EngineArgs, LiveArgs, SelectionArgs, StopArgs};
use crate::interpret::filter::{Filter, cgroup_path};
use crate::model::{Family, Kind, KindSet};
use crate::session::Plan;
use crate::session::plan::{Engine, Stop};

/// Why a command line means nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// `--except` took everything away.
    #[error("--except leaves no kind to watch; exclude fewer kinds, or use --only")]
    NothingLeft,
    /// `--fail-on` of a kind that is not watched.
    #[error("--fail-on {kind}: this kind is not being watched, so it can never occur; {fix}")]
    FailOnUnwatched {
        /// The kind.
        kind: Kind,
        /// What to change.
        fix: &'static str,
    },
    /// `--fold always` with `--columns`.
    #[error(
        "--columns prints one line per incident, so --fold always has no meaning; drop one of them"
    )]
    FoldedColumns,
    /// A filter that needs the machine itself.
    #[error(
        "{0}: not available for a recording; pass it to tcptrace record, or use --pid, --comm or \
         --netns inode:N"
    )]
    OnlyLive(&'static str),
}

/// The plan of a live run that shows what `filter` lets through, until it is stopped.
pub(super) fn live(kinds: KindSet, filter: FilterArgs, engine: Engine) -> Plan {
    Plan {
        with_children: filter.children,
        netns: filter.netns.clone(),
        ..Plan::of(kinds, self::filter(kinds, filter), engine)
    }
}

/// The kinds that are chosen.
pub(super) fn kinds(selection: &SelectionArgs) -> Result<KindSet, PlanError> {
    let only: KindSet = selection.only.iter().copied().collect();
    let start = if !only.is_empty() {
        only
    } else if selection.all {
        KindSet::ALL
    } else {
        KindSet::DEFAULT
    };
    let kinds = selection
        .except
        .iter()
        .fold(start, |kinds, &kind| kinds.without(kind));
    if kinds.is_empty() {
        return Err(PlanError::NothingLeft);
    }
    Ok(kinds)
}

/// The kinds that are an error; they must be watched.
pub(super) fn fail_on(
    kinds: KindSet,
    selection: &SelectionArgs,
    named: &[Kind],
) -> Result<KindSet, PlanError> {
    let fail_on: KindSet = named.iter().copied().collect();
    if let Some(kind) = fail_on.iter().find(|&kind| !kinds.contains(kind)) {
        let fix = if !selection.only.is_empty() {
            "add it to --only"
        } else if selection.except.contains(&kind) {
            "remove it from --except"
        } else {
            "add --all"
        };
        return Err(PlanError::FailOnUnwatched { kind, fix });
    }
    Ok(fail_on)
}

/// The kinds that must be there, since they were named.
pub(super) fn asked_by_name(selection: &SelectionArgs, live: &LiveArgs) -> KindSet {
    selection
        .only
        .iter()
        .chain(&live.fail_on)
        .copied()
        .collect()
}

pub(super) fn stop(stop: &StopArgs, command: CommandArgs) -> Stop {
    Stop {
        after: stop.duration,
        count: stop.count,
        command: Some(command.command).filter(|words| !words.is_empty()),
    }
}

pub(super) const fn engine(args: EngineArgs) -> Engine {
    Engine {
        tier: args.tier.0,
        ring_bytes: args.ring_size,
    }
}

/// The filter as written; see [`Plan::filter`].
pub(super) fn filter(kinds: KindSet, args: FilterArgs) -> Filter {
    let family = match (args.ipv4, args.ipv6) {
        (true, _) => Some(Family::Inet),
        (false, true) => Some(Family::Inet6),
        (false, false) => None,
    };
    Filter {
        pids: args.pid.into_iter().collect(),
        comms: args.comm,
        ports: args.port,
        lports: args.lport,
        rports: args.rport,
        addrs: args.addr,
        laddrs: args.laddr,
        raddrs: args.raddr,
        family,
        cgroups: args.cgroup.iter().map(|path| cgroup_path(path)).collect(),
        ..Filter::of_kinds(kinds)
    }
}
