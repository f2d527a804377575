//! How long the kernel tries: from settings to the moments of its resends.
//!
//! Kernel facts: a SYN is sent again after 1 s; with tcp_syn_linear_timeouts (6.5 and newer) so many
//! further pauses are 1 s too, then each pause is twice as long, up to tcp_rto_max_ms (6.15 and
//! newer, 120 s before). tcp_syn_retries counts the resends beyond the linear ones.

use crate::model::Kind;
use crate::model::finding::Topic;
use crate::model::survey::Values;

/// SYNs that are sent again after one second each (6.5 and newer).
pub(super) const LINEAR_SYNS: &str = "net.ipv4.tcp_syn_linear_timeouts";
/// The longest pause between two tries (6.15 and newer).
pub(super) const LONGEST_PAUSE: &str = "net.ipv4.tcp_rto_max_ms";
pub(super) const SYN_RETRIES: &str = "net.ipv4.tcp_syn_retries";
const SYN_ACK_RETRIES: &str = "net.ipv4.tcp_synack_retries";
const DATA_RETRIES: &str = "net.ipv4.tcp_retries2";
const ORPHAN_RETRIES: &str = "net.ipv4.tcp_orphan_retries";
const KEEPALIVE_TIME: &str = "net.ipv4.tcp_keepalive_time";
const KEEPALIVE_INTERVAL: &str = "net.ipv4.tcp_keepalive_intvl";
const KEEPALIVE_PROBES: &str = "net.ipv4.tcp_keepalive_probes";
/// The settings that decide how often, and how long, the kernel tries.
pub const NAMES: [&str; 9] = [
    SYN_RETRIES,
    LINEAR_SYNS,
    SYN_ACK_RETRIES,
    LONGEST_PAUSE,
    DATA_RETRIES,
    ORPHAN_RETRIES,
    KEEPALIVE_TIME,
    KEEPALIVE_INTERVAL,
    KEEPALIVE_PROBES,
];

/// The longest pause between two tries unless tcp_rto_max_ms says otherwise, ms.
const RTO_MAX_MS: u64 = 120_000;
/// The first pause of a handshake, ms.
const HANDSHAKE_MS: u64 = 1000;
/// The shortest pause of a connection, by which the kernel models its limits, ms.
const RTO_MIN_MS: u64 = 200;
/// What tcp_orphan_retries 0 means.
pub(super) const ORPHANS_MEANT: u64 = 8;
/// More tries than any setting allows to be meant.
const MOST: u64 = 512;
/// Resends listed one by one.
const LISTED: usize = 7;

/// When a SYN or SYN-ACK without an answer is sent again, and when it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The resends, ms after the first packet.
    pub resends_ms: Vec<u64>,
    /// When it is given up, ms after the first packet.
    pub given_up_ms: u64,
}

impl Schedule {
    /// Of the SYNs of a kernel with these settings; `None`: tcp_syn_retries is not known.
    #[must_use]
    pub fn of_syns(values: &Values) -> Option<Self> {
        let linear = values.number(LINEAR_SYNS).unwrap_or(0);
        let retries = values.number(SYN_RETRIES)?;
        Some(Self::new(retries, linear, rto_max_ms(values)))
    }

    /// Of the SYN-ACKs of a kernel with these settings; `None`: tcp_synack_retries is not known.
    #[must_use]
    pub fn of_syn_acks(values: &Values) -> Option<Self> {
        let retries = values.number(SYN_ACK_RETRIES)?;
        Some(Self::new(retries, 0, rto_max_ms(values)))
    }

    fn new(retries: u64, linear: u64, rto_max_ms: u64) -> Self {
        let (retries, linear) = (retries.min(MOST), linear.min(MOST));
        let (mut pause, mut at) = (HANDSHAKE_MS, 0_u64);
        let mut resends_ms = Vec::new();
        for timeout in 1..=retries + linear {
            at = at.saturating_add(pause);
            resends_ms.push(at);
            if timeout > linear {
                pause = pause.saturating_mul(2).min(rto_max_ms);
            }
        }
        Self {
            resends_ms,
            given_up_ms: at.saturating_add(pause),
        }
    }

    /// `1, 2, 3, 4, 5, 7, 11 s and so on`; `never` without a resend.
    #[must_use]
    pub fn moments(&self) -> String {
        let listed: Vec<String> = self
            .resends_ms
            .iter()
            .take(LISTED)
            .map(|ms| (ms / 1000).to_string())
            .collect();
        match (listed.is_empty(), self.resends_ms.len() > LISTED) {
            (true, _) => "never".to_owned(),
            (false, false) => format!("{} s", listed.join(", ")),
            (false, true) => format!("{} s and so on", listed.join(", ")),
        }
    }
}

