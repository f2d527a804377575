//! Memory of TCP, and what cannot be sent for a lack of it.

use super::{Case, Family, change, counter, place, proof, rate};
use crate::model::finding::{Finding, Severity};
use crate::model::survey::Survey;

const LIMITS: &str = "net.ipv4.tcp_mem";
const PRESSURES: &str = "TcpExt.TCPMemoryPressures";
const UNSENT: &str = "TcpExt.TCPAbortFailed";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "tcp_memory",
        topics: &[],
        find: |family, case| by_limits(family, case.survey).into_iter().collect(),
    },
    Family {
        id: "resets_not_sent",
        topics: &[],
        find: unsent,
    },
];

fn by_limits(family: &Family, survey: &Survey) -> Option<Finding> {
    let host = &survey.host;
    let limits: [u64; 3] = host.settings.numbers(LIMITS)?;
    let used = host.memory_pages?;
    let pressures: u64 = survey.spaces.iter().map(|space| space.total(PRESSURES)).sum();
    let [_, pressure, most] = limits;
    let (severity, title) = if used >= most && used > 0 {
        (Severity::Broken, "TCP uses all the memory that tcp_mem allows")
    } else if used >= pressure {
        (Severity::Risk, "TCP is under memory pressure")
    } else if pressures > 0 {
        (Severity::Risk, "TCP came under memory pressure before")
    } else {
        return None;
    };
    let doubled = limits.map(|pages| pages.saturating_mul(2).to_string());
    let mut evidence = vec![proof(
        format!(
            "TCP uses {used} pages; tcp_mem is {} {pressure} {most}",
            limits[0]
        ),
        used,
        LIMITS,
    )];
    if pressures > 0 {
        evidence.push(proof(
            format!("it came under pressure {pressures} times"),
            pressures,
            PRESSURES,
        ));
    }
    Some(Finding {
        count: used,
        evidence,
        why: "Data that nobody reads or acknowledges fills the kernel's buffers. Under pressure TCP \
              shrinks its windows; at the limit it drops segments and closed connections."
            .to_owned(),
        do_first: "Run tcptrace states: it shows unread and unacknowledged bytes by process.".to_owned(),
        do_then: host.way_in.as_ref().map(|way_in| {
            change(
                way_in,
                LIMITS,
                &doubled.join(" "),
                "This memory cannot be swapped: on a host that is short of it, other processes are \
                 killed.",
            )
        }),
        ..family.finding(severity, title.to_owned())
    })
}

fn unsent(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let spaces = case.survey.spaces.iter();
    let hurt = spaces.filter(|space| space.total(UNSENT) > 0);
    hurt.map(|space| {
        let rose = space.rose(UNSENT);
        Finding {
            netns: Some(space.netns),
            rate_per_s: rate(case.survey, rose),
            count: rose.max(1),
            evidence: counter(case.survey, space, UNSENT).into_iter().collect(),
            why: "The kernel wanted to reset a connection and found no memory for the packet, so the \
                  peer does not learn of it."
                .to_owned(),
            do_first: "Look for a shortage of memory: free -m, and dmesg for page allocation \
                       failures."
                .to_owned(),
            ..family.finding(
                if rose > 0 {
                    Severity::Broken
                } else {
                    Severity::Risk
                },
                match rose {
                    0 => format!("RSTs{} could not be sent before", place(space)),
                    _ => format!("RSTs{} cannot be sent for a lack of memory", place(space)),
                },
            )
        }
    })
    .collect()
}
