//! `cargo xtask run -- ARGS`: builds tcptrace and becomes it, so that signals and the exit code are
//! its own; through sudo when not root, because loading eBPF programs needs privileges.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{build, process};

/// What tcptrace reads from the environment and sudo would drop.
const KEPT_VARIABLES: [&str; 3] = ["NO_COLOR", "RUST_BACKTRACE", "TCPTRACE_LOG"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Start the unoptimised build
    #[arg(long)]
    debug: bool,
    /// Start the optimised build (this is the default)
    #[arg(long, short, conflicts_with = "debug")]
    release: bool,
    /// Arguments for tcptrace, after `--`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    tcptrace_args: Vec<OsString>,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    let release = args.release || !args.debug;
    let kept = KEPT_VARIABLES
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)));
    // Asked before minutes of building: without it there is no point.
    let prefix = as_root(kept)?;
    build::build(workspace, release, &[])?;
    let binary = workspace.binary(release)?;
    let mut command = match prefix {
        None => Command::new(&binary),
        Some(prefix) => with_prefix(&prefix, &binary),
    };
    let error = command.args(&args.tcptrace_args).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

/// What to put before a command so that it runs as root with these variables: nothing when this
/// process is root already. Err when there is no sudo.
pub(crate) fn as_root<'a>(
    variables: impl IntoIterator<Item = (&'a str, OsString)>,
) -> Result<Option<Vec<OsString>>> {
    if process::is_root() {
        return Ok(None);
    }
    if process::on_path("sudo").is_none() {
        bail!(
            "loading eBPF programs needs root (or CAP_BPF and CAP_PERFMON), this is not root and \
             there is no sudo: install sudo, or run the same command as root"
        );
    }
    // `sudo env NAME=VALUE` and not `sudo --preserve-env`, which many sudoers policies refuse.
    let mut prefix: Vec<OsString> = vec!["sudo".into(), "env".into()];
    for (name, value) in variables {
        let mut assignment = OsString::from(name);
        assignment.push("=");
        assignment.push(value);
        prefix.push(assignment);
    }
    Ok(Some(prefix))
}

/// The command of [`as_root`] that starts `binary`.
pub(crate) fn with_prefix(prefix: &[OsString], binary: &Path) -> Command {
    let mut words = prefix
        .iter()
        .map(OsString::as_os_str)
        .chain([binary.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or(OsStr::new("sudo")));
    command.args(words);
    command
}
