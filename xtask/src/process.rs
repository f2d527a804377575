//! Runs other programs and turns how they ended into an error that names the command.
//!
//! Standard streams are inherited unless the output is asked for.

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Runs `command` to its end; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", command_line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", command_line(command));
    }
    Ok(())
}

/// What `command` wrote to stdout; its stderr is part of the error when it fails.
pub(crate) fn output_text(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", command_line(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({}): {}",
            command_line(command),
            output.status,
            stderr.trim()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` did not write UTF-8", command_line(command)))
}

/// What `command` wrote to stdout; its stderr goes wherever the command sends it.
pub(crate) fn stdout_text(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let output = child
        .wait_with_output()
        .with_context(|| format!("waiting for `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not write UTF-8"))
}

/// What `command` wrote to stderr; its stdout is discarded.
pub(crate) fn stderr_text(command: &mut Command, also_fine: i32) -> Result<String> {
    let line = command_line(command);
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() && output.status.code() != Some(also_fine) {
        bail!("`{line}` failed ({}): {}", output.status, text.trim());
    }
    Ok(text)
}

/// Like [`run`], without stdin, and ended by SIGKILL after `limit`.
pub(crate) fn run_limited(command: &mut Command, limit: Duration) -> Result<()> {
    let line = command_line(command);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child
            .try_wait()
            .with_context(|| format!("waiting for `{line}`"))?
        {
            if !status.success() {
                bail!("`{line}` failed ({status})");
            }
            return Ok(());
        }
        if start.elapsed() >= limit {
            child
                .kill()
                .with_context(|| format!("cannot end `{line}`"))?;
            child
                .wait()
                .with_context(|| format!("waiting for `{line}`"))?;
            bail!(
                "`{line}` was not done after {} s and was ended",
                limit.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How `child` ended; None when it has not after `limit`.
pub(crate) fn wait_limited(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            // An error means that there is no such child.
            _ => return None,
        }
    }
}

/// The executable `name` as the shell would find it.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    // Some accounts lack the sbin directories where `ip`, `tc` and `nft` are installed.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// Whether this process runs as root: the owner of `/proc/self` is the effective user.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Program and arguments as one would type them.
fn command_line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        let written = if arg.is_empty() || arg.contains([' ', '"', '\'', '$']) {
            write!(line, " {arg:?}")
        } else {
            write!(line, " {arg}")
        };
        // Writing to a String cannot fail.
        let _infallible = written;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_arguments() {
        let error = run(Command::new("false").args(["a b", "c"])).unwrap_err();
        assert!(
            error.to_string().starts_with("`false \"a b\" c` failed"),
            "{error}"
        );
    }

    #[test]
    fn a_failing_command_brings_its_stderr() {
        let error = output_text(Command::new("sh").args(["-c", "echo why >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("why"), "{error}");
    }

    #[test]
    fn a_command_over_its_limit_is_ended() {
        let error = run_limited(Command::new("sleep").arg("600"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
    }

    #[test]
    fn only_executables_are_on_the_path() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program-here"), None);
    }
}
