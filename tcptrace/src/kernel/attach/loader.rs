//! aya's loader, without its own reading of all the kernel's types.

use aya::EbpfLoader;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A loader that has not read the kernel's types.
///
/// aya 0.14 reads them when a loader is made, with no way to say that they are not wanted: 20 MB and
/// 60 ms of a start of 190. It makes do when it cannot open the file, so for that moment this process
/// may not open any.
pub(super) fn loader() -> EbpfLoader<'static> {
    let limit = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..limit
    };
    // Where the limit cannot be set, the loader reads.
    let is_set = setrlimit(Resource::Nofile, none).is_ok();
    let loader = EbpfLoader::new();
    if is_set {
        // The limit that was there a moment ago is always allowed.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    loader
}
