//! `tcptrace doctor` on this kernel: as root, as nobody, and with some of root's privileges.
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

mod checker;
#[path = "fixture/kernels.rs"]
#[allow(dead_code, reason = "shared with the tests of kernels")]
mod fixtures;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tcptrace::model::Kind;

/// The options by which setpriv gives up everything.
const NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// The program where any user can start it; gone with the value.
struct Binary(PathBuf);

impl Binary {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("tcptrace-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let program = directory.join("tcptrace");
        // Not by this process: a child that another test starts meanwhile would inherit the open
        // file, and a program that is open for writing cannot be started.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_tcptrace"))
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(program)
    }

    /// Through setpriv, which gives up what its options say.
    fn doctor_with(&self, setpriv: &[&str]) -> Output {
        self.with(setpriv, &["doctor", "--hooks"])
    }

    fn with(&self, setpriv: &[&str], words: &[&str]) -> Output {
        Command::new("setpriv")
            .args(setpriv)
            .arg("--")
            .arg(&self.0)
            .args(words)
            .output()
            .unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.0.parent().unwrap()));
    }
}

/// Whether this test can run; says so when not.
fn is_root(test: &str) -> bool {
    let is_root = effective_user() == Some(0);
    if !is_root {
        eprintln!("SKIPPED: {test} needs root");
    }
    is_root
}

/// Effective user, from /proc: no dependency for one number.
fn effective_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines that show the source of each kind, by kind.
fn lines_of<'a>(report: &'a str, kind: &str) -> Vec<&'a str> {
    let begin = format!("  {kind} ");
    report
        .lines()
        .skip_while(|line| !line.starts_with(&begin))
        .enumerate()
        .take_while(|(place, line)| *place == 0 || line.starts_with("   "))
        .map(|(_, line)| line)
        .collect()
}

fn assert_presentable(report: &str) {
    for line in report.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
        assert!(!line.chars().any(char::is_control), "raw: {line:?}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
}

#[test]
fn as_root_every_kind_is_reported_with_its_hook_and_nothing_is_missing() {
    if !is_root("as_root_every_kind_is_told_with_its_hook_and_nothing_is_missing") {
        return;
    }
    let output = Binary::new("root").doctor_with(&["--no-new-privs"]);
    let report = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{report}{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stderr), "");
    assert_presentable(&report);
    for kind in Kind::ALL.iter().map(|kind| kind.name()) {
        let lines = lines_of(&report, kind);
        assert!(!lines.is_empty(), "{kind} is not reported");
        let is_served = |line: &&str| line.contains("tp_btf/") && line.contains(" seen ");
        assert!(lines.iter().any(is_served), "{kind}: {lines:?}");
    }
    assert!(report.contains("iter/task_file"), "{report}");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(report.contains(release.trim()), "{report}");
}

#[test]
fn nobody_gets_a_report_and_3() {
    if !is_root("nobody_gets_a_report_and_3") {
        return;
    }
    let output = Binary::new("nobody").doctor_with(&NOBODY);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{report}");
    assert_presentable(&report);
    assert!(
        report.contains("CAP_BPF             no, and required"),
        "{report}"
    );
    assert!(
        report.contains("not tried, for a lack of privileges"),
        "{report}"
    );
    let message = text(&output.stderr);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(
        lines[0],
        "tcptrace: need CAP_BPF and CAP_PERFMON (have: none)"
    );
    assert!(
        lines[1].starts_with("sudo /") && lines[1].ends_with("/tcptrace doctor --hooks"),
        "{message}"
    );
    assert!(
        lines[2].starts_with("sudo setcap cap_bpf,cap_perfmon,"),
        "{message}"
    );
}

