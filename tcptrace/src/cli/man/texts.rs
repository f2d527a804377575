//! What the manual says that the help does not.

/// Columns of a text line.
pub(super) const TEXT_FIELDS: &[(&str, &str)] = &[
    (
        "TIME",
        "when it happened in the kernel, not when tcptrace read it",
    ),
    ("KIND", "what happened; tcptrace explain KIND has more"),
    (
        "PID, COMM",
        "the owner of the socket: process ID and name of its main thread",
    ),
    (
        "LOCAL > REMOTE",
        "the connection; IPv6 addresses in brackets",
    ),
    ("DETAIL", "most important first; --wide prints everything"),
];

/// What it costs, and what to do about losses.
pub(super) const OVERHEAD: &[&str] = &[
    "The programs run where the kernel reports state changes, resets, retransmissions, drops and \
     timers. What is left out by --only, --except, --port, --netns, -4 or -6 is dropped in the \
     kernel wherever it is certain there, before anything is written to the ring.",
    "The cost grows with connections opened and closed per second, not with bytes. The kinds state \
     and close cost most, since they report every connection; they are off unless asked for.",
    "If losses are reported, choose fewer kinds or a larger --ring-size; --rate-limit only reduces output.",
];

/// Variables that are read.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "NO_COLOR",
        "if set and not empty, no colour unless --color always",
    ),
    ("TERM", "if dumb, no colour unless --color always"),
    ("TZ", "the time zone of --time local"),
];
