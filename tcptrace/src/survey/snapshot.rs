//! Takes a snapshot: every network namespace's sockets, settings and counters, and who holds the
//! sockets. Reads only. What cannot be read is reported in `Snapshot::unseen`, never omitted silently.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;

use super::activity::Activities;
use super::boot_ns;
use super::namespaces::{namespaces, number};
use super::services;
use super::settings::settings;
use crate::attribute::holders::{self, Query};
use crate::attribute::{proc, with_name};
use crate::kernel::sysctl::Sysctls;
use crate::model::flow::TcpState;
use crate::model::snapshot::{Form, Sending, Settings, Snapshot, Socket, Space, SpaceCounters};
use crate::model::{Endpoint, Family, Process};
use crate::source::mib::{Counters, Sockstat};
use crate::source::netns::{self, Netns, Reach};
use crate::source::sock_diag::{self, DiagError, Dump, Info, SockRow, States, Timer};

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Sockets in these states.
    pub states: States,
    /// How each connection gets on: windows, bytes on their way, times.
    pub has_info: bool,
    /// Half-open handshakes per listener.
    pub has_half_open: bool,
    /// Holders of listeners only, instead of all sockets.
    pub owners_of_listeners: bool,
    /// What the holders of full listeners do: takes a quarter of a second where one is full.
    pub has_activities: bool,
}

/// What one namespace says from within.
struct Inside {
    rows: Vec<SockRow>,
    half_open: Vec<(Endpoint, u32)>,
    sysctls: Sysctls,
    is_interrupted: bool,
}

/// The snapshot; `watched` empty: of every namespace.
///
/// # Errors
/// When /proc cannot be read.
pub fn take(look: &Look, watched: &[u32]) -> anyhow::Result<Snapshot> {
    let all = namespaces(watched).context("cannot look for network namespaces in /proc")?;
    let mut snapshot = Snapshot {
        boot_ns: boot_ns(),
        ..Snapshot::default()
    };
    snapshot.unseen.extend(all.left_out());
    if all.unreadable_processes > 0 {
        snapshot.unseen.push(format!(
            "the network namespace of {} cannot be read without CAP_SYS_PTRACE",
            processes(all.unreadable_processes)
        ));
    }
    let mut inodes = HashSet::new();
    let mut spaces = Vec::new();
    for found in &all.found {
        let Some(inode) = number(found) else {
            continue;
        };
        match inside(found, look) {
            Ok(inside) => {
                let is_wanted = |row: &&SockRow| {
                    !look.owners_of_listeners || row.state == sock_diag::state::LISTEN
                };
                inodes.extend(inside.rows.iter().filter(is_wanted).filter_map(|r| r.inode));
                if inside.is_interrupted {
                    snapshot.unseen.push(format!(
                        "the sockets of netns {inode} changed while they were listed; some may be \
                         missing or appear twice"
                    ));
                }
                spaces.push((inode, found, inside));
            }
            // Its last process ended meanwhile: then there is nothing to see.
            Err(error) if is_gone(&error) => {}
            Err(error) => snapshot
                .unseen
                .push(format!("the sockets of netns {inode}: {error:#}")),
        }
    }
    // Only the first namespace of the host shows this limit, which is that of all.
    let tcp_max_orphans = Sysctls::read().tcp_max_orphans;
    let holders = holders_of(&inodes, &mut snapshot.unseen)?;
    for (inode, found, inside) in spaces {
        let counters = counters(found).unwrap_or_else(|error| {
            let why = format!("the counters of netns {inode}: {error:#}");
            snapshot.unseen.push(why);
            SpaceCounters::default()
        });
        let mut space = Space {
            netns: inode,
            is_own: found.reach == Reach::Own,
            settings: Settings {
                tcp_max_orphans,
                ..settings(&inside.sysctls)
            },
            counters,
            sockets: inside
                .rows
                .iter()
                .filter_map(|row| socket(row, &holders))
                .collect(),
            half_open: inside.half_open,
        };
        services::put_first(&mut space, found, !look.owners_of_listeners);
        snapshot.spaces.push(space);
    }
    if look.has_activities {
        Activities::default().explain(&mut snapshot, |_, _| false);
    }
    Ok(snapshot)
}

