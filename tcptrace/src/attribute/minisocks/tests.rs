use std::sync::Arc;

use super::*;
use crate::model::{Endpoint, Family, Process};

fn flow(netns: u32, port: u32) -> Flow {
    let end = |addr: u32, port| Endpoint {
        addr: IpAddr::from(addr.to_be_bytes()),
        port,
    };
    Flow {
        family: Family::Inet,
        local: Some(end(0x7f00_0001, 80)),
        unbound: None,
        remote: Some(end(0x0a00_0000 + (port >> 16), (port & 0xffff) as u16)),
        netns: Some(netns),
        cookie: None,
    }
}

fn owner(pid: u32, basis: Basis) -> Owner {
    Owner {
        process: Arc::new(Process {
            pid,
            start_ticks: None,
            comm: String::new(),
            exe: None,
            uid: None,
            cgroup: None,
            container: None,
            ..Process::default()
        }),
        basis,
        shared_by: None,
        tid: None,
        holders: None,
        is_stale: false,
    }
}

fn pid(owner: Option<Owner>) -> Option<u32> {
    owner.map(|owner| owner.process.pid)
}

#[test]
fn who_left_it_is_found_until_it_is_gone() {
    let mut minisocks = Minisocks::default();
    let left = owner(1, Basis::Socket);
    minisocks.enter(&flow(1, 1), Some(&left));
    assert_eq!(minisocks.find(&flow(1, 1)), Some(left.clone()));
    assert_eq!(minisocks.find(&flow(1, 1)), Some(left.clone()));
    assert_eq!(minisocks.leave(&flow(1, 1)), Some(left));
    assert_eq!(minisocks.leave(&flow(1, 1)), None);
    assert_eq!(minisocks.find(&flow(1, 1)), None);
}

#[test]
fn own_call_is_a_memory_afterwards_and_nothing_else_changes() {
    let mut minisocks = Minisocks::default();
    for (left, now) in [
        (Basis::Task, Basis::Socket),
        (Basis::Socket, Basis::Socket),
        (Basis::Listener, Basis::Listener),
        (Basis::Snapshot, Basis::Snapshot),
    ] {
        minisocks.enter(&flow(1, 1), Some(&owner(1, left)));
        assert_eq!(minisocks.find(&flow(1, 1)).unwrap().basis, now);
        assert_eq!(minisocks.leave(&flow(1, 1)).unwrap().basis, now);
    }
}

#[test]
fn same_tuple_of_another_namespace_is_another_socket() {
    let mut minisocks = Minisocks::default();
    minisocks.enter(&flow(1, 1), Some(&owner(1, Basis::Task)));
    minisocks.enter(&flow(2, 1), Some(&owner(2, Basis::Task)));
    assert_eq!(pid(minisocks.leave(&flow(2, 1))), Some(2));
    assert_eq!(pid(minisocks.leave(&flow(1, 1))), Some(1));
}

#[test]
fn cookie_plays_no_part() {
    let mut minisocks = Minisocks::default();
    let mut known = flow(1, 1);
    known.cookie = Some(77);
    minisocks.enter(&known, Some(&owner(1, Basis::Task)));
    assert_eq!(pid(minisocks.find(&flow(1, 1))), Some(1));
}

#[test]
fn unknown_owner_forgets_the_one_before() {
    let mut minisocks = Minisocks::default();
    minisocks.enter(&flow(1, 1), Some(&owner(1, Basis::Task)));
    minisocks.enter(&flow(1, 1), None);
    assert_eq!(minisocks.find(&flow(1, 1)), None);
}

#[test]
fn same_tuple_again_belongs_to_who_left_it_last() {
    let mut minisocks = Minisocks::default();
    minisocks.enter(&flow(1, 1), Some(&owner(1, Basis::Task)));
    minisocks.enter(&flow(1, 1), Some(&owner(2, Basis::Task)));
    assert_eq!(pid(minisocks.leave(&flow(1, 1))), Some(2));
}

