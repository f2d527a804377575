//! `bench-reference OBJECT`: loads the reference program of `cargo xtask bench`, says `ready`, and
//! empties its ring until stdin is closed; then says how many records it took.
//!
//! It looks at no record. Fails where tcptrace itself could not load its tracepoints.
#![allow(clippy::print_stdout, reason = "its only output")]

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::maps::RingBuf;
use aya::programs::BtfTracePoint;
use aya::{Btf, EbpfLoader};
use tcptrace::kernel::Kernel;
use tcptrace_common::names;

/// As tcptrace's by default.
const RING_BYTES: u32 = 4 << 20;
/// Between two looks at the ring, which then is far from full.
const TICK: Duration = Duration::from_millis(5);

fn main() -> Result<()> {
    let object = std::env::args_os()
        .nth(1)
        .context("usage: bench-reference OBJECT")?;
    let bytes =
        std::fs::read(&object).with_context(|| format!("cannot read {}", object.display()))?;
    let kernel = Kernel::probe().context("the kernel does not show its types")?;
    let types = Btf::from_sys_fs().context("cannot read the kernel's types")?;
    let mut loaded = EbpfLoader::new()
        .btf(Some(&types))
        .override_global(names::OFFSETS, &kernel.offsets, true)
        .map_max_entries(names::RING, RING_BYTES)
        .load(&bytes)
        .context("cannot load the reference program's object")?;
    let program: &mut BtfTracePoint = loaded
        .program_mut("reference_state")
        .context("the object has no reference_state")?
        .try_into()?;
    program
        .load("inet_sock_set_state", &types)
        .context("the kernel refuses the reference program")?;
    program.attach().context("cannot attach")?;
    let mut ring = RingBuf::try_from(loaded.map_mut(names::RING).context("no ring")?)?;
    let ended = Arc::new(AtomicBool::new(false));
    let seen_end = Arc::clone(&ended);
    std::thread::spawn(move || {
        // An error of stdin is its end too.
        let _read = std::io::stdin().read_to_end(&mut Vec::new());
        seen_end.store(true, Ordering::Relaxed);
    });
    println!("ready");
    let mut records: u64 = 0;
    while !ended.load(Ordering::Relaxed) {
        while ring.next().is_some() {
            records += 1;
        }
        std::thread::sleep(TICK);
    }
    println!("{records}");
    Ok(())
}
