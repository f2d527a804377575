use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::flow::TcpState;
use crate::model::incident::{ResetMeaning, What};
use crate::model::{Basis, Evidence, Family, Flow, Owner, Process};

pub(in crate::pipeline) const NETNS: u32 = 4_026_531_840;
pub(in crate::pipeline) const NOW_NS: u64 = 5_000_000_000;

pub(in crate::pipeline) fn incident(what: What) -> Incident {
    Incident {
        boot_ns: NOW_NS,
        flow: Flow {
            family: Family::Inet,
            local: None,
            unbound: None,
            remote: None,
            netns: Some(NETNS),
            cookie: None,
        },
        state: None,
        owner: None,
        hook: "test",
        evidence: Evidence::Seen,
        what,
    }
}

pub(in crate::pipeline) fn owner(pid: u32, basis: Basis) -> Owner {
    let process = Process {
        pid,
        start_ticks: Some(7),
        comm: format!("p{pid}"),
        exe: None,
        uid: None,
        cgroup: None,
        container: None,
        ..Process::default()
    };
    Owner {
        process: Arc::new(process),
        basis,
        shared_by: None,
        tid: None,
        holders: None,
        is_stale: false,
    }
}

fn received() -> Incident {
    incident(What::RstReceived {
        meaning: ResetMeaning::Reset,
        silent_ms: None,
    })
}

fn changed() -> Incident {
    incident(What::State {
        old: TcpState::Established,
        new: TcpState::Close,
        in_old_us: None,
    })
}

fn of(pid: u32) -> Incident {
    Incident {
        owner: Some(owner(pid, Basis::Task)),
        ..received()
    }
}

fn ledger() -> Ledger {
    Ledger::new(0, true)
}

/// One call of the books.
#[derive(Clone, Copy, Debug)]
enum Call {
    Note,
    Show(u32),
    Filter,
    RateLimit,
    LoseInSink,
    LoseUndecoded(u64, bool),
    Kernel(Kind, u64, u64),
    Skip(u64),
}

fn keep(ledger: &mut Ledger, call: Call) {
    let kind = Kind::RstReceived;
    match call {
        Call::Note => ledger.note(&received()),
        Call::Show(pid) => ledger.show(&of(pid)),
        Call::Filter => ledger.filtered(),
        Call::RateLimit => ledger.rate_limited(),
        Call::LoseInSink => ledger.lose(LossPlace::Sink, Some(kind), 1),
        Call::LoseUndecoded(count, is_reported) => {
            ledger.lose(LossPlace::Channel, is_reported.then_some(kind), count);
        }
        Call::Kernel(kind, filtered, lost) => {
            ledger.kernel(kind, filtered, lost);
        }
        Call::Skip(count) => {
            ledger.skip("tp_btf/inet_sock_set_state".into(), count);
        }
    }
}

fn any_call() -> impl Strategy<Value = Vec<Call>> {
    let fate = prop_oneof![
        (1..40_u32).prop_map(Call::Show),
        Just(Call::Filter),
        Just(Call::RateLimit),
        Just(Call::LoseInSink),
    ];
    let kind = prop::sample::select(Kind::ALL);
    let aside = prop_oneof![
        (0..1000_u64, any::<bool>())
            .prop_map(|(count, reported)| Call::LoseUndecoded(count, reported)),
        (kind, 0..1_u64 << 40, 0..1_u64 << 40)
            .prop_map(|(kind, filtered, lost)| Call::Kernel(kind, filtered, lost)),
        (0..1_u64 << 40).prop_map(Call::Skip),
    ];
    // An incident is made, and then one thing happens to it.
    prop_oneof![
        4 => fate.prop_map(|fate| vec![Call::Note, fate]),
        1 => aside.prop_map(|aside| vec![aside]),
    ]
}

proptest! {
    #[test]
    fn what_is_seen_is_accounted_for_whatever_the_order(
        calls in prop::collection::vec(any_call(), 0..60)
            .prop_map(|calls| calls.concat())
            .prop_shuffle(),
    ) {
        let mut ledger = ledger();
        for call in &calls {
            keep(&mut ledger, *call);
        }
        let tally = ledger.summary(Vec::new()).loss;
        prop_assert!(tally.is_balanced(), "{tally:?}");
        let count = |wanted: fn(&Call) -> bool| calls.iter().filter(|call| wanted(call)).count();
        let shown = count(|call| matches!(call, Call::Show(_)));
        prop_assert_eq!(tally.shown, shown as u64);
        let limited = count(|call| matches!(call, Call::RateLimit));
        prop_assert_eq!(tally.rate_limited, limited as u64);
    }
}

