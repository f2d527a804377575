use super::super::ledger::tests::{NETNS, NOW_NS, incident, owner};
use super::*;
use crate::interpret::counter_rules::Gap;
use crate::model::flow::TcpState;
use crate::model::incident::{
    DropOutcome, LimitedBy, PawsWhere, ResetCause, ResetMeaning, RetransmitType, Step, TimeWaitEnd,
    TimeWaitPhase,
};
use crate::model::{Basis, Kind, What};
use crate::pipeline::counts::{Counts, SLACK_NS, Window};
use std::cmp::Ordering;

const EXACT_RULE: Rule = Rule {
    counter: "Test.Exact",
    kinds: &[Kind::AcceptDrop],
    adds: |_| 1,
    gaps: &[],
    joins: None,
};
const GAP_RULE: Rule = Rule {
    counter: "Test.Gap",
    gaps: &[Gap {
        kernel_is: Ordering::Greater,
        why: "a gap that is known",
    }],
    ..EXACT_RULE
};

/// Kernel, ours; lost, whether a namespace went, namespaces unread.
#[track_caller]
fn judged(
    rule: &Rule,
    (kernel, ours): (u64, u64),
    (lost, gone, unread): (u64, bool, u32),
    expected: Verdict,
    note: Option<&str>,
) {
    let sums = Sums {
        kernel,
        ours,
        counted: 0,
        at_edge: 0,
        lost,
        skipped: 0,
        unrecorded: Some(0),
        has_gone: gone,
        unread,
    };
    let (verdict, reported) = sums.verdict(rule);
    assert_eq!((verdict, reported.as_deref()), (expected, note));
}

const QUIET: (u64, bool, u32) = (0, false, 0);

#[test]
fn equal_counts_are_exact_whatever_else_happened() {
    judged(&EXACT_RULE, (3, 3), QUIET, Verdict::Exact, None);
    judged(&GAP_RULE, (0, 0), (9, true, 0), Verdict::Exact, None);
}

#[test]
fn losses_explain_up_to_as_many_as_were_lost() {
    let lost = (2, false, 0);
    let note = Some("2 events of kind accept_drop were lost");
    judged(&EXACT_RULE, (5, 3), lost, Verdict::Explained, note);
    judged(&EXACT_RULE, (4, 3), lost, Verdict::Explained, note);
    judged(&EXACT_RULE, (6, 3), lost, Verdict::Differs, None);
}

#[test]
fn skipped_runs_explain_up_to_as_many_as_were_skipped() {
    let sums = |kernel| Sums {
        kernel,
        ours: 3,
        counted: 0,
        at_edge: 0,
        lost: 0,
        skipped: 2,
        unrecorded: Some(0),
        has_gone: false,
        unread: 0,
    };
    let note = Some("the kernel skipped 2 runs of the hooks that report them".to_owned());
    assert_eq!(sums(5).verdict(&EXACT_RULE), (Verdict::Explained, note));
    assert_eq!(sums(6).verdict(&EXACT_RULE).0, Verdict::Differs);
    assert_eq!(sums(2).verdict(&EXACT_RULE).0, Verdict::Differs);
}

#[test]
fn events_at_the_edge_explain_up_to_as_many_as_there_were_on_either_side() {
    let sums = |kernel| Sums {
        kernel,
        ours: 10,
        counted: 0,
        at_edge: 2,
        lost: 0,
        skipped: 0,
        unrecorded: Some(0),
        has_gone: false,
        unread: 0,
    };
    for (kernel, verdict) in [
        (7, Verdict::Differs),
        (8, Verdict::Explained),
        (10, Verdict::Exact),
        (12, Verdict::Explained),
        (13, Verdict::Differs),
    ] {
        assert_eq!(sums(kernel).verdict(&EXACT_RULE).0, verdict, "{kernel}");
    }
    let mut window = Window::begin(5_000_000, 9_000_000, true);
    window.end(50_000_000);
    for (boot_ns, is_edge) in [
        (2_999_999, false),
        (3_000_000, true),
        (11_000_000, true),
        (11_000_001, false),
        (47_999_999, false),
        (48_000_000, true),
        (60_000_000, true),
    ] {
        assert_eq!(window.is_edge(boot_ns), is_edge, "{boot_ns}");
    }
    assert!(
        !Window::begin(5, 9, false).is_edge(7),
        "nothing to compare with"
    );
}

