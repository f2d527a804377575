//! What is found in settings, counters and listeners, and what is not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::damage;
use super::{Tallies, findings, is_wrong_now};
use crate::model::doctor::Weight;
use crate::model::finding::{Finding, Severity};
use crate::model::incident::{LimitedBy, Queue};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Count, Host, Space, Survey, Values, WayIn};
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
        ports: Vec::new(),
        stuck: Vec::new(),
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

fn survey(space: Space) -> Survey {
    Survey {
        looked_ms: 1100,
        spaces: vec![space],
        ..Survey::default()
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
                ..Process::default()
            }),
            basis: Basis::Snapshot,
            shared_by: None,
            tid: None,
            holders: None,
            is_stale: false,
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
        holders: Vec::new(),
    }
}

fn with_listener(row: ListenerRow, way_in: WayIn) -> Survey {
    survey(Space {
        way_in,
        settings: values(&[("net.core.somaxconn", "128")]),
        listeners: vec![row],
        ..space(7)
    })
}

/// What is found without incidents.
fn found(survey: &Survey) -> Vec<Finding> {
    findings(survey, &Tallies::default())
}

fn ids(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    let all = findings.iter();
    all.map(|finding| (finding.id, finding.severity)).collect()
}

#[test]
fn a_quiet_host_has_no_findings() {
    let quiet = with_listener(listener(3, 128, Some(LimitedBy::Somaxconn)), WayIn::Own);
    assert_eq!(found(&quiet), []);
}

#[test]
fn a_full_queue_is_broken_and_advice_follows_the_limit_that_binds() {
    let full = |binds| found(&with_listener(listener(129, 128, binds), WayIn::Pid(9))).remove(0);
    let command = |finding: &Finding| finding.do_then.as_ref().map(|c| c.command.clone());
    let somaxconn = full(Some(LimitedBy::Somaxconn));
    assert_eq!(
        (somaxconn.id, somaxconn.severity),
        ("accept_queue_full", Severity::Broken)
    );
    assert_eq!(
        command(&somaxconn).as_deref(),
        Some("nsenter -t 9 -n sysctl -w net.core.somaxconn=1024")
    );
    assert!(somaxconn.title.contains("payments (42) at 127.0.0.1:80"));
    assert_eq!(somaxconn.who[0].process.pid, 42);
    assert_eq!(command(&full(Some(LimitedBy::Backlog))), None);
    // Lowered since listen(): a restart alone would make it worse.
    let lowered = full(None);
    assert_eq!(command(&lowered), command(&somaxconn));
    assert!(lowered.do_then.unwrap().risk.contains("was lowered"));
    // A queue of N holds N + 1.
    let at_limit = with_listener(listener(128, 128, None), WayIn::Own);
    assert_eq!(found(&at_limit), []);
}

/// somaxconn was raised and the service not restarted: its limit is that of listen().
#[test]
fn a_limit_below_somaxconn_may_come_from_an_earlier_somaxconn() {
    let mut row = listener(17, 16, Some(LimitedBy::Backlog));
    let why = |row: &ListenerRow| {
        let finding = found(&with_listener(row.clone(), WayIn::Own)).remove(0);
        assert_eq!(finding.do_then, None);
        finding.why
    };
    let unknown = why(&row);
    assert!(
        unknown.contains("listen() was given 16, or net.core.somaxconn was 16"),
        "{unknown}"
    );
    assert!(
        unknown.contains("128 now. Restart the program first"),
        "{unknown}"
    );
    row.backlog_is_seen = true;
    row.backlog = Some(16);
    assert!(why(&row).contains("The backlog given to listen(), 16, binds"));
    row.backlog = Some(511);
    row.limited_by = Some(LimitedBy::Somaxconn);
    let raised = why(&row);
    assert!(raised.contains("was 16 when the program called listen(); it is 128 now. Restart"));
}

#[test]
fn a_full_syn_queue_is_broken_without_cookies_only() {
    let full = |cookies| {
        let mut row = listener(0, 128, None);
        row.syn_queue.length = 129;
        let mut survey = with_listener(row, WayIn::Own);
        survey.spaces[0].settings = values(&[("net.ipv4.tcp_syncookies", cookies)]);
        found(&survey)
    };
    assert_eq!(ids(&full("0")), [("syn_queue_full", Severity::Broken)]);
    assert_eq!(full("1"), []);
}

