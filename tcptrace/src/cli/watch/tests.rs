//! Words of a command line and the plan that comes of them.

use clap::Parser;

use super::super::args::{Cli, Command};
use super::*;
use crate::model::{Family, KindSet, Tier};
use crate::session::plan::{Engine, NetnsSpec, Stop};

fn parsed(line: &str) -> Result<Box<WatchArgs>, String> {
    let words = ["tcptrace", "watch"]
        .into_iter()
        .chain(line.split_whitespace());
    match Cli::try_parse_from(words) {
        Ok(Cli {
            command: Command::Watch(args),
            ..
        }) => Ok(args),
        Ok(other) => panic!("not watch: {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn plan(line: &str) -> Plan {
    WatchPlan::new(*parsed(line).unwrap()).unwrap().run
}

fn refusal(line: &str) -> String {
    match parsed(line) {
        Ok(args) => WatchPlan::new(*args).unwrap_err().to_string(),
        Err(error) => error,
    }
}

#[test]
fn without_a_choice_all_but_state_and_close_are_watched() {
    let plan = plan("");
    assert_eq!(plan.kinds, KindSet::DEFAULT);
    assert_eq!(plan.filter.kinds, KindSet::DEFAULT);
    assert!(plan.asked_by_name.is_empty());
}

#[test]
fn kinds_are_chosen_by_comma_and_repeat() {
    let kinds: KindSet = [Kind::RstSent, Kind::AcceptDrop, Kind::Close]
        .into_iter()
        .collect();
    let plan = plan("--only rst_sent,accept_drop --only close");
    assert_eq!(plan.kinds, kinds);
    assert_eq!(plan.asked_by_name, kinds);
}

#[test]
fn all_and_except_combine() {
    assert_eq!(plan("--all").kinds, KindSet::ALL);
    assert_eq!(
        plan("--all --except state").kinds,
        KindSet::ALL.without(Kind::State)
    );
    assert_eq!(
        plan("--except time_wait").kinds,
        KindSet::DEFAULT.without(Kind::TimeWait)
    );
}

#[test]
fn contradictions_are_refused() {
    assert!(refusal("--only close --except state").contains("cannot be used with"));
    assert!(refusal("--only close --except close").contains("cannot be used with"));
    assert!(refusal("-4 -6").contains("cannot be used with"));
    assert!(refusal("--children").contains("--pid"));
    let everything = Kind::ALL
        .iter()
        .map(|kind| kind.name())
        .collect::<Vec<_>>()
        .join(",");
    assert!(refusal(&format!("--all --except {everything}")).contains("leaves no kind"));
}

#[test]
fn an_unknown_kind_gets_the_list_and_the_nearest() {
    let text = refusal("--only rst_send");
    assert!(
        text.contains("time_wait") && text.contains("similar value"),
        "{text}"
    );
    assert!(text.contains("'rst_sent'"), "{text}");
}

#[test]
fn fail_on_needs_a_watched_kind_and_counts_as_named() {
    assert_eq!(
        plan("--fail-on rst_sent").asked_by_name,
        KindSet::EMPTY.with(Kind::RstSent)
    );
    assert!(refusal("--fail-on close").contains("add --all"));
    assert!(refusal("--only retransmit --fail-on close").contains("--only"));
}

#[test]
fn filters_arrive_typed() {
    let plan = plan(
        "--pid 1,2 --pid 3 --children --comm gunicorn-worker-7 --port 80,443 --raddr 10.1.2.3/8 \
         -4 --netns blue,7 --cgroup /sys/fs/cgroup/system.slice/",
    );
    assert_eq!(plan.filter.pids.len(), 3);
    assert!(plan.with_children);
    assert_eq!(plan.filter.comms, ["gunicorn-worker"]);
    assert_eq!(plan.filter.ports, [80, 443]);
    assert_eq!(plan.filter.raddrs[0].to_string(), "10.0.0.0/8");
    assert_eq!(plan.filter.family, Some(Family::Inet));
    assert_eq!(
        plan.netns,
        [NetnsSpec::Name("blue".into()), NetnsSpec::Pid(7)]
    );
    assert_eq!(plan.filter.cgroups, ["/system.slice"]);
}

#[test]
fn the_command_takes_every_word_after_the_dashes() {
    let command = plan("--count 3 -- curl --json -4").stop.command.unwrap();
    assert_eq!(command, ["curl", "--json", "-4"]);
    assert_eq!(plan("").stop, Stop::default());
    assert!(refusal("curl").contains("unexpected argument"));
}

#[test]
fn numbers_out_of_range_are_refused() {
    for line in [
        "--port 0",
        "--port 65536",
        "--pid 0",
        "--count 0",
        "--rate-limit 0",
    ] {
        assert!(refusal(line).contains("invalid value"), "{line}");
    }
    assert!(refusal("--ring-size 3M").contains("powers of two"));
    assert!(refusal("--duration 0").contains("zero"));
    assert!(refusal("--addr 10.0.0.0/33").contains("longest prefix"));
}

#[test]
fn the_engine_defaults_to_the_best_tier_and_four_mebibytes() {
    assert_eq!(
        plan("").engine,
        Engine {
            tier: None,
            ring_bytes: 4 << 20
        }
    );
    assert_eq!(plan("--tier kprobe").engine.tier, Some(Tier::Kprobe));
}
