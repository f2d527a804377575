//! Facts about the running kernel that interpretation and output need.

use std::sync::Arc;

/// From the boot clock to the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// `CLOCK_REALTIME` minus `CLOCK_BOOTTIME`, ns.
    pub boot_to_wall_ns: i64,
    /// Boot clock when watching began, ns: zero of relative times.
    pub start_boot_ns: u64,
}

/// What the kernel calls its reasons, and how it counts time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Names of `enum sk_rst_reason` by number, without prefix; empty before 6.10 or so.
    pub reset_reasons: Vec<Option<Arc<str>>>,
    /// Names of `enum skb_drop_reason` by number, without prefix.
    pub drop_reasons: Vec<Option<Arc<str>>>,
    /// Ticks per second of the kernel's jiffies; `None` if it could not be read.
    pub hz: Option<u64>,
}

impl Host {
    /// Name of a reset reason.
    pub fn reset_reason(&self, number: u32) -> Option<&Arc<str>> {
        self.reset_reasons.get(number as usize)?.as_ref()
    }

    /// Name of a drop reason.
    pub fn drop_reason(&self, number: u32) -> Option<&Arc<str>> {
        self.drop_reasons.get(number as usize)?.as_ref()
    }

    /// Jiffies in milliseconds.
    pub fn jiffies_ms(&self, jiffies: u64) -> Option<u64> {
        Some(jiffies.saturating_mul(1000) / self.hz?)
    }
}
