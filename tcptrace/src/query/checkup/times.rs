//! How long the kernel tries: from numbers of retries to seconds.

/// The longest pause between two tries unless tcp_rto_max_ms says otherwise, ms.
pub(super) const RTO_MAX_MS: u64 = 120_000;
/// The first pause of a handshake, ms.
const HANDSHAKE_MS: u64 = 1000;
/// The shortest pause of a connection, by which the kernel models its limits, ms.
const RTO_MIN_MS: u64 = 200;
/// More tries than any setting allows to be meant.
const MOST: u64 = 512;

/// Until a SYN that nobody answers is given up: `retries` times twice as long, after `linear` times
/// of one second.
pub(super) fn syn_ms(retries: u64, linear: u64, rto_max_ms: u64) -> u64 {
    let (mut pause, mut sum) = (HANDSHAKE_MS, 0_u64);
    for timeout in 1..=retries.min(MOST) + linear.min(MOST) + 1 {
        sum = sum.saturating_add(pause);
        if timeout > linear {
            pause = pause.saturating_mul(2).min(rto_max_ms);
        }
    }
    sum
}

/// Until a connection is given up after `retries`, from the first resend on: the kernel's model, with
/// the shortest pause there is. Longer paths take longer.
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

    #[test]
    fn a_syn_is_given_up_when_the_kernels_documentation_says() {
        assert_eq!(syn_ms(6, 0, RTO_MAX_MS), 127_000);
        assert_eq!(syn_ms(6, 4, RTO_MAX_MS), 131_000);
        assert_eq!(syn_ms(8, 0, RTO_MAX_MS), 127_000 + 2 * 120_000);
    }

    #[test]
    fn a_connection_is_given_up_when_the_kernels_documentation_says() {
        assert_eq!(data_ms(15, RTO_MAX_MS), 924_600);
        assert_eq!(data_ms(8, RTO_MAX_MS), 102_200);
        assert_eq!(data_ms(3, RTO_MAX_MS), 3_000);
    }

    #[test]
    fn absurd_settings_end() {
        assert!(syn_ms(u64::MAX, u64::MAX, RTO_MAX_MS) > 0);
        assert!(data_ms(u64::MAX, u64::MAX) > 0);
    }

    #[test]
    fn spans_carry_their_units() {
        let texts = [0, 3_000, 924_600, 7_875_000, 7_200_000].map(span);
        assert_eq!(texts, ["0 s", "3 s", "15 min 25 s", "2 h 11 min", "2 h"]);
    }
}
