//! `--rate-limit`: so many lines in each second, the rest is counted.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: u32,
    left: u32,
    begin: Option<Instant>,
}

impl RateLimit {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: 0,
            begin: None,
        }
    }

    /// Whether one more line may be shown now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let is_new = self
            .begin
            .is_none_or(|begin| now.saturating_duration_since(begin) >= Duration::from_secs(1));
        if is_new {
            self.begin = Some(now);
            self.left = self.per_second;
        }
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_second_brings_a_new_allowance() {
        let (mut rate, begin) = (RateLimit::new(2), Instant::now());
        let after = |millis| begin + Duration::from_millis(millis);
        let allowed = [0, 1, 2, 999, 1000, 1500, 1999].map(|millis| rate.allows(after(millis)));
        assert_eq!(allowed, [true, true, false, false, true, true, false]);
    }
}
