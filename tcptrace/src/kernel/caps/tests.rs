use proptest::prelude::*;

use super::*;

const FULL_MAP: &str = "         0          0 4294967295\n";

/// A process with these capabilities on a kernel whose highest is `last_cap`.
fn process(caps: &[Capability], last_cap: u8) -> Privileges {
    let effective = caps.iter().fold(0, |set, cap| set | 1 << cap.number());
    Privileges {
        effective: Some(effective),
        last_cap: Some(last_cap),
        in_user_namespace: Some(false),
        ..Privileges::default()
    }
}

fn message(privileges: &Privileges) -> Option<String> {
    privileges.permission_message(Path::new("/opt/tcptrace"), "tcptrace watch")
}

#[test]
fn without_any_capability_the_message_gives_the_way_out() {
    assert_eq!(
        message(&process(&[], 40)).unwrap(),
        "need CAP_BPF and CAP_PERFMON (have: none)\n\
         sudo tcptrace watch\n\
         sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_syslog=ep /opt/tcptrace\n\
         note: setcap lets every user who may run the binary trace all processes; to allow only a group, run this first: sudo groupadd -f tcptrace && sudo chown root:tcptrace /opt/tcptrace && sudo \
         chmod 0750 /opt/tcptrace"
    );
}

#[test]
fn kernels_without_cap_bpf_want_cap_sys_admin() {
    let before = process(&[Capability::NetAdmin], 37);
    assert!(
        message(&before)
            .unwrap()
            .starts_with("need CAP_SYS_ADMIN (have: CAP_NET_ADMIN)\n")
    );
    assert_eq!(message(&process(&[Capability::SysAdmin], 37)), None);
    let first = process(
        &[Capability::Bpf, Capability::Perfmon],
        Capability::Bpf.number(),
    );
    assert_eq!(message(&first), None, "the first kernel that has them");
}

#[test]
fn two_capabilities_are_enough_and_one_is_not() {
    assert_eq!(
        message(&process(&[Capability::Bpf, Capability::Perfmon], 40)),
        None
    );
    assert_eq!(message(&process(&[Capability::SysAdmin], 40)), None);
    let half = message(&process(&[Capability::Bpf], 40)).unwrap();
    assert!(
        half.starts_with("need CAP_BPF and CAP_PERFMON (have: CAP_BPF; missing: CAP_PERFMON)\n"),
        "{half}"
    );
}

#[test]
fn missing_names_what_is_lost() {
    let missing = process(&[Capability::Bpf, Capability::Perfmon], 40).missing();
    assert!(missing.iter().all(|missing| !missing.required));
    assert!(
        missing
            .iter()
            .any(|missing| missing.cap == Capability::SysPtrace)
    );
    let missing = process(&[Capability::SysAdmin], 40).missing();
    assert!(
        missing
            .iter()
            .any(|missing| missing.cap == Capability::Syslog),
        "CAP_SYS_ADMIN does not show addresses"
    );
    assert_eq!(process(&Capability::ALL, 40).missing(), []);
}

#[test]
fn root_in_a_user_namespace_is_reported_so() {
    let root = Privileges {
        in_user_namespace: Some(true),
        ..process(&Capability::ALL, 40)
    };
    let message = message(&root).unwrap();
    assert!(
        message.contains("user namespace") && !message.contains("setcap"),
        "{message}"
    );
}

#[test]
fn what_is_not_known_is_not_called_missing() {
    let unknown = Privileges::from_texts(|_| None);
    assert_eq!(unknown, Privileges::default());
    assert_eq!(unknown.missing(), []);
    assert_eq!(message(&unknown), None);
}

#[test]
fn what_else_stands_in_the_way_is_noted() {
    let locked = Privileges {
        lockdown: Some(Lockdown::Confidentiality),
        perf_event_paranoid: Some(4),
        unprivileged_bpf_disabled: Some(2),
        kptr_restrict: Some(2),
        ..process(&[], 40)
    };
    assert_eq!(locked.notes().len(), 4);
    assert_eq!(message(&locked).unwrap().lines().count(), 8);
    let has_bpf = Privileges {
        unprivileged_bpf_disabled: Some(2),
        ..process(&[Capability::Bpf], 40)
    };
    assert_eq!(
        has_bpf.notes(),
        Vec::<String>::new(),
        "it is for those without CAP_BPF"
    );
    let open = Privileges {
        perf_event_paranoid: Some(2),
        ..process(&[], 40)
    };
    assert_eq!(open.notes(), Vec::<String>::new());
}

#[test]
fn files_are_read_as_the_kernel_writes_them() {
    let privileges = Privileges::from_texts(|path| {
        Some(match path {
            "/proc/self/status" => "Name:\tx\nCapPrm:\t0\nCapEff:\t000000c000000000\n".to_owned(),
            "/proc/self/uid_map" => FULL_MAP.to_owned(),
            "/sys/kernel/security/lockdown" => "none [integrity] confidentiality\n".to_owned(),
            "/proc/sys/kernel/cap_last_cap" => "40\n".to_owned(),
            _ => "-1\n".to_owned(),
        })
    });
    let expected = Privileges {
        lockdown: Some(Lockdown::Integrity),
        perf_event_paranoid: Some(-1),
        ..process(&[Capability::Bpf, Capability::Perfmon], 40)
    };
    assert_eq!(privileges, expected);
}

#[test]
fn maps_other_than_the_whole_are_user_namespaces() {
    assert_eq!(is_partial(FULL_MAP), Some(false));
    assert_eq!(is_partial(""), Some(true));
    assert_eq!(is_partial("0 1000 1\n"), Some(true));
    assert_eq!(is_partial("0 0 4294967295\n0 0 1\n"), Some(true));
    assert_eq!(is_partial("x"), None);
}

#[test]
fn paths_stay_one_word_for_the_shell() {
    assert_eq!(shell_word(Path::new("/opt/a b's")), r"'/opt/a b'\''s'");
}

#[test]
fn this_process_knows_its_own_set() {
    let privileges = Privileges::probe();
    assert!(privileges.effective.is_some() && privileges.last_cap.is_some());
    assert!(privileges.in_user_namespace.is_some());
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), odd in "[0-9a-f \n\\[\\]CapEff:]*") {
        for text in [text, odd] {
            let privileges = Privileges::from_texts(|_| Some(text.clone()));
            let _ = (message(&privileges), privileges.notes());
        }
    }
}
