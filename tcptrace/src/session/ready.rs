//! What is done once every hook is attached: those who wait for that are notified, and the privileges
//! that only attaching needed go.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Context;
use sd_notify::NotifyState;

use crate::kernel::caller;
use crate::kernel::confine;
use crate::pipeline::Pipeline;
use crate::recording::Confined;
use crate::sink::Sink;

/// Creates the ready file, and notifies the service manager if there is one. Returns what the user
/// should know, one sentence each.
///
/// # Errors
/// When the file cannot be created.
pub fn announce(ready_file: Option<&Path>) -> anyhow::Result<Vec<String>> {
    if let Some(path) = ready_file {
        caller::as_caller(|| create(path))
            .flatten()
            .with_context(|| format!("cannot create the ready file {}", path.display()))?;
    }
    // A service manager that gets no notice reports itself that it has waited in vain. The path of its
    // socket comes from the environment, which is the user's.
    let failed = caller::as_caller(|| sd_notify::notify(&[NotifyState::Ready]))
        .flatten()
        .err();
    let note = failed.map(|error| format!("cannot notify the service manager: {error}"));
    Ok(note.into_iter().collect())
}

/// An empty file that appears at once. What had that name is replaced and not written to, a link is
/// not followed.
fn create(path: &Path) -> io::Result<()> {
    if let Ok(found) = fs::symlink_metadata(path)
        && !found.is_file()
        && !found.is_symlink()
    {
        let why = "it exists and is not a regular file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(part);
    // `create_new` follows no link either.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)?;
    let renamed = fs::rename(&part, path);
    if renamed.is_err() {
        // The first error is reported; one here would only hide it.
        drop(fs::remove_file(&part));
    }
    renamed
}

/// Keeps only the privileges that are needed from here on, `command` being the number of the traced one. To be
/// called last: see [`confine::confine`] for what is no longer possible. Returns what could not be given up.
#[must_use = "the user must be informed"]
pub fn confine<S: Sink>(pipeline: Option<&mut Pipeline<S>>, command: Option<u32>) -> Vec<String> {
    let recorder = |directory: BorrowedFd<'_>| {
        let confine::Recorder { is_inside, kept } = confine::confine_recorder(directory);
        Confined { is_inside, kept }
    };
    // It takes privileges to give up those of the recorder.
    let mut kept = pipeline.map_or_else(Vec::new, |pipeline| {
        pipeline.confine_recorder(Box::new(recorder))
    });
    kept.extend(confine::confine(command));
    let kept = kept.into_iter();
    kept.map(|kept| format!("could not drop all unneeded privileges: {kept}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("tcptrace-ready-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let place = directory("link");
        let (target, ready) = (place.join("target"), place.join("ready"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &ready).unwrap();
        announce(Some(&ready)).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        let found = fs::symlink_metadata(&ready).unwrap();
        assert!(found.is_file() && found.len() == 0);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn an_old_ready_file_is_replaced_and_a_directory_is_refused_by_name() {
        let place = directory("old");
        let ready = place.join("ready");
        fs::write(&ready, "of yesterday").unwrap();
        announce(Some(&ready)).unwrap();
        assert_eq!(fs::read_to_string(&ready).unwrap(), "");
        let refused = format!("{:#}", announce(Some(&place)).unwrap_err());
        assert!(refused.contains("not a regular file") && refused.contains("tcptrace-ready-old"));
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        fs::remove_dir_all(&place).unwrap();
    }
}