#[test]
fn each_fate_has_its_column() {
    let mut ledger = ledger();
    for _ in 0..4 {
        keep(&mut ledger, Call::Note);
    }
    for call in [
        Call::Show(1),
        Call::Filter,
        Call::RateLimit,
        Call::LoseInSink,
        Call::LoseUndecoded(10, false),
        Call::Kernel(Kind::State, 100, 1000),
    ] {
        keep(&mut ledger, call);
    }
    let expected = Tally {
        seen: 1114,
        shown: 1,
        filtered: 101,
        rate_limited: 1,
        lost: 1011,
    };
    assert_eq!(ledger.summary(Vec::new()).loss, expected);
    assert_eq!(ledger.lost_in_all(), 1011);
}

#[test]
fn incident_that_was_noted_and_forgotten_is_reported() {
    let mut ledger = ledger();
    ledger.note(&received());
    assert!(!ledger.summary(Vec::new()).loss.is_balanced());
}

#[test]
fn kernel_counters_are_totals_and_only_their_rise_is_news() {
    let mut ledger = ledger();
    let kind = Kind::Retransmit;
    assert_eq!(ledger.kernel(kind, 5, 3), 3);
    assert_eq!(ledger.kernel(kind, 9, 3), 0);
    assert_eq!(ledger.kernel(kind, 9, 10), 7);
    assert_eq!((ledger.lost_of(kind), ledger.lost_of(Kind::State)), (10, 0));
    let tally = ledger.summary(Vec::new()).loss;
    assert_eq!((tally.seen, tally.filtered, tally.lost), (19, 9, 10));
}

#[test]
fn owners_come_by_count_then_pid_and_the_rest_is_counted() {
    let mut ledger = ledger();
    for pid in 1..=25 {
        ledger.show(&of(pid));
    }
    ledger.show(&of(25));
    let changed = Incident {
        owner: of(25).owner,
        ..changed()
    };
    ledger.show(&changed);
    ledger.show(&received());
    let summary = ledger.summary(Vec::new());
    assert_eq!(summary.by_owner.len(), LISTED);
    assert_eq!(summary.owners_left_out, 6);
    let first = OwnerCount {
        pid: Some(25),
        comm: Some("p25".to_owned()),
        by_kind: vec![(Kind::RstReceived, 2), (Kind::State, 1)],
        total: 3,
    };
    assert_eq!(summary.by_owner[0], first);
    let pids: Vec<_> = summary.by_owner.iter().map(|owner| owner.pid).collect();
    assert_eq!(pids[1..4], [None, Some(1), Some(2)]);
    assert_eq!(summary.by_kind, [(Kind::State, 1), (Kind::RstReceived, 27)]);
}

#[test]
fn same_pid_with_another_start_is_another_owner() {
    let mut ledger = ledger();
    let mut later = of(1);
    if let Some(owner) = &mut later.owner {
        Arc::make_mut(&mut owner.process).start_ticks = Some(8);
    }
    ledger.show(&of(1));
    ledger.show(&later);
    let totals: Vec<u64> = ledger
        .summary(Vec::new())
        .by_owner
        .iter()
        .map(|owner| owner.total)
        .collect();
    assert_eq!(totals, [1, 1]);
}

#[test]
fn who_comes_late_and_causes_many_is_listed_however_many_came_before() {
    let mut ledger = ledger();
    let most = u32::try_from(KEPT).unwrap();
    let (early, late) = (7, most * 3);
    for _ in 0..40 {
        ledger.show(&of(early));
    }
    for pid in 1..late {
        ledger.show(&of(pid));
    }
    for _ in 0..30 {
        ledger.show(&of(late));
    }
    let summary = ledger.summary(Vec::new());
    assert_eq!(ledger.shown_in_all(), u64::from(late) - 1 + 70);
    let heaviest: Vec<_> = summary
        .by_owner
        .iter()
        .map(|owner| (owner.pid, owner.total))
        .take(3)
        .collect();
    assert_eq!(heaviest[..2], [(Some(early), 41), (Some(late), 30)]);
    assert_eq!(heaviest[2].1, 1);
    assert!(ledger.owners.len() <= KEPT);
    let listed = summary.by_owner.len() as u64;
    assert_eq!(summary.owners_left_out + listed, u64::from(late));
}

#[test]
fn what_maps_did_not_remember_is_reported_and_a_record_that_was_not_built_is_lost() {
    let mut ledger = ledger();
    ledger.not_remembered(&[(limited::SOCKS, 9), (limited::HEAD_SLOTS, 4)]);
    let summary = ledger.summary(Vec::new());
    assert_eq!((summary.loss.lost, summary.loss.seen), (4, 4));
    let named: Vec<_> = summary
        .not_remembered
        .iter()
        .map(|one| (&*one.what, one.count))
        .collect();
    assert_eq!(
        named,
        [
            ("sockets whose owner was not remembered", 9),
            ("records that were not built", 4)
        ]
    );
}

#[test]
fn duration_is_the_watched_interval() {
    let mut ledger = Ledger::new(NOW_NS, true);
    assert_eq!(ledger.summary(Vec::new()).duration_ms, 0);
    ledger.end(NOW_NS + 1_999_999);
    assert_eq!(ledger.summary(Vec::new()).duration_ms, 1);
}
