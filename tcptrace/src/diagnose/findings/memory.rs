//! Memory of TCP, and what cannot be sent for a lack of it.

use super::{Case, Family, change, place, pressures, proof};
use crate::model::finding::{Finding, Severity};
use crate::model::survey::Survey;

const LIMITS: &str = "net.ipv4.tcp_mem";
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
    let pressures = pressures(survey);
    let was_pressed = pressures.value > Some(0);
    let [_, pressure, most] = limits;
    let (severity, title) = if used >= most && used > 0 {
        (Severity::Broken, "TCP uses all of the memory that tcp_mem allows")
    } else if used >= pressure {
        (Severity::Risk, "TCP is under memory pressure")
    } else if was_pressed {
        (Severity::Risk, "TCP was under memory pressure earlier")
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
    evidence.extend(was_pressed.then_some(pressures));
    Some(Finding {
        count: used,
        evidence,
        why: "Data that no process reads or no peer acknowledges fills the kernel's buffers. Under pressure \
              TCP shrinks its windows; at the limit it drops segments and closed connections."
            .to_owned(),
        do_first: "Run tcptrace states: it shows unread and unacknowledged bytes by process.".to_owned(),
        do_then: host.way_in.as_ref().map(|way_in| {
            change(
                way_in,
                LIMITS,
                &doubled.join(" "),
                "This memory cannot be swapped out: if the host runs short of memory, the kernel kills \
                 processes.",
            )
        }),
        ..family.finding(severity, title.to_owned())
    })
}

fn unsent(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let of_space = |space| {
        let titles = (
            format!("RSTs{} cannot be sent because memory is short", place(space)),
            format!("RSTs{} could not be sent earlier", place(space)),
        );
        Some(Finding {
            why: "The kernel tried to reset a connection and had no memory for the packet, so the peer does \
                  not find out."
                .to_owned(),
            do_first: "Check for a shortage of memory: free -m, and page allocation failures in dmesg."
                .to_owned(),
            ..family.of_counter(case.survey, space, UNSENT, titles)?
        })
    };
    case.survey.spaces.iter().filter_map(of_space).collect()
}
