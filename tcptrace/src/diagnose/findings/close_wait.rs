//! Sockets that the process does not close although the peer did.

use super::{Case, Family, place, proof};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};
use crate::model::rows::{Anomaly, TopRemote};

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "close_wait_leak",
    topics: &[],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for space in &case.survey.spaces {
        for row in &space.stuck {
            if row.anomaly != Some(Anomaly::CloseWaitPiling) {
                continue;
            }
            let who = row.owner.as_ref().map_or_else(
                || "an unknown process".to_owned(),
                |owner| format!("{} ({})", owner.process.display_name(), owner.process.pid),
            );
            let mut evidence = vec![proof(
                format!("{} sockets are in CLOSE_WAIT", row.count),
                row.count,
                "sock_diag",
            )];
            if let Some(ms) = row.silent_ms_max {
                evidence.push(proof(
                    format!("the oldest has received nothing for {} s", ms / 1000),
                    ms.into(),
                    "sock_diag",
                ));
            }
            if row.unread_bytes > 0 {
                evidence.push(proof(
                    format!("{} bytes wait to be read", row.unread_bytes),
                    row.unread_bytes,
                    "sock_diag",
                ));
            }
            if let Some(TopRemote { addr, port, count }) = row.top_remote {
                let end = port.map_or_else(
                    || addr.to_string(),
                    |port| crate::model::Endpoint { addr, port }.to_string(),
                );
                evidence.push(proof(format!("{count} of them with {end}"), count, "sock_diag"));
            }
            found.push(Finding {
                netns: Some(space.netns),
                who: row.owner.iter().cloned().collect(),
                count: row.count,
                evidence,
                why: "The peer closed, and the process neither reads the end of the data nor closes its \
                      side. Each of these sockets uses a descriptor and memory."
                    .to_owned(),
                do_first: "Find where the program forgets to close: a connection pool that does not \
                           check idle connections, an error path without close(), or a blocked \
                           worker. ss -tnp state close-wait lists the sockets."
                    .to_owned(),
                explain: Some((Kind::State, None)),
                ..family.finding(
                    Severity::Risk,
                    format!(
                        "{who}{} does not close {} connections that their peers closed",
                        place(space),
                        row.count
                    ),
                )
            });
        }
    }
    found
}