#[test]
fn only_runs_of_its_own_hooks_explain_a_counter() {
    let mut ledger = Ledger::new(0, true);
    for (hook, count) in [
        ("tp_btf/consume_skb", 3),
        ("fexit/tcp_check_req", 4),
        ("tp_btf/tcp_receive_reset", 50),
    ] {
        assert_eq!(ledger.skip(hook.into(), count), count);
    }
    assert_eq!(
        ledger.skip("tp_btf/consume_skb".into(), 5),
        2,
        "new ones only"
    );
    let runs = |ledger: &Ledger, counter: &str| {
        let rule = RULES.iter().find(|rule| rule.counter == counter).unwrap();
        skipped(ledger, rule)
    };
    assert_eq!(runs(&ledger, "TcpExt.ListenOverflows"), 9);
    assert_eq!(runs(&ledger, "TcpExt.TCPReqQFullDrop"), 5);
    assert_eq!(runs(&ledger, "Tcp.RetransSegs"), 0);
    assert_eq!(ledger.skip("".into(), 2), 2);
    assert_eq!(
        runs(&ledger, "Tcp.RetransSegs"),
        2,
        "of a hook that is not known"
    );
    assert_eq!(ledger.lost_in_all(), 61);
}

#[test]
fn losses_never_explain_that_we_counted_more() {
    judged(&EXACT_RULE, (3, 4), (2, false, 0), Verdict::Differs, None);
}

#[test]
fn known_gap_explains_its_own_side_only() {
    let note = Some("a gap that is known");
    judged(&GAP_RULE, (5, 3), QUIET, Verdict::Explained, note);
    judged(&GAP_RULE, (3, 5), QUIET, Verdict::Differs, None);
}

#[test]
fn what_was_counted_from_the_counter_is_no_second_opinion() {
    let sums = Sums {
        kernel: 7,
        ours: 3,
        counted: 4,
        at_edge: 0,
        lost: 0,
        skipped: 0,
        unrecorded: Some(0),
        has_gone: false,
        unread: 0,
    };
    let (verdict, note) = sums.verdict(&EXACT_RULE);
    assert_eq!(verdict, Verdict::Explained);
    assert_eq!(
        note.as_deref(),
        Some("4 were counted from this counter and not observed")
    );
}

#[test]
fn namespace_that_went_explains_only_that_we_counted_more() {
    let gone = (0, true, 0);
    let note = Some("a network namespace ended, and its counters with it");
    judged(&EXACT_RULE, (3, 5), gone, Verdict::Explained, note);
    judged(&EXACT_RULE, (5, 3), gone, Verdict::Differs, None);
}

#[test]
fn unread_namespaces_are_named() {
    let note = Some("4 network namespaces could not be read");
    let unread = (0, false, 4);
    judged(&EXACT_RULE, (3, 5), unread, Verdict::Explained, note);
}

#[test]
fn difference_without_a_reason_differs() {
    judged(&EXACT_RULE, (5, 3), QUIET, Verdict::Differs, None);
    judged(&EXACT_RULE, (3, 5), QUIET, Verdict::Differs, None);
}

/// The counters one incident is held against, with how much.
fn counted(what: What) -> Vec<(&'static str, u64)> {
    let mut counts = Counts::default();
    counts.add(&incident(what));
    let pairs = RULES.iter().map(|rule| rule.counter).zip(counts.seen);
    pairs.filter(|(_, count)| *count > 0).collect()
}

fn sent(cause: ResetCause, reason: Option<&str>) -> What {
    What::RstSent {
        cause,
        reason: reason.map(Into::into),
        unsent_bytes: None,
        unacked_bytes: None,
        unread_bytes: None,
        linger: None,
    }
}

