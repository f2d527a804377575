//! RSTs in general, those received, and lingering closes.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::RstSent,
        cause: None,
        line: "This host ended a connection by a RST instead of an orderly FIN.",
        meaning: "The peer gets ECONNRESET (or ECONNREFUSED while connecting) and may lose data it \
                  had received but not read yet. On our side everything unsent, unacknowledged or \
                  unread is thrown away; the three byte counts say how much. The cause says who is \
                  to blame.",
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
            "The kernel reports a RST of its own accord after it was transmitted; on loopback the \
             peer's reaction may therefore be printed first.",
            "Kernels before 6.10 or so give no reason and report no RST that has no socket, so \
             no_socket and time_wait cannot be seen there.",
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
                "One of them rises with it.",
            ),
            (
                "tcptrace watch --only rst_sent",
                "Run on the peer, it names the cause there.",
            ),
        ],
        fix: &[],
        pitfalls: &[
            "A firewall or load balancer may send a RST in the name of either end; if the peer sent \
             none, look in between.",
        ],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("refused"),
        line: "Our connect() was answered by a RST: nothing accepts connections there.",
        meaning: "The owner's connect() fails with ECONNREFUSED. The host answered, so it is up and \
                  reachable; the port has no listener, or a firewall rejects with a RST.",
        confirm: &[(
            "ss -ltn 'sport = :PORT'",
            "On the peer: no line, or one bound to another address such as 127.0.0.1.",
        )],
        fix: &[
            "Start the service, or let it listen on the address that clients use.",
            "Check the address and port the client was configured with, and what its name resolves \
             to.",
        ],
        pitfalls: &["A name may resolve to ::1 first while the service listens on 127.0.0.1 only."],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("reset"),
        line: "The peer's RST killed a live connection.",
        meaning: "The owner gets ECONNRESET, or EPIPE when it goes on writing. Usual reasons: the \
                  peer closed with data unread, closed with SO_LINGER{1,0}, crashed or restarted, \
                  or a device in between had forgotten the connection.",
        confirm: &[(
            "tcptrace watch --only rst_sent --port PORT",
            "On the peer it names the process and the cause.",
        )],
        fix: &[
            "If resets come after a fixed idle time, send keepalives more often than the device in \
             between forgets (SO_KEEPALIVE with TCP_KEEPIDLE), or close idle connections first.",
            "If resets come at a deployment, let the peer drain its connections.",
        ],
        pitfalls: &[
            "A server with tcp_abort_on_overflow=1 resets clients whose connect() has already \
             succeeded; it looks like this.",
        ],
    },
    Advice {
        kind: Kind::RstReceived,
        cause: Some("after_close"),
        line: "A RST arrived after our process had closed the socket; this is usually harmless.",
        meaning: "The process does not notice. The peer did not want what was still on the way, or \
                  the kernel gave up the rest of a closed connection itself.",
        confirm: &[(
            "ss -tno state fin-wait-1",
            "Closed sockets that still have data to send.",
        )],
        fix: &["If the peer must get everything, read its answer or its FIN before closing."],
        pitfalls: &[
            "The kernel also runs this path when it drops a closed socket of its own accord because \
             data came late: then no RST was on the wire.",
        ],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: None,
        line: "close() blocked because SO_LINGER makes it wait until data is acknowledged.",
        meaning: "With SO_LINGER on and a time above 0, close() of a blocking socket waits until the \
                  peer has acknowledged everything or the time is up. The thread does nothing else \
                  meanwhile.",
        confirm: &[(
            "strace -f -T -e trace=close,setsockopt -p PID",
            "SO_LINGER with l_onoff=1, and close() calls that take long.",
        )],
        fix: &[
            "Leave SO_LINGER off: the kernel sends the rest in the background anyway.",
            "To know that the peer got everything, use shutdown(SHUT_WR) and read until EOF.",
        ],
        pitfalls: &["A process that exits with such sockets open blocks in exit for as long."],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("drained"),
        line: "The lingering close waited until the peer had acknowledged everything.",
        meaning: "Nothing was lost; the thread was blocked for the time shown.",
        confirm: &[],
        fix: &["If the wait hurts, leave SO_LINGER off or close in another thread."],
        pitfalls: &["Acknowledged means received by the peer's kernel, not read by its program."],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("timed_out"),
        line: "The linger time was up before the peer had acknowledged everything.",
        meaning: "close() returned without an error although data was still unacknowledged. The \
                  kernel goes on trying for a while; the program cannot learn how that ends.",
        confirm: &[(
            "ss -tno state fin-wait-1 state closing state last-ack",
            "The same addresses with data in Send-Q and a running timer.",
        )],
        fix: &[
            "Find out why the peer does not acknowledge: it may not read (window 0), or the path \
             loses packets (tcptrace watch --only retransmit).",
            "Wait for an answer of the peer's program before closing.",
        ],
        pitfalls: &["close() reports no error here, so program logs show nothing."],
    },
    Advice {
        kind: Kind::LingerClose,
        cause: Some("interrupted"),
        line: "A signal ended the wait of a lingering close.",
        meaning: "The descriptor is closed all the same and the rest is sent in the background.",
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
        meaning: "The peer reset it, or it timed out. What was not acknowledged is lost and close() \
                  does not say so.",
        confirm: &[(
            "tcptrace watch --only rst_received,linger_close",
            "The RST precedes the end of the close.",
        )],
        fix: &["Get an answer from the peer's program before closing."],
        pitfalls: &[],
    },
];
