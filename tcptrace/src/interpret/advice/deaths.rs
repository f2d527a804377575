//! Connections given up because nothing came back.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::TimedOut,
        cause: None,
        line: "The peer stopped answering, and the kernel gave the connection up.",
        meaning: "The peer sent nothing for silent_ms. The process gets the error from its next call: \
                  ETIMEDOUT, or an error such as EHOSTUNREACH if a router reported one. The peer may never \
                  find out: the kernel sends a RST only after unanswered keepalive probes.",
        confirm: &[
            (
                "nstat -az TcpExtTCPAbortOnTimeout",
                "The counter rises with each of these incidents.",
            ),
            (
                "tcptrace watch --only timed_out,retransmit",
                "The output includes the retransmissions that preceded it.",
            ),
        ],
        fix: &[
            "Group the incidents by peer. If one peer is affected, look at that host and the path to it. If \
             all peers are affected, look at this host's link, and at firewalls and NAT devices that may \
             have lost their state.",
        ],
        pitfalls: &[
            "The time printed is when the kernel gave up. To find when the peer went silent, subtract \
             silent_ms.",
            "A connect() that gets no answer is reported as connect_failed with ETIMEDOUT.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("retransmits"),
        line: "The kernel resent data until tcp_retries2 was used up, got no answer, and gave the \
               connection up.",
        meaning: "The peer's host is gone, or the path drops every packet. The peer may or may not have \
                  received unacked_bytes; the kernel never sent unsent_bytes. net.ipv4.tcp_retries2 and the \
                  round-trip time decide how long this takes: tcptrace doctor --all-settings computes it \
                  for this host.",
        confirm: &[
            (
                "ss -tino",
                "Look for timer:(on,...) and backoff: on other connections to that peer.",
            ),
            (
                "sysctl net.ipv4.tcp_retries2",
                "This is the number of attempts.",
            ),
        ],
        fix: &[
            "Check that the peer's host is up, and that no firewall or connection tracker on the path has \
             dropped its entry for the connection.",
            "To detect a dead peer within seconds, set TCP_USER_TIMEOUT in the program, or give each \
             request its own timeout.",
        ],
        pitfalls: &[
            "A lower net.ipv4.tcp_retries2 also ends connections over links that would have recovered.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("keepalive"),
        line: "The peer answered no keepalive probe, and the kernel gave the connection up.",
        meaning: "The connection was idle. The peer's host is gone, or a device in between drops the \
                  packets. The kernel sent a RST, which rarely arrives; with --only rst_sent tcptrace \
                  reports the same event as rst_sent/keepalive_timeout.",
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
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("user_timeout"),
        line: "The peer acknowledged nothing for TCP_USER_TIMEOUT, and the kernel gave the connection up.",
        meaning: "The program set this limit. It replaces tcp_retries2 for unacknowledged data, and the \
                  number of keepalive probes for an idle connection. The kernel also gives up a peer that \
                  answers but keeps its receive window at zero for that long.",
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
        fix: &["If the peer is only slow, or the path loses packets, raise the timeout."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("zero_window"),
        line: "The peer's receive window stayed at zero, its host answered no probe, and the kernel gave up.",
        meaning: "The peer's program stopped reading, and later its host or the path stopped answering. \
                  unsent_bytes waited for the window to open.",
        confirm: &[(
            "ss -tino",
            "Look for timer:(persist,...) on other connections to that peer.",
        )],
        fix: &["Find out why the peer's program does not read, and whether its host is up."],
        pitfalls: &[
            "The kernel never gives up a peer that answers the probes, unless TCP_USER_TIMEOUT is set.",
        ],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("syn"),
        line: "The peer never completed a handshake that the kernel already tracked as a full socket.",
        meaning: "This concerns only sockets in SYN_RECV: both sides connected at the same time, or TCP \
                  Fast Open created the socket early. A connect() that gets no answer is reported as \
                  connect_failed.",
        confirm: &[(
            "ss -tn state syn-recv",
            "The command lists other sockets in this state.",
        )],
        fix: &["Check the path to that peer."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::TimedOut,
        cause: Some("orphan"),
        line: "The process had closed the socket, and the peer never acknowledged the remaining data.",
        meaning: "After close() the kernel keeps sending the remaining data and the FIN for a limited \
                  number of attempts (net.ipv4.tcp_orphan_retries; 0 means 8). Then it gives up. The peer \
                  may not have received the last unacked_bytes and did not receive unsent_bytes, and the \
                  process gets no error.",
        confirm: &[
            (
                "ss -tano state fin-wait-1",
                "The command lists other closed sockets that still wait, with their timers.",
            ),
            (
                "sysctl net.ipv4.tcp_orphan_retries",
                "This is the number of attempts.",
            ),
        ],
        fix: &[
            "If the data matters, make the program wait for the peer's answer before it closes.",
            "If the peer is gone, there is nothing to fix: the kernel has cleaned up.",
        ],
        pitfalls: &["The owner is the process that closed the socket. It may have exited since."],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: None,
        line: "connect() failed, or the process closed the socket before the peer answered.",
        meaning: "error is the error that the process gets. If there is none, the process itself gave up: \
                  its own timeout passed, a signal arrived, or it exited. syns is the number of SYNs that \
                  the kernel sent. A refusal by RST is reported as rst_received/refused.",
        confirm: &[
            (
                "ss -tno state syn-sent",
                "The command lists connections that still wait for an answer.",
            ),
            (
                "tcptrace watch --only connect_failed,retransmit",
                "The output includes the SYNs that the kernel sent again.",
            ),
        ],
        fix: &[
            "If many go to one peer, check that host and the path to it. If all peers are affected, check \
             this host's link, routes and local ports.",
        ],
        pitfalls: &[
            "A client that tries several addresses at once closes the attempts that lose; each appears as \
             one line.",
            "Errors before the first SYN (no route, bind()) are visible only where functions can be hooked.",
        ],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EADDRNOTAVAIL"),
        line: "No local port was free for the connection, or bind() asked for an address of another host.",
        meaning: "Of connect(): each connection from one local address to one remote address and port needs its own local \
                  port. Live connections and TIME_WAIT sockets use all ports of \
                  net.ipv4.ip_local_port_range, or the port chosen by bind() is already connected to that \
                  destination. Of bind() (the line says bind, and call has it): no interface of this host \
                  has the address.",
        confirm: &[
            (
                "tcptrace timewait",
                "The output shows the ports in use by destination, and which process left the TIME_WAIT \
                 sockets.",
            ),
            (
                "sysctl net.ipv4.ip_local_port_range",
                "This is the range of local ports.",
            ),
        ],
        fix: &[
            "Reuse connections: use a pool, keep-alive or HTTP/2.",
            "Widen net.ipv4.ip_local_port_range, or connect from more local addresses.",
        ],
        pitfalls: &[
            "A program that binds before it connects should set IP_BIND_ADDRESS_NO_PORT.",
            "net.ipv4.ip_nonlocal_bind=1 lets programs bind to an address that arrives later, as with a \
             floating address.",
        ],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EADDRINUSE"),
        line: "bind() failed: the port, or every port of the range, is in use at that local address.",
        meaning: "bind() needs a port that no other socket uses at its local address, whatever the \
                  destination. With a port in the call, another socket holds that port: a second copy of \
                  the program, or a connection that the last one left. With port 0, all ports of \
                  net.ipv4.ip_local_port_range are in use.",
        confirm: &[
            (
                "ss -tanp sport = :PORT",
                "The command lists the sockets that hold the port, in every state.",
            ),
            (
                "tcptrace timewait",
                "The output shows the ports in use by local address.",
            ),
        ],
        fix: &[
            "If another program listens on the port, stop it or choose another port.",
            "If connections of the program's last run hold it, set SO_REUSEADDR before bind().",
            "If all ports are in use, set IP_BIND_ADDRESS_NO_PORT before bind(), so that connect() chooses \
             the port for each destination.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EACCES"),
        line: "bind() to a port below net.ipv4.ip_unprivileged_port_start, or a route prohibits connect().",
        meaning: "Of bind(): ports below that limit (1024 unless changed) need CAP_NET_BIND_SERVICE. Of \
                  connect(): a route of type prohibit matches, or the address is a broadcast address.",
        confirm: &[
            (
                "sysctl net.ipv4.ip_unprivileged_port_start",
                "This is the first port that every program may bind.",
            ),
            (
                "ip route get PEER",
                "The output shows the route that the kernel uses.",
            ),
        ],
        fix: &[
            "Give the service CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities), or lower the limit.",
            "For connect(), check the routes and the address.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ETIMEDOUT"),
        line: "No SYN was answered, and connect() failed.",
        meaning: "The kernel sent the SYN again net.ipv4.tcp_syn_retries times and got no answer. The \
                  peer's host is down, a firewall drops the SYNs silently, or the peer's listener drops \
                  them because a queue is full.",
        confirm: &[
            (
                "tcptrace listeners PORT",
                "Run it on the peer's host: it shows whether the listener's queues are full.",
            ),
            (
                "ping -c 3 PEER",
                "The command shows whether the host answers at all.",
            ),
        ],
        fix: &["Check the peer's listener first, then the firewalls on the path."],
        pitfalls: &[
            "Most programs have a shorter timeout of their own; then the incident has no error.",
        ],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("EHOSTUNREACH"),
        line: "The network reported the peer's host as unreachable, and connect() failed.",
        meaning: "A router sent ICMP host unreachable, or no host on this host's own link answered for the \
                  address (ARP, neighbour discovery).",
        confirm: &[
            (
                "ip route get PEER",
                "The output shows the route that the kernel uses.",
            ),
            (
                "ip neigh",
                "FAILED means that no host on the link has that address.",
            ),
        ],
        fix: &["Check that the peer's host is up and that the address is correct."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ENETUNREACH"),
        line: "The network reported that it has no route to the peer, and connect() failed.",
        meaning: "With syns 0 this host itself has no route; otherwise a router sent ICMP network \
                  unreachable. A client that tries the IPv6 addresses of a name first gets this on every \
                  host without IPv6, and continues with IPv4.",
        confirm: &[(
            "ip route get PEER",
            "The output shows the route that the kernel uses.",
        )],
        fix: &[
            "With syns 0, check this host's routes and its default gateway.",
            "Otherwise find the router that sent the message (tcpdump icmp), and check its routes.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::ConnectFailed,
        cause: Some("ECONNREFUSED"),
        line: "An ICMP message, not a RST, refused the connection, and connect() failed.",
        meaning: "A firewall rule with action reject, on the peer's host or in front of it, sent ICMP port \
                  unreachable.",
        confirm: &[(
            "tcpdump -ni any icmp",
            "The trace shows which host sends the message.",
        )],
        fix: &["Check the firewall rules of the host that sends it."],
        pitfalls: &[],
    },
];
