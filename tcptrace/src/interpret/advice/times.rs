//! TIME_WAIT and timestamps.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::TimeWait,
        cause: None,
        line: "The side that closes first keeps the connection in TIME_WAIT for 60 s.",
        meaning: "TIME_WAIT protects a new connection from late packets of the old one, and answers a \
                  repeated FIN. It costs little memory. Ports run out instead, when a client opens \
                  many short connections to one address and port.",
        confirm: &[
            (
                "ss -tan state time-wait | wc -l",
                "The number of them; ss shows no process for them.",
            ),
            (
                "sysctl net.ipv4.ip_local_port_range",
                "How many ports a client has per destination.",
            ),
        ],
        fix: &[
            "Reuse connections (keep-alive, pools): it removes the cause.",
            "Let the client close first where the server collects too many, or the reverse.",
            "For ports of a client: net.ipv4.tcp_tw_reuse=1, or a wider ip_local_port_range.",
        ],
        pitfalls: &[
            "net.ipv4.tcp_fin_timeout does not shorten it: that is about FIN_WAIT2. The 60 s are \
             fixed.",
            "SO_LINGER{1,0} avoids TIME_WAIT by losing data: do not.",
            "net.ipv4.tcp_tw_recycle no longer exists.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("enter"),
        line: "A connection that this host closed first is now in TIME_WAIT.",
        meaning: "This is normal. The substate FIN_WAIT2 means that the process has closed the socket \
                  and the peer has not closed yet.",
        confirm: &[("ss -tano state time-wait", "The time left.")],
        fix: &["Many at one process: see tcptrace explain time_wait."],
        pitfalls: &[
            "A plain close() enters with substate FIN_WAIT2 far more often than TIME_WAIT.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("reuse"),
        line: "A new connection took over addresses and ports that were in TIME_WAIT.",
        meaning: "On a client tcp_tw_reuse allowed it (by default on loopback only); on a server a \
                  new SYN of the same client did. by= is the owner of the new connection.",
        confirm: &[(
            "nstat -az TcpExtTWRecycled",
            "It rises for a client's reuse only.",
        )],
        fix: &[],
        pitfalls: &[
            "A server's reuse by a SYN does not depend on tcp_tw_reuse and is not counted.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("overflow"),
        line: "The kernel could not create a TIME_WAIT socket: tcp_max_tw_buckets is reached.",
        meaning: "The connection vanished at once. When the peer's FIN comes, it is answered by a \
                  RST, and the peer's close ends in an error.",
        confirm: &[
            ("nstat -az TcpExtTCPTimeWaitOverflow", "It rises with it."),
            (
                "sysctl net.ipv4.tcp_max_tw_buckets",
                "The limit, for the namespace.",
            ),
        ],
        fix: &[
            "Open fewer short connections; see tcptrace explain time_wait.",
            "Raise net.ipv4.tcp_max_tw_buckets: each costs a few hundred bytes.",
        ],
        pitfalls: &[
            "Lowering the limit is a popular but harmful remedy for many TIME_WAIT sockets.",
        ],
    },
    Advice {
        kind: Kind::TimeWait,
        cause: Some("expire"),
        line: "A TIME_WAIT socket ended.",
        meaning: "timeout: its time was over. cancelled: the kernel removed it early, because of a RST, \
                  a new connection that tcptrace did not observe, or the end of its network namespace.",
        confirm: &[],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: None,
        line: "A segment was rejected because its timestamp is older than one seen before.",
        meaning: "Protection against wrapped sequence numbers (PAWS). Old duplicates are a \
                  harmless cause; harmful ones are several hosts behind one NAT address, or a \
                  device that rewrites timestamps. The sender sees stalls and retransmissions.",
        confirm: &[
            (
                "nstat -az | grep PAWS",
                "One of the counters rises with it.",
            ),
            (
                "tcpdump -ni any -v host ADDRESS",
                "TS val going backwards within one connection.",
            ),
        ],
        fix: &[
            "Find the NAT or load balancer that mixes hosts, and let it keep or remove timestamps \
             consistently.",
            "As a test only: net.ipv4.tcp_timestamps=0 on one end.",
        ],
        pitfalls: &["Kernels before about 5.17 do not report it."],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("established"),
        line: "An established connection rejected a segment with an old timestamp.",
        meaning: "A duplicate from the past, or another host's packet under the same address. The \
                  segment is answered by an ACK and not delivered.",
        confirm: &[("nstat -az TcpExtPAWSEstab", "It rises with it.")],
        fix: &["See tcptrace explain paws_drop."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("time_wait"),
        line: "A TIME_WAIT rejected a segment with an old timestamp, perhaps a new client's SYN.",
        meaning: "Behind NAT, a second host that uses the same port may have a clock that is behind \
                  the first one's; its SYN is then ignored until the TIME_WAIT ends.",
        confirm: &[(
            "tcptrace watch --only paws_drop,time_wait",
            "The same addresses and ports.",
        )],
        fix: &["Let the server not close first, so that the TIME_WAIT is with the clients."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::PawsDrop,
        cause: Some("ack"),
        line: "A pure ACK with an old timestamp was ignored.",
        meaning: "Usually reordering: newer packets overtook it. Nothing is lost.",
        confirm: &[(
            "nstat -az | grep -i paws",
            "The counter of old ACKs, where the kernel has it.",
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
            "TS ecr against the val sent before.",
        )],
        fix: &["Look for a proxy or firewall that touches TCP options."],
        pitfalls: &[],
    },
];
