//! Full accept queues: which limit binds decides whether a setting helps.

use super::{
    Case, Family, ROOM, change, counter, first_fix, hurt, looked, place, proof, rate, whose,
};
use crate::diagnose::late::late;
use crate::model::Kind;
use crate::model::finding::{Change, Finding, Proof, Severity};
use crate::model::incident::LimitedBy;
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey};

const OVERFLOWS: &str = "TcpExt.ListenOverflows";
const SOMAXCONN: &str = "net.core.somaxconn";
const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "accept_queue_full",
        topics: &[
            (Kind::AcceptDrop, None),
            (Kind::AcceptDrop, Some("syn")),
            (Kind::AcceptDrop, Some("ack")),
        ],
        find: full,
    },
    Family {
        id: "abort_on_overflow",
        topics: &[
            (Kind::AcceptDrop, Some("reset")),
            (Kind::RstSent, Some("accept_overflow")),
        ],
        find: aborting,
    },
];

fn full(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = family
        .of_incidents(case, Severity::Broken)
        .into_iter()
        .collect();
    for space in &case.survey.spaces {
        let overflows = space.rose(OVERFLOWS);
        let is_hurt_now = |row: &&ListenerRow| {
            row.is_full() || (overflows > 0 && row.drops_risen.is_some_and(|rose| rose > 0))
        };
        let before = found.len();
        let now = space.listeners.iter().filter(is_hurt_now);
        found.extend(now.map(|row| at_listener(family, case.survey, space, row)));
        if found.len() > before || space.total(OVERFLOWS) == 0 {
            continue;
        }
        // Nobody is full now: the worst since they began, or nobody is left.
        found.push(match hurt(space).max_by_key(|row| row.drops) {
            Some(row) if overflows == 0 => at_listener(family, case.survey, space, row),
            _ => of_nobody(family, case.survey, space),
        });
    }
    found
}

fn at_listener(family: &Family, survey: &Survey, space: &Space, row: &ListenerRow) -> Finding {
    let queue = row.accept_queue;
    let rose = row.drops_risen.unwrap_or(0);
    let refuses = row.is_full() || (rose > 0 && space.rose(OVERFLOWS) > 0);
    let (severity, says) = match (row.is_full(), refuses) {
        (true, _) => (Severity::Broken, "is full: the kernel refuses new clients"),
        (false, true) => (Severity::Broken, "overflows: the kernel refuses clients"),
        (false, false) => (Severity::Risk, "was full earlier; it has room now"),
    };
    let mut evidence = vec![proof(
        format!(
            "{} connections wait for accept(), the limit is {}{}",
            queue.length,
            queue.limit,
            binding(row)
        ),
        queue.length.into(),
        "sock_diag",
    )];
    if let Some(drops) = row.drops.filter(|drops| *drops > 0) {
        evidence.push(proof(
            match rose {
                0 => format!("the listener dropped {drops} since it began"),
                rose => format!(
                    "the listener dropped {drops} since it began, +{rose} in {}",
                    looked(survey)
                ),
            },
            drops.into(),
            "sock_diag",
        ));
    }
    evidence.extend(counter(survey, space, OVERFLOWS));
    // Once nobody waits, what its holders do now does not say why the queue was full.
    let (why, do_first, do_then) = match late(row).filter(|_| queue.length > 0) {
        Some(late) => {
            evidence.extend(late.evidence);
            let (hint, change) = if late.fills_any_queue {
                (String::new(), None)
            } else {
                remedy(space, row)
            };
            (format!("{}{hint}", late.why), late.do_first, change)
        }
        None => {
            let (hint, change) = remedy(space, row);
            let why = format!(
                "The process does not call accept() as fast as clients connect, so finished \
                 handshakes fill the queue.{hint}"
            );
            (why, first_fix((Kind::AcceptDrop, None)), change)
        }
    };
    Finding {
        netns: Some(space.netns),
        who: row.owner.iter().cloned().collect(),
        rate_per_s: rate(survey, rose.min(space.rose(OVERFLOWS))),
        count: u64::from(queue.length).max(rose),
        evidence,
        why,
        do_first,
        do_then,
        ..family.finding(
            severity,
            format!("the accept queue of {}{} {says}", whose(row), place(space)),
        )
    }
}

fn of_nobody(family: &Family, survey: &Survey, space: &Space) -> Finding {
    let rose = space.rose(OVERFLOWS);
    let (severity, title) = match rose {
        0 => (
            Severity::Risk,
            format!(
                "accept queues{} overflowed before; their listeners are gone",
                place(space)
            ),
        ),
        _ => (
            Severity::Broken,
            format!("an accept queue{} overflows: the kernel refuses clients", place(space)),
        ),
    };
    Finding {
        netns: Some(space.netns),
        rate_per_s: rate(survey, rose),
        count: rose.max(1),
        evidence: counter(survey, space, OVERFLOWS).into_iter().collect(),
        why: "The counter covers the whole namespace and does not name the listener.".to_owned(),
        do_first: "Run tcptrace listeners --watch to see which listener refuses clients, and which \
                   limit binds."
            .to_owned(),
        ..family.finding(severity, title)
    }
}

