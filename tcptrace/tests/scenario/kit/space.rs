//! Network namespaces, made before the scenarios that live in them: a tracer gets by number which
//! namespaces it serves, and what else happens on this machine never leaves the kernel.

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::linux::fs::MetadataExt;
use std::sync::{Mutex, mpsc};

use super::sys_ops;

/// A network namespace with its loopback device up and nothing in it.
pub(crate) struct Space {
    /// Its inode number, `netns` in every event.
    pub(crate) inode: u64,
    file: File,
    /// A thread waits inside until this is dropped: tcptrace reads the counters of a namespace
    /// only while a thread or a process lives there.
    _inhabited: mpsc::Sender<()>,
}

impl Space {
    pub(crate) fn make() -> Self {
        let (made, receive_made) = mpsc::channel();
        let (inhabited, wait) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            sys_ops::unshare(libc::CLONE_NEWNET).expect("a network namespace of our own");
            sys_ops::loopback_up().expect("loopback up");
            keep_namespace();
            let _ = made.send((netns_inode(), own_netns()));
            let _ = wait.recv();
        });
        let (inode, file) = receive_made.recv().expect("a network namespace");
        Self {
            inode,
            file,
            _inhabited: inhabited,
        }
    }

    /// A new descriptor of it.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.try_clone().expect("a descriptor").into_raw_fd()
    }

    /// Moves the calling thread into it.
    pub(crate) fn enter(&self) {
        sys_ops::set_netns(self.file.as_raw_fd()).expect("the scenario's network namespace");
    }
}

/// Keeps this thread's namespace for the rest of the run: the next one with its number would receive,
/// in a shared tracer's view, how the kernel clears it away.
pub(super) fn keep_namespace() {
    static KEPT: Mutex<Vec<File>> = Mutex::new(Vec::new());
    KEPT.lock().expect("no panic").push(own_netns());
}

/// The calling thread's namespace.
pub(crate) fn own_netns() -> File {
    File::open("/proc/thread-self/ns/net").expect("own network namespace")
}

pub(super) fn netns_inode() -> u64 {
    std::fs::metadata("/proc/thread-self/ns/net")
        .expect("own network namespace")
        .st_ino()
}
