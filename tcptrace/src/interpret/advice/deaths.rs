//! Connections given up because nothing came back.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::TimedOut,
        cause: None,
        line: "The peer stopped answering, and the kernel gave the connection up.",
        meaning: "Nothing came back for as long as silent_ms says. The process learns it from its next \
                  call, which fails with ETIMEDOUT, or with EHOSTUNREACH or the like when a router had \
                  reported that. The peer may never know: except after unanswered keepalive probes, no \
                  RST is sent.",
        confirm: &[
            ("nstat -az TcpExtTCPAbortOnTimeout", "It rises with it."),
            (
                "tcptrace watch --only timed_out,retransmit",
                "The retransmissions that went before.",
            ),
        ],
        fix: &[
            "Group by peer: one peer points to its host or path, all peers to this host's link, or to \
             a firewall or NAT in between that has lost its state.",
        ],
        pitfalls: &[
            "It is reported when the kernel gives up, not when the peer went silent: subtract silent_ms.",
            "connect() that gets no answer is connect_failed with ETIMEDOUT, not this.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("retransmits"),
        line: "Data was sent again tcp_retries2 times without an answer; the connection was given up.",
        meaning: "The peer's host is gone, or the path drops everything. What was not acknowledged is \
                  lost or unconfirmed (unacked_bytes), and what waited behind it was never sent \
                  (unsent_bytes). The default of net.ipv4.tcp_retries2, 15, takes about 15 minutes.",
        confirm: &[
            (
                "ss -tino",
                "timer:(on,...) and backoff: on other connections to that peer.",
            ),
            (
                "sysctl net.ipv4.tcp_retries2",
                "How often the kernel tries.",
            ),
        ],
        fix: &[
            "Look at the peer's host and at the path: is it up, and does a firewall or a connection \
             tracker drop packets of connections it has forgotten.",
            "To learn it in seconds, not minutes, set TCP_USER_TIMEOUT in the program, or a timeout of \
             its own for each request.",
        ],
        pitfalls: &[
            "A lower net.ipv4.tcp_retries2 also kills connections over links that recover late.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("keepalive"),
        line: "The peer left all keepalive probes unanswered; the connection was given up.",
        meaning: "The connection was idle. The peer's host is gone, or a device in between drops the \
                  packets. A RST was sent, which rarely arrives; with --only rst_sent the same end is \
                  reported as rst_sent/keepalive_timeout.",
        confirm: &[
            (
                "ss -tno",
                "timer:(keepalive,...) on idle connections of that process.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnTimeout TcpExtTCPKeepAlive",
                "Both rise.",
            ),
        ],
        fix: &[
            "If the peer is alive, look for a firewall or NAT that forgets idle connections, and probe \
             more often than it forgets (TCP_KEEPIDLE).",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("user_timeout"),
        line: "TCP_USER_TIMEOUT passed without an answer; the connection was given up.",
        meaning: "The program asked for that limit. It replaces tcp_retries2 for data that is not \
                  acknowledged, and the number of keepalive probes for a connection that is idle. A peer \
                  that answers but keeps its window shut for so long is given up too.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt -p PID",
                "TCP_USER_TIMEOUT and its milliseconds.",
            ),
            ("nstat -az TcpExtTCPAbortOnTimeout", "It rises with it."),
        ],
        fix: &["If the peer is only slow or the path loses packets, raise the timeout."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("zero_window"),
        line: "The peer's window stayed shut, probes of it went unanswered; the connection was given up.",
        meaning: "The peer stopped reading, then stopped answering at all: its program hung, then its \
                  host or the path went away. unsent_bytes waited for the window.",
        confirm: &[(
            "ss -tino",
            "timer:(persist,...) on other connections to that peer.",
        )],
        fix: &["Find out why the peer's program does not read, and what became of its host."],
        pitfalls: &[
            "A peer that does answer the probes is never given up, except by TCP_USER_TIMEOUT.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("syn"),
        line: "A handshake that had begun on both sides was never completed.",
        meaning: "Only connections in SYN_RECV: those opened by both sides at once, and those accepted \
                  early by TCP Fast Open. connect() without an answer is connect_failed.",
        confirm: &[("ss -tn state syn-recv", "Others like it.")],
        fix: &["Look at the path to that peer."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("orphan"),
        line: "The process had closed; what it had sent before was never acknowledged.",
        meaning: "After close() the kernel goes on sending what is left, and the FIN, for a while \
                  (net.ipv4.tcp_orphan_retries; 0 means 8). Then it gives up: the last unacked_bytes and \
                  unsent_bytes may never have arrived, and the process was not told.",
        confirm: &[
            (
                "ss -tano state fin-wait-1",
                "Others that wait, with their timers.",
            ),
            (
                "sysctl net.ipv4.tcp_orphan_retries",
                "How often the kernel tries.",
            ),
        ],
        fix: &[
            "If the data matters, let the program wait for the peer's answer before it closes.",
            "If the peer is gone anyway, nothing: the kernel has cleaned up.",
        ],
        pitfalls: &["The owner is the process that closed, which may have ended since."],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: None,
        line: "connect() failed, or the process closed the socket before the peer had answered.",
        meaning: "error is what the process gets; without one the process itself closed: its own time limit \
                  passed, a signal came, or it ended. syns says how often the kernel had asked. A refusal \
                  by a RST is rst_received/refused.",
        confirm: &[
            (
                "ss -tno state syn-sent",
                "Connections that still wait for an answer.",
            ),
            (
                "tcptrace watch --only connect_failed,retransmit",
                "The SYNs that were sent again.",
            ),
        ],
        fix: &[
            "If many of them go to one peer, look at that host and the path to it; if all peers are \
             concerned, at this host's link, routes and ports.",
        ],
        pitfalls: &[
            "A client that tries several addresses at once closes those that lose: one such line each.",
            "Errors before the first SYN (no route, bind()) are not visible by tracepoints.",
        ],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EADDRNOTAVAIL"),
        line: "No local port was free for a connection to that address and port.",
        meaning: "Each connection from one local address to one remote address and port needs a port of its \
                  own. All of net.ipv4.ip_local_port_range are taken, by live connections or by TIME_WAIT; \
                  or the port that bind() chose is already connected there.",
        confirm: &[
            (
                "tcptrace timewait",
                "Ports in use by destination, and who left the TIME_WAIT sockets.",
            ),
            (
                "sysctl net.ipv4.ip_local_port_range",
                "How many ports there are.",
            ),
        ],
        fix: &[
            "Reuse connections: a pool, keep-alive, HTTP/2.",
            "Widen net.ipv4.ip_local_port_range, or connect from more local addresses.",
        ],
        pitfalls: &["A program that binds before it connects should set IP_BIND_ADDRESS_NO_PORT."],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ETIMEDOUT"),
        line: "Nothing answered the SYNs; connect() failed.",
        meaning: "net.ipv4.tcp_syn_retries SYNs were sent again without an answer: the peer's host is down, a \
                  firewall drops in silence, or the peer's listener drops because a queue is full.",
        confirm: &[
            (
                "tcptrace listeners PORT",
                "On the peer's host: whether its queues are full.",
            ),
            ("ping -c 3 PEER", "Whether the host is there at all."),
        ],
        fix: &["Look at the peer's listener first, then at firewalls on the path."],
        pitfalls: &[
            "Most programs have a shorter time limit of their own: then no error is reported.",
        ],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EHOSTUNREACH"),
        line: "The network said that the peer's host cannot be reached; connect() failed.",
        meaning: "A router, or this host because nobody answered for that address on its own link (ARP, \
                  neighbour discovery), sent ICMP host unreachable.",
        confirm: &[
            ("ip route get PEER", "Which way it goes."),
            ("ip neigh", "FAILED: nobody has that address."),
        ],
        fix: &["Find out whether the peer's host is up, and whether the address is the right one."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ENETUNREACH"),
        line: "The network said that there is no way to the peer; connect() failed.",
        meaning: "A router sent ICMP network unreachable.",
        confirm: &[("ip route get PEER", "Which way it goes.")],
        fix: &["Look at the routes of the router that answered (tcpdump icmp)."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ECONNREFUSED"),
        line: "The peer's host refused by ICMP, not by a RST; connect() failed.",
        meaning: "ICMP port unreachable: a firewall rule that rejects, on the peer's host or before it.",
        confirm: &[("tcpdump -ni any icmp", "Who sends it.")],
        fix: &["Look at the firewall rules of the host that sends it."],
        pitfalls: &[],
    },
];
