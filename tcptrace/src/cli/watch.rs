//! `tcptrace watch`: runs a plan.

use super::exit::Exit;
use super::plan::WatchPlan;

/// Watches until told to stop.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the wiring takes the plan apart"
)]
pub fn run(_plan: WatchPlan) -> anyhow::Result<Exit> {
    anyhow::bail!("watch is not wired to the kernel yet")
}
