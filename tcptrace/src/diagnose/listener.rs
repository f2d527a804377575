//! One listener explained in sentences: what happened, on what evidence, and what to change.

use std::collections::BTreeMap;

use super::findings;
use super::fold::Tallies;
use super::retries::client_retries;
use super::settings::values_of;
use crate::interpret::advice;
use crate::model::incident::LimitedBy;
use crate::model::rows::{ListenerRow, SpaceRow};
use crate::model::snapshot::Micros;
use crate::model::survey::{Count, Space, Survey, WayIn};
use crate::model::{Basis, Finding, Kind};

/// A label and a sentence or two.
pub type Sentence = (&'static str, String);

/// The sentences about one listener, then its findings. `watched_ms`: how long hooks have been
/// watching, `None` without hooks.
#[must_use]
pub fn listener(row: &ListenerRow, space: &SpaceRow, watched_ms: Option<u64>) -> Vec<Sentence> {
    let refusals = row.refusals.unwrap_or_default();
    let refused = refusals.refused();
    let counted = u64::from(row.drops.unwrap_or(0));
    let is_hurt = row.is_full() || row.is_syn_full() || refused > 0 || counted > 0;
    let mut says = vec![
        ("listener", whose(row)),
        (
            "what happened",
            what_happened(row, refused, counted).to_owned(),
        ),
        ("accept queue", accept_queue(row)),
        ("limit", limit(row, space)),
        ("waiting", waiting(row)),
        ("SYN queue", syn_queue(row, space)),
        ("drops", drops(row)),
        ("when full", when_full(space)),
    ];
    if let Some(group) = row.group {
        let skew = match group.skew {
            Some(skew) => format!("the longest queue holds {skew:.1} times an even share"),
            None => "nothing waits in any of them".to_owned(),
        };
        says.push((
            "group",
            format!(
                "{} listeners share this address by SO_REUSEPORT, {} connections wait in all; {skew}. The \
                 kernel chooses one by a hash of the connection, so a slow process refuses its share \
                 although others are idle.",
                group.size, group.length
            ),
        ));
    }
    if is_hurt {
        for finding in findings(&survey(row, space, watched_ms), &Tallies::default()) {
            says.extend(advised(&finding));
        }
    }
    says.push((
        "check",
        format!(
            "ss -ltnm 'sport = :{}' shows the same queue (Recv-Q/Send-Q) and drop counter (d); \
             tcptrace listeners --watch --port {} shows what is refused while you look",
            row.local.port, row.local.port
        ),
    ));
    says
}

/// The listener alone, with the counters of its namespace.
fn survey(row: &ListenerRow, space: &SpaceRow, watched_ms: Option<u64>) -> Survey {
    let risen = space.risen.unwrap_or_default();
    let now = space.counters;
    let counts = [
        (
            "TcpExt.ListenOverflows",
            now.accept_overflows,
            risen.accept_overflows,
        ),
        (
            "TcpExt.TCPReqQFullDrop",
            now.syn_queue_drops,
            risen.syn_queue_drops,
        ),
        (
            "TcpExt.TCPReqQFullDoCookies",
            now.syn_queue_cookies,
            risen.syn_queue_cookies,
        ),
        (
            "TcpExt.TCPDeferAcceptDrop",
            now.deferred_acks,
            risen.deferred_acks,
        ),
    ];
    let counters: BTreeMap<String, Count> = counts
        .into_iter()
        .filter_map(|(name, total, rose)| {
            let total = total?;
            Some((name.to_owned(), Count { total, rose }))
        })
        .collect();
    let way_in = match row.pids.first() {
        _ if space.is_own => WayIn::Own,
        Some(pid) => WayIn::Pid(*pid),
        None => WayIn::Own,
    };
    Survey {
        looked_ms: watched_ms.unwrap_or(0),
        spaces: vec![Space {
            netns: space.netns,
            way_in,
            processes: 0,
            settings: values_of(&space.settings),
            counters: Some(counters),
            time_wait: None,
            listeners: vec![row.clone()],
            ports: Vec::new(),
            stuck: Vec::new(),
        }],
        ..Survey::default()
    }
}

fn advised(finding: &Finding) -> Vec<Sentence> {
    let mut says = vec![
        (
            "finding",
            format!("{}: {}", finding.severity, finding.title),
        ),
        ("why", finding.why.clone()),
        ("do first", finding.do_first.clone()),
    ];
    if let Some(change) = &finding.do_then {
        says.push(("then", change.command.clone()));
        says.push(("risk", change.risk.clone()));
    }
    says
}

fn whose(row: &ListenerRow) -> String {
    match &row.owner {
        None => format!(
            "{}, held by a process that was not found (see below, or run as root)",
            row.local
        ),
        Some(owner) => {
            let name = owner.process.display_name();
            let basis = if owner.basis == Basis::Snapshot {
                ""
            } else {
                "probably "
            };
            match row.pids.len() {
                0 | 1 => format!("{}, {basis}{name} ({})", row.local, owner.process.pid),
                holders => format!(
                    "{}, {basis}{name} ({}) and {} more processes share one queue",
                    row.local,
                    owner.process.pid,
                    holders - 1
                ),
            }
        }
    }
}

fn what_happened(row: &ListenerRow, refused: u64, counted: u64) -> &'static str {
    let of = |kind, fallback| advice::find(kind, None).map_or(fallback, |advice| advice.line);
    if row.is_full() {
        of(Kind::AcceptDrop, "The accept queue is full.")
    } else if row.is_syn_full() {
        of(Kind::SynDrop, "The SYN queue is full.")
    } else if refused > 0 {
        "Connections were refused since tcptrace began to watch; there is room now."
    } else if counted > 0 {
        "Nothing now. The drop counter shows that the kernel dropped something after the listener began."
    } else {
        "Nothing: no queue is full, and the listener has never dropped anything."
    }
}

