//! RSTs in general, those received, and lingering closes.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::RstSent,
        cause: None,
        line: "This host ended a connection by a RST instead of an orderly FIN.",
        meaning: "The peer gets ECONNRESET (or ECONNREFUSED while connecting) and may lose data it had \
                  received but not read yet. The kernel discards everything unsent, unacknowledged or \
                  unread on this host; the three byte counts show how much. The cause shows what ended the \
                  connection.",
        confirm: &[
            (
                "nstat -az TcpOutRsts",
                "It rises with every RST that leaves this namespace.",
            ),
            (
                "tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0'",
                "Shows the RSTs themselves, without a reason or a process.",
            ),
        ],
        fix: &["Look up the cause: tcptrace explain rst_sent/CAUSE."],
        pitfalls: &[
            "The kernel reports some RSTs only after it has sent them, so on loopback tcptrace may print \
             the peer's reaction first.",
            "Kernels before about 6.10 report neither the reason of a RST nor RSTs without a socket, so \
             no_socket and time_wait are not visible there.",
        ],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: None,
        line: "The peer ended a connection by a RST.",
        meaning: "The next read or write of the owner fails with ECONNRESET, a connect() with \
                  ECONNREFUSED. What the peer had not processed is lost. The peer, or a \
                  device in between, knows the reason.",
        confirm: &[
            (
                "nstat -az TcpEstabResets TcpAttemptFails",
                "One of the counters rises with it.",
            ),
            (
                "tcptrace watch --only rst_sent",
                "Run it on the peer's host: it reports the cause there.",
            ),
        ],
        fix: &[],
        pitfalls: &[
            "A firewall or load balancer may send a RST in the name of either end. If the peer sent none, \
             check the devices in between.",
        ],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("refused"),
        line: "The peer answered connect() with a RST: nothing listens on that port.",
        meaning: "The owner's connect() fails with ECONNREFUSED. The host answered, so it is up and \
                  reachable; the port has no listener, or a firewall rejects with a RST.",
        confirm: &[(
            "ss -ltn 'sport = :PORT'",
            "Run it on the peer's host: it prints no line, or a line with another address such as 127.0.0.1.",
        )],
        fix: &[
            "Start the service, or make it listen on the address that clients use.",
            "Check the address and port in the client's configuration, and what the name resolves to.",
        ],
        pitfalls: &["A name may resolve to ::1 first while the service listens on 127.0.0.1 only."],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("reset"),
        line: "The peer ended a live connection with a RST.",
        meaning: "The owner gets ECONNRESET, or EPIPE if it keeps writing. Usual reasons are that the peer \
                  closed with unread data or with SO_LINGER{1,0}, that it crashed or restarted, or that a \
                  device in between had dropped its entry for the connection.",
        confirm: &[(
            "tcptrace watch --only rst_sent --port PORT",
            "Run it on the peer's host: it reports the process and the cause.",
        )],
        fix: &[
            "If resets arrive after a fixed idle time, send keepalives at a shorter interval (SO_KEEPALIVE \
             with TCP_KEEPIDLE), or close idle connections earlier.",
            "If resets arrive during a deployment, make the peer drain its connections before it stops.",
        ],
        pitfalls: &[
            "A server with tcp_abort_on_overflow=1 resets clients whose connect() has already succeeded, \
             which looks the same.",
        ],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("after_close"),
        line: "A RST arrived after the process had closed the socket; this is usually harmless.",
        meaning: "The process gets no error. The peer did not accept the data that was still in flight, or \
                  this kernel gave up the rest of a closed connection.",
        confirm: &[(
            "ss -tno state fin-wait-1",
            "Closed sockets that still have data to send.",
        )],
        fix: &["If the peer must get everything, read its answer or its FIN before closing."],
        pitfalls: &[
            "The kernel also runs this code when it drops a closed socket because data arrived late; then \
             no RST was on the wire.",
        ],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: None,
        line: "close() blocked because SO_LINGER makes it wait until data is acknowledged.",
        meaning: "With SO_LINGER on and a time above 0, close() of a blocking socket waits until the peer \
                  has acknowledged everything or the time is up. The thread is blocked until then.",
        confirm: &[(
            "strace -f -T -e trace=close,setsockopt -p PID",
            "The trace shows SO_LINGER with l_onoff=1, and close() calls that take long.",
        )],
        fix: &[
            "Leave SO_LINGER off: the kernel then sends the rest in the background.",
            "To know that the peer got everything, use shutdown(SHUT_WR) and read until EOF.",
        ],
        pitfalls: &[
            "A process that exits with such sockets open blocks in exit for the same time.",
        ],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("drained"),
        line: "The lingering close waited until the peer had acknowledged everything.",
        meaning: "No data was lost. The thread was blocked for the time shown.",
        confirm: &[],
        fix: &["If the wait hurts, leave SO_LINGER off or close in another thread."],
        pitfalls: &["Acknowledged means received by the peer's kernel, not read by its program."],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("timed_out"),
        line: "The linger time ran out before the peer acknowledged everything.",
        meaning: "close() returned without an error although data was still unacknowledged. The kernel \
                  keeps trying for a while, and the program gets no result.",
        confirm: &[(
            "ss -tno state fin-wait-1 state closing state last-ack",
            "The same addresses appear with data in Send-Q and a running timer.",
        )],
        fix: &[
            "Find out why the peer does not acknowledge: it may not read (window 0), or the path \
             loses packets (tcptrace watch --only retransmit).",
            "Wait for an answer from the peer's program before closing.",
        ],
        pitfalls: &["close() reports no error here, so program logs show nothing."],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("interrupted"),
        line: "A signal ended the wait of a lingering close.",
        meaning: "The kernel closes the descriptor anyway and sends the rest in the background.",
        confirm: &[],
        fix: &[
            "Never call close() again after EINTR: the descriptor may already belong to another file.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("reset"),
        line: "The connection died while close() was waiting for it.",
        meaning: "The peer reset it, or it timed out. Unacknowledged data is lost, and close() reports no \
                  error.",
        confirm: &[(
            "tcptrace watch --only rst_received,linger_close",
            "The RST appears before the end of the close.",
        )],
        fix: &["Get an answer from the peer's program before closing."],
        pitfalls: &[],
    },
];
