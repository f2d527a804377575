use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;

use proptest::prelude::*;

use super::super::netns::tests::Sleeper;
use super::*;

const REAL: [&str; 4] = ["netstat", "snmp", "sockstat", "sockstat6"];

fn own() -> Netns {
    Netns {
        inode: netns::own().unwrap(),
        reach: Reach::Own,
        processes: 1,
    }
}

fn text_of(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("/proc/thread-self/net").join(name)).unwrap()
}

fn raise_loopback() {
    assert!(
        Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn every_pair_of_the_real_files_is_taken() {
    let counters = Counters::read(&own()).unwrap();
    for name in ["netstat", "snmp"] {
        let text = String::from_utf8(text_of(name)).unwrap();
        for line in text.lines().step_by(2) {
            let (group, names) = line.split_once(':').unwrap();
            for name in names.split_whitespace().filter(|name| *name != "MaxConn") {
                assert!(
                    counters.value(&format!("{group}.{name}")).is_some(),
                    "{group}.{name}"
                );
            }
        }
    }
}

#[test]
fn a_negative_setting_is_no_counter() {
    assert_eq!(Counters::read(&own()).unwrap().value("Tcp.MaxConn"), None);
}

#[test]
fn a_counter_this_kernel_lacks_is_absent() {
    let counters = Counters::read(&own()).unwrap();
    assert_eq!(counters.value("TcpExt.NoSuchCounter"), None);
    assert_eq!(
        delta(&counters, &counters).value("TcpExt.NoSuchCounter"),
        None
    );
}

#[test]
fn refused_connection_is_counted_in_the_namespace_it_happened_in() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    let before = Counters::read(&netns).unwrap();
    netns::with(&netns, || {
        raise_loopback();
        TcpStream::connect((Ipv4Addr::LOCALHOST, 1)).unwrap_err();
    })
    .unwrap();
    let after = Counters::read(&netns).unwrap();
    let change = delta(&before, &after);
    assert_eq!(change.value("Tcp.OutRsts"), Some(1));
    assert_eq!(change.value("Tcp.AttemptFails"), Some(1));
    assert_eq!(change.value("Tcp.ActiveOpens"), Some(1));
    assert_eq!(change.value("TcpExt.ListenDrops"), Some(0));
    assert!(
        change
            .changed()
            .any(|(name, by)| name == "Tcp.OutRsts" && by == 1)
    );
    assert!(change.changed().all(|(_, by)| by != 0));
}

#[test]
fn both_ways_into_a_namespace_read_the_same_counters() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    let entered = Netns {
        reach: Reach::Named(netns.reach.path()),
        ..netns.clone()
    };
    netns::with(&netns, || {
        raise_loopback();
        TcpStream::connect((Ipv4Addr::LOCALHOST, 1)).unwrap_err();
    })
    .unwrap();
    let tcp = |counters: Counters| {
        counters
            .iter()
            .filter(|(name, _)| name.starts_with("Tcp"))
            .map(|(_, n)| n)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tcp(Counters::read(&netns).unwrap()),
        tcp(Counters::read(&entered).unwrap())
    );
}

#[test]
fn counters_of_an_ended_process_are_an_error_not_zeros() {
    let Some(mut sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    sleeper.end();
    let gone = |error| matches!(error, MibError::Enter(EnterError::Gone { .. }));
    assert!(gone(Counters::read(&netns).unwrap_err()));
    assert!(gone(Sockstat::read(&netns).unwrap_err()));
}

#[test]
fn counters_of_a_namespace_that_changed_are_an_error() {
    let stale = Netns {
        inode: netns::own().unwrap() + 1_000_000,
        reach: Reach::Pid(std::process::id()),
        processes: 1,
    };
    let result = Counters::read(&stale);
    assert!(
        matches!(result, Err(MibError::Enter(EnterError::Gone { .. }))),
        "{result:?}"
    );
}

#[test]
fn sockstat_counts_a_listener_in_its_namespace() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    assert_eq!(Sockstat::read(&netns).unwrap().tcp_inuse, Some(0));
    let _listener = netns::with(&netns, || {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()
    });
    let found = Sockstat::read(&netns).unwrap();
    assert_eq!(found.tcp_inuse, Some(1));
    assert_eq!(found.time_wait, Some(0));
    assert!(found.orphans.is_some() && found.allocated.is_some_and(|sockets| sockets >= 1));
    assert!(found.memory_pages.is_some());
}

#[test]
fn lines_that_do_not_pair_up_are_passed_over() {
    let text = b"TcpExt: A B\nIpExt: C\nIpExt: 7 8\nno colon\nTcp: D\nTcp: 9\nTcp: E\n";
    let found: Vec<_> = Counters::parse(text)
        .iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(found, [("IpExt.C".to_owned(), 7), ("Tcp.D".to_owned(), 9)]);
}

#[test]
fn delta_is_right_across_an_overflow_and_downwards() {
    let at = |value: u64| Counters::parse(format!("T: a\nT: {value}\n").as_bytes());
    assert_eq!(delta(&at(u64::MAX), &at(4)).value("T.a"), Some(5));
    assert_eq!(delta(&at(9), &at(7)).value("T.a"), Some(-2));
}

#[test]
fn delta_leaves_out_what_one_side_lacks() {
    let old = Counters::parse(b"T: a b\nT: 1 1\n");
    let new = Counters::parse(b"T: b c\nT: 1 1\n");
    assert_eq!(
        delta(&old, &new),
        Delta {
            changes: BTreeMap::from([("T.b".to_owned(), 0)])
        }
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_counter_file(bytes: Vec<u8>) {
        let _ = Counters::parse(&bytes);
        let _ = Sockstat::parse(&bytes);
    }

    #[test]
    fn damaged_real_files_never_panic(
        which in 0..REAL.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut: prop::sample::Index,
    ) {
        let mut text = text_of(REAL[which]);
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(cut.index(text.len() + 1));
        let counters = Counters::parse(&text);
        let _ = delta(&counters, &counters);
        let _ = Sockstat::parse(&text);
    }

    #[test]
    fn what_is_written_is_read(values in prop::collection::btree_map("[A-Za-z0-9]{1,12}", any::<u64>(), 0..30)) {
        let names: Vec<_> = values.keys().map(String::as_str).collect();
        let numbers: Vec<_> = values.values().map(u64::to_string).collect();
        let text = format!("TcpExt: {}\nTcpExt: {}\n", names.join(" "), numbers.join(" "));
        let counters = Counters::parse(text.as_bytes());
        prop_assert_eq!(counters.iter().count(), values.len());
        for (name, value) in values {
            prop_assert_eq!(counters.value(&format!("TcpExt.{name}")), Some(value));
        }
    }
}
