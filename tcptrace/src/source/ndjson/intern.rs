//! Names that the model holds for ever: those of hooks and counters.
//!
//! Those of this program are known. Those of another version are kept, so many and so long and no
//! more: lines from anybody must not fill the memory.

use std::sync::{Mutex, PoisonError};

use tcptrace_common::kind::hook;

/// Where no hook is named.
const SNAPSHOT: &str = "sock_diag";
/// Names kept at most.
const MOST: usize = 128;
/// Bytes of a name at most.
const LONGEST: usize = 64;

static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// The name as a static one; `None` when it is too long, or there are too many.
pub(super) fn name(text: &str) -> Option<&'static str> {
    let own = hook::NAMES
        .iter()
        .chain([&SNAPSHOT])
        .find(|own| **own == text);
    if let Some(own) = own {
        return Some(own);
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.iter().find(|known| **known == text) {
        return Some(known);
    }
    if kept.len() >= MOST || text.len() > LONGEST {
        return None;
    }
    let new: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.push(new);
    Some(new)
}
