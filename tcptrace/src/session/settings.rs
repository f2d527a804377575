//! The configuration of the programs, and the sizes of their maps.

use tcptrace_common::config::{
    Config, FILTER_FAMILY, FILTER_NETNS, FILTER_PID, FILTER_PORTS, FOLLOWS, LIST, MEASURE_ACCEPTS,
};
use tcptrace_common::flow::{AF_INET, AF_INET6};

use anyhow::Context;

use super::{Plan, Scope};
use crate::kernel::attach::{AttachReport, Sizes};
use crate::kernel::memory_limit;
use crate::model::{Family, Kind, KindSet, Tier};
use crate::source::netns;
use crate::source::sock_diag::{self, States};
use crate::survey::namespaces;

/// Sockets remembered at least, and at most.
const FEWEST_SOCKS: u32 = 65_536;
const MOST_SOCKS: u32 = 1 << 20;
/// Network namespaces whose counters are remembered at least, and at most.
const FEWEST_NAMESPACES: u32 = 1024;
const MOST_NAMESPACES: u32 = 16_384;

/// The kernel's configuration with this plan's filters.
pub(super) fn config(kernel: Config, plan: &Plan, scope: &Scope) -> Config {
    let mut config = kernel;
    config.kinds = plan.kinds.bits();
    config.crowded_from = plan.engine.ring_bytes / 4 * 3;
    config.packed_from = plan.engine.ring_bytes / 8 * 7;
    let filter = &scope.filter;
    if plan.kinds.contains(Kind::RstSent) || plan.kinds.contains(Kind::PawsDrop) {
        // Who left a TIME_WAIT must be known when it resets or rejects a segment, shown or not.
        config.kinds |= KindSet::EMPTY.with(Kind::TimeWait).bits();
    }
    // By number alone: who bears the number of another start is left to the user side.
    if !scope.follows()
        && fill(
            &mut config.pids,
            filter.pids.processes().map(|(pid, _)| pid),
        )
    {
        config.features |= FILTER_PID;
    }
    if scope.follows() {
        config.features |= FOLLOWS;
    }
    if let Some(family) = filter.family {
        config.features |= FILTER_FAMILY;
        config.family = u32::from(match family {
            Family::Inet => AF_INET,
            Family::Inet6 => AF_INET6,
        });
    }
    if plan.measures_accepts {
        config.features |= MEASURE_ACCEPTS;
    }
    if fill(&mut config.netns, filter.netns.iter().copied()) {
        config.features |= FILTER_NETNS;
    }
    let has_any = fill(&mut config.any_ports, filter.ports.iter().copied());
    let has_local = fill(&mut config.local_ports, filter.lports.iter().copied());
    let has_remote = fill(&mut config.remote_ports, filter.rports.iter().copied());
    if has_any || has_local || has_remote {
        config.features |= FILTER_PORTS;
    }
    config
}

/// Why the tier that the user insists on is not to be had; `None` = it serves, or needs nothing.
pub(super) fn tier_refused(forced: Option<Tier>, report: &AttachReport) -> Option<String> {
    let forced = forced?;
    let prefixes = match forced {
        Tier::Fentry => ["fentry/", "fexit/"],
        Tier::Kprobe => ["kprobe/", "kretprobe/"],
        Tier::Tracepoint | Tier::Counting => return None,
    };
    if report.has_tier(forced) {
        return None;
    }
    let refusals = report.accept.iter().chain(&report.outcomes);
    let why = refusals
        .flat_map(|outcome| &outcome.refusals)
        .find(|refusal| prefixes.iter().any(|prefix| refusal.starts_with(prefix)))?;
    Some(format!(
        "--tier {forced}: this kernel refuses all of its hooks ({why}); omit --tier, or use --tier tracepoint"
    ))
}

/// Fills a list if the values fit; whether there are any. A list too long is left to the user
/// side.
fn fill<T: Copy + Default>(list: &mut [T; LIST], values: impl ExactSizeIterator<Item = T>) -> bool {
    if values.len() == 0 || values.len() > LIST {
        return false;
    }
    for (place, value) in list.iter_mut().zip(values) {
        *place = value;
    }
    true
}

/// Maps without the ring, and what loading the programs takes besides; measured as what does not suffice.
const LEAST_MEMORY: u64 = 30 << 20;

/// Why the kernel would kill this process instead of running it; `None`: nothing is known against it.
pub(super) fn too_little_memory(ring: u32) -> Option<String> {
    let (limit, group) = memory_limit::memory_limit()?;
    lacks_memory(limit, ring).then(|| {
        let least = (LEAST_MEMORY + u64::from(ring)) >> 20;
        format!(
            "the control group {} may use {} MB of memory and tcptrace needs more than {least}: raise its \
             limit, or use a smaller --ring-size",
            group.display(),
            limit >> 20
        )
    })
}