#[test]
fn two_capabilities_are_enough_to_attach_but_not_for_time_wait() {
    if !is_root("two_capabilities_are_enough_to_attach_but_not_for_time_wait") {
        return;
    }
    let some = [
        &NOBODY[..],
        &[
            "--inh-caps",
            "+bpf,+perfmon",
            "--ambient-caps",
            "+bpf,+perfmon",
        ],
    ];
    let output = Binary::new("some").doctor_with(&some.concat());
    let report = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{report}{}",
        text(&output.stderr)
    );
    assert_presentable(&report);
    assert!(report.contains("CAP_SYSLOG          no: "), "{report}");
    let resets = lines_of(&report, "rst_received");
    assert!(resets[0].contains("seen"), "{resets:?}");
    let time_wait = lines_of(&report, "time_wait");
    assert!(
        time_wait.iter().all(|line| !line.contains(" seen ")),
        "{time_wait:?}"
    );
    assert!(
        time_wait.iter().any(|line| line.contains("not visible")),
        "{time_wait:?}"
    );
    assert!(
        time_wait
            .iter()
            .any(|line| line.contains("refused") && line.contains("tw_timer_handler")),
        "{time_wait:?}"
    );
    // What needs no address stays.
    let linger = lines_of(&report, "linger_close");
    assert!(linger[0].contains("seen"), "{linger:?}");
    assert!(
        linger.iter().any(|line| line.contains("not visible")),
        "{linger:?}"
    );
}

#[test]
fn a_hostile_name_of_the_program_does_not_reach_the_terminal() {
    use std::os::unix::process::CommandExt as _;
    if !is_root("a_hostile_name_of_the_program_does_not_reach_the_terminal") {
        return;
    }
    let binary = Binary::new("hostile");
    // The advice repeats the words the program was called by.
    let output = Command::new(&binary.0)
        .arg0("evil\u{1b}[2J")
        .arg("doctor")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message:?}");
    assert!(message.contains("sudo evil?[2J doctor"), "{message:?}");
}

/// The report as an object that obeys the schema.
fn object(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    checker::Contract::own().holds(&report).unwrap();
    report
}

/// What serves a part of a kind.
fn signals<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let signals = report["signals"].as_array().unwrap();
    signals.iter().filter(|row| row["kind"] == kind).collect()
}

/// A kernel there is a fixture of, judged by its file.
fn judged(release: &str, words: &[&str]) -> Output {
    let file = fixtures::directory().join(format!("{release}.btf"));
    Command::new(env!("CARGO_BIN_EXE_tcptrace"))
        .args(["doctor", "--btf"])
        .arg(file)
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn the_object_says_what_the_text_says() {
    if !is_root("the_object_says_what_the_text_says") {
        return;
    }
    let binary = Binary::new("json");
    let output = binary.with(&["--no-new-privs"], &["doctor", "--json"]);
    let report = object(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["tried"], &report["kind"]),
        (&Value::Bool(true), &"doctor".into())
    );
    for kind in Kind::ALL.iter().map(|kind| kind.name()) {
        let rows = signals(&report, kind);
        assert!(
            rows.iter().any(|row| row["evidence"] == "seen"),
            "{kind}: {rows:?}"
        );
    }
    let page = text(&binary.doctor_with(&["--no-new-privs"]).stdout);
    for row in report["signals"].as_array().unwrap() {
        let words = ["part", "evidence", "hook"].map(|name| row[name].as_str().unwrap_or("-"));
        let reported = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(page.lines().any(reported), "{row}");
    }
    let programs = report["programs"].as_array().unwrap();
    assert!(
        programs.contains(&"sched_process_fork".into()),
        "{programs:?}"
    );
    assert_eq!(report["children"]["hook"], "tp_btf/sched_process_fork");
    assert!(
        page.contains("followed by tp_btf/sched_process_fork"),
        "{page}"
    );
}