#[test]
fn oldest_gives_way_when_the_table_is_full() {
    let mut minisocks = Minisocks::default();
    let most = u32::try_from(MOST).unwrap();
    for port in 0..=most {
        minisocks.enter(&flow(1, port), Some(&owner(port, Basis::Task)));
    }
    assert_eq!(
        (minisocks.ipv4.index.len(), minisocks.ipv4.slots.len()),
        (MOST, MOST)
    );
    assert_eq!(pid(minisocks.find(&flow(1, 0))), None);
    assert_eq!(pid(minisocks.find(&flow(1, 1))), Some(1));
    assert_eq!(pid(minisocks.find(&flow(1, most))), Some(most));
}

#[test]
fn ends_leave_nothing_behind_and_their_places_are_used_again() {
    let mut minisocks = Minisocks::default();
    for round in 0..3 {
        for port in 0..100 {
            minisocks.enter(&flow(round, port), Some(&owner(port, Basis::Task)));
        }
        for port in 0..100 {
            minisocks.leave(&flow(round, port * 37 % 100));
        }
        let table = &minisocks.ipv4;
        assert_eq!((table.index.len(), table.slots.len()), (0, 100));
        assert_eq!((table.oldest, table.newest), (NONE, NONE));
    }
}

#[test]
fn families_and_half_known_tuples_are_kept_apart() {
    let ipv6 = |port| {
        let mut flow = flow(1, port);
        flow.remote = flow.remote.map(|end| Endpoint {
            addr: IpAddr::V6(Ipv6Addr::LOCALHOST),
            ..end
        });
        flow
    };
    let without_remote = Flow {
        remote: None,
        ..flow(1, 1)
    };
    let mut minisocks = Minisocks::default();
    for (pid, flow) in [(1, flow(1, 1)), (2, ipv6(1)), (3, without_remote)] {
        minisocks.enter(&flow, Some(&owner(pid, Basis::Task)));
    }
    assert_eq!(pid(minisocks.find(&flow(1, 1))), Some(1));
    assert_eq!(pid(minisocks.find(&ipv6(1))), Some(2));
    assert_eq!(pid(minisocks.find(&without_remote)), Some(3));
    assert_eq!(pid(minisocks.leave(&ipv6(1))), Some(2));
    assert_eq!(pid(minisocks.find(&ipv6(1))), None);
}

#[test]
fn everything_known_of_the_owner_is_kept() {
    let mut minisocks = Minisocks::default();
    let left = Owner {
        shared_by: Some(3),
        tid: Some(77),
        holders: None,
        ..owner(1, Basis::Listener)
    };
    minisocks.enter(&flow(1, 1), Some(&left));
    assert_eq!(minisocks.find(&flow(1, 1)), Some(left.clone()));
    assert_eq!(minisocks.leave(&flow(1, 1)), Some(left));
}

proptest::proptest! {
    #[test]
    fn the_chain_holds_exactly_who_is_there_by_age(turns: Vec<(bool, u8)>) {
        let mut minisocks = Minisocks::default();
        let mut expected: Vec<u32> = Vec::new();
        for (enters, port) in turns {
            let port = u32::from(port % 16);
            expected.retain(|there| *there != port);
            if enters {
                expected.push(port);
                minisocks.enter(&flow(1, port), Some(&owner(port, Basis::Task)));
            } else {
                minisocks.leave(&flow(1, port));
            }
        }
        let table = &minisocks.ipv4;
        let (mut forward, mut place) = (Vec::new(), table.oldest);
        while let Some(slot) = table.slot(place) {
            forward.push(u32::from(slot.key.remote_port));
            place = slot.newer;
        }
        let (mut backward, mut place) = (Vec::new(), table.newest);
        while let Some(slot) = table.slot(place) {
            backward.push(u32::from(slot.key.remote_port));
            place = slot.older;
        }
        backward.reverse();
        proptest::prop_assert_eq!(&forward, &expected);
        proptest::prop_assert_eq!(&backward, &expected);
        proptest::prop_assert_eq!(table.index.len(), expected.len());
    }
}