#[test]
fn resets_count_by_the_kernels_reason_not_by_our_cause() {
    let all = ("Tcp.OutRsts", 1);
    let data = ("TcpExt.TCPAbortOnData", 1);
    let cases = [
        (ResetCause::NoSocket, Some("NO_SOCKET"), vec![all]),
        (ResetCause::LingerZero, Some("TCP_STATE"), vec![all, data]),
        (ResetCause::LingerZero, None, vec![all, data]),
        (
            ResetCause::UnreadData,
            Some("TCP_ABORT_ON_DATA"),
            vec![all, data],
        ),
        (
            ResetCause::UnreadData,
            Some("TCP_ABORT_ON_CLOSE"),
            vec![all, ("TcpExt.TCPAbortOnClose", 1)],
        ),
        (
            ResetCause::Linger2,
            Some("TCP_ABORT_ON_DATA"),
            vec![all, data],
        ),
        (
            ResetCause::Linger2,
            Some("TCP_ABORT_ON_LINGER"),
            vec![all, ("TcpExt.TCPAbortOnLinger", 1)],
        ),
    ];
    for (cause, reason, expected) in cases {
        assert_eq!(counted(sent(cause, reason)), expected, "{cause} {reason:?}");
    }
}

fn again(kind: RetransmitType, segments: Option<u32>) -> What {
    What::Retransmit {
        kind,
        attempt: None,
        bytes: 1,
        sequence: None,
        segments,
        error: None,
        gave_up: false,
    }
}

#[test]
fn retransmissions_count_segments_and_syns_count_twice() {
    let segments = |count| ("Tcp.RetransSegs", count);
    let syn = ("TcpExt.TCPSynRetrans", 1);
    assert_eq!(counted(again(RetransmitType::Rto, Some(3))), [segments(3)]);
    assert_eq!(counted(again(RetransmitType::Rto, None)), [segments(1)]);
    assert_eq!(
        counted(again(RetransmitType::Syn, Some(1))),
        [segments(1), syn]
    );
    assert_eq!(
        counted(again(RetransmitType::SynAck, None)),
        [segments(1), syn]
    );
}

#[test]
fn a_retransmission_that_was_not_tried_counts_nowhere() {
    let failed = |error| What::Retransmit {
        kind: RetransmitType::Rto,
        attempt: None,
        bytes: 1,
        sequence: None,
        segments: Some(1),
        error: Some(error),
        gave_up: false,
    };
    let (busy, no_buffers) = (-16, -105);
    assert_eq!(counted(failed(busy)), []);
    assert_eq!(counted(failed(no_buffers)), [("Tcp.RetransSegs", 1)]);
}

#[test]
fn refusals_count_by_outcome() {
    let syn = |outcome, limited_by| What::SynDrop {
        outcome: Some(outcome),
        queue: None,
        limited_by,
        count: 3,
    };
    let (backlog, sysctl) = (Some(LimitedBy::Backlog), Some(LimitedBy::MaxSynBacklog));
    let dropped = counted(syn(DropOutcome::Dropped, backlog));
    let beyond = counted(syn(DropOutcome::Dropped, sysctl));
    assert_eq!(beyond, [("TcpExt.ListenDrops", 3)]);
    let refused = |counter| [("TcpExt.ListenDrops", 3), (counter, 3)];
    assert_eq!(dropped, refused("TcpExt.TCPReqQFullDrop"));
    let answered = counted(syn(DropOutcome::Cookie, None));
    assert_eq!(answered, [("TcpExt.TCPReqQFullDoCookies", 3)]);
    let accept = What::AcceptDrop {
        step: Some(Step::Ack),
        outcome: None,
        queue: None,
        limited_by: None,
        count: 2,
    };
    let both = [("TcpExt.ListenOverflows", 2), ("TcpExt.ListenDrops", 2)];
    assert_eq!(counted(accept), both);
}

fn minisock(phase: TimeWaitPhase, basis: Option<Basis>) -> What {
    What::TimeWait {
        phase,
        substate: Some(TcpState::TimeWait),
        timeout_ms: None,
        ended_by: Some(TimeWaitEnd::Timeout),
        new_owner: basis.map(|basis| owner(1, basis)),
    }
}