fn lacks_memory(limit: u64, ring: u32) -> bool {
    limit < LEAST_MEMORY + u64::from(ring)
}

/// How many entries the maps of the kernel side have, for a trial of what happens when one is full.
const MAP_ENTRIES: &str = "TCPTRACE_MAP_ENTRIES";

/// Room for twice the sockets and namespaces there are now.
///
/// # Errors
/// When the environment asks for a number of entries that is none.
pub(super) fn sizes(ring: u32) -> anyhow::Result<Sizes> {
    let most = match std::env::var(MAP_ENTRIES) {
        Ok(text) => Some(entries(&text)?),
        Err(_) => None,
    };
    let mut sockets = 0_u32;
    let all = namespaces(&[]).unwrap_or_default();
    let spaces = u32::try_from(all.listed.len()).unwrap_or(u32::MAX);
    for found in all.found {
        if let Ok(stat) = crate::source::mib::Sockstat::read(&found) {
            let inuse = stat.tcp_inuse.unwrap_or(0);
            sockets = sockets.saturating_add(u32::try_from(inuse).unwrap_or(u32::MAX));
        }
    }
    Ok(Sizes {
        ring,
        socks: sockets.saturating_mul(2).clamp(FEWEST_SOCKS, MOST_SOCKS),
        namespaces: spaces
            .saturating_mul(2)
            .clamp(FEWEST_NAMESPACES, MOST_NAMESPACES),
        most,
    })
}

fn entries(text: &str) -> anyhow::Result<u32> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.with_context(|| {
        format!("{MAP_ENTRIES}={text:?} is no number of entries: give 1 or more, or unset it")
    })
}

/// Inode and cookie of every socket there is, for when the kernel side could not list them; and
/// why those of some namespaces are missing.
pub(super) fn sockets(watched: &[u32]) -> (Vec<(u64, u64)>, Vec<String>) {
    let (mut sockets, mut missed) = (Vec::new(), Vec::new());
    let all = namespaces(watched).unwrap_or_default();
    missed.extend(all.left_out());
    for found in all.found {
        let listed = netns::with(&found, || {
            let mut rows = Vec::new();
            let dump = sock_diag::for_each(States::ALL, |row| {
                rows.extend(row.inode.map(|inode| (inode, row.cookie)));
            });
            (rows, dump)
        });
        match listed {
            Ok((rows, Ok(_))) => sockets.extend(rows),
            Ok((_, Err(error))) => missed.push(error.to_string()),
            Err(error) => missed.push(error.to_string()),
        }
    }
    (sockets, missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::filter::Filter;
    use crate::session::plan::Engine;

    #[test]
    fn a_limit_below_what_maps_take_is_too_little() {
        assert!(lacks_memory(34 << 20, 8 << 20));
        assert!(lacks_memory((34 << 20) - 1, 4 << 20));
        assert!(!lacks_memory(34 << 20, 4 << 20));
    }

    fn patched(change: impl Fn(&mut Filter)) -> Config {
        let kinds = KindSet::EMPTY.with(Kind::AcceptDrop);
        let mut filter = Filter::of_kinds(kinds);
        change(&mut filter);
        let engine = Engine {
            tier: None,
            ring_bytes: 1 << 20,
        };
        let plan = Plan::of(kinds, filter, engine);
        config(Config::EMPTY, &plan, &Scope::resolve(&plan).unwrap())
    }

    #[test]
    fn every_filter_of_the_kernel_side_has_its_bit_and_its_values() {
        let config = patched(|filter| filter.family = Some(Family::Inet6));
        assert_eq!(config.features, FILTER_FAMILY);
        assert_eq!(config.family, u32::from(AF_INET6));
        let config = patched(|filter| filter.family = Some(Family::Inet));
        assert_eq!(config.family, u32::from(AF_INET));
        let config = patched(|filter| {
            filter.pids.add(std::process::id(), 1);
        });
        assert_eq!(config.features, FILTER_PID);
        assert_eq!(config.pids[0], std::process::id());
        let config = patched(|filter| filter.netns.push(77));
        assert_eq!((config.features, config.netns[0]), (FILTER_NETNS, 77));
        let config = patched(|filter| filter.rports.push(443));
        assert_eq!(
            (config.features, config.remote_ports[0]),
            (FILTER_PORTS, 443)
        );
        assert_eq!(patched(|_| ()).features, 0);
    }
}
