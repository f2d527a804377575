//! Where the bytes of a BTF blob live: in memory of ours, or mapped from sysfs.
//!
//! `/sys/kernel/btf/vmlinux` can be mapped from 6.16 on. That costs 0.1 ms and no memory, where
//! read(2) hands out one page per call (1,347 calls for 5.5 MB), so the mapping is tried first and
//! reading is what every older kernel gets.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;
use std::ptr::NonNull;
use std::slice;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The bytes of one BTF blob.
pub(super) enum Bytes {
    Owned(Vec<u8>),
    Mapped(Mapping),
}

/// A read-only mapping of a whole sysfs file, unmapped on drop.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is read-only for its whole life and owned by this value alone.
unsafe impl Send for Mapping {}
// SAFETY: nobody can write through it, so shared references may be used from any thread.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn of(file: &File, len: usize) -> io::Result<Mapping> {
        // SAFETY: a fresh private read-only mapping at an address the kernel chooses; nothing of
        // ours is replaced.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )?
        };
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| io::Error::other("the kernel mapped the file at address 0"))?;
        Ok(Mapping { start, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and len are exactly what mmap gave, and no reference outlives self.
        // A failure would leave the mapping behind, which harms nothing.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

impl Bytes {
    /// The whole file, mapped where sysfs can do that. Only for files the kernel never changes or
    /// truncates: a shrinking file under a mapping would be a SIGBUS.
    pub(super) fn of_sysfs(path: &Path) -> io::Result<Bytes> {
        let mut file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        if len > 0
            && let Ok(mapping) = Mapping::of(&file, len)
        {
            return Ok(Bytes::Mapped(mapping));
        }
        let mut bytes = Vec::with_capacity(len.saturating_add(1));
        file.read_to_end(&mut bytes)?;
        Ok(Bytes::Owned(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            // SAFETY: start..start+len is mapped readable until self is dropped, and the kernel's
            // own BTF never changes while it runs.
            Bytes::Mapped(map) => unsafe { slice::from_raw_parts(map.start.as_ptr(), map.len) },
        }
    }
}