/// What a client does that gets no answer to its SYN, in one sentence. Its own kernel decides: known
/// are only the settings of this one.
#[must_use]
pub fn client_retries(values: &Values) -> String {
    match Schedule::of_syns(values) {
        Some(schedule) => format!(
            "a client with this kernel's settings sends its SYN again after {} and gives up after {}",
            schedule.moments(),
            span(schedule.given_up_ms)
        ),
        None => {
            "the client's kernel sends the SYN again, according to its tcp_syn_retries".to_owned()
        }
    }
}

/// How long a kernel with these settings tries, where incidents of the topic depend on it, in one
/// sentence.
#[must_use]
pub fn of_topic(values: &Values, topic: Topic) -> Option<String> {
    let rto_max = rto_max_ms(values);
    Some(match topic {
        (Kind::AcceptDrop, Some("syn"))
        | (Kind::SynDrop, Some("dropped"))
        | (Kind::Retransmit, Some("syn"))
        | (Kind::ConnectFailed, None | Some("ETIMEDOUT")) => {
            let schedule = Schedule::of_syns(values)?;
            format!(
                "A SYN without an answer is sent again after {}, and connect() fails after {} s.",
                schedule.moments(),
                schedule.given_up_ms / 1000
            )
        }
        (Kind::Retransmit, Some("syn_ack")) => {
            let schedule = Schedule::of_syn_acks(values)?;
            format!(
                "A SYN-ACK without an answer is sent again after {}, and the handshake is dropped after \
                 {} s.",
                schedule.moments(),
                schedule.given_up_ms / 1000
            )
        }
        (Kind::TimedOut, None | Some("retransmits" | "zero_window"))
        | (Kind::Retransmit, Some("rto")) => {
            let retries = values.number(DATA_RETRIES)?;
            format!(
                "Data that nobody acknowledges is given up {} after it was first sent again, or later \
                 where the path is slow (tcp_retries2 {retries}).",
                span(data_ms(retries, rto_max))
            )
        }
        (Kind::TimedOut, Some("orphan")) | (Kind::Retransmit, Some("fin")) => {
            let retries = match values.number(ORPHAN_RETRIES)? {
                0 => ORPHANS_MEANT,
                retries => retries,
            };
            format!(
                "A closed socket with unacknowledged data is given up {} after it was first sent again, \
                 or later ({retries} resends).",
                span(data_ms(retries, rto_max))
            )
        }
        (Kind::TimedOut, Some("keepalive")) | (Kind::RstSent, Some("keepalive_timeout")) => {
            let (idle, pause, probes) = (
                values.number(KEEPALIVE_TIME)?,
                values.number(KEEPALIVE_INTERVAL)?,
                values.number(KEEPALIVE_PROBES)?,
            );
            let secs = idle.saturating_add(pause.saturating_mul(probes));
            format!(
                "A socket with SO_KEEPALIVE and no times of its own sends its first probe after {}, \
                 and a silent peer is given up after {}.",
                span(idle.saturating_mul(1000)),
                span(secs.saturating_mul(1000))
            )
        }
        _ => return None,
    })
}

/// The longest pause between two tries, ms.
pub(super) fn rto_max_ms(values: &Values) -> u64 {
    values.number(LONGEST_PAUSE).unwrap_or(RTO_MAX_MS)
}

/// Until a connection is given up after `retries`, from the first resend on: the kernel's model, with
/// the shortest pause there is (`retransmits_timed_out`, 5.10 to 7.3). Longer paths take longer. A
/// tcp_rto_min_us (6.11 and newer) of another length does not change it: with 2 retries and 1 s a
/// connection was given up after 4 s on 6.18, where a model with that pause would take 7 s.
pub(super) fn data_ms(retries: u64, rto_max_ms: u64) -> u64 {
    let (mut pause, mut sum) = (RTO_MIN_MS, 0_u64);
    for _ in 0..=retries.min(MOST) {
        sum = sum.saturating_add(pause.min(rto_max_ms));
        pause = pause.saturating_mul(2);
    }
    sum
}