#[test]
fn only_a_reuse_by_connect_counts_as_recycled() {
    let reuse = TimeWaitPhase::Reuse;
    let by_connect = counted(minisock(reuse, Some(Basis::Task)));
    assert_eq!(by_connect, [("TcpExt.TWRecycled", 1)]);
    assert_eq!(counted(minisock(reuse, Some(Basis::Listener))), []);
    assert_eq!(counted(minisock(reuse, None)), []);
    let entered = counted(minisock(TimeWaitPhase::Enter, None));
    assert_eq!(entered, [("TcpExt.TW", 1)]);
    let refused = counted(minisock(TimeWaitPhase::Overflow, None));
    assert_eq!(refused, [("TcpExt.TCPTimeWaitOverflow", 1)]);
    assert_eq!(counted(minisock(TimeWaitPhase::Expire, None)), []);
}

#[test]
fn rejects_count_where_they_were_rejected() {
    let reject = |place| What::PawsDrop {
        place,
        reason: None,
    };
    let established = counted(reject(PawsWhere::Established));
    assert_eq!(established, [("TcpExt.PAWSEstab", 1)]);
    let late = counted(reject(PawsWhere::TimeWait));
    assert_eq!(late, [("TcpExt.PAWSTimewait", 1)]);
}

#[test]
fn window_has_its_start_its_end_and_a_slack_behind() {
    let mut window = Window::begin(100, 100, true);
    assert!(!window.contains(99));
    assert!(window.contains(100) && window.contains(u64::MAX));
    window.end(200);
    assert!(window.contains(200 + SLACK_NS) && !window.contains(201 + SLACK_NS));
    // Without counters nothing is held against them.
    assert!(!Window::begin(100, 100, false).contains(150));
}

#[test]
fn only_incidents_of_the_window_and_of_a_known_namespace_are_counted() {
    let mut ledger = Ledger::new(NOW_NS, true);
    ledger.end(NOW_NS + 1);
    let mut reset = incident(sent(ResetCause::NoSocket, None));
    ledger.note(&reset);
    reset.boot_ns = NOW_NS - 1;
    ledger.note(&reset);
    reset.boot_ns = NOW_NS + 2 + SLACK_NS;
    ledger.note(&reset);
    reset.boot_ns = NOW_NS;
    reset.flow.netns = None;
    ledger.note(&reset);
    let place = RULES.iter().position(|rule| rule.counter == "Tcp.OutRsts");
    assert_eq!(ledger.counts.len(), 1);
    assert_eq!(ledger.counts[&NETNS].seen[place.unwrap()], 1);
}

#[test]
fn kinds_that_feed_no_counter_count_nowhere() {
    let received = What::RstReceived {
        meaning: ResetMeaning::Refused,
    };
    assert_eq!(counted(received), []);
}

#[test]
fn every_counter_is_one_of_this_kernel_and_only_wanted_kinds_have_rows() {
    let own = u32::try_from(crate::source::netns::own().unwrap()).unwrap();
    let mut namespaces = KernelCounters::begin(&[own]);
    namespaces.end();
    namespaces.read(crate::survey::counters(&[own]));
    let ledger = Ledger::new(namespaces.start_ns(), true);
    let reported = |kinds| rows(&namespaces, &ledger, kinds, Some(0));
    let mut counters: Vec<_> = RULES.iter().map(|rule| rule.counter).collect();
    counters.dedup();
    // Which only some kernels have.
    counters.retain(|counter| namespaces.rises(counter).next().is_some());
    let reported_of_all = reported(KindSet::ALL);
    let all: Vec<_> = reported_of_all.iter().map(|row| &*row.counter).collect();
    assert_eq!(all, counters);
    assert!(all.len() >= 18, "{all:?}");
    assert_eq!(reported(KindSet::EMPTY), []);
    let only = reported(KindSet::EMPTY.with(Kind::SynDrop));
    let names: Vec<_> = only.iter().map(|row| &*row.counter).collect();
    // ListenDrops counts both kinds of refusals.
    assert_eq!(
        names,
        ["TcpExt.TCPReqQFullDrop", "TcpExt.TCPReqQFullDoCookies"]
    );
}
