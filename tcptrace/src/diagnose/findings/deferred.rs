//! Connections that wait in the SYN queue until their client sends something: TCP_DEFER_ACCEPT.

use super::{Case, Family, half_open, place, whose};
use crate::model::finding::{Finding, Severity};
use crate::model::survey::Space;

const HELD_BACK: &str = "TcpExt.TCPDeferAcceptDrop";

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "deferred_accepts",
    topics: &[],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    family.by_space(case, Severity::Degraded, |space| {
        // Without a queue that is filling up it is what the option is for.
        let waiting: Vec<_> = space
            .listeners
            .iter()
            .filter(|row| row.is_syn_full())
            .collect();
        let row = waiting.first()?;
        let titles = (
            format!(
                "clients of {}{} are connected but have not sent anything yet",
                whose(row),
                place(space)
            ),
            format!(
                "clients of {}{} may be connected and waiting to send",
                whose(row),
                place(space)
            ),
        );
        let mut found = family.of_counter(case.survey, space, HELD_BACK, titles)?;
        found.severity = severity(space);
        found.who = waiting.iter().filter_map(|row| row.owner.clone()).collect();
        found.evidence.extend(waiting.iter().map(|row| half_open(row)));
        found.why = "A listener with TCP_DEFER_ACCEPT (nginx: deferred; Apache: AcceptFilter) leaves a \
                     connection in the SYN queue until its first data arrives: the client is connected, but \
                     accept() does not return it yet. These connections fill the SYN queue; accept() is not \
                     late."
            .to_owned();
        found.do_first = "Find out why the clients do not send (health checks, connections opened ahead of \
                          need, protocols in which the server speaks first), or remove TCP_DEFER_ACCEPT."
            .to_owned();
        Some(found)
    })
}

/// Meanwhile new clients get SYN cookies, or no answer.
fn severity(space: &Space) -> Severity {
    if space.rose(HELD_BACK) > 0 {
        Severity::Degraded
    } else {
        Severity::Risk
    }
}
