use super::super::ledger::tests::{NETNS, NOW_NS, incident, owner};
use super::*;
use crate::interpret::counter_rules::{Gap, Sums as Both};
use crate::model::flow::TcpState;
use crate::model::incident::{
    Call, ConnectOutcome, DropOutcome, LimitedBy, PawsWhere, ResetCause, ResetMeaning,
    RetransmitType, Step, TimeWaitEnd, TimeWaitPhase, TimeoutCause,
};
use crate::model::{Basis, Errno, Kind, What};
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
        limit: |both| both.kernel("Test.Reason").unwrap_or(0),
    }],
    ..EXACT_RULE
};

/// What counts the reason of [`GAP_RULE`].
struct Reason(u64);

impl Both for Reason {
    fn kernel(&self, counter: &str) -> Option<u64> {
        (counter == "Test.Reason").then_some(self.0)
    }

    fn ours(&self, _: &str) -> u64 {
        0
    }
}

const QUIET: Sums = Sums {
    kernel: 0,
    ours: 0,
    counted: 0,
    at_edge: 0,
    lost: 0,
    skipped: 0,
    unrecorded: Some(0),
    unread: 0,
};

/// Kernel, ours; how much the reason of the gap has counted.
#[track_caller]
fn judged(
    rule: &Rule,
    (kernel, ours): (u64, u64),
    others: Sums,
    reason: u64,
    expected: Verdict,
    note: Option<&str>,
) {
    let sums = Sums {
        kernel,
        ours,
        ..others
    };
    let (verdict, reported) = sums.verdict(rule, &Reason(reason));
    assert_eq!((verdict, reported.as_deref()), (expected, note));
}

#[test]
fn equal_counts_are_exact_whatever_else_happened() {
    judged(&EXACT_RULE, (3, 3), QUIET, 0, Verdict::Exact, None);
    let lost = Sums { lost: 9, ..QUIET };
    judged(&GAP_RULE, (0, 0), lost, 9, Verdict::Exact, None);
}

#[test]
fn losses_explain_up_to_as_many_as_were_lost() {
    let lost = Sums { lost: 2, ..QUIET };
    let note = Some("2 events of kind accept_drop were lost");
    judged(&EXACT_RULE, (5, 3), lost, 0, Verdict::Explained, note);
    judged(&EXACT_RULE, (4, 3), lost, 0, Verdict::Explained, note);
    judged(&EXACT_RULE, (6, 3), lost, 0, Verdict::Differs, None);
    judged(&EXACT_RULE, (3, 4), lost, 0, Verdict::Differs, None);
}

#[test]
fn skipped_runs_explain_up_to_as_many_as_were_skipped() {
    let skipped = Sums {
        skipped: 2,
        ..QUIET
    };
    let note = Some("the kernel skipped 2 runs of the hooks that report them");
    judged(&EXACT_RULE, (5, 3), skipped, 0, Verdict::Explained, note);
    judged(&EXACT_RULE, (6, 3), skipped, 0, Verdict::Differs, None);
    judged(&EXACT_RULE, (2, 3), skipped, 0, Verdict::Differs, None);
}

#[test]
fn a_gap_explains_its_own_side_up_to_what_its_reason_counted() {
    let note = Some("a gap that is known");
    judged(&GAP_RULE, (5, 3), QUIET, 2, Verdict::Explained, note);
    judged(&GAP_RULE, (5, 3), QUIET, 1, Verdict::Differs, None);
    // The first cookie of a CPU: no accept queue was full.
    judged(&GAP_RULE, (50, 49), QUIET, 0, Verdict::Differs, None);
    judged(&GAP_RULE, (3, 5), QUIET, 2, Verdict::Differs, None);
}

#[test]
fn several_reasons_explain_together_up_to_their_sum() {
    let lost = Sums { lost: 2, ..QUIET };
    let both = Some("2 events of kind accept_drop were lost; a gap that is known");
    judged(&GAP_RULE, (10, 3), lost, 5, Verdict::Explained, both);
    judged(&GAP_RULE, (11, 3), lost, 5, Verdict::Differs, None);
    let gap = Some("a gap that is known");
    judged(&GAP_RULE, (8, 3), lost, 5, Verdict::Explained, gap);
}

