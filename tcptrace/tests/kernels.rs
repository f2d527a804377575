//! What tcptrace makes of the types of every kernel it is kept for, without booting them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use tcptrace::kernel::Kernel;
use tcptrace::kernel::btf::Btf;
use tcptrace::kernel::enums::ReasonNames;
use tcptrace::kernel::tiers::{Hooks, SIGNALS};
use tcptrace_common::config::{
    ARG_DROP_REASON, ARG_DROP_SOCK, ARG_RESET_REASON, ARG_RETRANSMIT_ERR, Config,
    HELPER_SOCKET_COOKIE, HELPER_TASK_BTF, NO_REASON,
};
use tcptrace_common::hook::{HOOKS, Hook};
use tcptrace_common::kind;
use tcptrace_common::offsets::{KernelOffsets, NONE};

#[path = "fixture/kernels.rs"]
#[allow(dead_code, reason = "shared with the other tests of kernels")]
mod fixtures;
#[allow(dead_code, reason = "shared with the test of prototypes")]
mod quoted;

use fixtures::Fixture;

fn kernels() -> Vec<(Fixture, Kernel)> {
    let fixtures = fixtures::all();
    assert!(fixtures.len() >= 12, "only {}", fixtures.len());
    let kernel = |fixture: Fixture| {
        let kernel = Kernel::from_types(&fixture.types(), fixture.release.clone());
        (fixture, kernel)
    };
    fixtures.into_iter().map(kernel).collect()
}

/// Every type that tcptrace asks for is asked here too.
fn ask(types: &Btf) {
    let _ = Kernel::from_types(types, String::new());
    for hook in HOOKS {
        let _ = quoted::prototype(hook, types);
    }
}

#[test]
fn the_fixtures_were_made_for_what_is_asked_today() {
    let newest = fixtures::all().pop().unwrap();
    let types = Btf::parse_noting(newest.bytes).unwrap();
    ask(&types);
    let asked = fixtures::asked(&types.questions());
    let made_for = fs::read_to_string(fixtures::directory().join("asked.txt")).unwrap();
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (asked, made_for) = (lines(&asked), lines(&made_for));
    let new: Vec<_> = asked.difference(&made_for).collect();
    let gone: Vec<_> = made_for.difference(&asked).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "make the fixtures again (cargo run --example kernel_fixture); new {new:?}, gone {gone:?}"
    );
}

#[test]
fn every_fixture_is_small_and_says_where_it_comes_from() {
    let manifest = fs::read_to_string(fixtures::directory().join("MANIFEST.txt")).unwrap();
    let listed: Vec<&str> = manifest
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.0))
        .collect();
    let fixtures = fixtures::all();
    let there: Vec<&str> = fixtures.iter().map(|f| f.release.as_str()).collect();
    assert_eq!(listed, there);
    for fixture in &fixtures {
        assert!(fixture.bytes.len() < 100_000, "{}", fixture.release);
    }
}

