//! How long connections waited for accept(): a histogram in the kernel, read by the user side.
//!
//! Four buckets to each doubling, so that a bound is at most a quarter above the value.

/// Buckets of a histogram; the last also takes what is longer (71 minutes).
pub const BUCKETS: usize = 128;

/// One listener's accepts.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Accepted connections that were seen to be established.
    pub measured: u64,
    /// Accepted connections established before we watched: their wait is not known.
    pub older: u64,
    /// The longest wait. Two accepts at the same instant may keep the shorter one.
    pub max_us: u64,
    /// When the last one was accepted, boot clock, ns.
    pub last_ns: u64,
    /// How many waited how long.
    pub buckets: [u32; BUCKETS],
}

impl Waits {
    /// Nothing accepted yet.
    pub const EMPTY: Self = Self {
        measured: 0,
        older: 0,
        max_us: 0,
        last_ns: 0,
        buckets: [0; BUCKETS],
    };
}

/// The bucket of a wait.
#[inline(always)]
#[must_use]
pub fn bucket_of(wait_us: u64) -> usize {
    let wait = wait_us.min(u64::from(u32::MAX)) as u32;
    if wait < 4 {
        return wait as usize;
    }
    let octave = 31 - wait.leading_zeros() as usize;
    let quarter = (wait >> (octave - 2)) as usize & 3;
    ((octave - 1) * 4 + quarter) & (BUCKETS - 1)
}

/// The longest wait that falls into a bucket, in microseconds.
#[must_use]
pub const fn upper_us(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (octave, quarter) = (bucket / 4 + 1, bucket % 4);
    ((quarter as u64 + 5) << (octave - 2)) - 1
}

const _: () = assert!(size_of::<Waits>() == 32 + BUCKETS * 4);

// SAFETY: plain integers without hidden padding (size asserted above); any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Waits {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_lies_in_the_bucket_that_ends_above_it() {
        let edges = (0..32).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for wait_us in (0..100_000).chain(edges) {
            let bucket = bucket_of(wait_us);
            assert!(
                upper_us(bucket) >= wait_us,
                "{wait_us} above bucket {bucket}"
            );
            assert!(
                bucket == 0 || upper_us(bucket - 1) < wait_us,
                "{wait_us} fits below bucket {bucket}"
            );
            let upper = upper_us(bucket);
            assert!(
                upper <= wait_us + wait_us / 4,
                "{wait_us} is reported as {upper}"
            );
        }
    }

    #[test]
    fn a_wait_of_days_is_in_the_last_bucket_there_is() {
        let last = bucket_of(u64::from(u32::MAX));
        assert_eq!(bucket_of(u64::MAX), last);
        assert_eq!(upper_us(last), u64::from(u32::MAX));
    }
}
