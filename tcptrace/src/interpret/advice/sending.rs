//! Retransmissions and the ends of connections.

use super::Advice;
use crate::model::Kind;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        kind: Kind::Retransmit,
        cause: None,
        line: "Something was sent again because no acknowledgement came in time.",
        meaning: "A packet or its acknowledgement was lost, delayed or refused. The type says how \
                  the kernel found out, and so how much time it cost.",
        confirm: &[
            (
                "nstat -az TcpRetransSegs",
                "It rises with every segment sent again.",
            ),
            (
                "ss -tin",
                "retrans:, rto:, rtt: and cwnd: of the connection.",
            ),
        ],
        fix: &[
            "Group by peer: one peer points to its host or path, all peers to this host's link.",
        ],
        pitfalls: &[
            "The process is the socket's owner; retransmits are sent by a timer.",
            "An error above 0 in --json means that even sending again failed on this host.",
        ],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("syn"),
        line: "A SYN was sent again: the peer did not answer our connect().",
        meaning: "Users see connects that take whole seconds: Linux 6.5 and newer sends a SYN again \
                  after 1, 2, 3, 4, 5, 7, 11 s and so on, older kernels after 1, 3, 7 s and so on \
                  (tcptrace doctor computes it from this host's settings). The peer is down or \
                  unreachable, a firewall drops the SYNs in silence, or the peer's accept queue or \
                  SYN queue is full.",
        confirm: &[
            ("nstat -az TcpExtTCPSynRetrans", "It rises with it."),
            (
                "tcptrace watch --only accept_drop,syn_drop",
                "On the peer it names a full queue.",
            ),
        ],
        fix: &["If the peer drops for a full queue, see tcptrace explain accept_drop."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("syn_ack"),
        line: "A SYN-ACK was sent again: the client did not complete the handshake.",
        meaning: "The client is gone, its address is forged, or its ACK is lost or was refused here \
                  because the accept queue is full.",
        confirm: &[(
            "ss -tn state syn-recv",
            "Half-open connections and their timers.",
        )],
        fix: &["With accept_drop incidents beside it, the accept queue is the cause."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("rto"),
        line: "The retransmission timer expired: the connection made no progress for at least 200 ms.",
        meaning: "No acknowledgement came at all. The wait doubles with every attempt, and the \
                  sending rate starts from the bottom.",
        confirm: &[("nstat -az TcpExtTCPTimeouts", "It rises with it.")],
        fix: &[
            "Look for loss on the path: mtr ADDRESS, ethtool -S DEVICE.",
            "If a peer no longer answers at all, look at its host.",
        ],
        pitfalls: &["One attempt is ordinary on a lossy link; growing attempts are not."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("fast"),
        line: "A lost segment was found by later acknowledgements and sent again at once.",
        meaning: "Ordinary recovery from loss or reordering. It costs about one round trip and part \
                  of the sending rate.",
        confirm: &[(
            "nstat -az TcpExtTCPFastRetrans TcpExtTCPLostRetransmit",
            "The first rises.",
        )],
        fix: &["Only a high share of all segments sent is worth looking at."],
        pitfalls: &["Reordering on the path looks like loss."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("loss_probe"),
        line: "The last segment was sent again early, to find out whether the tail was lost.",
        meaning: "No acknowledgement came for about two round trips after the last data. Often it \
                  was only late, and nothing is lost.",
        confirm: &[(
            "nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery",
            "The second tells how many probes repaired a real loss.",
        )],
        fix: &[],
        pitfalls: &["Counting these as loss overstates it."],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("fin"),
        line: "A FIN was sent again: the peer does not acknowledge our close.",
        meaning: "The connection was closed here, but the peer is gone or drops the packets.",
        confirm: &[(
            "ss -tno state fin-wait-1 state last-ack",
            "The sockets and their timers.",
        )],
        fix: &["Usually none: the kernel gives up by itself (net.ipv4.tcp_orphan_retries)."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Retransmit,
        cause: Some("other"),
        line: "Something was sent again for an unknown reason.",
        meaning: "Neither the segment nor the state of the connection matches one of the other types.",
        confirm: &[(
            "ss -tin",
            "The state of the connection's congestion control.",
        )],
        fix: &[],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::State,
        cause: None,
        line: "A socket changed its TCP state.",
        meaning: "One line per change, with the time spent in the old state. Many sockets in \
                  CLOSE_WAIT mean that the process does not close after the peer did; many in \
                  FIN_WAIT2 that peers do not.",
        confirm: &[(
            "ss -tan state close-wait",
            "The sockets in a state, with their addresses.",
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
        meaning: "Duration, payload in both directions, smoothed round trip, segments sent again, \
                  who closed first and how it ended.",
        confirm: &[("ss -tin", "The same numbers while a connection lives.")],
        fix: &[],
        pitfalls: &["A connection that is older than the run has no duration."],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("fin"),
        line: "The connection closed normally.",
        meaning: "Both sides sent a FIN. Who closed first keeps the TIME_WAIT.",
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
            "Both lines, with the cause.",
        )],
        fix: &["See tcptrace explain rst_sent."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("rst_received"),
        line: "The peer reset the connection.",
        meaning: "An incident of kind rst_received shows the moment.",
        confirm: &[("tcptrace watch --only rst_received,close", "Both lines.")],
        fix: &["See tcptrace explain rst_received."],
        pitfalls: &[],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("timeout"),
        line: "The peer stopped answering and the kernel gave the connection up.",
        meaning: "Retransmissions, keepalive probes or TCP_USER_TIMEOUT ran out. The owner gets \
                  ETIMEDOUT, or EHOSTUNREACH when a router said so.",
        confirm: &[("nstat -az TcpExtTCPAbortOnTimeout", "It rises with it.")],
        fix: &[
            "Look at the path and at the peer's host. net.ipv4.tcp_retries2 sets how long the kernel \
             tries (about 15 minutes), TCP_USER_TIMEOUT the same per socket.",
        ],
        pitfalls: &["No RST is sent when retransmissions run out, so the peer may never know."],
    },
    Advice {
        kind: Kind::Close,
        cause: Some("aborted"),
        line: "The connection was given up before it was established, or another process destroyed it.",
        meaning: "Either connect() was cancelled, or another process used ss -K.",
        confirm: &[],
        fix: &[],
        pitfalls: &[],
    },
];
