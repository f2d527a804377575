//! The live source: records from the ring buffer, counters of the programs.
//!
//! The programs never wake the reader per event. The reader says when it sleeps by a word in
//! shared memory; the next record then wakes it once. While records flow it reads by the tick.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use aya::maps::{Map, MapData, PerCpuArray};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use tcptrace_common::kind::{self, hook};
use tcptrace_common::names;
use tcptrace_common::wire::KindCounters;

use super::ring::Ring;
use crate::kernel::attach::Programs;

/// The ring and its counters.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Live {
    ring: Ring,
    counters: PerCpuArray<MapData, KindCounters>,
    sleeping: SharedWord,
    made_up: PerCpuArray<MapData, u64>,
    programs: Programs,
}

impl Live {
    /// Takes its maps; the programs keep writing to them.
    ///
    /// # Errors
    /// When a map is missing or cannot be mapped.
    pub fn open(maps: &mut BTreeMap<String, Map>, programs: Programs) -> anyhow::Result<Self> {
        let mut take = |name: &str| maps.remove(name).with_context(|| format!("no map {name}"));
        let Map::Array(reader) = take(names::READER)? else {
            anyhow::bail!("map {} is not an array", names::READER);
        };
        let Map::RingBuf(ring) = take(names::RING)? else {
            anyhow::bail!("map {} is not a ring buffer", names::RING);
        };
        Ok(Self {
            ring: Ring::open(ring).context("cannot map the ring")?,
            counters: PerCpuArray::try_from(take(names::COUNTERS)?)?,
            sleeping: SharedWord::map(&reader).context("cannot map the reader's word")?,
            made_up: PerCpuArray::try_from(take(names::MADE_UP)?)?,
            programs,
        })
    }

    /// Hands every waiting record to `take`, at most `limit` of them; how many it were.
    pub fn drain(&mut self, limit: usize, take: impl FnMut(&[u8])) -> usize {
        self.ring.drain(limit, take)
    }

    /// Where the programs are in the ring.
    pub fn end(&self) -> u64 {
        self.ring.end()
    }

    /// Whether every record before a position of [`Self::end`] was read. One that a program is still writing
    /// holds up those behind it.
    pub fn has_read_to(&self, end: u64) -> bool {
        self.ring.has_read_to(end)
    }

    /// Says whether the reader is about to sleep. After saying so it must look once more.
    pub fn set_sleeping(&self, sleeping: bool) {
        self.sleeping.set(u32::from(sleeping));
    }

    /// A descriptor that becomes readable when a sleeping reader is woken.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn wake(&self) -> io::Result<OwnedFd> {
        self.ring.fd().try_clone_to_owned()
    }

    /// Runs of the programs that the kernel skipped so far, by hook.
    pub fn skipped(&self) -> BTreeMap<&'static str, u64> {
        let mut skipped = self.programs.skipped();
        // Read last: what is skipped and made up for in between is reported by the next look at most.
        let made_up = self.made_up.get(&0, 0);
        let made_up: u64 = made_up.map_or(0, |by_cpu| by_cpu.iter().sum());
        if let Some(count) = skipped.get_mut(hook::NAMES[usize::from(hook::INET_SOCK_SET_STATE)]) {
            *count = count.saturating_sub(made_up);
        }
        skipped
    }

    /// The counters of all CPUs, by kind number.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> anyhow::Result<[KindCounters; kind::COUNT]> {
        let mut sums = [KindCounters::default(); kind::COUNT];
        for (index, sum) in sums.iter_mut().enumerate() {
            let per_cpu = self.counters.get(&u32::try_from(index)?, 0)?;
            for counters in per_cpu.iter() {
                sum.filtered += counters.filtered;
                sum.lost += counters.lost;
            }
        }
        Ok(sums)
    }
}

/// One 32-bit word shared with the programs.
#[derive(Debug)]
struct SharedWord {
    page: NonNull<AtomicU32>,
}

/// The array has one element; the kernel rounds its memory up to a page.
const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl SharedWord {
    fn map(array: &MapData) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping of an mmapable array; no other Rust object lives there.
        let page = unsafe {
            mmap(
                std::ptr::null_mut(),
                PAGE.get(),
                protection,
                MapFlags::SHARED,
                array.fd().as_fd(),
                0,
            )
        }?;
        let page = NonNull::new(page.cast()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { page })
    }

    fn set(&self, value: u32) {
        // SAFETY: the mapping lives as long as `self`, is page-aligned, and the word is only ever
        // read and written atomically.
        unsafe { self.page.as_ref() }.store(value, Ordering::SeqCst);
    }
}

impl Drop for SharedWord {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nothing points there any more.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), PAGE.get()) };
    }
}

// SAFETY: the word is atomic; the mapping belongs to the process, not to a thread.
unsafe impl Send for SharedWord {}