/// With tcp_syncookies=2 the counter rises for every SYN, full or not.
#[test]
fn cookies_for_every_syn_do_not_mean_a_full_queue() {
    let with = |cookies| {
        let mut space = counted(&[("TcpExt.TCPReqQFullDoCookies", 50, Some(9))]);
        space.settings = values(&[("net.ipv4.tcp_syncookies", cookies)]);
        let says = damage::moved(&space)[0].says;
        (ids(&found(&survey(space))), says)
    };
    let (ids, says) = with("2");
    assert_eq!(ids, []);
    assert!(!says.contains("was full"), "{says}");
    let (ids, says) = with("1");
    assert_eq!(ids, [("syn_cookies", Severity::Risk)]);
    assert!(says.contains("was full"), "{says}");
}

#[test]
fn clients_that_send_nothing_fill_the_syn_queue_of_a_deferred_listener() {
    let with = |length, held_back| {
        let mut row = listener(0, 16, None);
        row.syn_queue.length = length;
        let mut space = counted(&[("TcpExt.TCPDeferAcceptDrop", 17, Some(held_back))]);
        space.settings = values(&[("net.ipv4.tcp_syncookies", "1")]);
        space.listeners = vec![row];
        found(&survey(space))
    };
    let filling = with(17, 4);
    assert_eq!(ids(&filling), [("deferred_accepts", Severity::Degraded)]);
    assert!(filling[0].title.contains("have not sent anything yet"));
    assert_eq!(filling[0].evidence.len(), 2);
    assert_eq!(ids(&with(17, 0)), [("deferred_accepts", Severity::Risk)]);
    // With room left it is what the option is for.
    assert_eq!(with(3, 4), []);
}

/// The socket's counter rises for repeated SYNs; only the namespace's counts refusals.
#[test]
fn repeated_syns_are_no_refusals() {
    let with = |refused, resent| {
        let mut row = listener(0, 64, None);
        row.drops = Some(6);
        row.drops_risen = Some(6);
        let mut space = counted(&[
            ("TcpExt.ListenDrops", 9, Some(refused)),
            ("TcpExt.TCPSynRetrans", 12, Some(resent)),
        ]);
        space.listeners = vec![row];
        found(&survey(space))
    };
    let repeated = with(0, 12);
    assert_eq!(ids(&repeated), [("syn_acks_lost", Severity::Risk)]);
    assert!(!is_wrong_now(&repeated));
    assert!(repeated[0].why.contains("SYN-ACKs do not reach"));
    assert_eq!(with(0, 0), []);
    assert!(is_wrong_now(&with(6, 12)));
}

#[test]
fn syns_that_tcp_max_syn_backlog_drops_are_explained() {
    let mut row = listener(0, 511, None);
    row.syn_queue.length = 96;
    let mut space = counted(&[("TcpExt.ListenDrops", 298, Some(298))]);
    space.settings = values(&[
        ("net.ipv4.tcp_syncookies", "0"),
        ("net.ipv4.tcp_max_syn_backlog", "128"),
    ]);
    space.listeners = vec![row];
    let findings = found(&survey(space));
    assert_eq!(ids(&findings), [("syns_dropped", Severity::Broken)]);
    assert_eq!(findings[0].count, 298);
    assert!(findings[0].why.contains("tcp_max_syn_backlog"));
}

#[test]
fn a_limit_of_nothing_is_not_reached_by_nothing() {
    let mut survey = with_listener(listener(0, 128, None), WayIn::Own);
    survey.host.orphans = Some(0);
    survey.host.settings = values(&[("net.ipv4.tcp_max_orphans", "0")]);
    let space = &mut survey.spaces[0];
    space.time_wait = Some(0);
    space.settings = values(&[("net.ipv4.tcp_max_tw_buckets", "0")]);
    assert_eq!(found(&survey), []);
    survey.spaces[0].time_wait = Some(1);
    assert!(is_wrong_now(&found(&survey)));
}

#[test]
fn old_damage_is_a_risk_and_rising_damage_is_broken() {
    for (rose, expected) in [
        (None, Severity::Risk),
        (Some(0), Severity::Risk),
        (Some(3), Severity::Broken),
    ] {
        let survey = survey(counted(&[("TcpExt.ListenOverflows", 42, rose)]));
        let findings = found(&survey);
        assert_eq!(
            ids(&findings),
            [("accept_queue_full", expected)],
            "{rose:?}"
        );
        assert_eq!(findings[0].evidence[0].value, Some(42));
        assert_eq!(findings[0].do_then, None, "no listener, no setting");
    }
}

