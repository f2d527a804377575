//! What is done once every hook is attached: those who wait for that are told, and the privileges
//! that only attaching needed go.

use std::path::Path;

use anyhow::Context;
use sd_notify::NotifyState;

use crate::kernel::confine::{self, Duties};

/// Creates the ready file, and tells the service manager where there is one. Returns what the user
/// should know, one sentence each.
///
/// # Errors
/// When the file cannot be created.
pub fn announce(ready_file: Option<&Path>) -> anyhow::Result<Vec<String>> {
    if let Some(path) = ready_file {
        std::fs::write(path, b"")
            .with_context(|| format!("cannot create the ready file {}", path.display()))?;
    }
    // A service manager that is not told will say itself that it has waited in vain.
    let failed = sd_notify::notify(&[NotifyState::Ready]).err();
    let note = failed.map(|error| format!("cannot notify the service manager: {error}"));
    Ok(note.into_iter().collect())
}

/// Keeps only the privileges that are needed from here on. To be called last: see
/// [`confine::confine`] for what is no longer possible. Returns what could not be given up.
#[must_use = "the user is to be told"]
pub fn confine(duties: Duties<'_>) -> Vec<String> {
    let kept = confine::confine(duties).into_iter();
    kept.map(|kept| format!("could not drop all unneeded privileges: {kept}"))
        .collect()
}
