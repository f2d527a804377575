//! What is wrong with TCP here, for the object: everything, also what the page leaves out.

use crate::diagnose::{damage, hurt, settings};
use crate::model::Finding;
use crate::model::doctor::{Doctor, Explained, HostFacts, HurtListener, Namespace, SettingsGroup};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey, WayIn};

/// Fills its fields, where anything is known.
pub(super) fn add<'a>(
    report: &mut Doctor<'a>,
    survey: Option<&'a Result<Survey, String>>,
    findings: &'a [Finding],
) {
    let survey = match survey {
        None => return,
        Some(Err(error)) => {
            report.counters_error = Some(error);
            return;
        }
        Some(Ok(survey)) => survey,
    };
    let spaces = &survey.spaces;
    let own = spaces.iter().find(|space| space.is_own());
    report.counters = own.filter(|own| own.counters.is_some()).map(moved);
    report.looked_ms = Some(survey.looked_ms);
    report.host = Some(HostFacts {
        settings: settings::of_the_host(&survey.host),
        orphans: survey.host.orphans,
        tcp_memory_pages: survey.host.memory_pages,
        page_bytes: survey.host.page_bytes,
    });
    report.settings = Some(settings::alike(survey).into_iter().map(group).collect());
    report.namespaces = Some(spaces.iter().map(namespace).collect());
    report.listeners = Some(spaces.iter().flat_map(hurt).map(listener).collect());
    report.findings = Some(findings);
    report.unseen = Some(&survey.unseen);
}

/// Of the own namespace, those that have moved and can be explained.
fn moved(own: &Space) -> Vec<Explained> {
    let explained = damage::moved(own).into_iter().filter_map(|damage| {
        Some(Explained {
            counter: damage.counter,
            value: damage.count.total,
            explain: damage.topic?,
        })
    });
    explained.collect()
}

fn group(group: settings::Alike<'_>) -> SettingsGroup {
    SettingsGroup {
        namespaces: group.spaces.iter().map(|space| space.netns).collect(),
        values: group.rows,
    }
}

fn namespace(space: &Space) -> Namespace<'_> {
    let (pid, file) = match &space.way_in {
        WayIn::Own => (None, None),
        WayIn::Pid(pid) => (Some(*pid), None),
        WayIn::Named(path) => (None, Some(path.as_str())),
    };
    Namespace {
        netns: space.netns,
        own: space.is_own(),
        processes: space.processes,
        pid,
        file,
        listeners: space.listeners.len(),
        time_wait_entries: space.time_wait,
        counters: space.counters.as_ref().map(|_| damage::all(space)),
    }
}

fn listener(row: &ListenerRow) -> HurtListener<'_> {
    HurtListener {
        netns: row.netns,
        local: row.local,
        cookie: row.cookie,
        pids: &row.pids,
        comm: row.owner.as_ref().map(|owner| owner.process.comm.as_str()),
        accept_queue: row.accept_queue,
        full: row.is_full(),
        limited_by: row.limited_by,
        drops: row.drops,
        drops_rose: row.drops_risen,
    }
}