fn accept_queue(row: &ListenerRow) -> String {
    let queue = row.accept_queue;
    let room = (u64::from(queue.limit) + 1).saturating_sub(u64::from(queue.length));
    let state = if row.is_full() {
        "it is full, and the kernel refuses the next connection".to_owned()
    } else {
        format!("there is room for {room} more")
    };
    format!(
        "{} connections wait for accept(); the limit is {} (the queue holds limit + 1): {state}",
        queue.length, queue.limit
    )
}

fn waiting(row: &ListenerRow) -> String {
    let Some(accepts) = row.accepts else {
        return "tcptrace measures how long connections wait for accept() only with --watch, and only \
                where functions of the kernel can be hooked"
            .to_owned();
    };
    let older = match accepts.older {
        0 => String::new(),
        older => format!("; {older} more were established before"),
    };
    let last = accepts.last_ms.map_or_else(
        || "nothing was accepted since watching began".to_owned(),
        |ms| {
            format!(
                "the last accept() was {} ago",
                Micros(ms.saturating_mul(1000))
            )
        },
    );
    let Some(waits) = accepts.waits() else {
        return format!("{last}{older}");
    };
    format!(
        "of {} connections accepted since watching began half waited up to {}, 99 in 100 up to {}, \
         the slowest {}{older}; {last}",
        accepts.measured,
        Micros(waits.p50_us),
        Micros(waits.p99_us),
        Micros(waits.max_us)
    )
}

