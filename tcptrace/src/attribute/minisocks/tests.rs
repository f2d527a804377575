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
        }),
        basis,
        shared_by: None,
        tid: None,
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
        (minisocks.owners.len(), minisocks.order.len()),
        (MOST, MOST)
    );
    assert_eq!(pid(minisocks.find(&flow(1, 0))), None);
    assert_eq!(pid(minisocks.find(&flow(1, 1))), Some(1));
    assert_eq!(pid(minisocks.find(&flow(1, most))), Some(most));
}

#[test]
fn ends_in_order_leave_nothing_behind() {
    let mut minisocks = Minisocks::default();
    for port in 0..100 {
        minisocks.enter(&flow(1, port), Some(&owner(port, Basis::Task)));
    }
    for port in 0..100 {
        minisocks.leave(&flow(1, port));
    }
    assert_eq!((minisocks.owners.len(), minisocks.order.len()), (0, 0));
}
