//! What is done once every hook is attached: those who wait for that are told, and the privileges
//! that only attaching needed go.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use sd_notify::NotifyState;

use crate::kernel::confine::{self, Duties};

/// Creates the ready file, and tells the service manager where there is one.
///
/// # Errors
/// When the file cannot be created.
pub(super) fn tell(ready_file: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = ready_file {
        std::fs::write(path, b"")
            .with_context(|| format!("cannot create the ready file {}", path.display()))?;
    }
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        // It will say itself that it has waited in vain.
        drop(writeln!(
            io::stderr(),
            "tcptrace: cannot notify the service manager: {error}"
        ));
    }
    Ok(())
}

/// Keeps only the privileges that are needed from here on. To be called last: see
/// [`confine::confine`] for what is no longer possible.
pub(super) fn confine(duties: Duties<'_>) {
    for kept in confine::confine(duties) {
        drop(writeln!(
            io::stderr(),
            "tcptrace: could not drop all unneeded privileges: {kept}"
        ));
    }
}
