//! Why this host sends RSTs.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::RstSent,
        cause: Some("linger_zero"),
        line: "The process closed with SO_LINGER{1,0}: unsent data is gone and the peer gets a RST.",
        meaning: "SO_LINGER switched on with a time of 0 turns close() into an abort. Everything not \
                  yet acknowledged is thrown away, even bytes for which write() had succeeded. The \
                  end of the process, by exit or by a signal, closes its sockets the same way.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt,close -p PID",
                "SO_LINGER with l_onoff=1 and l_linger=0 before the close.",
            ),
            ("nstat -az TcpExtTCPAbortOnData", "It rises with it."),
        ],
        fix: &[
            "Remove the option. Many set it to avoid TIME_WAIT: reuse connections instead, or let \
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
        meaning: "Data was in the receive queue when the process called close(). TCP then sends a RST, \
                  so that the peer learns that its data was not processed. The RST may also destroy \
                  the answer that the peer was about to read.",
        confirm: &[
            (
                "nstat -az TcpExtTCPAbortOnClose",
                "It rises with each close over unread data.",
            ),
            (
                "ss -tn",
                "Recv-Q above 0 on sockets of that process: it does not read.",
            ),
        ],
        fix: &[
            "Read until EOF before close(); to end early, shutdown(SHUT_WR), then read and discard \
             for a bounded time.",
            "A server that refuses a request should still drain its body, or answer and then close \
             slowly (nginx: lingering_close).",
        ],
        pitfalls: &["One unread byte is enough, such as a line end or a late heartbeat."],
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
                "A close by the process precedes the RST on the same connection.",
            ),
        ],
        fix: &[
            "Close only after the peer's last message: read until EOF, or shutdown(SHUT_WR) and then \
             read and discard for a bounded time.",
            "A server that refuses a request should drain its body first (nginx: lingering_close).",
        ],
        pitfalls: &[
            "The state of the line says how far the close had come: FIN_WAIT1 or FIN_WAIT2.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("linger2"),
        line: "TCP_LINGER2 is below 0: the socket is aborted where it would wait for the peer's FIN.",
        meaning: "The process asked for no FIN_WAIT2 state. Once its FIN is acknowledged, the \
                  connection is reset although the peer may still be sending.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt -p PID",
                "TCP_LINGER2 with a negative value.",
            ),
            (
                "nstat -az TcpExtTCPAbortOnLinger",
                "Rises when closed in FIN_WAIT2.",
            ),
        ],
        fix: &["Remove the option, or set a positive number of seconds."],
        pitfalls: &["Closed from ESTABLISHED, the kernel counts it as TCPAbortOnData."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("disconnect"),
        line: "The process called connect() with AF_UNSPEC on a connected socket.",
        meaning: "That dissolves the connection at once and makes the socket usable again. The peer \
                  gets a RST.",
        confirm: &[(
            "strace -f -e trace=connect -p PID",
            "connect() with sa_family=AF_UNSPEC.",
        )],
        fix: &["Shut down and close the socket, and open a new one."],
        pitfalls: &["No TcpExt counter rises."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("listener_closed"),
        line: "A listener was closed while connections waited in its accept queue; they were reset.",
        meaning: "The clients had connected successfully and may have sent a request. Nobody had \
                  accepted them, and with the listener they went too. Typical for a restart.",
        confirm: &[
            (
                "tcptrace watch --all --lport PORT",
                "LISTEN>CLOSE, then one RST per waiting client.",
            ),
            (
                "ss -ltn 'sport = :PORT'",
                "Recv-Q is how many wait at this moment.",
            ),
        ],
        fix: &[
            "Hand the listening socket over: systemd socket activation, or pass the descriptor on.",
            "With SO_REUSEPORT and several listeners, set net.ipv4.tcp_migrate_req=1 (Linux 5.14).",
            "Take the server out of the load balancer and accept what waits before closing.",
        ],
        pitfalls: &[
            "No TcpExt counter rises.",
            "A client whose handshake was not complete is dropped silently; its next packet draws a \
             RST with cause no_socket.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("no_socket"),
        line: "A packet came for which there is no socket: nothing listens, or the connection is gone.",
        meaning: "For a SYN the client gets ECONNREFUSED. Any other packet belongs to a connection \
                  this host has forgotten: after a restart, after a TIME_WAIT bucket overflow, or \
                  because a load balancer sent it to another host.",
        confirm: &[
            (
                "ss -ltn 'sport = :PORT'",
                "No line: nothing listens on that port here.",
            ),
            (
                "ip netns",
                "The service may listen in another network namespace.",
            ),
        ],
        fix: &[
            "Start the service, or bind it to the address that clients use.",
            "If no service here ever used that port, find the client by its remote address.",
        ],
        pitfalls: &[
            "There is no socket, hence no owner: PID is ?.",
            "Kernels before 6.10 or so do not report it.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("accept_overflow"),
        line: "The accept queue was full and tcp_abort_on_overflow=1 made the refusal a RST.",
        meaning: "The client's connect() had succeeded already; its first read or write fails with \
                  ECONNRESET. The process does not accept connections as fast as they come.",
        confirm: &[
            ("sysctl net.ipv4.tcp_abort_on_overflow", "It is 1."),
            (
                "nstat -az TcpExtListenOverflows TcpExtEmbryonicRsts",
                "Both rise with it.",
            ),
            (
                "ss -ltn",
                "Recv-Q (waiting) above Send-Q (limit) at that listener.",
            ),
        ],
        fix: &[
            "See tcptrace explain accept_drop: accept faster, or raise both backlog and somaxconn.",
            "Set net.ipv4.tcp_abort_on_overflow=0 so that a short burst only delays clients.",
        ],
        pitfalls: &[
            "The sysctl acts only at the ACK that completes a handshake; a SYN is dropped silently \
             with it too.",
            "The kernel's reset reason is INVALID_SYN, which is misleading.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("time_wait"),
        line: "A packet arrived for a connection that is already closed and in TIME_WAIT.",
        meaning: "Most often the peer sent data after our process had closed. The RST tells the peer \
                  that nobody will read it.",
        confirm: &[(
            "ss -tan state time-wait state fin-wait-2",
            "The same addresses.",
        )],
        fix: &["Let the protocol say who closes, and close only after the peer's last message."],
        pitfalls: &["Kernels before 6.10 or so do not report it."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("keepalive_timeout"),
        line: "The peer left all keepalive probes unanswered; the connection was given up.",
        meaning: "The peer's host is gone, or the path or a device in between drops the packets. The \
                  owner's next call fails with ETIMEDOUT.",
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
            "If the peer is alive, look for a firewall or NAT that forgets idle connections, and \
             probe more often than it forgets (TCP_KEEPIDLE).",
        ],
        pitfalls: &["The RST rarely arrives, because the peer did not answer a moment ago either."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("fin_timeout"),
        line: "The process closed, and the peer did not close its side within tcp_fin_timeout.",
        meaning: "Our FIN was acknowledged, then nothing came: the peer holds a half-closed connection, \
                  often a CLOSE_WAIT that its program never closes. Usually the kernel keeps only a \
                  small TIME_WAIT socket meanwhile and says nothing at its end; it keeps the whole one, \
                  and resets it, when the acknowledgement came during the close itself.",
        confirm: &[
            (
                "ss -tan state close-wait",
                "On the peer's host: who leaks the other end.",
            ),
            ("sysctl net.ipv4.tcp_fin_timeout", "How long it waited."),
        ],
        fix: &["Let the peer's program close when it reads the end of the data."],
        pitfalls: &["A longer tcp_fin_timeout only keeps more orphans."],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("user_timeout"),
        line: "TCP_USER_TIMEOUT passed without an answer to keepalive probes.",
        meaning: "The process asked for the connection to be given up after that time. Its next call \
                  fails with ETIMEDOUT.",
        confirm: &[
            (
                "strace -f -e trace=setsockopt -p PID",
                "TCP_USER_TIMEOUT and its milliseconds.",
            ),
            ("nstat -az TcpExtTCPAbortOnTimeout", "It rises with it."),
        ],
        fix: &["If the path is slow rather than dead, raise the timeout."],
        pitfalls: &[
            "When unacknowledged data timed out, the kernel closes without a RST: see close/timeout.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("out_of_memory"),
        line: "Too many orphaned sockets or too much TCP memory: the kernel aborted a connection.",
        meaning: "Closed connections that still had data to send were thrown away to save memory.",
        confirm: &[
            (
                "cat /proc/net/sockstat",
                "orphan against tcp_max_orphans, mem against tcp_mem.",
            ),
            ("nstat -az TcpExtTCPAbortOnMemory", "It rises with it."),
            (
                "dmesg | grep -i tcp",
                "The kernel complains about orphans or memory.",
            ),
        ],
        fix: &[
            "Find who leaves sockets with unsent data: ss -tan state fin-wait-1 state last-ack.",
            "If the load is right, raise net.ipv4.tcp_max_orphans or net.ipv4.tcp_mem.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("aborted"),
        line: "Another process destroyed the socket (for example with ss -K).",
        meaning: "SOCK_DESTROY closes a socket whatever its owner does; the owner gets ECONNABORTED. \
                  Network managers and container runtimes use it when addresses change.",
        confirm: &[("ausearch -x ss", "With auditing on: who ran ss.")],
        fix: &["Find the tool that does it; it needs CAP_NET_ADMIN."],
        pitfalls: &[
            "The other process's system call sends the RST; the owner printed is still the owner of \
             the socket.",
        ],
    },
    Advice {
        kind: Kind::RstSent,
        cause: Some("protocol"),
        line: "The peer violated the TCP protocol; the kernel's reason says how.",
        meaning: "A wrong acknowledgement in the handshake, a SYN where none may be, or an old \
                  timestamp. Now and then a port is reused too early, or a device rewrites packets.",
        confirm: &[
            (
                "tcptrace watch --only rst_sent --wide",
                "Prints the reason and the state.",
            ),
            (
                "tcpdump -ni any -S host ADDRESS",
                "The sequence numbers before the RST.",
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
            "tcptrace doctor",
            "Which facts this kernel reports, and which it does not.",
        )],
        fix: &["Reproduce it on Linux 6.10 or newer, where the kernel gives a reason."],
        pitfalls: &[],
    },
];