fn limit(row: &ListenerRow, space: &SpaceRow) -> String {
    let limit = row.accept_queue.limit;
    let Some(somaxconn) = space.settings.somaxconn else {
        return "tcptrace could not read net.core.somaxconn of that namespace, so it does not know which \
                setting binds"
            .to_owned();
    };
    match row.limited_by {
        Some(LimitedBy::Backlog) if row.backlog_is_seen => format!(
            "the backlog binds: listen() was given {limit}, net.core.somaxconn would allow {somaxconn}"
        ),
        Some(LimitedBy::Backlog) => format!(
            "listen() was given {limit}, or net.core.somaxconn was {limit} when it was called; \
             somaxconn is {somaxconn} now"
        ),
        Some(LimitedBy::Somaxconn) => match row.backlog {
            Some(backlog) if somaxconn > limit => format!(
                "net.core.somaxconn bound: listen() was given {} and got {limit}; somaxconn is \
                 {somaxconn} now, which the next listen() gets",
                given(backlog)
            ),
            Some(backlog) => format!(
                "net.core.somaxconn binds: listen() was given {} and got {limit}; somaxconn is \
                 {somaxconn} now",
                given(backlog)
            ),
            None => format!(
                "net.core.somaxconn binds: {somaxconn}; listen() was given that or more, so a larger \
                 backlog alone changes nothing"
            ),
        },
        Some(LimitedBy::Both) => {
            format!("backlog and net.core.somaxconn are both {limit}: raise both")
        }
        // The last is about SYN queues only.
        None | Some(LimitedBy::MaxSynBacklog) => format!(
            "{limit} is more than the present net.core.somaxconn ({somaxconn}), which was lowered after \
             listen(); the next listen() gets {somaxconn} at most"
        ),
    }
}

/// A backlog below 0 means no bound of its own.
fn given(backlog: u32) -> String {
    match i32::try_from(backlog) {
        Ok(bounded) if bounded < i32::MAX => bounded.to_string(),
        _ => "no bound (-1)".to_owned(),
    }
}

fn syn_queue(row: &ListenerRow, space: &SpaceRow) -> String {
    let queue = row.syn_queue;
    let cookies = match space.settings.tcp_syncookies {
        Some(0) => {
            let early = space.settings.tcp_max_syn_backlog.map_or_else(
                || "net.ipv4.tcp_max_syn_backlog".to_owned(),
                |max| format!("net.ipv4.tcp_max_syn_backlog ({max})"),
            );
            format!(
                "SYN cookies are off: the kernel drops SYNs when it is full, and SYNs of unknown peers as \
                 soon as less than a quarter of {early} is free"
            )
        }
        Some(2) => {
            "the kernel answers every SYN with a cookie (tcp_syncookies=2), so it stays empty"
                .to_owned()
        }
        Some(_) => "when it is full, the kernel answers SYNs with cookies and refuses no client; \
                    tcp_max_syn_backlog then has no effect"
            .to_owned(),
        None => "tcptrace could not read whether SYN cookies are on".to_owned(),
    };
    let shared = if row.group.is_some() {
        " (of the whole group)"
    } else {
        ""
    };
    format!(
        "{} handshakes half open{shared}, limit {}, the same as of the accept queue; {cookies}",
        queue.length, queue.limit
    )
}

fn drops(row: &ListenerRow) -> String {
    let counter = match row.drops {
        Some(0) => "0 since the listener began".to_owned(),
        Some(drops) => format!(
            "{drops} on the socket's counter since the listener began. It rises by 1 for a SYN and by 2 for \
             a refused ACK, and also for repeated SYNs and socket filters, so it is not the number of \
             clients"
        ),
        None => "this kernel reports no drop counter for this socket".to_owned(),
    };
    match row.refusals {
        Some(seen) => format!(
            "{counter}. Observed since watching began: {} SYNs and {} ACKs for a full accept queue, {} \
             counted without their step, {} SYNs for a full SYN queue, {} answered by cookies",
            seen.accept_syn, seen.accept_ack, seen.accept_counted, seen.syn_queue, seen.cookies
        ),
        None => format!("{counter}. Only --watch shows which step was refused"),
    }
}

fn when_full(space: &SpaceRow) -> String {
    match space.settings.tcp_abort_on_overflow {
        Some(0) => format!(
            "net.ipv4.tcp_abort_on_overflow=0: clients get no answer; {}",
            client_retries(&values_of(&space.settings))
        ),
        Some(_) => {
            "net.ipv4.tcp_abort_on_overflow=1: a client whose handshake was complete gets a RST; SYNs are \
             still dropped silently"
                .to_owned()
        }
        None => "net.ipv4.tcp_abort_on_overflow could not be read".to_owned(),
    }
}
