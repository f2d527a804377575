//! The binary's words and exit codes; nothing here needs a privilege.

use std::process::{Command as Process, Stdio};
use std::time::Duration;

use assert_cmd::Command;

fn tcptrace(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
        .args(words)
        // A command line that should be refused must not watch for ever.
        .timeout(Duration::from_secs(30))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn usage_errors_return_2_and_leave_stdout_alone() {
    for words in [
        &["watch", "--only", "nonsense"][..],
        &["watch", "--only", "rst_sent", "--except", "state"],
        &["watch", "--fail-on", "close"],
        &["watch", "--duration", "soon"],
        &["watch", "--addr", "10.0.0.0/40"],
        &["watch", "--ring-size", "5000"],
        &["watch", "--children"],
        &["watch", "--tier", "magic"],
        &["watch", "stray"],
        &["top", "--interval", "100ms"],
        &["top", "--speed", "2"],
        &["top", "--replay", "x", "--duration", "3"],
        &["top", "--replay", "x", "--children", "--pid", "1"],
        &["watch", "--columns", "pid,nonsense"],
        &["watch", "--columns", "pid", "--json"],
        &["watch", "--columns", "pid", "--fold", "always"],
        &["replay", "x", "--columns", "accept_queue"],
        &["states", "--columns", "silent_ms"],
        &["states", "--sort", "notes"],
        &["timewait", "--sort", "count:up"],
        &["listeners", "443", "--columns", "pid"],
        &["explain", "nonsense"],
        &["explain", "rst_sent/nonsense"],
        &["completions", "cmd.exe"],
        &["nonsense"],
        &[],
    ] {
        let (code, stdout, stderr) = tcptrace(words);
        assert_eq!(code, Some(2), "{words:?}: {stderr}");
        assert!(stdout.is_empty(), "{words:?}");
        assert!(stderr.contains("--help"), "{words:?}: {stderr}");
    }
}

#[test]
fn a_wrong_column_lists_the_right_ones() {
    for (words, names) in [
        (
            &["watch", "--columns", "x"][..],
            ["process", "detail", "owner.uid", "linger.seconds"],
        ),
        (
            &["listeners", "--sort", "x"],
            ["process", "accept_queue", "drops_per_second", "group.skew"],
        ),
        (
            &["states", "--columns", "x"],
            ["most_with", "held_by", "top_remote.port", "anomaly"],
        ),
        (
            &["timewait", "--columns", "x"],
            ["expiring_10s", "left_by", "ports.used", "time_wait"],
        ),
    ] {
        let (_, _, stderr) = tcptrace(words);
        for name in names {
            assert!(stderr.contains(&format!(" {name}")), "{words:?}: {stderr}");
        }
    }
}

#[test]
fn top_without_a_terminal_returns_2_and_names_watch() {
    for words in [&["top"][..], &["top", "--replay", "none.rec"]] {
        let (code, stdout, stderr) = tcptrace(words);
        assert_eq!(
            (code, stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {stderr}"
        );
        assert!(
            stderr.contains("terminal") && stderr.contains("tcptrace watch"),
            "{stderr}"
        );
    }
}

#[test]
fn every_key_of_top_is_in_its_help_and_in_the_docs() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/top.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (code, help, _) = tcptrace(&["top", "--help"]);
    assert_eq!(code, Some(0));
    for (keys, does) in tcptrace::tui::input::KEYS {
        assert!(docs.contains(&format!("| {keys} | {does} |")), "{keys}");
        assert!(help.contains(keys), "{keys}");
    }
}

#[test]
fn help_goes_to_stdout_with_examples_before_options() {
    for words in [&["--help"][..], &["watch", "--help"], &["watch", "-h"]] {
        let (code, stdout, stderr) = tcptrace(words);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{words:?}");
        let examples = stdout.find("Examples:").unwrap();
        assert!(examples < stdout.find("Options:").unwrap(), "{words:?}");
        assert!(stdout.contains("owns the socket"), "{words:?}");
    }
}

#[test]
fn the_long_help_explains_marks_and_exit_codes() {
    let (_, stdout, _) = tcptrace(&["watch", "--help"]);
    for part in ["(listener)", "Exit codes:", "--strict", "inferred"] {
        assert!(stdout.contains(part), "{part}");
    }
}

#[test]
fn every_option_of_the_contract_is_in_the_help_of_watch() {
    let (_, stdout, _) = tcptrace(&["watch", "--help"]);
    for option in [
        "--only",
        "--except",
        "--all",
        "--pid",
        "--children",
        "--comm",
        "--port",
        "--lport",
        "--rport",
        "--addr",
        "--laddr",
        "--raddr",
        "-4",
        "-6",
        "--netns",
        "--cgroup",
        "--duration",
        "--count",
        "--json",
        "--time",
        "--wide",
        "--no-header",
        "--color",
        "--quiet",
        "--ready-file",
        "--rate-limit",
        "--strict",
        "--fail-on",
        "--tier",
        "--ring-size",
        "COMMAND",
    ] {
        assert!(stdout.contains(option), "{option}");
    }
}

#[test]
fn explain_answers_by_kind_by_cause_and_with_a_list() {
    let (code, all, _) = tcptrace(&["explain"]);
    assert_eq!(code, Some(0));
    assert!(all.contains("rst_sent/linger_zero") && all.contains("time_wait/overflow"));
    let (code, one, _) = tcptrace(&["explain", "accept_drop/syn"]);
    assert_eq!(code, Some(0));
    assert!(one.contains("ss -ltn"));
}

#[test]
fn the_schema_is_json_and_names_every_kind() {
    let (code, stdout, _) = tcptrace(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(18));
}

#[test]
fn completions_and_manual_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = tcptrace(&["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(stdout.contains("rate-limit"), "{shell}");
    }
    let (code, stdout, _) = tcptrace(&["man"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(".SH \"EXIT STATUS\"") || stdout.contains(".SH EXIT STATUS"));
    let (code, stdout, _) = tcptrace(&["man", "watch"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(".TH tcptrace-watch 1"), "{stdout}");
    let (code, _, stderr) = tcptrace(&["man", "look"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("listeners, states"), "{stderr}");
}

#[test]
fn a_closed_pipe_ends_quietly_with_0() {
    let mut child = Process::new(env!("CARGO_BIN_EXE_tcptrace"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before a byte is read; the text is larger than a pipe's buffer only in part, so the
    // writer sees the closed end whenever it comes to write.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Escape sequences of both kinds, a turn of the writing direction, a width of zero, and no UTF-8.
const HOSTILE: &[u8] = b"x\x1b]0;forged\x07\xc2\x9b31m\xe2\x80\xae\xe2\x80\x8b\xff";

#[test]
fn words_of_the_command_line_never_reach_the_terminal_raw() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let hostile = OsStr::from_bytes(HOSTILE);
    let words = |words: &[&str]| -> Vec<std::ffi::OsString> {
        let word = |word: &&str| {
            if *word == "?" {
                hostile.into()
            } else {
                (*word).into()
            }
        };
        words.iter().map(word).collect()
    };
    for line in [
        &["?"][..],
        &["watch", "?"],
        &["watch", "--only", "?"],
        &["watch", "--netns", "?"],
        &["listeners", "--netns", "?"],
        &["doctor", "--netns", "?"],
        &["doctor", "--btf", "?"],
        &["explain", "?"],
        &["replay", "?"],
        &["report", "?"],
        &["report", "none.rec", "-o", "?/x.html"],
        &["top", "--replay", "?"],
        &["record", "-o", "?/x.rec", "--duration", "1ms"],
        &["completions", "?"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
            .args(words(line))
            .timeout(Duration::from_secs(30))
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0), "{line:?}");
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("UTF-8");
            let hostile = text
                .chars()
                .find(|c| *c != '\n' && tcptrace::sink::sanitize::is_hostile(*c));
            assert_eq!(hostile, None, "{line:?}: {text:?}");
        }
    }
}

/// How `tcptrace schema` ends with so many bytes of address space, and what it says.
fn with_little_memory(bytes: u64) -> (std::process::ExitStatus, String) {
    use std::os::unix::process::CommandExt;
    let mut command = Process::new(env!("CARGO_BIN_EXE_tcptrace"));
    command
        .arg("schema")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let limit = |bytes| libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    let (no_core, little) = (limit(0), limit(bytes));
    // SAFETY: two system calls, which allocate nothing.
    unsafe {
        command.pre_exec(move || {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::setrlimit(libc::RLIMIT_AS, &raw const little);
            Ok(())
        });
    }
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status, said)
}

#[test]
fn too_little_memory_is_an_error_and_no_abort() {
    use std::os::unix::process::ExitStatusExt;
    const STEP: u64 = 32 << 10;
    // What it takes at least: between nothing and 1 GiB.
    let (mut too_little, mut enough) = (0, (1 << 30) / STEP);
    while enough - too_little > 1 {
        let middle = u64::midpoint(too_little, enough);
        if with_little_memory(middle * STEP).0.success() {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    let mut said = 0;
    for less in 1..=24 {
        let (status, text) = with_little_memory((enough - less) * STEP);
        assert_ne!(status.signal(), Some(libc::SIGABRT), "{text}");
        if text.contains("out of memory") {
            said += 1;
            assert_eq!(status.code(), Some(1), "{text}");
        }
    }
    assert!(said > 0);
}

/// Lines of an earlier run in which each number in turn is as large as it can be.
fn lines_with_great_numbers() -> String {
    fn great(value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::Number(_) => u64::MAX.into(),
            Value::Array(items) => items.iter().map(great).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), great(value)))
                .collect(),
            other => other.clone(),
        }
    }
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/ndjson");
    let mut text = String::new();
    for file in std::fs::read_dir(corpus).unwrap() {
        let lines = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        for line in lines.lines() {
            let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else {
                continue;
            };
            for name in object.keys().filter(|name| *name != "v") {
                let mut changed = object.clone();
                changed[name] = great(&object[name]);
                let changed = serde_json::Value::from(changed).to_string();
                // Added up they are more than a number holds.
                text.push_str(&format!("{changed}\n{changed}\n"));
            }
        }
    }
    text
}

#[test]
fn numbers_as_large_as_they_get_neither_end_a_replay_nor_wrap() {
    let lines = lines_with_great_numbers();
    assert!(lines.lines().count() > 500);
    let file = std::env::temp_dir().join(format!("tcptrace-great-{}", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    let path = file.to_str().unwrap();
    for words in [
        &["replay", path][..],
        &["replay", "--wide", path],
        &["replay", "--json", path],
        &["report", "-o", "-", path],
    ] {
        let (code, stdout, stderr) = tcptrace(words);
        assert_eq!(code, Some(0), "{words:?}: {stderr}");
        assert!(stdout.len() > 10_000, "{words:?}");
        if words[1] == "--wide" {
            assert!(stderr.contains("lost 18446744073709551615"), "{stderr}");
        }
    }
    std::fs::remove_file(&file).unwrap();
}
