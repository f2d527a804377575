//! Why this host sends RSTs.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::RstSent,
        cause: Some("linger_zero"),
        line: "The process closed with SO_LINGER{1,0}: unsent data is lost and the peer gets a RST.",
        meaning: "SO_LINGER with a time of 0 turns close() into an abort. The kernel discards everything \
                  that is not yet acknowledged, even bytes for which write() succeeded. When the process \
                  ends, by exit or by a signal, its sockets close the same way.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt,close -p PID",
                "The trace shows SO_LINGER with l_onoff=1 and l_linger=0 before the close.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnData",
                "The counter rises with each of these incidents.",
            ),
        ],
        fix: &[
            "Remove the option. Programs often set it to avoid TIME_WAIT: reuse connections instead, or let \
             the client close first.",
            "Where the option must stay, use shutdown(SHUT_WR) and read until EOF before close().",
        ],
        pitfalls: &[
            "The kernel counts this as TCPAbortOnData; TCPAbortOnLinger is about TCP_LINGER2.",
            "The kernel's reset reason is TCP_STATE, the same as for a disconnect or ss -K.",
            "If data is unread as well, the cause is unread_data: the kernel checks that first.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("unread_data"),
        line: "The socket was closed before the process had read all that the peer sent.",
        meaning: "Data was in the receive queue when the process called close(). TCP then sends a RST, to \
                  report that the peer's data was not processed. The RST may also destroy the answer that \
                  the peer was about to read.",
        confirm: &[
            (
                "nstat -az TcpExtTCPAbortOnClose",
                "It rises with each close over unread data.",
            ),
            (
                "ss -tn",
                "Recv-Q is above 0 on sockets of that process: it does not read.",
            ),
        ],
        fix: &[
            "Read until EOF before close(); to end early, shutdown(SHUT_WR), then read and discard \
             for a bounded time.",
            "A server that refuses a request should still drain its body, or answer and then close \
             slowly (nginx: lingering_close).",
        ],
        pitfalls: &[
            "One unread byte is enough, for example a trailing newline or a late heartbeat.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("late_data"),
        line: "Data arrived for a connection that the process had already closed.",
        meaning: "The process called close() while the peer was still sending. Nobody can read data \
                  that arrives after that, so the kernel answers it with a RST. The peer's write() \
                  then fails, and an answer that it had not read yet may be lost.",
        confirm: &[
            (
                "nstat -az TcpExtTCPAbortOnData",
                "It rises while the close is being completed; once FIN_WAIT2 is reached, only \
                 Tcp.OutRsts rises.",
            ),
            (
                "tcptrace watch --all --port PORT",
                "The process closes first, then the RST appears on the same connection.",
            ),
        ],
        fix: &[
            "Close only after the peer's last message: read until EOF, or shutdown(SHUT_WR) and then \
             read and discard for a bounded time.",
            "A server that refuses a request should drain its body first (nginx: lingering_close).",
        ],
        pitfalls: &[
            "The state in the line shows how far the close had progressed: FIN_WAIT1 or FIN_WAIT2.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("linger2"),
        line: "TCP_LINGER2 is negative: the kernel aborts the socket instead of waiting for the peer's FIN.",
        meaning: "The process disabled the FIN_WAIT2 state. Once its FIN is acknowledged, the kernel resets \
                  the connection although the peer may still be sending.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt -p PID",
                "The trace shows TCP_LINGER2 with a negative value.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnLinger",
                "The counter rises if the kernel aborts in FIN_WAIT2.",
            ),
        ],
        fix: &["Remove the option, or set a positive number of seconds."],
        pitfalls: &[
            "If the socket was ESTABLISHED at close(), the kernel counts it as TCPAbortOnData.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("disconnect"),
        line: "The process called connect() with AF_UNSPEC on a connected socket.",
        meaning: "That dissolves the connection at once and makes the socket usable again. The peer \
                  gets a RST.",
        confirm: &[(
            "strace -f -e trace=connect -p PID",
            "The trace shows connect() with sa_family=AF_UNSPEC.",
        )],
        fix: &["Close the socket in an orderly way and open a new one."],
        pitfalls: &["No TcpExt counter rises."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("listener_closed"),
        line: "A listener was closed while connections waited in its accept queue; they were reset.",
        meaning: "The clients had connected successfully and may have sent a request, but the process had \
                  not accepted them. The kernel resets them when the listener closes. This is typical of a \
                  restart.",
        confirm: &[
            (
                "tcptrace watch --all --lport PORT",
                "The output shows LISTEN>CLOSE, then one RST per waiting client.",
            ),
            (
                "ss -ltn 'sport = :PORT'",
                "Recv-Q is the number of connections that wait now.",
            ),
        ],
        fix: &[
            "Hand the listening socket over: systemd socket activation, or pass the descriptor on.",
            "With SO_REUSEPORT and several listeners, set net.ipv4.tcp_migrate_req=1 (Linux 5.14).",
            "Take the server out of the load balancer, and accept the waiting connections before closing.",
        ],
        pitfalls: &[
            "No TcpExt counter rises.",
            "The kernel drops a client whose handshake was not complete silently, and answers its next \
             packet with a RST of cause no_socket.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("no_socket"),
        line: "A packet arrived for which there is no socket: nothing listens, or the connection is gone.",
        meaning: "For a SYN the client gets ECONNREFUSED. Any other packet belongs to a connection that no \
                  longer exists here: after a restart, after a TIME_WAIT bucket overflow, or because a load \
                  balancer sent the packet to the wrong host.",
        confirm: &[
            (
                "ss -ltn 'sport = :PORT'",
                "No line means that nothing listens on that port here.",
            ),
            (
                "ip netns",
                "The service may listen in another network namespace.",
            ),
        ],
        fix: &[
            "Start the service, or bind it to the address that clients use.",
            "If no service on this host ever used that port, find the client by its remote address.",
        ],
        pitfalls: &[
            "There is no socket and therefore no owner: PID is ?.",
            "Kernels before about 6.10 do not report it.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("accept_overflow"),
        line: "The accept queue was full, and tcp_abort_on_overflow=1 turned the refusal into a RST.",
        meaning: "The client's connect() had succeeded already; its first read or write fails with \
                  ECONNRESET. The process does not accept connections as fast as they arrive.",
        confirm: &[
            ("sysctl net.ipv4.tcp_abort_on_overflow", "The value is 1."),
            (
                "nstat -az TcpExtListenOverflows TcpExtEmbryonicRsts",
                "Both counters rise with it.",
            ),
            (
                "ss -ltn",
                "Recv-Q (waiting) is above Send-Q (limit) at that listener.",
            ),
        ],
        fix: &[
            "See tcptrace explain accept_drop: accept faster, or raise both the backlog and somaxconn.",
            "Set net.ipv4.tcp_abort_on_overflow=0 so that a short burst only delays clients.",
        ],
        pitfalls: &[
            "The sysctl acts only at the ACK that completes a handshake. The kernel still drops SYNs \
             silently.",
            "The kernel's reset reason is INVALID_SYN, which is misleading.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("time_wait"),
        line: "A packet arrived for a connection that is already closed and in TIME_WAIT.",
        meaning: "Most often the peer sent data after the process on this host had closed. The RST reports \
                  to the peer that no process will read it.",
        confirm: &[(
            "ss -tan state time-wait state fin-wait-2",
            "The same addresses appear in the list.",
        )],
        fix: &[
            "Define in the protocol which side closes, and close only after the peer's last message.",
        ],
        pitfalls: &["Kernels before about 6.10 do not report it."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("keepalive_timeout"),
        line: "The peer answered no keepalive probe, and the kernel gave the connection up.",
        meaning: "The peer's host is gone, or the path or a device in between drops the packets. The \
                  owner's next call fails with ETIMEDOUT.",
        confirm: &[
            (
                "ss -tno",
                "Look for timer:(keepalive,...) on idle connections of that process.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnTimeout TcpExtTCPKeepAlive",
                "Both counters rise.",
            ),
        ],
        fix: &[
            "If the peer is alive, look for a firewall or NAT that drops idle connections, and set \
             TCP_KEEPIDLE below its idle timeout.",
        ],
        pitfalls: &["The RST rarely arrives, because the peer was already unreachable."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("fin_timeout"),
        line: "The process closed, and the peer did not close its side within tcp_fin_timeout.",
        meaning: "The peer acknowledged this host's FIN and sent none of its own: it holds a half-closed \
                  connection, often a CLOSE_WAIT that its program never closes. Usually the kernel waits \
                  with a small TIME_WAIT socket and sends nothing at its end. It waits with the full \
                  socket, and resets it, if the acknowledgement arrived during close() itself.",
        confirm: &[
            (
                "ss -tan state close-wait",
                "Run it on the peer's host: it lists the other ends, which a program does not close.",
            ),
            (
                "sysctl net.ipv4.tcp_fin_timeout",
                "This is the time that the kernel waited, in seconds.",
            ),
        ],
        fix: &["Make the peer's program close its socket when read() returns 0."],
        pitfalls: &["A longer tcp_fin_timeout only leaves more orphaned sockets."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("user_timeout"),
        line: "TCP_USER_TIMEOUT passed without an answer to keepalive probes.",
        meaning: "The process set this limit for the connection. Its next call fails with ETIMEDOUT.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt -p PID",
                "The trace shows TCP_USER_TIMEOUT and its value in milliseconds.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnTimeout",
                "The counter rises with each of these incidents.",
            ),
        ],
        fix: &["If the path is slow and not dead, raise the timeout."],
        pitfalls: &[
            "If unacknowledged data timed out, the kernel sends no RST: see timed_out/user_timeout.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("out_of_memory"),
        line: "Too many orphaned sockets or too much TCP memory: the kernel aborted a connection.",
        meaning: "The kernel discarded closed connections that still had data to send, to save memory.",
        confirm: &[
            (
                "cat /proc/net/sockstat",
                "Compare orphan with tcp_max_orphans, and mem with tcp_mem.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnMemory",
                "The counter rises with each of these incidents.",
            ),
            (
                "dmesg | grep -i tcp",
                "The kernel logs too many orphaned sockets, or out of memory.",
            ),
        ],
        fix: &[
            "Find out where the closed sockets with unsent data connect to: ss -tan state fin-wait-1 state \
             last-ack.",
            "If the load is legitimate, raise net.ipv4.tcp_max_orphans or net.ipv4.tcp_mem.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("aborted"),
        line: "Another process destroyed the socket (for example with ss -K).",
        meaning: "SOCK_DESTROY closes a socket without its owner; the owner gets ECONNABORTED. Network \
                  managers and container runtimes use it when addresses change.",
        confirm: &[(
            "ausearch -x ss",
            "With auditing on, the log shows who ran ss.",
        )],
        fix: &["Find the tool that does it; the tool needs CAP_NET_ADMIN."],
        pitfalls: &[
            "The other process's system call sends the RST, but tcptrace prints the owner of the socket.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("protocol"),
        line: "The peer violated the TCP protocol; the kernel's reason shows how.",
        meaning: "The peer sent a wrong acknowledgement in the handshake, an unexpected SYN, or an old \
                  timestamp. Sometimes a port was reused too early, or a device rewrites packets.",
        confirm: &[
            (
                "tcptrace watch --only rst_sent --wide",
                "The output includes the reason and the state.",
            ),
            (
                "tcpdump -ni any -S host ADDRESS",
                "The trace shows the sequence numbers before the RST.",
            ),
        ],
        fix: &["If it repeats for one peer, look for a NAT or proxy with stale entries."],
        pitfalls: &["Port scanners cause it at any time."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("unknown"),
        line: "A RST was sent; this kernel does not report the reason.",
        meaning: "The state and the byte counts are still exact.",
        confirm: &[(
            "tcptrace doctor --hooks",
            "The report lists the facts that this kernel does not show.",
        )],
        fix: &["Reproduce it on Linux 6.10 or newer, where the kernel gives a reason."],
        pitfalls: &[],
    },
];
