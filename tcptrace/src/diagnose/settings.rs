//! The settings that decide over connections: value, the kernel's default, and the effect here.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::effects;
use super::retries::{LINEAR_SYNS, LONGEST_PAUSE};
use crate::model::doctor::{Setting, SettingGroup};
use crate::model::snapshot::Settings;
use crate::model::survey::{Host, Space, Survey, Values};

/// What the kernel sets when a namespace begins. The same from 5.10 to 7.3, where the live tests
/// compare a fresh namespace with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Normal {
    /// That, on every machine.
    Fixed(&'static str),
    /// The size of the hash table of connections, which follows memory, divided by that.
    Hash { divisor: u64, least: u64 },
    /// From the size of memory at boot.
    Memory,
}

/// What is known of a setting before anybody looks.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    group: SettingGroup,
    is_of_host: bool,
    /// Kernels without it are ordinary: it is left out there.
    is_rare: bool,
    normal: Normal,
}

const fn of_space(name: &'static str, group: SettingGroup, normal: Normal) -> Entry {
    Entry {
        name,
        group,
        is_of_host: false,
        is_rare: false,
        normal,
    }
}

const fn fixed(name: &'static str, group: SettingGroup, normal: &'static str) -> Entry {
    of_space(name, group, Normal::Fixed(normal))
}

const fn hashed(name: &'static str, group: SettingGroup, divisor: u64, least: u64) -> Entry {
    of_space(name, group, Normal::Hash { divisor, least })
}

const fn rare(entry: Entry) -> Entry {
    Entry {
        is_rare: true,
        ..entry
    }
}

const fn of_host(entry: Entry) -> Entry {
    Entry {
        is_of_host: true,
        ..entry
    }
}

use SettingGroup::{Closing, Keepalive, Ports, Queues, TimeWait};

const SETTINGS: &[Entry] = &[
    fixed("net.core.somaxconn", Queues, "4096"),
    // kernel: max(128, entries / 128) of the hash table in use (from 5.5 on).
    hashed("net.ipv4.tcp_max_syn_backlog", Queues, 128, 128),
    fixed("net.ipv4.tcp_abort_on_overflow", Queues, "0"),
    fixed("net.ipv4.tcp_syncookies", Queues, "1"),
    fixed("net.ipv4.tcp_synack_retries", Queues, "5"),
    fixed("net.ipv4.tcp_syn_retries", Queues, "6"),
    fixed("net.ipv4.tcp_fin_timeout", Closing, "60"),
    of_host(hashed("net.ipv4.tcp_max_orphans", Closing, 2, 0)),
    fixed("net.ipv4.tcp_orphan_retries", Closing, "0"),
    fixed("net.ipv4.tcp_retries1", Closing, "3"),
    fixed("net.ipv4.tcp_retries2", Closing, "15"),
    of_host(of_space("net.ipv4.tcp_mem", Closing, Normal::Memory)),
    fixed("net.ipv4.tcp_tw_reuse", TimeWait, "2"),
    rare(fixed("net.ipv4.tcp_tw_reuse_delay", TimeWait, "1000")),
    rare(fixed("net.ipv4.tcp_tw_recycle", TimeWait, "0")),
    hashed("net.ipv4.tcp_max_tw_buckets", TimeWait, 2, 0),
    fixed("net.ipv4.tcp_rfc1337", TimeWait, "0"),
    fixed("net.ipv4.tcp_timestamps", TimeWait, "1"),
    fixed("net.ipv4.ip_local_port_range", Ports, "32768 60999"),
    fixed("net.ipv4.ip_local_reserved_ports", Ports, ""),
    fixed("net.ipv4.tcp_keepalive_time", Keepalive, "7200"),
    fixed("net.ipv4.tcp_keepalive_intvl", Keepalive, "75"),
    fixed("net.ipv4.tcp_keepalive_probes", Keepalive, "9"),
];

/// Not shown: the size of the hash table of connections (from 6.1 on), which decides the defaults.
pub const TABLE_SIZE: &str = "net.ipv4.tcp_ehash_entries";

/// Every setting to read.
pub fn names() -> impl Iterator<Item = &'static str> {
    let shown = SETTINGS.iter().map(|setting| setting.name);
    shown.chain([TABLE_SIZE, LINEAR_SYNS, LONGEST_PAUSE])
}

/// Whether only the first network namespace of the host shows it.
#[must_use]
pub fn is_of_host(name: &str) -> bool {
    SETTINGS
        .iter()
        .any(|setting| setting.name == name && setting.is_of_host)
}

/// Settings that hold for the whole host; those of no namespace here.
#[must_use]
pub fn of_the_host(host: &Host) -> Vec<Setting> {
    rows(&host.settings, host, true)
}

/// Namespaces that have every setting in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Alike<'a> {
    /// The first is tcptrace's own where it is among them.
    pub spaces: Vec<&'a Space>,
    /// Their settings.
    pub rows: Vec<Setting>,
}