fn binding(row: &ListenerRow) -> String {
    match row.limited_by {
        Some(LimitedBy::Backlog) if !row.backlog_is_seen => String::new(),
        Some(binds) => format!(", set by {}", binds.name()),
        None => String::new(),
    }
}

/// What the limit says about the cause, and what would raise it.
fn remedy(space: &Space, row: &ListenerRow) -> (String, Option<Change>) {
    let limit = row.accept_queue.limit;
    let somaxconn = space.settings.text(SOMAXCONN).unwrap_or("?");
    let is_raised = space
        .settings
        .number(SOMAXCONN)
        .is_some_and(|now| now > u64::from(limit));
    let wanted = u64::from(limit).saturating_mul(2).max(ROOM).to_string();
    let raise = |risk| Some(change(&space.way_in, SOMAXCONN, &wanted, risk));
    match row.limited_by {
        Some(LimitedBy::Backlog) if row.backlog_is_seen => (
            format!(
                " The backlog given to listen(), {limit}, binds: raise it in the program's \
                 configuration. net.core.somaxconn allows {somaxconn}, so no sysctl is needed."
            ),
            None,
        ),
        Some(LimitedBy::Backlog) => (
            format!(
                " Either listen() was given {limit}, or net.core.somaxconn was {limit} at that time; \
                 it is {somaxconn} now. Restart the program first; if the limit stays {limit}, raise \
                 the backlog in its configuration."
            ),
            None,
        ),
        Some(LimitedBy::Somaxconn) if is_raised => (
            format!(
                " net.core.somaxconn was {limit} when the program called listen(); it is {somaxconn} \
                 now. Restart the program: the limit is fixed by listen()."
            ),
            None,
        ),
        Some(LimitedBy::Somaxconn | LimitedBy::Both) => (
            String::new(),
            raise(
                "It takes effect at the next listen(): restart the program, with a backlog that is as \
                 large. A longer queue means longer waits and does not help a program that cannot keep up.",
            ),
        ),
        // The last is about SYN queues only.
        None | Some(LimitedBy::MaxSynBacklog) => (
            String::new(),
            raise(
                "net.core.somaxconn was lowered after listen(): if you restart the program before you raise \
                 it again, the queue gets shorter.",
            ),
        ),
    }
}

fn aborting(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::from_iter(family.of_incidents(case, Severity::Broken));
    for space in &case.survey.spaces {
        let Some(value) = space.settings.number(ABORT).filter(|value| *value > 0) else {
            continue;
        };
        let full = space.listeners.iter().filter(|row| row.is_full()).count();
        let overflows = space.total(OVERFLOWS);
        if full == 0 && overflows == 0 {
            continue;
        }
        let severity = match (full, space.rose(OVERFLOWS)) {
            (0, 0) => Severity::Risk,
            _ => Severity::Broken,
        };
        let mut evidence = vec![proof(format!("{ABORT}={value}"), value, ABORT)];
        evidence.extend(counter(case.survey, space, OVERFLOWS));
        if full > 0 {
            evidence.push(Proof {
                text: match full {
                    1 => "1 accept queue is full now".to_owned(),
                    full => format!("{full} accept queues are full now"),
                },
                value: Some(full as u64),
                source: "sock_diag".to_owned(),
            });
        }
        let worst = space.listeners.iter().filter(|row| row.is_full());
        let late = worst.max_by_key(|row| row.accept_queue.length).and_then(late);
        let mut why = "With this setting a full accept queue answers the last packet of a handshake \
                       with a RST: connect() succeeds, and the first read or write fails with \
                       ECONNRESET."
            .to_owned();
        let mut do_first = first_fix((Kind::AcceptDrop, None));
        if let Some(late) = late {
            evidence.extend(late.evidence);
            why = format!("{why} {}", late.why);
            do_first = late.do_first;
        }
        found.push(Finding {
            netns: Some(space.netns),
            count: full as u64,
            evidence,
            why,
            do_first,
            do_then: Some(change(
                &space.way_in,
                ABORT,
                "0",
                "Clients then wait and retry instead of failing at once. That is slower for clients that \
                 could go to another server.",
            )),
            ..family.finding(
                severity,
                format!(
                    "tcp_abort_on_overflow={value} resets clients when an accept queue{} overflows",
                    place(space)
                ),
            )
        });
    }
    found
}
