//! What is said of settings, counters and listeners, and what is not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::advice::{self, About};
use super::settings::{self, DefaultValue};
use super::verdict::{self, Kind};
use super::*;
use crate::model::incident::{LimitedBy, Queue};
use crate::model::{Basis, Endpoint, Family, Owner, Process};

fn values(texts: &[(&'static str, &str)]) -> Values {
    let mut values = Values::default();
    for (name, text) in texts {
        values.insert(name, text);
    }
    values
}

fn space(netns: u32) -> Space {
    Space {
        netns,
        way_in: WayIn::Own,
        processes: 1,
        settings: Values::default(),
        counters: Some(BTreeMap::new()),
        time_wait: None,
        listeners: Vec::new(),
    }
}

fn counted(counts: &[(&str, u64, Option<u64>)]) -> Space {
    let counts = counts.iter().map(|(name, total, rose)| {
        let (total, rose) = (*total, *rose);
        ((*name).to_owned(), Count { total, rose })
    });
    Space {
        counters: Some(counts.collect()),
        ..space(7)
    }
}

fn checkup(space: Space) -> Checkup {
    Checkup {
        spaces: vec![space],
        ..Checkup::default()
    }
}

/// A listener with a queue of that length.
pub(crate) fn listener(length: u32, limit: u32, limited_by: Option<LimitedBy>) -> ListenerRow {
    ListenerRow {
        netns: 7,
        family: Family::Inet,
        local: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 80,
        },
        v6only: None,
        cookie: 1,
        owner: Some(Owner {
            process: Arc::new(Process {
                pid: 42,
                start_ticks: None,
                comm: "payments".to_owned(),
                exe: None,
                uid: None,
                cgroup: None,
                container: None,
            }),
            basis: Basis::Snapshot,
            shared_by: None,
            tid: None,
        }),
        pids: vec![42],
        accept_queue: Queue { length, limit },
        limited_by,
        backlog: None,
        backlog_is_seen: false,
        syn_queue: Queue { length: 0, limit },
        drops: Some(0),
        drops_risen: Some(0),
        drops_per_second: None,
        refusals: None,
        accepts: None,
        group: None,
    }
}

fn with_listener(row: ListenerRow, way_in: WayIn) -> Checkup {
    checkup(Space {
        way_in,
        settings: values(&[("net.core.somaxconn", "128")]),
        listeners: vec![row],
        ..space(7)
    })
}

/// The effect of one value, given the others.
fn effect(name: &str, others: &[(&'static str, &str)]) -> Option<String> {
    let checkup = checkup(Space {
        settings: values(others),
        ..space(7)
    });
    let groups = settings::alike(&checkup);
    let row = groups[0].rows.iter().find(|row| row.name == name);
    row.unwrap().effect.clone()
}

#[test]
fn effects_are_those_of_the_value_and_not_of_the_setting() {
    let name = "net.ipv4.tcp_abort_on_overflow";
    assert!(effect(name, &[(name, "0")]).unwrap().contains("in silence"));
    assert!(effect(name, &[(name, "1")]).unwrap().contains("resets"));
    let name = "net.ipv4.tcp_syncookies";
    let texts = ["0", "1", "2"].map(|value| effect(name, &[(name, value)]).unwrap());
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
    let name = "net.core.somaxconn";
    assert!(effect(name, &[(name, "23")]).unwrap().contains("24"));
}

#[test]
fn an_effect_that_depends_on_another_setting_says_so() {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let with = |cookies| effect(name, &[(name, "128"), ("net.ipv4.tcp_syncookies", cookies)]);
    assert!(with("1").unwrap().starts_with("no effect"));
    // 128 - 97 = 31 free places are fewer than a quarter, 32.
    assert!(with("0").unwrap().contains("with 97 handshakes"));
    assert_eq!(effect(name, &[(name, "128")]), None);
    let name = "net.ipv4.tcp_syn_retries";
    let text = effect(
        name,
        &[(name, "6"), ("net.ipv4.tcp_syn_linear_timeouts", "4")],
    );
    assert!(text.unwrap().contains("131 s (1 + 10 SYNs)"));
}

#[test]
fn reserved_ports_are_taken_from_the_range() {
    let range = ("net.ipv4.ip_local_port_range", "100\t199");
    let kept = ("net.ipv4.ip_local_reserved_ports", "50,150-159,199-300");
    let text = effect(range.0, &[range, kept]).unwrap();
    assert!(text.starts_with("89 ports"), "{text}");
    let text = effect(kept.0, &[range, kept]).unwrap();
    assert!(text.contains("113 ports") && text.contains("11 of them"));
}

#[test]
fn odd_values_have_no_effect_and_do_not_panic() {
    for odd in ["", "-1", "x", "1 2", "99999999999999999999", "60999 32768"] {
        for name in settings::names().collect::<Vec<_>>() {
            let mut texts: Vec<_> = settings::names().map(|name| (name, "1")).collect();
            texts.retain(|(other, _)| *other != name);
            texts.push((name, odd));
            let checkup = checkup(Space {
                settings: values(&texts),
                ..space(7)
            });
            assert!(!settings::alike(&checkup).is_empty());
        }
    }
    for (name, most) in settings::names().map(|name| (name, u64::MAX.to_string())) {
        let texts: Vec<_> = settings::names()
            .map(|name| (name, most.as_str()))
            .collect();
        let host = Host {
            settings: values(&texts),
            memory_pages: Some(u64::MAX),
            page_bytes: Some(u64::MAX),
            ..Host::default()
        };
        let rows = settings::of_the_host(&host);
        assert!(
            rows.iter()
                .all(|row| row.name != name || row.value.is_some())
        );
    }
}

#[test]
fn a_default_that_follows_memory_is_computed_or_said_to_be_so() {
    let default = |texts: &[(&'static str, &str)]| {
        let checkup = checkup(Space {
            settings: values(texts),
            ..space(7)
        });
        let groups = settings::alike(&checkup);
        let mut rows = groups[0].rows.iter();
        let row = rows.find(|row| row.name == "net.ipv4.tcp_max_syn_backlog");
        row.unwrap().default.clone()
    };
    assert_eq!(default(&[]), DefaultValue::FromMemory);
    let known = |text: &str| DefaultValue::Known(text.to_owned());
    assert_eq!(default(&[(settings::TABLE_SIZE, "262144")]), known("2048"));
    assert_eq!(default(&[(settings::TABLE_SIZE, "1024")]), known("128"));
}

#[test]
fn namespaces_with_equal_settings_are_one_group() {
    let mut spaces: Vec<Space> = (1..=200)
        .map(|netns| Space {
            way_in: WayIn::Pid(netns),
            settings: values(&[("net.core.somaxconn", "4096")]),
            ..space(netns)
        })
        .collect();
    spaces[9].settings = values(&[("net.core.somaxconn", "128")]);
    spaces[77].way_in = WayIn::Own;
    let all = Checkup {
        spaces,
        ..Checkup::default()
    };
    let groups = settings::alike(&all);
    let sizes: Vec<_> = groups.iter().map(|group| group.spaces.len()).collect();
    assert_eq!(sizes, [199, 1]);
    assert_eq!(groups[0].spaces[0].netns, 78, "the own one comes first");
}

#[test]
fn recycling_is_told_only_where_it_exists() {
    let name = "net.ipv4.tcp_tw_recycle";
    let has = |texts: &[(&'static str, &str)]| {
        let checkup = checkup(Space {
            settings: values(texts),
            ..space(7)
        });
        let groups = settings::alike(&checkup);
        let mut rows = groups[0].rows.iter();
        rows.find(|row| row.name == name)
            .map(|row| row.effect.clone())
    };
    assert_eq!(has(&[]), None);
    assert!(has(&[(name, "0")]).unwrap().unwrap().contains("NAT"));
}

#[test]
fn a_quiet_host_gets_no_advice_and_is_not_wrong() {
    let quiet = with_listener(listener(3, 128, Some(LimitedBy::Somaxconn)), WayIn::Own);
    assert_eq!(advice::all(&quiet), []);
    assert_eq!(verdict::wrong(&quiet), []);
}

#[test]
fn a_full_queue_is_wrong_and_advice_follows_the_limit_that_binds() {
    let full = |binds| with_listener(listener(129, 128, binds), WayIn::Pid(9));
    let somaxconn = full(Some(LimitedBy::Somaxconn));
    let wrong: Vec<_> = verdict::wrong(&somaxconn).iter().map(|w| w.kind).collect();
    assert_eq!(wrong, [Kind::QueueFull]);
    let advice = &advice::all(&somaxconn)[0];
    assert_eq!(
        advice.command.as_deref(),
        Some("nsenter -t 9 -n sysctl -w net.core.somaxconn=1024")
    );
    assert!(advice.evidence.contains("payments (42) at 127.0.0.1:80"));
    let backlog = &advice::all(&full(Some(LimitedBy::Backlog)))[0];
    assert_eq!(backlog.command, None);
    // Lowered since listen(): a restart alone would make it worse.
    let lowered = &advice::all(&full(None))[0];
    assert_eq!(lowered.command, advice.command);
    assert!(lowered.risk.contains("was lowered"));
    // A queue of N holds N + 1.
    let at_limit = with_listener(listener(128, 128, None), WayIn::Own);
    assert_eq!(verdict::wrong(&at_limit), []);
}

#[test]
fn a_full_syn_queue_is_wrong_without_cookies_only() {
    let full = |cookies| {
        let mut row = listener(0, 128, None);
        row.syn_queue.length = 129;
        let mut checkup = with_listener(row, WayIn::Own);
        checkup.spaces[0].settings = values(&[("net.ipv4.tcp_syncookies", cookies)]);
        checkup
    };
    let wrong: Vec<_> = verdict::wrong(&full("0")).iter().map(|w| w.kind).collect();
    assert_eq!(wrong, [Kind::SynQueueFull]);
    assert_eq!(verdict::wrong(&full("1")), []);
}

#[test]
fn a_limit_of_nothing_is_not_reached_by_nothing() {
    let mut checkup = with_listener(listener(0, 128, None), WayIn::Own);
    checkup.host.orphans = Some(0);
    checkup.host.settings = values(&[("net.ipv4.tcp_max_orphans", "0")]);
    let space = &mut checkup.spaces[0];
    space.time_wait = Some(0);
    space.settings = values(&[("net.ipv4.tcp_max_tw_buckets", "0")]);
    assert_eq!(verdict::wrong(&checkup), []);
    checkup.spaces[0].time_wait = Some(1);
    assert_eq!(verdict::wrong(&checkup).len(), 1);
}

#[test]
fn old_damage_is_advice_and_not_wrong_and_rising_damage_is() {
    for (rose, expected) in [(None, 0), (Some(0), 0), (Some(3), 1)] {
        let checkup = checkup(counted(&[("TcpExt.ListenOverflows", 42, rose)]));
        assert_eq!(verdict::wrong(&checkup).len(), expected, "{rose:?}");
        let advice = &advice::all(&checkup)[0];
        assert!(advice.evidence.contains("42 times"));
        assert_eq!(advice.command, None, "no listener, no setting");
    }
}

#[test]
fn what_applications_do_is_never_wrong() {
    let names = [
        "AbortOnData",
        "AbortOnClose",
        "AbortOnLinger",
        "AbortOnTimeout",
    ];
    for name in names.map(|name| format!("TcpExt.TCP{name}")) {
        let checkup = checkup(counted(&[(&name, 9, Some(9))]));
        assert_eq!(verdict::wrong(&checkup), [], "{name}");
    }
}

#[test]
fn a_counter_is_wrong_when_it_rises_and_counts_refusals() {
    for (name, weight) in damage::names() {
        let checkup = checkup(counted(&[(name, 9, Some(1))]));
        let is_wrong = !verdict::wrong(&checkup).is_empty();
        assert_eq!(is_wrong, weight == damage::Weight::Refused, "{name}");
    }
}

#[test]
fn resets_are_advised_about_when_they_are_many() {
    let with = |resets, opens| {
        let checkup = checkup(counted(&[
            ("TcpExt.TCPAbortOnClose", resets, Some(0)),
            ("Tcp.ActiveOpens", opens, Some(0)),
            ("Tcp.PassiveOpens", 0, Some(0)),
        ]));
        advice::all(&checkup)
    };
    assert_eq!(with(9, 1000), []);
    assert_eq!(with(9, 0), [], "nothing to compare with");
    let many = with(10, 1000);
    assert_eq!(many[0].about, About::Resets);
    assert!(many[0].evidence.contains("1.0 per 100"), "{many:?}");
    assert!(many[0].risk.contains("rst_sent/unread_data"));
}

#[test]
fn cookies_are_advised_only_where_they_are_off() {
    let with = |cookies| {
        let mut space = counted(&[("TcpExt.TCPReqQFullDrop", 5, Some(0))]);
        space.settings = values(&[("net.ipv4.tcp_syncookies", cookies)]);
        advice::all(&checkup(space)).remove(0).command
    };
    assert_eq!(
        with("0").as_deref(),
        Some("sysctl -w net.ipv4.tcp_syncookies=1")
    );
    assert_eq!(with("1"), None);
}

#[test]
fn limits_that_are_used_up_are_wrong() {
    let mut space = space(7);
    space.settings = values(&[("net.ipv4.tcp_max_tw_buckets", "100")]);
    space.time_wait = Some(100);
    let mut checkup = checkup(space);
    let limits = [
        ("net.ipv4.tcp_max_orphans", "10"),
        ("net.ipv4.tcp_mem", "1 2 3"),
    ];
    checkup.host = Host {
        settings: values(&limits),
        way_in: Some(WayIn::Own),
        orphans: Some(10),
        memory_pages: Some(3),
        page_bytes: Some(4096),
    };
    let kinds: Vec<_> = verdict::wrong(&checkup).iter().map(|w| w.kind).collect();
    assert_eq!(
        kinds,
        [Kind::TimeWaitLimit, Kind::OrphanLimit, Kind::MemoryLimit]
    );
    let commands: Vec<_> = advice::all(&checkup)
        .into_iter()
        .filter_map(|advice| advice.command)
        .collect();
    assert_eq!(
        commands,
        [
            "sysctl -w net.ipv4.tcp_max_tw_buckets=1024",
            "sysctl -w net.ipv4.tcp_max_orphans=20",
            "sysctl -w net.ipv4.tcp_mem='2 4 6'",
        ]
    );
    checkup.host.orphans = Some(1);
    checkup.host.memory_pages = Some(1);
    checkup.spaces[0].time_wait = Some(50);
    assert_eq!(verdict::wrong(&checkup), []);
    assert_eq!(advice::all(&checkup), []);
}

#[test]
fn a_name_in_a_command_cannot_leave_its_quotes() {
    let way_in = WayIn::Named("/run/netns/a b'; reboot".to_owned());
    assert_eq!(
        advice::command(&way_in, "net.x", "1"),
        "nsenter --net='/run/netns/a b'\\''; reboot' sysctl -w net.x=1"
    );
    let way_in = WayIn::Named("/run/netns/blue-1".to_owned());
    let plain = advice::command(&way_in, "net.x", "1");
    assert_eq!(plain, "nsenter --net=/run/netns/blue-1 sysctl -w net.x=1");
}