#[test]
fn a_counter_is_wrong_when_it_rises_and_counts_refusals() {
    for (name, weight) in damage::names() {
        let survey = survey(counted(&[(name, 9, Some(1))]));
        let findings = found(&survey);
        assert_eq!(
            is_wrong_now(&findings),
            weight == Weight::Refused,
            "{name}: {findings:?}"
        );
    }
}

#[test]
fn resets_by_programs_are_a_risk_when_they_are_many() {
    let with = |resets, opens| {
        let survey = survey(counted(&[
            ("TcpExt.TCPAbortOnClose", resets, Some(resets)),
            ("Tcp.ActiveOpens", opens, Some(0)),
            ("Tcp.PassiveOpens", 0, Some(0)),
        ]));
        found(&survey)
    };
    assert_eq!(with(9, 1000), []);
    assert_eq!(with(9, 0), [], "nothing to compare with");
    let many = with(10, 1000);
    assert_eq!(ids(&many), [("unread_data_resets", Severity::Risk)]);
    assert!(many[0].evidence[1].text.contains("1.0 per 100"), "{many:?}");
}

#[test]
fn cookies_are_advised_only_where_they_are_off() {
    let with = |cookies| {
        let mut space = counted(&[("TcpExt.TCPReqQFullDrop", 5, Some(0))]);
        space.settings = values(&[("net.ipv4.tcp_syncookies", cookies)]);
        let change = found(&survey(space)).remove(0).do_then;
        change.map(|change| change.command)
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
    let mut survey = survey(space);
    let limits = [
        ("net.ipv4.tcp_max_orphans", "10"),
        ("net.ipv4.tcp_mem", "1 2 3"),
    ];
    survey.host = Host {
        settings: values(&limits),
        way_in: Some(WayIn::Own),
        orphans: Some(10),
        memory_pages: Some(3),
        page_bytes: Some(4096),
    };
    let findings = found(&survey);
    assert_eq!(
        ids(&findings),
        [
            ("orphans_near_limit", Severity::Broken),
            ("tcp_memory", Severity::Broken),
            ("time_wait_bucket_overflow", Severity::Degraded),
        ]
    );
    let commands: Vec<_> = findings
        .into_iter()
        .filter_map(|finding| Some(finding.do_then?.command))
        .collect();
    assert_eq!(
        commands,
        [
            "sysctl -w net.ipv4.tcp_max_orphans=20",
            "sysctl -w net.ipv4.tcp_mem='2 4 6'",
            "sysctl -w net.ipv4.tcp_max_tw_buckets=1024",
        ]
    );
    survey.host.orphans = Some(1);
    survey.host.memory_pages = Some(1);
    survey.spaces[0].time_wait = Some(50);
    assert_eq!(found(&survey), []);
}

#[test]
fn discarded_sockets_name_the_limit_that_was_met() {
    let why = |pressures| {
        let mut space = counted(&[("TcpExt.TCPAbortOnMemory", 4, Some(2))]);
        let pressure = Count {
            total: pressures,
            rose: Some(0),
        };
        let counters = space.counters.as_mut().unwrap();
        counters.insert("TcpExt.TCPMemoryPressures".to_owned(), pressure);
        found(&survey(space)).remove(0).why
    };
    assert!(why(0).starts_with("tcp_max_orphans was reached"));
    assert!(why(1).starts_with("Either"));
}

#[test]
fn a_name_in_a_command_cannot_leave_its_quotes() {
    let command = |path: &str| {
        let way_in = WayIn::Named(path.to_owned());
        let row = listener(129, 128, Some(LimitedBy::Somaxconn));
        let finding = found(&with_listener(row, way_in)).remove(0);
        finding.do_then.unwrap().command
    };
    assert_eq!(
        command("/run/netns/a b'; reboot"),
        "nsenter --net='/run/netns/a b'\\''; reboot' sysctl -w net.core.somaxconn=1024"
    );
    assert_eq!(
        command("/run/netns/blue-1"),
        "nsenter --net=/run/netns/blue-1 sysctl -w net.core.somaxconn=1024"
    );
}

mod closing;
mod families;
mod late;
mod listening;
mod ports;
mod settings;
mod stalled;