fn inside(found: &Netns, look: &Look) -> anyhow::Result<Inside> {
    let inside = netns::with(found, || -> Result<Inside, DiagError> {
        let mut rows = Vec::new();
        let mut dump = if look.has_info {
            sock_diag::for_each_with_info(look.states, |row| rows.push(row))?
        } else {
            sock_diag::for_each(look.states, |row| rows.push(row))?
        };
        let mut half_open = Vec::new();
        if look.has_half_open {
            let (counts, counted) = sock_diag::syn_recv_counts()?;
            let ends = counts.into_iter().map(|(end, count)| {
                let (addr, port) = (end.ip(), end.port());
                (Endpoint { addr, port }, count)
            });
            half_open.extend(ends);
            dump = both(dump, counted);
        }
        // The socket list is walked, not frozen: a socket that moves is met twice.
        let mut seen = HashSet::new();
        rows.retain(|row| seen.insert((row.cookie, row.state)));
        Ok(Inside {
            rows,
            half_open,
            sysctls: Sysctls::read(),
            is_interrupted: dump.interrupted,
        })
    })?;
    Ok(inside?)
}

fn both(one: Dump, other: Dump) -> Dump {
    Dump {
        rows: one.rows + other.rows,
        interrupted: one.interrupted || other.interrupted,
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(netns::EnterError::Gone { .. }))
}

fn processes(count: u32) -> String {
    match count {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    }
}

/// Processes by the inode of a socket they hold.
fn holders_of(
    inodes: &HashSet<u64>,
    unseen: &mut Vec<String>,
) -> anyhow::Result<HashMap<u64, Vec<Arc<Process>>>> {
    let query = Query {
        wanted: Some(inodes),
        ..Query::default()
    };
    let found = holders::scan(&query).context("cannot look for sockets in /proc")?;
    if found.unreadable_processes > 0 {
        unseen.push(format!(
            "the open files of {} cannot be read without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; \
             owners shown as ? may be among them",
            processes(found.unreadable_processes)
        ));
    }
    let mut known: HashMap<u32, Option<Arc<Process>>> = HashMap::new();
    let mut by_inode: HashMap<u64, Vec<Arc<Process>>> = HashMap::new();
    for (inode, pid) in found.pairs() {
        let process = known.entry(*pid).or_insert_with(|| {
            let facts = proc::read(*pid).ok().flatten()?;
            Some(Arc::new(with_name(facts)))
        });
        if let Some(process) = process {
            by_inode
                .entry(*inode)
                .or_default()
                .push(Arc::clone(process));
        }
    }
    Ok(by_inode)
}

fn socket(row: &SockRow, holders: &HashMap<u64, Vec<Arc<Process>>>) -> Option<Socket> {
    let end = |end: std::net::SocketAddr| Endpoint {
        addr: end.ip().to_canonical(),
        port: end.port(),
    };
    let form = if row.is_full_socket() {
        Form::Full
    } else if row.timer == Some(Timer::TimeWait) || row.state == sock_diag::state::TIME_WAIT {
        Form::TimeWait
    } else {
        Form::Request
    };
    Some(Socket {
        family: match row.family {
            sock_diag::Family::Inet => Family::Inet,
            sock_diag::Family::Inet6 => Family::Inet6,
        },
        state: TcpState::from_number(row.state)?,
        form,
        local: end(row.local),
        remote: row.remote.map(end),
        cookie: row.cookie,
        inode: row.inode,
        receive_queue: row.rqueue,
        send_queue: row.wqueue,
        resends: row.retrans,
        timer_ms: row.expires_ms,
        drops: row.sk_drops,
        silent_ms: row.info.and_then(|info| info.last_data_recv_ms),
        sending: row.info.map(|info| sending(row, &info)),
        v6only: row.v6only,
        backlog: None,
        accepts: None,
        holders: row
            .inode
            .and_then(|inode| holders.get(&inode))
            .cloned()
            .unwrap_or_default(),
    })
}

fn sending(row: &SockRow, info: &Info) -> Sending {
    Sending {
        unsent_bytes: info.notsent_bytes,
        is_probing: row.timer == Some(Timer::Probe),
        last_sent_ms: info.last_data_sent_ms,
        last_ack_ms: info.last_ack_recv_ms,
        segment_bytes: info.snd_mss,
        peer_window: info.snd_wnd,
        own_window: info.rcv_wnd,
        held_back_ms: info.rwnd_limited_us.map(|us| us / 1000),
    }
}

fn counters(found: &Netns) -> anyhow::Result<SpaceCounters> {
    let counters = Counters::read(found)?;
    let levels = Sockstat::read(found)?;
    Ok(SpaceCounters {
        accept_overflows: counters.value("TcpExt.ListenOverflows"),
        syn_queue_drops: counters.value("TcpExt.TCPReqQFullDrop"),
        syn_queue_cookies: counters.value("TcpExt.TCPReqQFullDoCookies"),
        deferred_acks: counters.value("TcpExt.TCPDeferAcceptDrop"),
        time_wait_overflows: counters.value("TcpExt.TCPTimeWaitOverflow"),
        time_wait_reuses: counters.value("TcpExt.TWRecycled"),
        time_wait_entries: levels.time_wait,
        orphans: levels.orphans,
    })
}
