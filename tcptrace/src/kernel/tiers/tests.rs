//! What candidates attach on kernels from 5.10 to 7.3, by their types.

use std::collections::HashSet;
use std::path::Path;

use tcptrace_common::hook::{self, Site};

use super::*;

fn kernel(release: &str) -> Kernel {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixture/kernels")
        .join(format!("{release}.btf"));
    Kernel::from_file(&file).unwrap()
}

fn signal(kind: Kind, part: &str) -> &'static Signal {
    SIGNALS
        .iter()
        .find(|signal| signal.kind == kind && signal.part == part)
        .unwrap()
}

/// The first candidate that this kernel's types allow.
fn first(kernel: &Kernel, kind: Kind, part: &str, forced: Option<Tier>) -> String {
    let candidates = signal(kind, part).candidates.iter();
    let mut viable =
        candidates.filter(|c| c.tier.is_allowed_by(forced) && c.obstacle(kernel).is_none());
    viable.next().map_or("none".to_owned(), |c| c.label(kernel))
}

#[test]
fn minisocks_are_made_by_the_function_that_the_kernel_has() {
    let enter = |release| first(&kernel(release), Kind::TimeWait, "enter", None);
    assert_eq!(enter("5.10.262"), "fentry/__inet_twsk_schedule");
    assert_eq!(enter("6.1.192"), "fentry/__inet_twsk_schedule");
    assert_eq!(enter("6.12.117"), "fentry/inet_twsk_hashdance_schedule");
    assert_eq!(enter("7.3.4"), "fentry/inet_twsk_hashdance_schedule");
}

#[test]
fn a_tracepoint_that_shows_everything_comes_before_functions() {
    let rejects = |release| first(&kernel(release), Kind::PawsDrop, "by connections", None);
    assert_eq!(rejects("6.18.15"), "tp_btf/kfree_skb");
    // No reasons on 5.10, no receiving socket on 6.1.
    assert_eq!(rejects("5.10.262"), "fexit/tcp_validate_incoming");
    assert_eq!(rejects("6.1.192"), "fexit/tcp_validate_incoming");
}

#[test]
fn a_forced_tier_keeps_tracepoints_and_shuts_out_the_other_functions() {
    let kernel = kernel("6.1.192");
    let refused = |tier| first(&kernel, Kind::AcceptDrop, "at the SYN", Some(tier));
    assert_eq!(refused(Tier::Fentry), "fexit/tcp_conn_request");
    assert_eq!(refused(Tier::Kprobe), "kretprobe/tcp_conn_request");
    assert_eq!(refused(Tier::Tracepoint), "tp_btf/consume_skb");
    let segments = first(&kernel, Kind::Retransmit, "segments", Some(Tier::Kprobe));
    assert_eq!(segments, "tp_btf/tcp_retransmit_skb");
}

#[test]
fn a_function_that_blocks_has_no_return_breakpoint() {
    let part = signal(Kind::LingerClose, "timed out");
    assert!(part.candidates.iter().all(|c| c.tier != Tier::Kprobe));
    let accept = ACCEPT.candidates.iter().find(|c| c.tier == Tier::Kprobe);
    let programs = accept.unwrap().programs(&kernel("6.12.117")).unwrap();
    assert_eq!(programs.len(), 1);
    assert_eq!(programs[0].name, "kprobe_security_sock_graft");
}

#[test]
fn breakpoints_keep_the_arguments_of_a_call_at_its_entry() {
    let part = signal(Kind::TimeWait, "overflow");
    let names = |tier| -> Vec<&str> {
        let found = part.candidates.iter().find(|c| c.tier == tier).unwrap();
        let programs = found.programs(&kernel("6.12.117")).unwrap();
        programs.into_iter().map(|program| program.name).collect()
    };
    let alloc = |name: &&str| name.ends_with("_inet_twsk_alloc");
    let by_btf = names(Tier::Fentry);
    assert_eq!(
        by_btf.into_iter().filter(alloc).collect::<Vec<_>>(),
        ["fexit_inet_twsk_alloc"]
    );
    let by_breakpoint = names(Tier::Kprobe);
    assert_eq!(
        by_breakpoint.into_iter().filter(alloc).collect::<Vec<_>>(),
        ["kprobe_inet_twsk_alloc", "kretprobe_inet_twsk_alloc"]
    );
}

/// What the doctor and events call a hook is one list.
#[test]
fn every_label_is_a_hook_that_events_can_name() {
    for release in ["5.10.262", "6.12.117", "7.3.4"] {
        let kernel = kernel(release);
        for signal in SIGNALS {
            for candidate in signal.candidates {
                if candidate.tier == Tier::Counting || candidate.programs(&kernel).is_err() {
                    continue;
                }
                let label = candidate.label(&kernel);
                assert!(
                    hook::NAMES.contains(&label.as_str()),
                    "{label} on {release}"
                );
            }
        }
    }
}

#[test]
fn a_function_has_a_number_of_its_own_in_each_tier() {
    let by_number = |number: u8| hook::NAMES[usize::from(number)];
    let number = hook::TCP_CHECK_REQ;
    assert_eq!(by_number(number), "fexit/tcp_check_req");
    let by_breakpoint = hook::by_breakpoint(number);
    assert_eq!(by_number(by_breakpoint), "kretprobe/tcp_check_req");
    let names: HashSet<&str> = hook::NAMES.into_iter().collect();
    assert_eq!(names.len(), hook::NAMES.len());
    for hook in hook::HOOKS
        .iter()
        .filter(|hook| hook.site == Site::Function)
    {
        let by_btf = hook.label().rsplit('/').next();
        assert_eq!(by_btf, Some(hook.name));
        if let Some(label) = hook.label_by_breakpoint() {
            assert_eq!(label.rsplit('/').next(), by_btf);
        }
    }
}

#[test]
fn a_stand_in_is_for_a_function_of_the_same_family() {
    for hook in hook::HOOKS {
        if let Some(replaced) = hook.unless {
            let replaced = hook::HOOKS.iter().find(|other| other.name == replaced);
            assert_eq!(replaced.unwrap().families, hook.families, "{}", hook.name);
        }
    }
}

#[test]
fn every_program_of_a_candidate_is_in_the_object() {
    let object = crate::kernel::attach::OBJECT;
    let words: HashSet<&[u8]> = object.split(|byte| *byte == 0).collect();
    let has = |name: &str| words.contains(name.as_bytes());
    for release in ["5.10.262", "7.3.4"] {
        let kernel = kernel(release);
        for candidate in SIGNALS.iter().flat_map(|signal| signal.candidates) {
            for program in candidate.programs(&kernel).unwrap_or_default() {
                assert!(has(program.name), "{} is not in the object", program.name);
            }
        }
    }
    assert!(!has("fentry_no_such_function"));
}
