//! Local ports used up: towards one destination, or of one local address over all destinations.

use super::{Case, Family, change, is_near, place, proof};
use crate::diagnose::effects::usable_ports;
use crate::model::Kind;
use crate::model::finding::{Change, Finding, Proof, Severity};
use crate::model::rows::PortUse;
use crate::model::survey::Space;

const RANGE: &str = "net.ipv4.ip_local_port_range";
const REUSE: &str = "net.ipv4.tcp_tw_reuse";
const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "ports_exhausted",
    topics: &[],
    find,
}];

/// Findings of one namespace at most; the fullest come first.
const MOST: usize = 5;

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let of_space = |space| {
        let full = move |one: &&PortUse| is_pressed(space, one);
        let mut full: Vec<&PortUse> = space.ports.iter().filter(full).collect();
        // What one destination explains is not reported for the address again.
        let destinations: Vec<_> = full
            .iter()
            .filter(|one| one.remote.is_some())
            .map(|one| one.local)
            .collect();
        full.retain(|one| one.remote.is_some() || !destinations.contains(&one.local));
        full.into_iter()
            .take(MOST)
            .map(|one| used_up(family, space, one))
            .collect::<Vec<_>>()
    };
    case.survey.spaces.iter().flat_map(of_space).collect()
}

/// Ports that there are, and those that a new connection cannot have.
fn taken(space: &Space, one: &PortUse) -> (u64, u64) {
    let all = usable_ports(&space.settings).unwrap_or(one.range.into());
    let used = match one.remote {
        Some(_) if reuses_time_wait(space, one) => one.live,
        _ => one.used(),
    };
    (u64::from(used), all)
}

/// Whether connect() may take over ports in TIME_WAIT: those older than a second.
fn reuses_time_wait(space: &Space, one: &PortUse) -> bool {
    let has_timestamps = space.settings.number(TIMESTAMPS) != Some(0);
    has_timestamps
        && match space.settings.number(REUSE) {
            Some(1) => true,
            Some(2) => one.local.is_loopback(),
            _ => false,
        }
}

fn is_pressed(space: &Space, one: &PortUse) -> bool {
    let (used, all) = taken(space, one);
    // connect() shares a port between destinations and bind() does not: only where each connection
    // has a port of its own the sum over all destinations is what runs out.
    let is_bound_first = one.sockets <= one.used() + one.used() / 10;
    is_near(used, all) && (one.remote.is_some() || is_bound_first)
}

fn used_up(family: &Family, space: &Space, one: &PortUse) -> Finding {
    let (used, all) = taken(space, one);
    let towards = match one.remote {
        Some(remote) => format!("towards {remote}"),
        None => "over all destinations".to_owned(),
    };
    let state = if used >= all {
        "all local ports"
    } else {
        "nearly all local ports"
    };
    let severity = if used >= all {
        Severity::Broken
    } else {
        Severity::Degraded
    };
    let mut evidence = vec![
        proof(
            format!(
                "{} of {all} ports are in use: {} by live connections, {} in TIME_WAIT",
                one.used(),
                one.live,
                one.time_wait
            ),
            one.used().into(),
            "sock_diag",
        ),
        Proof {
            text: format!("{RANGE} is {}", space.settings.text(RANGE).unwrap_or("?")),
            value: Some(all),
            source: RANGE.to_owned(),
        },
    ];
    for (owner, count) in &one.holders {
        evidence.push(proof(
            format!(
                "{} ({}) uses {count} of them",
                owner.process.display_name(), owner.process.pid
            ),
            (*count).into(),
            "sock_diag",
        ));
    }
    let why = match one.remote {
        Some(_) => {
            "connect() needs a local port that no other connection to that address and port uses. \
             Without one it fails with EADDRNOTAVAIL (\"Cannot assign requested address\")."
        }
        None => {
            "Each connection uses a different port, which happens when a program calls bind() before \
             connect(): bind() needs a port that no socket at that local address uses, whatever the \
             destination, and fails with EADDRINUSE (\"Address already in use\")."
        }
    };
    let do_first = match (one.remote, one.time_wait > one.live) {
        (_, true) => {
            "Reuse connections (keep-alive, pools) instead of opening short ones: most of these ports are \
             in TIME_WAIT because this host closed first."
        }
        (Some(_), false) => {
            "Find connections that are open without need, for example from a pool without a limit or from \
             responses that never end. Spread the load over more destination addresses or ports."
        }
        (None, false) => {
            "Set IP_BIND_ADDRESS_NO_PORT before bind(), so that connect() chooses the port for each \
             destination, or use more source addresses."
        }
    };
    Finding {
        netns: Some(space.netns),
        who: one.holders.iter().map(|(owner, _)| owner.clone()).collect(),
        count: u64::from(one.used()),
        evidence,
        why: why.to_owned(),
        do_first: do_first.to_owned(),
        do_then: remedy(space, one),
        explain: Some((Kind::TimeWait, None)),
        ..family.finding(
            severity,
            format!(
                "{state} of {}{} are used up {towards}",
                one.local,
                place(space)
            ),
        )
    }
}

fn remedy(space: &Space, one: &PortUse) -> Option<Change> {
    let reuse_helps = one.time_wait > one.live
        && one.remote.is_some()
        && space.settings.number(TIMESTAMPS) != Some(0)
        && space.settings.number(REUSE) != Some(1);
    if reuse_helps {
        return Some(change(
            &space.way_in,
            REUSE,
            "1",
            "This is safe for connections made from this host while timestamps are on at both ends. It \
             changes nothing for connections that clients make to this host.",
        ));
    }
    let [first, _] = space.settings.numbers::<2>(RANGE)?;
    (first > 1024).then(|| {
        change(
            &space.way_in,
            RANGE,
            "1024 65535",
            "A service that listens on a port in the new range may find it in use when it starts: add such \
             ports to net.ipv4.ip_local_reserved_ports first.",
        )
    })
}
