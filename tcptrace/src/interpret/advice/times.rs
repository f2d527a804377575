//! TIME_WAIT and timestamps.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::TimeWait,
        cause: None,
        line: "The side that closes first keeps the connection in TIME_WAIT for 60 s.",
        meaning: "TIME_WAIT protects a new connection from late packets of the old one, and answers a \
                  repeated FIN. It costs little memory. The real limit is local ports: a client that opens \
                  many short connections to one address and port can use them up.",
        confirm: &[
            (
                "ss -tan state time-wait | wc -l",
                "This is the number of sockets in TIME_WAIT; ss shows no process for them.",
            ),
            (
                "sysctl net.ipv4.ip_local_port_range",
                "This is the range of ports that a client has per destination.",
            ),
        ],
        fix: &[
            "Reuse connections (keep-alive, pools): this removes the cause.",
            "If the server collects too many, let the client close first, and the reverse.",
            "If a client runs out of ports, set net.ipv4.tcp_tw_reuse=1 or widen \
             net.ipv4.ip_local_port_range.",
        ],
        pitfalls: &[
            "net.ipv4.tcp_fin_timeout does not shorten TIME_WAIT; it applies to FIN_WAIT2. The 60 s are \
             fixed.",
            "SO_LINGER{1,0} avoids TIME_WAIT but loses data. Do not use it.",
            "net.ipv4.tcp_tw_recycle no longer exists.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("enter"),
        line: "A connection that this host closed first is now in TIME_WAIT.",
        meaning: "This is normal. The substate FIN_WAIT2 means that the process has closed the socket \
                  and the peer has not closed yet.",
        confirm: &[(
            "ss -tano state time-wait",
            "The command lists the sockets and the time left for each.",
        )],
        fix: &["If one process leaves many, see tcptrace explain time_wait."],
        pitfalls: &[
            "A plain close() enters with substate FIN_WAIT2 far more often than with TIME_WAIT.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("reuse"),
        line: "A new connection took over addresses and ports that were in TIME_WAIT.",
        meaning: "On a client, tcp_tw_reuse allowed it (by default on loopback only). On a server, a new \
                  SYN from the same client address and port did. by= is the owner of the new connection.",
        confirm: &[(
            "nstat -az TcpExtTWRecycled",
            "The counter rises only for a client's reuse.",
        )],
        fix: &[],
        pitfalls: &[
            "A server's reuse by a SYN does not depend on tcp_tw_reuse, and the kernel does not count it.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("overflow"),
        line: "The kernel could not create a TIME_WAIT socket: tcp_max_tw_buckets is reached.",
        meaning: "The kernel removed the connection at once. It answers the peer's FIN with a RST, and the \
                  peer's close ends in an error.",
        confirm: &[
            (
                "nstat -az TcpExtTCPTimeWaitOverflow",
                "The counter rises with each of these incidents.",
            ),
            (
                "sysctl net.ipv4.tcp_max_tw_buckets",
                "This is the limit of the network namespace.",
            ),
        ],
        fix: &[
            "Open fewer short connections; see tcptrace explain time_wait.",
            "Raise net.ipv4.tcp_max_tw_buckets: each entry costs a few hundred bytes of kernel memory.",
        ],
        pitfalls: &[
            "Some guides lower the limit to get rid of TIME_WAIT sockets. That causes this incident.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("expire"),
        line: "A TIME_WAIT socket ended.",
        meaning: "With timeout, its time ran out. With cancelled, the kernel removed it early because of a \
                  RST, a new connection that tcptrace did not observe, or the end of its network namespace.",
        confirm: &[],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: None,
        line: "The kernel rejected a segment because its timestamp is older than one received before.",
        meaning: "The check is called PAWS and protects against wrapped sequence numbers. Old duplicates \
                  are a harmless cause. Several hosts behind one NAT address, or a device that rewrites \
                  timestamps, are harmful causes: the sender stalls and retransmits.",
        confirm: &[
            (
                "nstat -az | grep PAWS",
                "One of the counters rises with it.",
            ),
            (
                "tcpdump -ni any -v host ADDRESS",
                "TS val goes backwards within one connection.",
            ),
        ],
        fix: &[
            "Find the NAT or load balancer that mixes hosts, and configure it to pass or remove timestamps \
             consistently.",
            "Only as a test, set net.ipv4.tcp_timestamps=0 on one end.",
        ],
        pitfalls: &["Kernels before about 5.17 do not report it."],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("established"),
        line: "An established connection rejected a segment with an old timestamp.",
        meaning: "The segment is an old duplicate, or it comes from another host with the same address. The \
                  kernel answers it with an ACK and does not deliver it.",
        confirm: &[(
            "nstat -az TcpExtPAWSEstab",
            "The counter rises with each of these incidents.",
        )],
        fix: &["See tcptrace explain paws_drop."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("time_wait"),
        line: "A TIME_WAIT socket rejected a segment with an old timestamp, perhaps a new client's SYN.",
        meaning: "Behind NAT, a second host that uses the same port may have a clock that is behind the \
                  first one's. The kernel then ignores its SYN until the TIME_WAIT ends.",
        confirm: &[(
            "tcptrace watch --only paws_drop,time_wait",
            "Both kinds appear with the same addresses and ports.",
        )],
        fix: &["Let the clients close first, so that they hold the TIME_WAIT sockets."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("ack"),
        line: "The kernel ignored a pure ACK with an old timestamp.",
        meaning: "Usually newer packets overtook it on the path. Nothing is lost.",
        confirm: &[(
            "nstat -az | grep -i paws",
            "The counter of old ACKs rises, if this kernel has one.",
        )],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("echo"),
        line: "The peer echoed a timestamp that this host never sent.",
        meaning: "A device in between rewrites timestamps, or the packet is forged.",
        confirm: &[(
            "tcpdump -ni any -v host ADDRESS",
            "Compare TS ecr with the TS val that this host sent before.",
        )],
        fix: &["Look for a proxy or firewall that changes TCP options."],
        pitfalls: &[],
    },
];
