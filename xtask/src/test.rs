//! `cargo xtask test`: the unit tests, then the live tests, which load tcptrace into this kernel.
//!
//! Live tests run the release binary, whose path they find in `TCPTRACE_BIN`. When this is not root
//! cargo builds everything as the user and only the test program itself is started through sudo.

use std::ffi::OsString;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::workspace::{EBPF_CRATES, Rustc, Workspace};
use crate::{browser, build, debian, incidents, process, run, setup, vm};

/// The test target that needs privileges.
const LIVE_TARGET: &str = "root_live";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which tests
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// Only tests whose name contains one of these
    filter: Vec<String>,
    #[command(flatten)]
    matrix: vm::matrix::Args,
    #[command(flatten)]
    oracle: Oracle,
    /// Further arguments for the test programs, after `--`
    #[arg(last = true, value_name = "TEST ARGS")]
    test_args: Vec<String>,
}

/// For `oracle` only.
#[derive(clap::Args)]
struct Oracle {
    /// Random steps that an earlier run made (default: new ones, whose seed is printed)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long (default: 60)
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Tests without privileges
    Unit,
    /// Ground truth on this kernel, as root
    Live,
    /// Random use of sockets by random processes, every event judged, as root; options such as
    /// --script FILE go after `--`
    Oracle,
    /// Ground truth on other kernels, each in a VM
    Vm,
    /// The stories of docs/incidents with real servers, as root
    Incidents,
    /// The pages of the report in a browser, with screenshots in target/report
    Report,
    /// The Debian package, installed and removed in a fresh root, as root
    Deb,
    /// Unit, then live
    All,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.what == What::Vm {
        return vm::matrix::main(workspace, &args.matrix, &args.filter);
    }
    if args.what == What::Incidents {
        return incidents::main(workspace, &args.filter);
    }
    if args.what == What::Report {
        return browser::main(workspace, &args.filter);
    }
    if args.what == What::Deb {
        return debian::main(workspace);
    }
    setup::ensure(workspace)?;
    if args.what == What::Oracle {
        let words = oracle_words(&args.oracle, &args.test_args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        return live(workspace, &words);
    }
    let test_args: Vec<&str> = args
        .filter
        .iter()
        .chain(&args.test_args)
        .map(String::as_str)
        .collect();
    let targets = test_targets(&workspace.metadata(false)?);
    if args.what != What::Live {
        unit(workspace, &targets, &test_args)?;
    }
    if args.what != What::Unit {
        if !targets.iter().any(|target| target == LIVE_TARGET) {
            bail!("the workspace has no test target `{LIVE_TARGET}`, so nothing was tested live");
        }
        live(workspace, &test_args)?;
    }
    Ok(())
}

/// The arguments that make the test program the oracle.
fn oracle_words(oracle: &Oracle, further: &[String]) -> Vec<String> {
    let mut words = vec!["--oracle".to_owned()];
    for (name, value) in [("--seed", oracle.seed), ("--seconds", oracle.seconds)] {
        words.extend(
            value
                .map(|value| [name.to_owned(), value.to_string()])
                .into_iter()
                .flatten(),
        );
    }
    words.extend(further.iter().cloned());
    words
}

fn unit(workspace: &Workspace, targets: &[String], test_args: &[&str]) -> Result<()> {
    println!("unit tests");
    let mut command = workspace.cargo();
    let excluded = EBPF_CRATES.iter().flat_map(|name| ["--exclude", *name]);
    command
        .args(["test", "--workspace", "--lib", "--bins"])
        .args(excluded.clone());
    for target in targets.iter().filter(|target| *target != LIVE_TARGET) {
        command.args(["--test", target]);
    }
    process::run(command.arg("--").args(test_args))?;
    let mut doc = workspace.cargo();
    doc.args(["test", "--workspace", "--doc", "--quiet"])
        .args(excluded)
        .arg("--");
    process::run(doc.args(test_args))
}

fn live(workspace: &Workspace, test_args: &[&str]) -> Result<()> {
    println!("live tests");
    if let Err(error) = setup::ensure_host_tools() {
        println!("{error:#}; scenarios that need it will say so");
    }
    build::build(workspace, true, &[])?;
    let binary = workspace.binary(true)?;
    let mut command = workspace.cargo();
    if let Some(prefix) = run::as_root([("TCPTRACE_BIN", binary.clone().into_os_string())])? {
        command
            .arg("--config")
            .arg(runner(&Rustc::probe()?.host, &prefix)?);
    }
    command.args(["test", "--package", "tcptrace", "--test", LIVE_TARGET, "--"]);
    // A busy machine may overtake a scenario's own timing; a second try is said in the output.
    command.env("TCPTRACE_TEST_RETRY", "1");
    process::run(command.env("TCPTRACE_BIN", &binary).args(test_args))
}

/// The cargo setting that puts `prefix` before every test program.
fn runner(host: &str, prefix: &[OsString]) -> Result<String> {
    let words: Vec<&str> = prefix
        .iter()
        .map(|word| {
            word.to_str()
                .context("a path is not UTF-8, which cargo does not accept")
        })
        .collect::<Result<_>>()?;
    // A JSON list of strings is a TOML one as well.
    Ok(format!(
        "target.{host}.runner={}",
        serde_json::to_string(&words)?
    ))
}

/// The names of all integration tests of the workspace.
fn test_targets(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    targets
        .filter(|target| {
            let kinds = target["kind"].as_array().into_iter().flatten();
            kinds.into_iter().any(|kind| kind == "test")
        })
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integration_tests_are_found_and_nothing_else() {
        let metadata = serde_json::json!({"packages": [
            {"targets": [{"name": "tcptrace", "kind": ["lib"]}, {"name": "root_live", "kind": ["test"]}]},
            {"targets": [{"name": "golden", "kind": ["test"]}, {"name": "speed", "kind": ["bench"]}]},
        ]});
        assert_eq!(test_targets(&metadata), ["root_live", "golden"]);
    }

    #[test]
    fn the_oracle_is_reported_what_was_asked_for() {
        let asked = Oracle {
            seed: Some(1237),
            seconds: None,
        };
        let further = ["--lanes".to_owned(), "3".to_owned()];
        assert_eq!(
            oracle_words(&asked, &further),
            ["--oracle", "--seed", "1237", "--lanes", "3"]
        );
    }

    #[test]
    fn the_runner_keeps_spaces_in_paths() {
        let prefix = ["sudo", "env", "TCPTRACE_BIN=/a b/tcptrace"].map(OsString::from);
        assert_eq!(
            runner("x86_64-unknown-linux-gnu", &prefix).unwrap(),
            r#"target.x86_64-unknown-linux-gnu.runner=["sudo","env","TCPTRACE_BIN=/a b/tcptrace"]"#
        );
    }
}