/// `3 s`, `15 min 24 s`, `2 h 11 min`.
pub(super) fn span(ms: u64) -> String {
    let secs = ms.div_ceil(1000);
    let two = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {rest}"),
    };
    match secs {
        0..=599 => format!("{secs} s"),
        600..=7199 => two(secs / 60, "min", secs % 60, "s"),
        _ => two(secs / 3600, "h", secs % 3600 / 60, "min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[(&'static str, &str)]) -> Values {
        let mut values = Values::default();
        for (name, text) in texts {
            values.insert(name, text);
        }
        values
    }

    #[test]
    fn a_syn_is_given_up_when_the_kernels_documentation_says() {
        let given_up = |retries, linear| Schedule::new(retries, linear, RTO_MAX_MS).given_up_ms;
        assert_eq!(given_up(6, 0), 127_000);
        assert_eq!(given_up(6, 4), 131_000);
        assert_eq!(given_up(8, 0), 127_000 + 2 * 120_000);
    }

    /// Measured on 6.18 with its defaults, and on 5.10.
    #[test]
    fn syns_are_sent_again_at_the_moments_that_were_measured() {
        let newer = values(&[(SYN_RETRIES, "6"), (LINEAR_SYNS, "4")]);
        let schedule = Schedule::of_syns(&newer).unwrap();
        let seconds: Vec<u64> = schedule.resends_ms.iter().map(|ms| ms / 1000).collect();
        assert_eq!(seconds, [1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
        assert_eq!(
            client_retries(&newer),
            "a client with this kernel's settings sends its SYN again after 1, 2, 3, 4, 5, 7, 11 s \
             and so on and gives up after 131 s"
        );
        let older = values(&[(SYN_RETRIES, "3")]);
        let schedule = Schedule::of_syns(&older).unwrap();
        assert_eq!(schedule.moments(), "1, 3, 7 s");
        assert_eq!(schedule.given_up_ms, 15_000);
        assert_eq!(Schedule::of_syns(&Values::default()), None);
        let none = values(&[(SYN_RETRIES, "0")]);
        assert_eq!(Schedule::of_syns(&none).unwrap().moments(), "never");
    }

    #[test]
    fn a_shorter_longest_pause_is_kept() {
        let capped = values(&[(SYN_ACK_RETRIES, "5"), (LONGEST_PAUSE, "2000")]);
        let schedule = Schedule::of_syn_acks(&capped).unwrap();
        assert_eq!(schedule.moments(), "1, 3, 5, 7, 9 s");
        assert_eq!(schedule.given_up_ms, 11_000);
    }

    #[test]
    fn a_connection_is_given_up_when_the_kernels_documentation_says() {
        assert_eq!(data_ms(15, RTO_MAX_MS), 924_600);
        assert_eq!(data_ms(8, RTO_MAX_MS), 102_200);
        assert_eq!(data_ms(3, RTO_MAX_MS), 3_000);
    }

    #[test]
    fn each_topic_has_the_sentence_of_its_settings() {
        let all = values(&[
            (SYN_RETRIES, "2"),
            (LINEAR_SYNS, "1"),
            (SYN_ACK_RETRIES, "3"),
            (DATA_RETRIES, "8"),
            (ORPHAN_RETRIES, "0"),
            (KEEPALIVE_TIME, "600"),
            (KEEPALIVE_INTERVAL, "60"),
            (KEEPALIVE_PROBES, "5"),
        ]);
        let said = |kind, cause| of_topic(&all, (kind, Some(cause))).unwrap_or_default();
        assert!(
            said(Kind::ConnectFailed, "ETIMEDOUT")
                .contains("after 1, 2, 4 s, and connect() fails after 8 s")
        );
        assert!(
            said(Kind::Retransmit, "syn_ack")
                .contains("after 1, 3, 7 s, and the handshake is dropped after 15 s")
        );
        assert!(said(Kind::TimedOut, "retransmits").contains("given up 103 s after"));
        assert!(
            said(Kind::TimedOut, "orphan")
                .contains("given up 103 s after it was first sent again, or later (8 resends)")
        );
        assert!(
            said(Kind::TimedOut, "keepalive")
                .contains("after 10 min, and a silent peer is given up after 15 min")
        );
        assert_eq!(said(Kind::TimedOut, "user_timeout"), "");
        let unknown = Values::default();
        assert_eq!(
            of_topic(&unknown, (Kind::TimedOut, Some("keepalive"))),
            None
        );
    }

    #[test]
    fn absurd_settings_end() {
        let schedule = Schedule::new(u64::MAX, u64::MAX, RTO_MAX_MS);
        assert!(schedule.given_up_ms > 0);
        assert!(data_ms(u64::MAX, u64::MAX) > 0);
    }

    #[test]
    fn spans_carry_their_units() {
        let texts = [0, 3_000, 924_600, 7_875_000, 7_200_000].map(span);
        assert_eq!(texts, ["0 s", "3 s", "15 min 25 s", "2 h 11 min", "2 h"]);
    }
}
