//! Full queues of listeners: which limit binds decides whether a setting helps.

use super::{About, Advice, ROOM, command, first_fix, hurt, whose};
use crate::model::Kind;
use crate::model::incident::LimitedBy;
use crate::model::rows::ListenerRow;
use crate::query::checkup::Space;

fn has_overflowed(space: &Space) -> bool {
    space.total("TcpExt.ListenOverflows") > 0 || space.listeners.iter().any(ListenerRow::is_full)
}

pub(super) fn accept_queue(space: &Space) -> Option<Advice> {
    if !has_overflowed(space) {
        return None;
    }
    let full = space.listeners.iter().find(|row| row.is_full());
    let worst = full.or_else(|| hurt(space).max_by_key(|row| row.drops));
    let overflows = space.total("TcpExt.ListenOverflows");
    let counted = format!(
        "accept queues of netns {} overflowed {overflows} times",
        space.netns
    );
    let Some(row) = worst else {
        return Some(Advice {
            about: About::AcceptQueue,
            netns: Some(space.netns),
            evidence: format!("{counted}, of listeners that are gone"),
            first: "See who it is when it happens again: tcptrace listeners --watch".to_owned(),
            command: None,
            risk: "Which limit was met is not known any more, so no setting is advised.".to_owned(),
        });
    };
    let queue = row.accept_queue;
    let state = if row.is_full() {
        format!("is full: {} wait, limit {}", queue.length, queue.limit)
    } else {
        let drops = row.drops.unwrap_or(0);
        format!("dropped {drops} since it began, its queue has room now")
    };
    let wanted = u64::from(queue.limit).saturating_mul(2).max(ROOM);
    let (command, risk) = match row.limited_by {
        Some(LimitedBy::Somaxconn | LimitedBy::Both) => (
            Some(command(
                &space.way_in,
                "net.core.somaxconn",
                &wanted.to_string(),
            )),
            "Acts at the next listen(): restart the program, with a backlog as large. A longer \
             queue means longer waits, and does not help a program that cannot keep up."
                .to_owned(),
        ),
        Some(LimitedBy::Backlog) => (
            None,
            format!(
                "No sysctl helps: the backlog given to listen() binds, {}. Raise it in the \
                 program's configuration; net.core.somaxconn allows {}.",
                queue.limit,
                space.settings.text("net.core.somaxconn").unwrap_or("?")
            ),
        ),
        None => (
            Some(command(
                &space.way_in,
                "net.core.somaxconn",
                &wanted.to_string(),
            )),
            "net.core.somaxconn was lowered since listen(): a restart before it is raised again \
             would make the queue shorter."
                .to_owned(),
        ),
    };
    Some(Advice {
        about: About::AcceptQueue,
        netns: Some(space.netns),
        evidence: format!("{} {state}; {counted}", whose(row)),
        first: first_fix(Kind::AcceptDrop, None),
        command,
        risk,
    })
}

pub(super) fn abort_on_overflow(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_abort_on_overflow";
    let value = space.settings.number(name).filter(|value| *value > 0)?;
    has_overflowed(space).then(|| Advice {
        about: About::AbortOnOverflow,
        netns: Some(space.netns),
        evidence: format!(
            "tcp_abort_on_overflow={value} while accept queues of netns {} overflow: clients whose \
             connect() succeeded may get a RST",
            space.netns
        ),
        first: first_fix(Kind::AcceptDrop, None),
        command: Some(command(&space.way_in, name, "0")),
        risk: "Clients then wait and retry instead of failing at once, which is slower for those \
               that would go to another server."
            .to_owned(),
    })
}

pub(super) fn syn_queue(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_syncookies";
    let dropped = space.total("TcpExt.TCPReqQFullDrop");
    let cookies = space.total("TcpExt.TCPReqQFullDoCookies");
    let first = "Find out whether it is honest load or a flood (ss -tn state syn-recv shows from \
                 where); for honest load raise the backlog of the listener, which limits its SYN \
                 queue too."
        .to_owned();
    if dropped > 0 && space.settings.number(name) == Some(0) {
        return Some(Advice {
            about: About::SynQueue,
            netns: Some(space.netns),
            evidence: format!(
                "{dropped} SYNs were dropped by full SYN queues of netns {}, and tcp_syncookies=0",
                space.netns
            ),
            first,
            command: Some(command(&space.way_in, name, "1")),
            risk:
                "Connections made by a cookie lose window scaling and SACK where the client sends \
                   no timestamps."
                    .to_owned(),
        });
    }
    let told = match (dropped, cookies) {
        (0, 0) => return None,
        (0, cookies) => format!("{cookies} SYNs were answered by cookies"),
        (dropped, _) => format!("{dropped} SYNs were dropped while cookies were off"),
    };
    Some(Advice {
        about: About::SynQueue,
        netns: Some(space.netns),
        evidence: format!(
            "{told}, since SYN queues of netns {} were full",
            space.netns
        ),
        first,
        command: None,
        risk: "No sysctl is needed: cookies are on, so nobody is refused.".to_owned(),
    })
}
