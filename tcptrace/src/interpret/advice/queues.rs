//! Connections refused because a queue of a listener was full.

use super::Advice;
use crate::model::Kind;

const SS: (&str, &str) = (
    "ss -ltn",
    "Recv-Q (waiting to be accepted) is above Send-Q (the limit) at that listener; a limit of N admits N+1.",
);

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::AcceptDrop,
        cause: None,
        line: "A listener's accept queue was full: the process does not accept fast enough.",
        meaning: "Finished handshakes wait in the accept queue until the process calls accept(). Its \
                  limit is the smaller of the backlog given to listen() and net.core.somaxconn; \
                  by= names the one that binds. When it is full, new clients are refused.",
        confirm: &[
            SS,
            (
                "nstat -az TcpExtListenOverflows TcpExtListenDrops",
                "Both rise with each refusal; they count all listeners of the namespace.",
            ),
            (
                "sysctl net.core.somaxconn net.ipv4.tcp_abort_on_overflow",
                "These are the limits in force.",
            ),
        ],
        fix: &[
            "Find why the process does not call accept(): blocked or busy threads, a full worker \
             pool, a limit of open files. A longer queue only buys time.",
            "Raise the smaller limit, or both when they are equal: the backlog in the program's \
             configuration and net.core.somaxconn.",
            "Spread the load over several listeners with SO_REUSEPORT.",
        ],
        pitfalls: &[
            "A raised somaxconn takes effect only when the program calls listen() again: restart it.",
            "The drop counter of a listener (ss -ltm, d) also counts socket filter drops and rises \
             by 2 per refused ACK, so it is not the number of refused clients.",
            "One client that retries makes many refusals: count clients, not lines.",
        ],
    },
    Advice {
        kind: Kind::AcceptDrop,
        cause: Some("syn"),
        line: "A SYN was dropped because the accept queue was full; the client will retry.",
        meaning: "The client gets no answer, and its kernel sends the SYN again, first after about one \
                  second. The client's net.ipv4.tcp_syn_retries and net.ipv4.tcp_syn_linear_timeouts set \
                  the schedule. Users experience connects that take whole seconds, or that time out.",
        confirm: &[
            SS,
            (
                "tcptrace watch --only retransmit",
                "Run it on the client: it reports retransmits of type syn to that port.",
            ),
        ],
        fix: &["See tcptrace explain accept_drop."],
        pitfalls: &[
            "The kernel reports no packet drop for this, so tools that watch kfree_skb miss it.",
            "tcp_abort_on_overflow has no effect on SYNs.",
        ],
    },
    Advice {
        kind: Kind::AcceptDrop,
        cause: Some("ack"),
        line: "The ACK that completes a handshake was dropped because the accept queue was full.",
        meaning: "The client believes it is connected and may send its request, which this host does not \
                  acknowledge. The handshake completes once the queue has room; otherwise the client waits \
                  until its own timeout.",
        confirm: &[
            SS,
            (
                "ss -tn state syn-recv",
                "Half-open connections remain although the client answered.",
            ),
        ],
        fix: &["See tcptrace explain accept_drop."],
        pitfalls: &["Each retransmission of client or server is refused again and counts again."],
    },
    Advice {
        kind: Kind::AcceptDrop,
        cause: Some("reset"),
        line: "The accept queue was full and tcp_abort_on_overflow=1 reset the client.",
        meaning: "The client's connect() had succeeded; its first read or write fails with \
                  ECONNRESET.",
        confirm: &[
            ("sysctl net.ipv4.tcp_abort_on_overflow", "The value is 1."),
            (
                "nstat -az TcpExtEmbryonicRsts",
                "The counter rises with each of these incidents.",
            ),
        ],
        fix: &[
            "Set net.ipv4.tcp_abort_on_overflow=0 unless clients fail over quickly on a RST.",
            "See tcptrace explain accept_drop for the queue itself.",
        ],
        pitfalls: &["The setting acts only at the ACK. The kernel still drops SYNs silently."],
    },
    Advice {
        kind: Kind::SynDrop,
        cause: None,
        line: "A listener's SYN queue was full: too many half-open connections.",
        meaning: "Handshakes wait in the SYN queue for the client's ACK. It fills when SYNs arrive faster \
                  than ACKs: in a SYN flood, on a lossy path, or when the backlog, which also limits this \
                  queue, is very short.",
        confirm: &[
            (
                "nstat -az TcpExtTCPReqQFullDrop TcpExtTCPReqQFullDoCookies",
                "The first rises for a drop, the second for a cookie.",
            ),
            (
                "ss -tn state syn-recv | wc -l",
                "This is the number of half-open connections now.",
            ),
            (
                "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog",
                "These are the limits in force.",
            ),
        ],
        fix: &[
            "Keep net.ipv4.tcp_syncookies=1.",
            "Raise the listener's backlog and net.core.somaxconn.",
        ],
        pitfalls: &["ListenOverflows does not rise: it is about the accept queue only."],
    },
    Advice {
        kind: Kind::SynDrop,
        cause: Some("dropped"),
        line: "A SYN was dropped because the SYN queue was full and SYN cookies are off.",
        meaning: "The client gets no answer, and its kernel sends the SYN again, first after about one \
                  second. With limited_by max_syn_backlog (by=max_syn_backlog) the queue was below the \
                  listener's own limit: without SYN cookies the kernel drops SYNs from clients that it has \
                  no record of as soon as three quarters of net.ipv4.tcp_max_syn_backlog are half open. The \
                  line shows that limit.",
        confirm: &[(
            "nstat -az TcpExtTCPReqQFullDrop TcpExtListenDrops",
            "Both counters rise; with limited_by max_syn_backlog only the second does.",
        )],
        fix: &[
            "Set net.ipv4.tcp_syncookies=1: then neither limit drops a SYN.",
            "Otherwise raise what limited_by names: net.ipv4.tcp_max_syn_backlog, or the listener's backlog \
             and net.core.somaxconn.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::SynDrop,
        cause: Some("cookie"),
        line: "The kernel answered a SYN with a cookie because the SYN queue was full; nobody was refused.",
        meaning: "The server stores nothing and rebuilds the connection from the client's ACK. Without TCP \
                  timestamps such a connection has neither window scaling nor SACK and may be slow.",
        confirm: &[(
            "nstat -az TcpExtTCPReqQFullDoCookies TcpExtSyncookiesSent",
            "Both counters rise with it.",
        )],
        fix: &["If the load is real, raise the backlog and net.core.somaxconn."],
        pitfalls: &[
            "With net.ipv4.tcp_syncookies=2 the kernel answers every SYN that way and counts it, \
             whether the queue is full or not.",
            "The kernel logs possible SYN flooding once per listener; the message does not prove an attack.",
        ],
    },
];
