//! Checks on the words of one file: the version gate, kernel field names, length, open ends.

use super::paths::product_tokens;
use super::rust_text::{TokenKind, tokens};

/// Words of how one kernel differs from another: only `kernel/` and `hook/` may know.
const GATED: [&str; 4] = ["btf", "kprobe", "fentry", "tracepoint"];
const GATED_WHOLE: [&str; 2] = ["kernel_release", "uname"];

/// Prefixes and names of kernel struct members; `offsets.rs` finds them, `sock.rs` reads them. Not
/// here are names that also mean something in our records or in the kernel's published headers:
/// `sk_err`, `sk_drops`, `linger2`.
const FIELD_PREFIXES: [&str; 3] = ["skc_", "icsk_", "rskq_"];
const FIELDS: [&str; 21] = [
    "copied_seq",
    "rcv_nxt",
    "sk_ack_backlog",
    "sk_family",
    "sk_flags",
    "sk_lingertime",
    "sk_max_ack_backlog",
    "sk_net",
    "sk_protocol",
    "sk_receive_queue",
    "sk_rmem_alloc",
    "sk_shutdown",
    "sk_socket",
    "sk_state",
    "sk_type",
    "sk_uid",
    "sk_wmem_queued",
    "sk_write_queue",
    "snd_nxt",
    "snd_una",
    "write_seq",
];

/// The longest file that is still read in one go.
const LINES: usize = 500;

/// What is wrong with the words of `text`, with their lines; `path` is relative to the workspace.
pub(super) fn findings(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut findings = open_ends(text);
    let lines = text.lines().count();
    if lines > LINES {
        findings.push((
            lines,
            format!("{lines} lines, more than {LINES}: split by what it does"),
        ));
    }
    // xtask is about the machine it builds on and names no kernel facts but in this table; a fuzz
    // target bears the name of what it fuzzes; tests hold the table against the kernel.
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    if !path.starts_with("xtask/") && !path.starts_with("tcptrace/fuzz/") && !is_test {
        findings.extend(gate(path, text));
    }
    findings
}

fn gate(path: &str, text: &str) -> Vec<(usize, String)> {
    let in_gate = path
        .split('/')
        .any(|part| part == "kernel" || part == "hook");
    let reads_fields = path.ends_with("/offsets.rs") || path.ends_with("/sock.rs");
    let finding = |word: &str| {
        // A helper's name, such as `bpf_get_current_task_btf`, says nothing about the kernel it runs on.
        let is_helper = word.starts_with("bpf_");
        let is_gated = GATED_WHOLE.contains(&word)
            || (!is_helper && word.split('_').any(|part| GATED.contains(&part)));
        if is_gated && !in_gate {
            return Some(format!(
                "`{word}`: kernel differences live under kernel/ and hook/ only"
            ));
        }
        let is_field =
            FIELDS.contains(&word) || FIELD_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
        (is_field && !reads_fields)
            .then(|| format!("`{word}`: kernel members are named in offsets.rs and sock.rs only"))
    };
    product_tokens(text)
        .iter()
        .filter_map(|token| match token.kind {
            TokenKind::Word(word) => Some((token.line, finding(word)?)),
            _ => None,
        })
        .collect()
}

/// Notes of unfinished work that name no issue, such as `#12`.
fn open_ends(text: &str) -> Vec<(usize, String)> {
    let finding = |comment: &str| {
        let is_marker = |word: &str| ["TODO", "FIXME", "XXX"].contains(&word);
        let has_marker = comment.split(|c: char| !c.is_alphanumeric()).any(is_marker);
        let has_issue = comment
            .split('#')
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        (has_marker && !has_issue).then(|| "unfinished without an issue number".to_owned())
    };
    tokens(text)
        .iter()
        .filter_map(|token| match token.kind {
            TokenKind::Comment(comment) => Some((token.line, finding(comment)?)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        findings(path, text).len()
    }

    #[test]
    fn kernel_differences_stay_behind_the_gate() {
        for word in [
            "kernel_release",
            "uname",
            "btf",
            "has_btf",
            "kprobe",
            "fentry",
            "tracepoint",
        ] {
            let text = format!("fn f() {{ x.{word}(); }}");
            assert_eq!(count("tcptrace/src/cli/doctor.rs", &text), 1, "{word}");
            assert_eq!(count("tcptrace/src/kernel/caps.rs", &text), 0, "{word}");
            assert_eq!(
                count("tcptrace-ebpf/src/hook/fentry.rs", &text),
                0,
                "{word}"
            );
        }
        assert_eq!(
            count("tcptrace/src/cli/doctor.rs", "// btf\nlet a = \"uname\";"),
            0
        );
    }

    #[test]
    fn kernel_members_are_named_in_two_places() {
        for word in ["skc_state", "icsk_accept_queue", "sk_lingertime", "snd_una"] {
            assert_eq!(
                count("tcptrace-ebpf/src/signal/reset.rs", word),
                1,
                "{word}"
            );
            assert_eq!(count("tcptrace-ebpf/src/sock.rs", word), 0, "{word}");
            assert_eq!(count("tcptrace-common/src/offsets.rs", word), 0, "{word}");
        }
    }

    #[test]
    fn a_file_may_have_500_lines_and_not_one_more() {
        assert_eq!(count("tcptrace/src/model/a.rs", &"\n".repeat(500)), 0);
        assert_eq!(count("tcptrace/src/model/a.rs", &"\n".repeat(501)), 1);
    }

    #[test]
    fn open_ends_need_an_issue() {
        for marker in ["TODO", "FIXME", "XXX"] {
            assert_eq!(
                count("xtask/src/a.rs", &format!("// {marker}: later")),
                1,
                "{marker}"
            );
            assert_eq!(
                count("xtask/src/a.rs", &format!("// {marker}(#12): later")),
                0,
                "{marker}"
            );
        }
        assert_eq!(count("xtask/src/a.rs", "let a = \"TODO\";"), 0);
    }
}
