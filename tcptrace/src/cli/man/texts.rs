//! What the manual says that the help does not.

/// Columns of a text line.
pub(super) const TEXT_FIELDS: &[(&str, &str)] = &[
    (
        "TIME",
        "the time of the event in the kernel, not the time at which tcptrace read it",
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
    (
        "DETAIL",
        "details, the most important first; --wide prints all of them",
    ),
];

/// What it costs, and what to do about losses.
pub(super) const OVERHEAD: &[&str] = &[
    "The programs run where the kernel reports state changes, resets, retransmissions, drops and timers. \
     The kernel side already drops what --only, --except, --port, --netns, -4 or -6 exclude, wherever it \
     can decide with certainty, before it writes to the ring buffer.",
    "The cost grows with connections opened and closed per second, not with bytes. The kinds state and \
     close cost most because they report every connection; they are off by default.",
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
    (
        "XDG_CONFIG_HOME",
        "where tcptrace.toml of the user is, after /etc/tcptrace.toml; $HOME/.config if not set",
    ),
];
