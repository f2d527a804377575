//! The ring buffer as the kernel lays it out: records in the order of their reservation.
//!
//! The data is mapped once, where the usual reader maps it twice so that no record is ever broken
//! at the end: each mapping counts as memory of ours. A record that is broken there is put together
//! in a buffer. Positions are given back once per batch. A header that makes no sense ends the
//! batch; nothing after it can be found then.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Bits of a record's length: still being written, and discarded by its writer
/// (`BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`).
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// Length and page offset; data follows (`BPF_RINGBUF_HDR_SZ`).
const HEADER: u64 = 8;
/// Records after which room is given back, so that a full ring does not wait for a whole batch.
const GIVE_BACK: usize = 256;

/// Where the records of a ring lie and how far they are read.
#[derive(Debug)]
pub(super) struct Ring {
    map: MapData,
    consumer: Mapping,
    /// A page with the producer's position, then the data.
    producer: Mapping,
    page: usize,
    mask: u64,
    position: u64,
    broken: Vec<u8>,
}

impl Ring {
    /// Maps a ring buffer of so many bytes.
    ///
    /// # Errors
    /// When it cannot be mapped, or is no ring of that size.
    pub(super) fn open(map: MapData) -> io::Result<Self> {
        let bytes = map.info().map_err(io::Error::other)?.max_entries();
        let page = rustix::param::page_size();
        if !bytes.is_power_of_two() || (bytes as usize) < page {
            return Err(io::Error::other(format!("a ring of {bytes} bytes")));
        }
        let fd = map.fd().as_fd();
        let consumer = Mapping::new(fd, page, ProtFlags::READ | ProtFlags::WRITE, 0)?;
        let producer = Mapping::new(fd, page + bytes as usize, ProtFlags::READ, page as u64)?;
        let mut ring = Self {
            map,
            consumer,
            producer,
            page,
            mask: u64::from(bytes) - 1,
            position: 0,
            broken: Vec::new(),
        };
        ring.position = ring.consumed().load(Ordering::Acquire);
        Ok(ring)
    }

    /// Its descriptor, which becomes readable when a sleeping reader is woken.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    /// Hands every waiting record to `take`, at most `limit` of them; how many it were.
    pub(super) fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        let end = self.produced().load(Ordering::Acquire);
        while count < limit && self.position < end {
            let offset = (self.position & self.mask) as usize;
            let length = self.length_at(offset).load(Ordering::Acquire);
            if length & BUSY != 0 {
                break;
            }
            let size = (length & !DISCARDED) as usize;
            if size as u64 > self.mask {
                break;
            }
            let begin = ((self.position + HEADER) & self.mask) as usize;
            self.position += (size as u64 + HEADER).next_multiple_of(8);
            if length & DISCARDED == 0 {
                if let Some(record) = self.producer.slice(self.page, self.mask, begin, size) {
                    take(record);
                } else {
                    let mut broken = std::mem::take(&mut self.broken);
                    self.put_together(begin, size, &mut broken);
                    take(&broken);
                    self.broken = broken;
                }
                count += 1;
                if count % GIVE_BACK == 0 {
                    self.give_back();
                }
            }
        }
        self.give_back();
        count
    }

    /// Where the writers are; [`Self::has_read_to`] says when all before it was read.
    pub(super) fn end(&self) -> u64 {
        self.produced().load(Ordering::Acquire)
    }

    /// Whether everything before a position of [`Self::end`] was read.
    pub(super) fn has_read_to(&self, end: u64) -> bool {
        self.position >= end
    }

    fn give_back(&self) {
        self.consumed().store(self.position, Ordering::Release);
    }

    /// Copies a record whose end lies at the beginning of the ring.
    fn put_together(&self, begin: usize, size: usize, into: &mut Vec<u8>) {
        let bytes = self.mask as usize + 1;
        let first = size.min(bytes - begin);
        into.clear();
        for (at, length) in [(begin, first), (0, size - first)] {
            if let Some(part) = self.producer.slice(self.page, self.mask, at, length) {
                into.extend_from_slice(part);
            }
        }
    }

    fn consumed(&self) -> &AtomicU64 {
        // SAFETY: the page begins with the reader's position, 8 bytes, only ever used atomically.
        unsafe { self.consumer.start.cast().as_ref() }
    }

    fn produced(&self) -> &AtomicU64 {
        // SAFETY: the page begins with the writers' position, 8 bytes.
        unsafe { self.producer.start.cast().as_ref() }
    }

    /// The first word of the header at an offset of the data, which is a multiple of 8.
    fn length_at(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: offsets are masked: page plus offset lies inside the mapping, and is aligned.
        unsafe { self.producer.start.add(self.page + offset).cast().as_ref() }
    }
}

/// Memory of the kernel's, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, length: usize, access: ProtFlags, at: u64) -> io::Result<Self> {
        // SAFETY: a fresh shared mapping at an address the kernel chooses.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                access,
                MapFlags::SHARED,
                fd,
                at,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { start, length })
    }

    /// So many bytes of the data from `begin`; `None` when they reach beyond its end.
    fn slice(&self, page: usize, mask: u64, begin: usize, size: usize) -> Option<&[u8]> {
        if begin + size > mask as usize + 1 {
            return None;
        }
        // SAFETY: inside the mapping. The record is complete and not given back yet, so the kernel
        // does not write there.
        Some(unsafe { std::slice::from_raw_parts(self.start.add(page + begin).as_ptr(), size) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nothing points there any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and is read by one owner.
unsafe impl Send for Mapping {}
