//! Retransmissions and the ends of connections.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::Retransmit,
        cause: None,
        line: "The kernel sent a segment again because no acknowledgement came in time.",
        meaning: "A packet or its acknowledgement was lost, delayed or refused. The type shows how the \
                  kernel detected the loss, and so how much time it cost.",
        confirm: &[
            (
                "nstat -az TcpRetransSegs",
                "The counter rises with every segment sent again.",
            ),
            (
                "ss -tin",
                "The output shows retrans:, rto:, rtt: and cwnd: of the connection.",
            ),
        ],
        fix: &[
            "Group the incidents by peer. If one peer is affected, check that host and the path to it. If \
             all peers are affected, check this host's link.",
        ],
        pitfalls: &[
            "The process shown is the socket's owner. A kernel timer, not the process, sends the segment.",
            "An error above 0 in --json means that this host could not send the segment again either.",
        ],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("syn"),
        line: "The kernel sent a SYN again: the peer did not answer connect().",
        meaning: "Users experience connects that take whole seconds: tcptrace explain retransmit/syn prints the \
                  schedule of this host. The peer is down or unreachable, a firewall drops the SYNs silently, or the peer's accept \
                  queue or SYN queue is full.",
        confirm: &[
            (
                "nstat -az TcpExtTCPSynRetrans",
                "The counter rises with it.",
            ),
            (
                "tcptrace watch --only accept_drop,syn_drop",
                "Run it on the peer's host: it reports a full queue.",
            ),
        ],
        fix: &[
            "Run tcptrace doctor on the peer's host: it names a full queue and its process. If nothing is \
             wrong there, a firewall or a full connection tracking table drops the SYNs: conntrack -S, \
             nf_conntrack_count against nf_conntrack_max.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("syn_ack"),
        line: "The kernel sent a SYN-ACK again: the client did not complete the handshake.",
        meaning: "The client is gone, its address is forged, its ACK was lost, or this host refused the ACK \
                  because the accept queue is full.",
        confirm: &[(
            "ss -tn state syn-recv",
            "The command lists half-open connections.",
        )],
        fix: &[
            "If accept_drop incidents occur at the same time, the full accept queue is the cause.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("rto"),
        line: "The retransmission timer expired: the connection made no progress for at least 200 ms.",
        meaning: "No acknowledgement arrived. The wait doubles with every attempt, and the sending rate \
                  restarts from its minimum.",
        confirm: &[("nstat -az TcpExtTCPTimeouts", "The counter rises with it.")],
        fix: &[
            "Look for loss on the path: mtr ADDRESS, ethtool -S DEVICE.",
            "If a peer no longer answers at all, look at its host.",
        ],
        pitfalls: &["One attempt is ordinary on a lossy link; growing attempts are not."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("fast"),
        line: "Later acknowledgements revealed a lost segment, and the kernel sent it again at once.",
        meaning: "This is ordinary recovery from loss or reordering. It costs about one round trip and part \
                  of the sending rate.",
        confirm: &[(
            "nstat -az TcpExtTCPFastRetrans TcpExtTCPLostRetransmit",
            "The first counter rises.",
        )],
        fix: &["Investigate only if a high share of all segments is sent again."],
        pitfalls: &["Reordering on the path looks like loss."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("loss_probe"),
        line: "The kernel sent the last segment again early, to find out whether it was lost.",
        meaning: "No acknowledgement came for about two round trips after the last data. Often the \
                  acknowledgement was only late, and nothing was lost.",
        confirm: &[(
            "nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery",
            "The second counter is the number of probes that repaired a real loss.",
        )],
        fix: &[],
        pitfalls: &["If you count these as losses, you overstate the loss."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("fin"),
        line: "The kernel sent a FIN again: the peer does not acknowledge the close.",
        meaning: "The connection is closed on this host, but the peer is gone or the packets are lost.",
        confirm: &[(
            "ss -tno state fin-wait-1 state last-ack",
            "The command lists the sockets and their timers.",
        )],
        fix: &[
            "Usually nothing is needed: the kernel gives up after net.ipv4.tcp_orphan_retries attempts.",
        ],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("other"),
        line: "The kernel sent a segment again, and tcptrace could not determine why.",
        meaning: "Neither the segment nor the state of the connection matches one of the other types.",
        confirm: &[(
            "ss -tin",
            "The output shows the state of the connection's congestion control.",
        )],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::State,
        cause: None,
        line: "A socket changed its TCP state.",
        meaning: "tcptrace prints one line per change, with the time spent in the old state. Many sockets \
                  in CLOSE_WAIT mean that the process does not close after the peer did; many in FIN_WAIT2 \
                  mean that the peers do not close.",
        confirm: &[(
            "ss -tan state close-wait",
            "The command lists the sockets in a state, with their addresses.",
        )],
        fix: &[],
        pitfalls: &[
            "The kernel never reports a change to TIME_WAIT: the socket goes to CLOSE and a smaller \
             one takes over. See tcptrace explain time_wait.",
            "Most changes happen while another process is on the CPU; the owner shown is the \
             socket's.",
        ],
    },
    Advice {
        kind: Kind::Close,
        cause: None,
        line: "A connection ended; the line summarises it.",
        meaning: "The line has the duration, the payload in both directions, the smoothed round-trip time, \
                  the segments sent again, which side closed first, and how the connection ended.",
        confirm: &[(
            "ss -tin",
            "The output shows the same numbers for a live connection.",
        )],
        fix: &[],
        pitfalls: &["A connection that began before the run has no duration."],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("fin"),
        line: "The connection closed normally.",
        meaning: "Both sides sent a FIN. The side that closed first keeps the TIME_WAIT socket.",
        confirm: &[],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("rst_sent"),
        line: "This host reset the connection.",
        meaning: "An incident of kind rst_sent gives the cause.",
        confirm: &[(
            "tcptrace watch --only rst_sent,close",
            "The output has both lines, with the cause.",
        )],
        fix: &["See tcptrace explain rst_sent."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("rst_received"),
        line: "The peer reset the connection.",
        meaning: "An incident of kind rst_received has the time of the RST.",
        confirm: &[(
            "tcptrace watch --only rst_received,close",
            "The output has both lines.",
        )],
        fix: &["See tcptrace explain rst_received."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("timeout"),
        line: "The peer stopped answering and the kernel gave the connection up.",
        meaning: "The kernel used up its retransmissions or keepalive probes, or TCP_USER_TIMEOUT passed. \
                  The owner gets ETIMEDOUT, or EHOSTUNREACH if a router reported it.",
        confirm: &[(
            "nstat -az TcpExtTCPAbortOnTimeout",
            "The counter rises with it.",
        )],
        fix: &[
            "Check the path and the peer's host. net.ipv4.tcp_retries2 sets how long the kernel tries \
             (tcptrace doctor --all-settings computes it for this host); TCP_USER_TIMEOUT sets it for one \
             socket.",
        ],
        pitfalls: &[
            "The kernel sends no RST when retransmissions run out, so the peer may never find out.",
        ],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("aborted"),
        line: "The process gave up the connection before it was established, or another process destroyed \
               it.",
        meaning: "Either the process cancelled connect(), or another process destroyed the socket (for \
                  example with ss -K).",
        confirm: &[],
        fix: &[],
        pitfalls: &[],
    },
];
