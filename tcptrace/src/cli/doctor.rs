//! `tcptrace doctor`: what can be seen on this machine.

use super::args::DoctorArgs;
use super::exit::Exit;

/// Looks, and changes nothing.
pub fn run(_args: &DoctorArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("doctor is not wired to the kernel yet")
}
