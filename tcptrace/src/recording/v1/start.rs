//! How a file begins and ends, as bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Malformed;
use crate::model::run::SpaceFacts;
use crate::model::snapshot::Settings;
use crate::model::{Clock, Host, Kind, RunFacts};
use crate::recording::{Counters, KernelCount, Standing, Start};

/// A payload of kind Start.
#[derive(Serialize, Deserialize)]
struct StartForm {
    run: [u8; 16],
    sequence: u32,
    facts: Option<FactsForm>,
    reset_reasons: Vec<Option<String>>,
    drop_reasons: Vec<Option<String>>,
    hz: Option<u64>,
    standing: StandingForm,
    /// What a newer tcptrace has to add, by name.
    more: Vec<(String, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct FactsForm {
    host_name: Option<String>,
    kernel: String,
    version: String,
    boot_to_wall_ns: i64,
    start_boot_ns: u64,
    /// Names: a kind may be added anywhere.
    kinds: Vec<String>,
    is_partial: bool,
    words: Vec<String>,
    hooks: Vec<String>,
    unseen: Vec<String>,
    spaces: Vec<SpaceForm>,
}

#[derive(Serialize, Deserialize)]
struct SpaceForm {
    netns: u32,
    is_own: bool,
    /// By the kernel's names.
    settings: Vec<(String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct StandingForm {
    boot_ns: u64,
    counters: Vec<(u32, Vec<(String, u64)>)>,
    unread: u32,
    kernel: Vec<(String, u64, u64)>,
    filtered: u64,
    skipped: u64,
    has_gone: bool,
}

/// A payload of kind End.
#[derive(Serialize, Deserialize)]
struct EndForm {
    standing: StandingForm,
    more: Vec<(String, Vec<u8>)>,
}

/// The payload with which a file begins.
pub(crate) fn start_bytes(start: &Start) -> Vec<u8> {
    let reasons = |names: &[Option<Arc<str>>]| {
        let names = names.iter().map(|name| name.as_deref().map(str::to_owned));
        names.collect()
    };
    let form = StartForm {
        run: start.run,
        sequence: start.sequence,
        facts: start.facts.as_ref().map(facts_form),
        reset_reasons: reasons(&start.host.reset_reasons),
        drop_reasons: reasons(&start.host.drop_reasons),
        hz: start.host.hz,
        standing: standing_form(&start.standing),
        more: standing_more(&start.standing),
    };
    // Writing to memory what has only lists and numbers does not fail.
    postcard::to_stdvec(&form).unwrap_or_default()
}

/// The payload with which a file ends.
pub(crate) fn end_bytes(standing: &Standing) -> Vec<u8> {
    let form = EndForm {
        standing: standing_form(standing),
        more: standing_more(standing),
    };
    postcard::to_stdvec(&form).unwrap_or_default()
}

/// How a file begins.
pub(crate) fn read_start(payload: &[u8]) -> Result<Start, Malformed> {
    let form: StartForm = postcard::from_bytes(payload)?;
    let reasons = |names: Vec<Option<String>>| {
        let names = names.into_iter().map(|name| name.map(Arc::from));
        names.collect()
    };
    Ok(Start {
        run: form.run,
        sequence: form.sequence,
        facts: form.facts.map(facts),
        host: Host {
            reset_reasons: reasons(form.reset_reasons),
            drop_reasons: reasons(form.drop_reasons),
            hz: form.hz,
        },
        standing: standing(form.standing, &form.more),
    })
}

/// Where things stood when a file ended.
pub(crate) fn read_end(payload: &[u8]) -> Result<Standing, Malformed> {
    let form: EndForm = postcard::from_bytes(payload)?;
    Ok(standing(form.standing, &form.more))
}

fn facts_form(facts: &RunFacts) -> FactsForm {
    FactsForm {
        host_name: facts.host_name.clone(),
        kernel: facts.kernel.clone(),
        version: facts.version.clone(),
        boot_to_wall_ns: facts.clock.boot_to_wall_ns,
        start_boot_ns: facts.clock.start_boot_ns,
        kinds: facts.kinds.iter().map(|kind| kind.to_string()).collect(),
        is_partial: facts.is_partial,
        words: facts.words.clone(),
        hooks: facts.hooks.clone(),
        unseen: facts.unseen.clone(),
        spaces: facts
            .spaces
            .iter()
            .map(|space| SpaceForm {
                netns: space.netns,
                is_own: space.is_own,
                settings: settings_form(&space.settings),
            })
            .collect(),
    }
}

fn facts(form: FactsForm) -> RunFacts {
    let spaces = form.spaces.into_iter().map(|space| SpaceFacts {
        netns: space.netns,
        is_own: space.is_own,
        settings: settings(&space.settings),
    });
    RunFacts {
        host_name: form.host_name,
        kernel: form.kernel,
        version: form.version,
        clock: Clock {
            boot_to_wall_ns: form.boot_to_wall_ns,
            start_boot_ns: form.start_boot_ns,
        },
        kinds: form
            .kinds
            .iter()
            .filter_map(|name| Kind::from_name(name))
            .collect(),
        is_partial: form.is_partial,
        words: form.words,
        hooks: form.hooks,
        unseen: form.unseen,
        spaces: spaces.collect(),
    }
}

fn standing_form(standing: &Standing) -> StandingForm {
    let counters = standing.counters.iter().map(|(netns, counters)| {
        let counters = counters.iter().map(|(name, value)| (name.clone(), *value));
        (*netns, counters.collect())
    });
    let kernel = standing.kernel.iter();
    StandingForm {
        boot_ns: standing.boot_ns,
        counters: counters.collect(),
        unread: standing.unread,
        kernel: kernel
            .map(|(kind, count)| (kind.to_string(), count.filtered, count.lost))
            .collect(),
        filtered: standing.filtered,
        skipped: standing
            .skipped
            .values()
            .copied()
            .fold(0, u64::saturating_add),
        has_gone: standing.has_gone,
    }
}

/// Name of the part that holds the skipped runs by hook.
const SKIPPED: &str = "skipped";

/// What a standing has beyond the frozen form.
fn standing_more(standing: &Standing) -> Vec<(String, Vec<u8>)> {
    if standing.skipped.is_empty() {
        return Vec::new();
    }
    // As above: this does not fail.
    let skipped = postcard::to_stdvec(&standing.skipped).unwrap_or_default();
    vec![(SKIPPED.to_owned(), skipped)]
}

/// Skipped runs by hook, or their sum where the recording does not name hooks.
fn skipped(sum: u64, more: &[(String, Vec<u8>)]) -> BTreeMap<Cow<'static, str>, u64> {
    let part = more.iter().find(|(name, _)| name == SKIPPED);
    let by_hook = part.and_then(|(_, bytes)| postcard::from_bytes(bytes).ok());
    by_hook.unwrap_or_else(|| {
        let unnamed = (sum > 0).then_some((Cow::Borrowed(""), sum));
        unnamed.into_iter().collect()
    })
}

fn standing(form: StandingForm, more: &[(String, Vec<u8>)]) -> Standing {
    let counters = form.counters.into_iter();
    let kernel = form
        .kernel
        .into_iter()
        .filter_map(|(name, filtered, lost)| {
            Some((Kind::from_name(&name)?, KernelCount { filtered, lost }))
        });
    Standing {
        boot_ns: form.boot_ns,
        counters: counters
            .map(|(netns, counters)| (netns, Counters::from_iter(counters)))
            .collect::<BTreeMap<_, _>>(),
        unread: form.unread,
        kernel: kernel.collect(),
        filtered: form.filtered,
        skipped: skipped(form.skipped, more),
        has_gone: form.has_gone,
    }
}

/// The settings that are one number, by name: read and written by the same list.
macro_rules! numbers {
    ($use:ident, $settings:expr) => {
        $use!(
            $settings,
            somaxconn,
            tcp_max_syn_backlog,
            tcp_abort_on_overflow,
            tcp_syncookies,
            tcp_tw_reuse,
            tcp_tw_reuse_delay_ms,
            tcp_tw_recycle,
            tcp_max_tw_buckets,
            tcp_timestamps,
            tcp_fin_timeout_secs,
            tcp_max_orphans,
            tcp_syn_retries,
            tcp_syn_linear_timeouts,
            tcp_rto_max_ms
        )
    };
}

/// First and last of `ip_local_port_range`.
const PORTS: [&str; 2] = ["ip_local_port_first", "ip_local_port_last"];

fn settings_form(settings: &Settings) -> Vec<(String, u64)> {
    macro_rules! list {
        ($settings:expr, $($name:ident),*) => {
            vec![$((stringify!($name), $settings.$name.map(u64::from))),*]
        };
    }
    let mut all = numbers!(list, settings);
    let ports = settings.ip_local_port_range;
    all.push((PORTS[0], ports.map(|(first, _)| u64::from(first))));
    all.push((PORTS[1], ports.map(|(_, last)| u64::from(last))));
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn settings(form: &[(String, u64)]) -> Settings {
    let value = |name: &str| {
        let found = form.iter().find(|(listed, _)| listed == name);
        found.map(|(_, value)| *value)
    };
    let number = |name: &str| value(name).and_then(|value| u32::try_from(value).ok());
    let port = |name: &str| value(name).and_then(|value| u16::try_from(value).ok());
    let mut settings = Settings {
        ip_local_port_range: port(PORTS[0]).zip(port(PORTS[1])),
        ..Settings::default()
    };
    macro_rules! fill {
        ($settings:expr, $($name:ident),*) => {
            $($settings.$name = number(stringify!($name));)*
        };
    }
    numbers!(fill, settings);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_each_as_itself() {
        let mut value = 0;
        let mut next = || {
            value += 1;
            Some(value)
        };
        let all = Settings {
            somaxconn: next(),
            tcp_max_syn_backlog: next(),
            tcp_abort_on_overflow: next(),
            tcp_syncookies: next(),
            tcp_tw_reuse: next(),
            tcp_tw_reuse_delay_ms: next(),
            tcp_tw_recycle: next(),
            tcp_max_tw_buckets: next(),
            tcp_timestamps: next(),
            tcp_fin_timeout_secs: next(),
            tcp_max_orphans: next(),
            tcp_syn_retries: next(),
            tcp_syn_linear_timeouts: next(),
            tcp_rto_max_ms: next(),
            ip_local_port_range: Some((1, 2)),
        };
        assert_eq!(settings(&settings_form(&all)), all);
        let none = Settings::default();
        assert_eq!(settings(&settings_form(&none)), none);
    }

    #[test]
    fn skipped_runs_come_back_by_hook_and_as_a_sum_where_no_hook_is_named() {
        let mut reported = Standing::default();
        reported
            .skipped
            .insert("tp_btf/inet_sock_set_state".into(), 7);
        reported.skipped.insert("fexit/tcp_check_req".into(), 4);
        assert_eq!(read_end(&end_bytes(&reported)).unwrap(), reported);
        let old = standing(standing_form(&reported), &[]);
        assert_eq!(old.skipped, BTreeMap::from([("".into(), 11)]));
        let damaged = [(SKIPPED.to_owned(), vec![0xff; 9])];
        let read = standing(standing_form(&reported), &damaged);
        assert_eq!(read.skipped, old.skipped);
    }

    #[test]
    fn a_kind_of_a_newer_program_is_passed_over() {
        let mut form = standing_form(&Standing::default());
        form.kernel.push(("later_kind".to_owned(), 1, 2));
        form.kernel.push((Kind::Close.to_string(), 3, 4));
        let read = standing(form, &[]);
        let close = KernelCount {
            filtered: 3,
            lost: 4,
        };
        assert_eq!(read.kernel, BTreeMap::from([(Kind::Close, close)]));
    }
}