#[test]
fn nobody_gets_an_object_too_and_3() {
    if !is_root("nobody_gets_an_object_too_and_3") {
        return;
    }
    let output = Binary::new("nobody-json").with(&NOBODY, &["doctor", "--json"]);
    let report = object(&output);
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    assert_eq!(report["signals"].as_array().map(Vec::len), Some(0));
    assert!(report["untried"].as_str().unwrap().contains("privileges"));
    let capabilities = report["privileges"]["capabilities"].as_array().unwrap();
    let required: Vec<_> = capabilities
        .iter()
        .filter(|capability| capability["required"] == true)
        .map(|capability| capability["name"].as_str().unwrap())
        .collect();
    assert_eq!(required, ["CAP_PERFMON", "CAP_BPF"]);
}

#[test]
fn a_kernel_is_judged_by_its_file_without_privileges_and_nothing_is_tried() {
    let output = judged("5.10.262", &["--json"]);
    let report = object(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["kernel"]["release"], "5.10.262");
    for absent in [
        "privileges",
        "programs",
        "counters",
        "older_sockets",
        "children",
        "looked_ms",
        "host",
        "settings",
        "namespaces",
        "listeners",
        "findings",
        "unseen",
    ] {
        assert_eq!(report[absent], Value::Null, "{absent}");
    }
    assert_eq!(report["tried"], false);
    let refused = |row: &&Value| {
        row["refusals"]
            .as_array()
            .is_some_and(|why| !why.is_empty())
    };
    assert!(
        signals(&report, "paws_drop").iter().any(refused),
        "5.10 has no drop reasons"
    );
    let newest = object(&judged("7.3.4", &["--json"]));
    assert!(!signals(&newest, "paws_drop").iter().any(refused));
    let page = text(&judged("7.3.4", &[]).stdout);
    assert_presentable(&page);
    assert!(
        page.contains("EXPECTED COVERAGE") && !page.contains("PRIVILEGES"),
        "{page}"
    );
}

#[test]
fn what_contradicts_itself_or_does_not_exist_is_a_usage_error() {
    for words in [&["--fail"][..], &["--netns", "1"]] {
        assert_eq!(judged("7.3.4", words).status.code(), Some(2), "{words:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
        .args(["doctor", "--netns", "no-such-namespace"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("no-such-namespace"), "{message}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn the_own_namespace_is_reported_to_nobody_too() {
    if !is_root("the_own_namespace_is_told_to_nobody_too") {
        return;
    }
    let binary = Binary::new("nobody-page");
    let page = text(&binary.with(&NOBODY, &["doctor", "--all-settings"]).stdout);
    assert_presentable(&page);
    for part in [
        "SETTINGS OF NETNS ",
        "COUNTED IN NETNS ",
        "NOT VISIBLE",
        "FINDINGS, OBSERVED FOR ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("core.somaxconn"), "{page}");
    assert!(
        page.contains("cannot be read without CAP_SYS_PTRACE"),
        "{page}"
    );
}

#[test]
fn settings_in_the_page_are_those_of_the_object() {
    let words = ["doctor", "--netns", &std::process::id().to_string()];
    let run = |more: &[&str]| {
        let program = env!("CARGO_BIN_EXE_tcptrace");
        let output = Command::new(program).args(words).args(more).output();
        output.unwrap()
    };
    let report = object(&run(&["--json"]));
    let groups = report["settings"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "one namespace was asked for");
    let page = text(&run(&["--color", "never", "--all-settings"]).stdout);
    assert_presentable(&page);
    for row in groups[0]["values"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap().trim_start_matches("net.");
        let begin = format!("  {name} ");
        let line = page.lines().find(|line| line.starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {page}"));
        let value = row["value"].as_str().unwrap_or("-");
        assert!(value.len() > 11 || line.contains(value), "{line}");
    }
}

#[test]
fn a_file_without_types_is_an_error_that_says_what_it_should_be() {
    let output = judged("../MANIFEST", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read"));
    let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
        .args(["doctor", "--btf"])
        .arg(fixtures::directory().join("MANIFEST.txt"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("/sys/kernel/btf/vmlinux"), "{message}");
}
