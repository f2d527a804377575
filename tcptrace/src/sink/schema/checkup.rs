//! The part of the doctor's report about TCP itself: settings, counters, listeners, findings.

use serde_json::{Value, json};

use super::doctor::{
    boolean, count, count_or_null, list, object, one_of, one_of_or_null, or_null, said, text,
    text_or_null,
};
use crate::model::finding::Severity;
use crate::model::incident::LimitedBy;

/// Its fields. All null with `--btf`, and where the kernel's files could not be read.
pub(super) fn fields() -> Vec<(&'static str, Value)> {
    let all = |items: &Value, description| said(or_null(list(items)), description);
    let hurt = "listeners whose accept queue is full, or whose drop counter is not 0";
    let findings = "what is wrong, the worst first; one of severity broken or degraded makes the exit \
                    code 5 with --fail";
    vec![
        (
            "counters",
            all(
                &told(),
                "those that tell of trouble, have moved and can be explained, in the own namespace",
            ),
        ),
        ("counters_error", text_or_null()),
        (
            "looked_ms",
            said(count_or_null(), "between the two looks, for what rose"),
        ),
        ("host", or_null(host())),
        (
            "settings",
            all(&group(), "namespaces with equal settings together"),
        ),
        ("namespaces", all(&namespace(), "by rising number")),
        ("listeners", all(&listener(), hurt)),
        ("findings", all(&finding(), findings)),
        ("unseen", all(&text(), "why something is missing")),
    ]
}

fn told() -> Value {
    object(
        &[
            ("counter", text()),
            ("value", count()),
            ("explain", said(text(), "for tcptrace explain")),
        ],
        &[],
    )
}

fn host() -> Value {
    let settings = "those that only the first network namespace of the host shows";
    object(
        &[
            ("settings", said(list(&setting()), settings)),
            (
                "orphans",
                said(count_or_null(), "sockets without a process now"),
            ),
            ("tcp_memory_pages", said(count_or_null(), "used by TCP now")),
            ("page_bytes", count_or_null()),
        ],
        &[],
    )
}

fn setting() -> Value {
    let groups = ["queues", "closing", "time_wait", "ports", "keepalive"];
    object(
        &[
            ("name", said(text(), "as sysctl takes it")),
            ("group", one_of(groups)),
            (
                "value",
                said(text_or_null(), "null: not in this kernel or namespace"),
            ),
            (
                "default",
                said(
                    text_or_null(),
                    "the kernel's; null: it follows from the size of memory",
                ),
            ),
            ("changed", json!({ "type": ["boolean", "null"] })),
            (
                "effect",
                said(text_or_null(), "what this value does here, in one sentence"),
            ),
        ],
        &[],
    )
}

fn group() -> Value {
    object(
        &[
            ("namespaces", said(list(&count()), "inode numbers")),
            ("values", list(&setting())),
        ],
        &[],
    )
}

fn namespace() -> Value {
    let counters = "all that tell of damage, those at 0 too; null: they cannot be read";
    object(
        &[
            ("netns", count()),
            ("own", said(boolean(), "tcptrace runs in it")),
            ("processes", count()),
            ("pid", said(count_or_null(), "a process that lives in it")),
            ("file", said(text_or_null(), "a file it is mounted on")),
            ("listeners", said(count(), "how many there are")),
            ("time_wait_entries", count_or_null()),
            ("counters", said(or_null(list(&counter())), counters)),
        ],
        &[],
    )
}

fn counter() -> Value {
    object(
        &[
            ("counter", text()),
            ("value", said(count(), "since the namespace began")),
            (
                "rose",
                said(count_or_null(), "between the two looks; null: not known"),
            ),
            ("weight", one_of(["refused", "degraded"])),
            ("says", said(text(), "what is counted, in plain words")),
            ("of", said(text_or_null(), "what it is part of")),
            ("of_total", said(count_or_null(), "how many of these")),
            ("explain", said(text_or_null(), "for tcptrace explain")),
        ],
        &[],
    )
}

fn listener() -> Value {
    let limits = LimitedBy::ALL.iter().map(|limit| limit.name());
    let queue = object(&[("length", count()), ("limit", count())], &[]);
    object(
        &[
            ("netns", count()),
            ("local", json!({ "$ref": "#/$defs/endpoint" })),
            ("cookie", count()),
            ("pids", said(list(&count()), "every holder")),
            ("comm", said(text_or_null(), "of the first holder")),
            ("accept_queue", queue),
            ("full", boolean()),
            ("limited_by", one_of_or_null(limits)),
            (
                "drops",
                said(count_or_null(), "the socket's counter since it began"),
            ),
            (
                "drops_rose",
                said(count_or_null(), "between the two looks; null: not known"),
            ),
        ],
        &[],
    )
}

fn finding() -> Value {
    let severities = Severity::ALL.iter().map(|severity| severity.name());
    let proof = object(
        &[
            ("text", said(text(), "what was found")),
            ("value", count_or_null()),
            (
                "source",
                said(text(), "a counter, a setting, sock_diag, or kind/cause"),
            ),
        ],
        &[],
    );
    let change = object(
        &[
            ("command", said(text(), "for a shell, as root")),
            ("risk", said(text(), "what it costs and does not cure")),
        ],
        &[],
    );
    object(
        &[
            ("id", said(text(), "stable name, see docs/findings.md")),
            ("severity", one_of(severities)),
            ("title", said(text(), "what is wrong, in one sentence")),
            (
                "netns",
                said(count_or_null(), "null: the whole host, or several"),
            ),
            (
                "who",
                said(
                    list(&json!({ "$ref": "#/$defs/owner" })),
                    "the processes concerned, most concerned first",
                ),
            ),
            (
                "since",
                said(text_or_null(), "RFC 3339; null: before the first look"),
            ),
            (
                "rate_per_s",
                said(
                    json!({ "type": ["number", "null"] }),
                    "how often now; null: not measured",
                ),
            ),
            (
                "count",
                said(
                    count(),
                    "refusals, connections or sockets that it stands for",
                ),
            ),
            ("evidence", said(list(&proof), "never empty")),
            ("why", text()),
            ("do_first", said(text(), "what to do before any setting")),
            (
                "do_then",
                said(or_null(change), "null: no setting cures this"),
            ),
            (
                "explain",
                said(text_or_null(), "for tcptrace explain; null: nothing more"),
            ),
        ],
        &[],
    )
}