#[test]
fn events_at_the_edge_explain_up_to_as_many_as_there_were_on_either_side() {
    let edge = Sums {
        at_edge: 2,
        ..QUIET
    };
    let note = Some("2 events arrived within 2 ms of reading the kernel's counters");
    for (kernel, verdict) in [
        (7, Verdict::Differs),
        (8, Verdict::Explained),
        (12, Verdict::Explained),
        (13, Verdict::Differs),
    ] {
        let note = note.filter(|_| verdict == Verdict::Explained);
        judged(&EXACT_RULE, (kernel, 10), edge, 0, verdict, note);
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
fn what_was_counted_from_the_counter_is_no_second_opinion() {
    let counted = Sums {
        counted: 4,
        ..QUIET
    };
    let note = Some("4 were counted from this counter and not observed");
    judged(&EXACT_RULE, (7, 3), counted, 0, Verdict::Explained, note);
    judged(&EXACT_RULE, (8, 3), counted, 0, Verdict::Differs, None);
}

#[test]
fn unread_namespaces_are_named_and_explain_nothing_of_those_that_were_read() {
    let unread = Sums { unread: 4, ..QUIET };
    let note = Some("4 network namespaces could not be read");
    judged(&EXACT_RULE, (3, 3), unread, 0, Verdict::Exact, note);
    judged(&EXACT_RULE, (3, 5), unread, 0, Verdict::Differs, None);
}

#[test]
fn difference_without_a_reason_differs() {
    judged(&EXACT_RULE, (5, 3), QUIET, 0, Verdict::Differs, None);
    judged(&EXACT_RULE, (3, 5), QUIET, 0, Verdict::Differs, None);
}

/// The counters one incident is held against, with how much.
fn counted(what: What) -> Vec<(&'static str, u64)> {
    let mut counts = Counts::default();
    counts.add(&incident(what));
    let pairs = RULES.iter().map(|rule| rule.counter).zip(counts.seen);
    let mut pairs: Vec<_> = pairs.filter(|(_, count)| *count > 0).collect();
    // By the rule for all kinds, not by those for fewer.
    let mut known = std::collections::HashSet::new();
    pairs.retain(|(counter, _)| known.insert(*counter));
    pairs
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
    let timeout = ("TcpExt.TCPTimeouts", 1);
    let syn_acks = ("SYN-ACKs sent again", 1);
    assert_eq!(counted(again(RetransmitType::Rto, Some(3))), [segments(3)]);
    assert_eq!(counted(again(RetransmitType::Rto, None)), [segments(1)]);
    assert_eq!(
        counted(again(RetransmitType::Syn, Some(1))),
        [segments(1), syn, timeout]
    );
    assert_eq!(
        counted(again(RetransmitType::SynAck, None)),
        [segments(1), syn, timeout, syn_acks]
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
    let own = ("SYNs beyond tcp_max_syn_backlog", 3);
    assert_eq!(beyond, [("TcpExt.ListenDrops", 3), own]);
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
fn attempts_fail_by_a_refusal_a_timeout_or_the_network() {
    let failed = ("Tcp.AttemptFails", 1);
    let received = |meaning| counted(What::RstReceived { meaning });
    assert_eq!(received(ResetMeaning::Refused), [failed]);
    assert_eq!(received(ResetMeaning::Reset), []);
    let connect = |outcome, error, syns| {
        counted(What::ConnectFailed {
            outcome,
            call: Call::Connect,
            error,
            after_ms: None,
            syns: Some(syns),
        })
    };
    let by_network = connect(ConnectOutcome::Failed, Some(Errno::Ehostunreach), 1);
    let others = ("connections that the network refused", 1);
    assert_eq!(by_network, [others, failed]);
    let silent = connect(ConnectOutcome::Failed, Some(Errno::Etimedout), 7);
    let (aborted, timeout) = (("TcpExt.TCPAbortOnTimeout", 1), ("TcpExt.TCPTimeouts", 1));
    assert_eq!(silent, [aborted, failed, timeout]);
    let no_port = connect(ConnectOutcome::Failed, Some(Errno::Eaddrnotavail), 0);
    assert_eq!(no_port, []);
    let closed = connect(ConnectOutcome::Closed, None, 1);
    assert_eq!(closed, [("connections closed before the answer", 1)]);
}

#[test]
fn a_connection_given_up_counts_once_and_its_last_timeout_too() {
    let given_up = |cause, unacked_bytes| {
        counted(What::TimedOut {
            cause,
            silent_ms: None,
            resends: Some(3),
            unacked_bytes,
            unsent_bytes: Some(0),
            error: Some(Errno::Etimedout),
        })
    };
    let (aborted, timeout) = (("TcpExt.TCPAbortOnTimeout", 1), ("TcpExt.TCPTimeouts", 1));
    let by_data = given_up(TimeoutCause::Retransmits, Some(77));
    assert_eq!(by_data, [aborted, timeout]);
    let by_probes = given_up(TimeoutCause::Keepalive, Some(0));
    assert_eq!(by_probes, [aborted]);
}

#[test]
fn before_reset_reasons_the_cause_counts() {
    let all = ("Tcp.OutRsts", 1);
    let unread = counted(sent(ResetCause::UnreadData, None));
    assert_eq!(unread, [all, ("TcpExt.TCPAbortOnClose", 1)]);
    let by_linger2 = counted(sent(ResetCause::Linger2, None));
    assert_eq!(by_linger2, [all, ("TcpExt.TCPAbortOnLinger", 1)]);
    let for_want_of_memory = counted(sent(ResetCause::OutOfMemory, None));
    assert_eq!(for_want_of_memory, [all, ("TcpExt.TCPAbortOnMemory", 1)]);
    // Of a minisock, which has no options.
    assert_eq!(counted(sent(ResetCause::LateData, None)), [all]);
}

#[test]
fn every_counter_is_one_of_this_kernel_and_only_wanted_kinds_have_rows() {
    let own = u32::try_from(crate::source::netns::own().unwrap()).unwrap();
    let mut namespaces = KernelCounters::begin(&[own]);
    namespaces.end();
    namespaces.read(crate::survey::counters(&[own]));
    let ledger = Ledger::new(namespaces.start_ns(), true);
    let reported = |kinds| rows(&namespaces, &ledger, kinds, Some(0));
    let mut counters: Vec<_> = Vec::new();
    for rule in RULES {
        if !counters.contains(&rule.counter) {
            counters.push(rule.counter);
        }
    }
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
