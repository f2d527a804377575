//! One look at the host: its network namespaces, their sockets, settings and counters, and who holds
//! the sockets. Reads only.

mod settings;
mod snapshot;

use rustix::time::{ClockId, clock_gettime};

pub use settings::settings;
pub use snapshot::{Look, take};

/// The boot clock, ns.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}