#[test]
fn another_reader_found_the_same_on_every_kernel() {
    let text = fs::read_to_string(fixtures::directory().join("measured.txt")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let releases: Vec<&str> = lines.next().unwrap().split_whitespace().skip(1).collect();
    let kernels = kernels();
    let by_release = |release: &str| kernels.iter().find(|(f, _)| f.release == release);
    let kernels: Vec<_> = releases.iter().map(|r| by_release(r).expect(r)).collect();
    let mut compared = 0;
    for line in lines {
        let (name, values) = line.split_once(' ').unwrap();
        for ((fixture, kernel), value) in kernels.iter().zip(values.split_whitespace()) {
            let expected = value.parse::<u32>().ok();
            assert_eq!(
                found(kernel, name),
                expected,
                "{name} on {}",
                fixture.release
            );
            compared += 1;
        }
    }
    assert_eq!(compared % releases.len(), 0, "a line is too short");
    assert!(compared > 70 * releases.len(), "only {compared}");
}

/// A number of the table by its name there.
fn found(kernel: &Kernel, name: &str) -> Option<u32> {
    if let Some(reason) = name.strip_prefix("drop:") {
        return kernel.reasons.drop_number(reason);
    }
    if let Some(reason) = name.strip_prefix("reset:") {
        return kernel.reasons.reset_number(reason);
    }
    let place = KernelOffsets::NAMES.iter().position(|known| *known == name);
    let value = kernel.offsets.values()[place.expect(name)];
    (value != NONE).then_some(u32::from(value))
}

/// One line for each name, with the values of all kernels.
fn table(rows: &[(String, Vec<String>)], releases: &[String]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, values: &[String]| {
        let _ = write!(text, "{name:<26}");
        for value in values {
            let _ = write!(text, " {value:>8}");
        }
        text.push('\n');
    };
    line("", releases);
    for (name, values) in rows {
        line(name, values);
    }
    text
}

fn shown(number: Option<u32>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

#[test]
fn offsets_of_every_kernel() {
    let kernels = kernels();
    let releases: Vec<String> = kernels.iter().map(|(f, _)| f.release.clone()).collect();
    let rows: Vec<_> = KernelOffsets::NAMES
        .iter()
        .map(|name| {
            let values = kernels.iter().map(|(_, kernel)| shown(found(kernel, name)));
            ((*name).to_owned(), values.collect())
        })
        .collect();
    insta::assert_snapshot!(table(&rows, &releases));
}

#[test]
fn numbers_and_features_of_every_kernel() {
    let kernels = kernels();
    let releases: Vec<String> = kernels.iter().map(|(f, _)| f.release.clone()).collect();
    let row = |name: &str, of: &dyn Fn(&Config) -> u32| {
        let value = |number: u32| shown(Some(number).filter(|number| *number != NO_REASON));
        let values = kernels.iter().map(|(_, kernel)| value(of(&kernel.config)));
        (name.to_owned(), values.collect())
    };
    let has = |bit: u32| move |config: &Config| u32::from(config.features & bit != 0);
    let rows = [
        row("socket cookie helper", &has(HELPER_SOCKET_COOKIE)),
        row("current task helper", &has(HELPER_TASK_BTF)),
        row("reset reason reported", &has(ARG_RESET_REASON)),
        row("drop reason reported", &has(ARG_DROP_REASON)),
        row("drop's socket reported", &has(ARG_DROP_SOCK)),
        row("retransmit's result reported", &has(ARG_RETRANSMIT_ERR)),
        row("drop_listen_overflow", &|c| c.drop_listen_overflow),
        row("drop_paws", &|c| c.drop_paws),
        row("drop_paws_ack", &|c| c.drop_paws_ack),
        row("drop_tw_paws", &|c| c.drop_tw_paws),
        row("drop_tsecr", &|c| c.drop_tsecr),
        row("drop_no_socket", &|c| c.drop_no_socket),
        row("drop_not_specified", &|c| c.drop_not_specified),
        row("mib_listen_overflows", &|c| c.mib_listen_overflows),
        row("mib_syn_queue_drops", &|c| c.mib_syn_queue_drops),
        row("mib_syn_queue_cookies", &|c| c.mib_syn_queue_cookies),
        row("mib_embryonic_resets", &|c| c.mib_embryonic_resets),
        row("mib_paws_rejects", &|c| c.mib_paws_rejects),
        row("mib_out_resets", &|c| c.mib_out_resets),
        row("mib_time_wait_overflows", &|c| c.mib_time_wait_overflows),
    ];
    insta::assert_snapshot!(table(&rows, &releases));
}

#[test]
fn drift_of_the_reasons() {
    let mut text = String::new();
    let (mut drops, mut resets) = (BTreeSet::new(), BTreeSet::new());
    for (fixture, kernel) in kernels() {
        let _ = writeln!(text, "{}", fixture.release);
        drift(
            &mut text,
            "drop",
            &mut drops,
            numbered(&kernel.reasons, true),
        );
        drift(
            &mut text,
            "reset",
            &mut resets,
            numbered(&kernel.reasons, false),
        );
    }
    insta::assert_snapshot!(text);
}

fn numbered(reasons: &ReasonNames, of_drops: bool) -> BTreeSet<(u32, String)> {
    let own = |(number, name): (u32, &std::sync::Arc<str>)| (number, name.to_string());
    if of_drops {
        reasons.drops().map(own).collect()
    } else {
        reasons.resets().map(own).collect()
    }
}

/// What is new, moved or gone since the kernel before.
fn drift(
    text: &mut String,
    what: &str,
    before: &mut BTreeSet<(u32, String)>,
    now: BTreeSet<(u32, String)>,
) {
    for (number, name) in now.difference(before) {
        let _ = writeln!(text, "  {what} {number} {name}");
    }
    let is_gone = |name: &str| !now.iter().any(|(_, known)| known == name);
    for (_, name) in before.iter().filter(|(_, name)| is_gone(name)) {
        let _ = writeln!(text, "  {what} gone {name}");
    }
    *before = now;
}

#[test]
fn obstacles_of_every_kernel() {
    let mut text = String::new();
    for (fixture, kernel) in kernels() {
        let _ = writeln!(text, "{}", fixture.release);
        for signal in SIGNALS {
            for candidate in signal.candidates {
                if let Some(obstacle) = candidate.obstacle(&kernel) {
                    let (kind, part, tier) = (signal.kind, signal.part, candidate.tier);
                    let _ = writeln!(text, "  {kind} ({part}), {tier}: {obstacle}");
                }
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// A rule that compares with the kernel's counters may explain a difference by skipped runs of these.
#[test]
fn what_reports_a_kind_is_among_the_hooks_at_which_it_is_learnt() {
    for signal in SIGNALS {
        if ["whose", "whether"]
            .iter()
            .any(|word| signal.part.starts_with(word))
        {
            continue;
        }
        let known = kind::reporters(signal.kind as u16);
        for candidate in signal.candidates {
            let reporter = match &candidate.hooks {
                Hooks::Tracepoints(names) => names[0],
                Hooks::Functions { reporter, .. } => Hook::by_number(*reporter).unwrap().name,
                Hooks::Counters => continue,
            };
            let label = (signal.kind, signal.part, reporter);
            assert!(known.contains(&reporter), "{label:?}");
        }
    }
}
