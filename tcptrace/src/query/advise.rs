//! From rows to sentences: what happened to one listener, what a setting does here.

use crate::interpret::advice;
use crate::model::incident::LimitedBy;
use crate::model::rows::{ListenerRow, SpaceRow};
use crate::model::snapshot::Micros;
use crate::model::{Basis, Kind};

/// A label and a sentence or two.
pub type Sentence = (&'static str, String);

/// One listener explained: what happened, the evidence, what to change, how to check.
#[must_use]
pub fn listener(row: &ListenerRow, space: &SpaceRow) -> Vec<Sentence> {
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
            Some(skew) => format!("the longest holds {skew:.1} times an even share"),
            None => "nothing waits in any of them".to_owned(),
        };
        says.push((
            "group",
            format!(
                "{} listeners share this address by SO_REUSEPORT, {} connections wait in all; {skew}. \
                 The kernel chooses one by a hash of the connection, so one slow process refuses \
                 its share although others are idle.",
                group.size, group.length
            ),
        ));
    }
    if is_hurt {
        says.extend(changes(row, space));
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

fn whose(row: &ListenerRow) -> String {
    match &row.owner {
        None => format!(
            "{}, held by a process that could not be found (see below, or run as root)",
            row.local
        ),
        Some(owner) => {
            let name = &owner.process.comm;
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
        "Connections were refused since watching began; there is room at this moment."
    } else if counted > 0 {
        "Nothing at this moment. The drop counter says that something was dropped since the \
         listener began."
    } else {
        "Nothing: no queue is full and the listener never dropped anything."
    }
}

fn accept_queue(row: &ListenerRow) -> String {
    let queue = row.accept_queue;
    let room = (u64::from(queue.limit) + 1).saturating_sub(u64::from(queue.length));
    let state = if row.is_full() {
        "full: the next connection is refused".to_owned()
    } else {
        format!("{room} more fit")
    };
    format!(
        "{} connections wait for accept(), limit {} (limit + 1 fit): {state}",
        queue.length, queue.limit
    )
}

fn waiting(row: &ListenerRow) -> String {
    let Some(accepts) = row.accepts else {
        return "how long connections wait for accept() is only measured with --watch, and only where \
                functions of the kernel can be hooked"
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
        return "net.core.somaxconn of that namespace could not be read, so what binds is not known"
            .to_owned();
    };
    match row.limited_by {
        Some(LimitedBy::Backlog) => format!(
            "the backlog binds: listen() was given {limit}, net.core.somaxconn would allow {somaxconn}"
        ),
        Some(LimitedBy::Somaxconn) => match row.backlog {
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
        None => format!(
            "{limit} is more than net.core.somaxconn of now ({somaxconn}), which was lowered after \
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
                "SYN cookies are off: when it is full SYNs are dropped, and peers not known yet \
                 already when less than a quarter of {early} is free"
            )
        }
        Some(2) => "SYN cookies are always sent, nothing is remembered here".to_owned(),
        Some(_) => "when it is full, SYNs are answered by cookies and nobody is refused; \
                    tcp_max_syn_backlog does not act then"
            .to_owned(),
        None => "whether SYN cookies are on is not known".to_owned(),
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
            "{drops} on the socket's counter since the listener began: 1 for a SYN, 2 for a third \
             ACK, and drops of socket filters too, so it is not a number of clients"
        ),
        None => "the kernel tells no drop counter of this socket".to_owned(),
    };
    match row.refusals {
        Some(seen) => format!(
            "{counter}. Seen since watching began: {} SYNs and {} ACKs for a full accept queue, {} \
             counted without their step, {} SYNs for a full SYN queue, {} answered by cookies",
            seen.accept_syn, seen.accept_ack, seen.accept_counted, seen.syn_queue, seen.cookies
        ),
        None => format!("{counter}. Which step is only seen with --watch"),
    }
}

fn when_full(space: &SpaceRow) -> String {
    match space.settings.tcp_abort_on_overflow {
        Some(0) => {
            "net.ipv4.tcp_abort_on_overflow=0: clients hear nothing and retry after 1 s, 3 s, \
                    7 s"
            .to_owned()
        }
        Some(_) => {
            "net.ipv4.tcp_abort_on_overflow=1: a client whose handshake was complete gets a \
                    RST; a SYN is still dropped in silence"
                .to_owned()
        }
        None => "net.ipv4.tcp_abort_on_overflow could not be read".to_owned(),
    }
}

fn changes(row: &ListenerRow, space: &SpaceRow) -> Vec<Sentence> {
    let mut says = Vec::new();
    if let Some(first) = advice::find(Kind::AcceptDrop, None).and_then(|advice| advice.fix.first())
    {
        says.push(("change first", (*first).to_owned()));
    }
    let wanted = row.accept_queue.limit.saturating_mul(2).max(1024);
    let raise = match row.limited_by {
        Some(LimitedBy::Backlog) => format!(
            "raise the backlog in the program's configuration; up to {} needs no sysctl",
            space.settings.somaxconn.unwrap_or(row.accept_queue.limit)
        ),
        _ => format!(
            "sysctl -w net.core.somaxconn={wanted}, raise the program's backlog to that, and restart \
             it: the limit is fixed by listen()"
        ),
    };
    says.push(("then", raise));
    says
}

/// What the settings about TIME_WAIT do here: name, value, effect.
#[must_use]
pub fn time_wait_settings(space: &SpaceRow) -> Vec<(&'static str, String, String)> {
    let settings = &space.settings;
    let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |v| v.to_string());
    let delay = settings.tcp_tw_reuse_delay_ms.unwrap_or(1000);
    let timestamps_off = settings.tcp_timestamps == Some(0);
    let reuse = match settings.tcp_tw_reuse {
        _ if timestamps_off => "no effect while tcp_timestamps=0".to_owned(),
        Some(0) => "connect() never takes over a TIME_WAIT port; 1 would let it, for connections \
                    made from here"
            .to_owned(),
        Some(1) => format!("connect() may take over a port in TIME_WAIT for {delay} ms or more"),
        Some(_) => format!(
            "connect() may take over a port in TIME_WAIT for {delay} ms or more, on loopback only; \
             1 would allow it everywhere"
        ),
        None => "not known".to_owned(),
    };
    let timestamps = match settings.tcp_timestamps {
        Some(0) => "no PAWS, no tw_reuse, and cookies lose window scaling",
        Some(_) => "protects reuse of ports from old segments",
        None => "not known",
    };
    let mut says = vec![
        ("tcp_tw_reuse", number(settings.tcp_tw_reuse), reuse),
        (
            "tcp_timestamps",
            number(settings.tcp_timestamps),
            timestamps.to_owned(),
        ),
        (
            "tcp_max_tw_buckets",
            number(settings.tcp_max_tw_buckets),
            "beyond it no TIME_WAIT is made: late segments then get a RST; it is no cure for many"
                .to_owned(),
        ),
    ];
    if let Some(recycle) = settings.tcp_tw_recycle {
        says.push((
            "tcp_tw_recycle",
            recycle.to_string(),
            "1 refuses clients behind one NAT address by their timestamps; keep it 0".to_owned(),
        ));
    }
    says
}