/// All namespaces by their settings: the own one's first, then the largest groups.
#[must_use]
pub fn alike(survey: &Survey) -> Vec<Alike<'_>> {
    let mut groups: BTreeMap<&Values, Vec<&Space>> = BTreeMap::new();
    for space in &survey.spaces {
        groups.entry(&space.settings).or_default().push(space);
    }
    let mut groups: Vec<Alike<'_>> = groups
        .into_iter()
        .map(|(values, mut spaces)| {
            spaces.sort_by_key(|space| (!space.is_own(), space.netns));
            Alike {
                spaces,
                rows: rows(values, &survey.host, false),
            }
        })
        .collect();
    groups.sort_by_key(|group| {
        let first = group.spaces.first();
        (
            !first.is_some_and(|space| space.is_own()),
            Reverse(group.spaces.len()),
            first.map(|space| space.netns),
        )
    });
    groups
}

fn rows(values: &Values, host: &Host, is_of_host: bool) -> Vec<Setting> {
    SETTINGS
        .iter()
        .filter(|setting| setting.is_of_host == is_of_host)
        .filter(|setting| !setting.is_rare || values.text(setting.name).is_some())
        .map(|setting| {
            let value = values.text(setting.name).map(str::to_owned);
            let default = default(setting.normal, values);
            Setting {
                name: setting.name,
                group: setting.group,
                changed: value
                    .as_ref()
                    .zip(default.as_ref())
                    .map(|(own, normal)| own != normal),
                value,
                default,
                effect: effects::of(setting.name, values, host),
            }
        })
        .collect()
}

/// The kernel's default; `None`: chosen at boot from the size of memory, and not reported by this kernel.
fn default(normal: Normal, values: &Values) -> Option<String> {
    match normal {
        Normal::Fixed(value) => Some(value.to_owned()),
        Normal::Memory => None,
        Normal::Hash { divisor, least } => {
            let entries = values.number(TABLE_SIZE).filter(|entries| *entries > 0)?;
            Some((entries / divisor).max(least).to_string())
        }
    }
}

/// The settings of a snapshot or a recording by their full names.
#[must_use]
pub fn values_of(settings: &Settings) -> Values {
    let mut values = Values::default();
    let numbers = [
        ("net.core.somaxconn", settings.somaxconn),
        ("net.ipv4.tcp_max_syn_backlog", settings.tcp_max_syn_backlog),
        (
            "net.ipv4.tcp_abort_on_overflow",
            settings.tcp_abort_on_overflow,
        ),
        ("net.ipv4.tcp_syncookies", settings.tcp_syncookies),
        ("net.ipv4.tcp_syn_retries", settings.tcp_syn_retries),
        (LINEAR_SYNS, settings.tcp_syn_linear_timeouts),
        (LONGEST_PAUSE, settings.tcp_rto_max_ms),
        ("net.ipv4.tcp_fin_timeout", settings.tcp_fin_timeout_secs),
        ("net.ipv4.tcp_max_orphans", settings.tcp_max_orphans),
        ("net.ipv4.tcp_tw_reuse", settings.tcp_tw_reuse),
        (
            "net.ipv4.tcp_tw_reuse_delay",
            settings.tcp_tw_reuse_delay_ms,
        ),
        ("net.ipv4.tcp_tw_recycle", settings.tcp_tw_recycle),
        ("net.ipv4.tcp_max_tw_buckets", settings.tcp_max_tw_buckets),
        ("net.ipv4.tcp_timestamps", settings.tcp_timestamps),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            values.insert(name, &value.to_string());
        }
    }
    if let Some((first, last)) = settings.ip_local_port_range {
        values.insert("net.ipv4.ip_local_port_range", &format!("{first} {last}"));
    }
    values
}

/// Every row of the table that a snapshot or a recording knows, those of the host too.
#[must_use]
pub fn known(settings: &Settings) -> Vec<Setting> {
    let values = values_of(settings);
    let host = Host::default();
    let mut all = rows(&values, &host, false);
    all.extend(rows(&values, &host, true));
    all.retain(|row| row.value.is_some());
    all
}

/// What the settings about TIME_WAIT do here: short name, value, effect.
#[must_use]
pub fn about_time_wait(settings: &Settings) -> Vec<(&'static str, String, String)> {
    let values = values_of(settings);
    let names = [
        "net.ipv4.tcp_tw_reuse",
        "net.ipv4.tcp_timestamps",
        "net.ipv4.tcp_max_tw_buckets",
        "net.ipv4.tcp_tw_recycle",
    ];
    let one = |name: &'static str| {
        let value = values.text(name);
        if value.is_none() && name.ends_with("recycle") {
            return None;
        }
        let effect = effects::of(name, &values, &Host::default());
        Some((
            name.trim_start_matches("net.ipv4."),
            value.unwrap_or("?").to_owned(),
            effect.unwrap_or_else(|| "not known".to_owned()),
        ))
    };
    names.into_iter().filter_map(one).collect()
}
