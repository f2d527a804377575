//! What holds for a run, gathered when it begins: for recordings and whoever shows a whole screen.

use std::fs;

use super::{Plan, Scope};
use crate::kernel::Kernel;
use crate::kernel::attach::AttachReport;
use crate::kernel::sysctl::Sysctls;
use crate::model::run::SpaceFacts;
use crate::model::{Clock, KindSet, RunFacts};
use crate::source::netns::{self, Reach};
use crate::survey::{namespaces, number, settings};

/// The facts of a run that is about to begin.
pub(super) fn gather(
    kernel: &Kernel,
    report: &AttachReport,
    plan: &Plan,
    scope: &Scope,
    clock: Clock,
) -> RunFacts {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    RunFacts {
        host_name: host_name.map(|name| name.trim_end().to_owned()),
        kernel: kernel.release.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        clock,
        kinds: plan.kinds,
        is_partial: scope.is_partial,
        words: words.collect(),
        hooks: report.attached.clone(),
        unseen: unseen(report, plan.kinds),
        spaces: spaces(&scope.filter.netns),
    }
}

/// What cannot be seen of these kinds, or is only counted, and why: one sentence each.
fn unseen(report: &AttachReport, kinds: KindSet) -> Vec<String> {
    let gaps = report.gaps(kinds);
    let mut sentences: Vec<String> = gaps.map(|gap| gap.to_string()).collect();
    if let Some(why) = &report.snapshot_refused {
        sentences.push(format!(
            "owners of older sockets (looked up in /proc instead): {why}"
        ));
    }
    sentences
}

/// Namespaces that can be entered, with their settings; none named: all.
fn spaces(watched: &[u32]) -> Vec<SpaceFacts> {
    let mut spaces = Vec::new();
    for found in namespaces(watched).unwrap_or_default().found {
        let Some(netns) = number(&found) else {
            continue;
        };
        if let Ok(sysctls) = netns::with(&found, Sysctls::read) {
            spaces.push(SpaceFacts {
                netns,
                is_own: found.reach == Reach::Own,
                settings: settings(&sysctls),
            });
        }
    }
    spaces.sort_by_key(|space| space.netns);
    spaces
}
