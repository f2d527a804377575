//! `cargo xtask verifier`: how many instructions the kernel's verifier walks for each program, here
//! or on the kernels of the matrix, against the numbers in `docs/verifier.md`.
//!
//! The numbers are those that tcptrace logs when it attaches (`TCPTRACE_LOG=attach=debug`), once per
//! tier. Needs root. Fails when a program needs a tenth more than the table says.

mod table;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use self::table::{Counts, Table, series};
use crate::kernels::{Series, Wanted};
use crate::workspace::Workspace;
use crate::{build, process, run, vm};

const PAGE: &str = "docs/verifier.md";
const TIERS: [&str; 3] = ["fentry", "kprobe", "tracepoint"];
const LOG: (&str, &str) = ("TCPTRACE_LOG", "attach=debug");

/// Seconds for one start in a VM: 13 and more under emulation.
const VM_LIMIT: u64 = 120;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// On these kernels, each in a VM, instead of the one that runs here
    #[arg(long, value_name = "SERIES")]
    kernel: Vec<Wanted>,
    /// Write the numbers into docs/verifier.md instead of comparing
    #[arg(long)]
    write: bool,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    let page = workspace.root().join(PAGE);
    let text = fs::read_to_string(&page).unwrap_or_default();
    let mut table = Table::parse(&text);
    let mut measured = Vec::new();
    if args.kernel.is_empty() {
        measured.push(here(workspace)?);
    }
    for kernel in &args.kernel {
        measured.push(in_vm(workspace, *kernel)?);
    }
    let mut findings = Vec::new();
    for (series, counts) in measured {
        for (program, count) in &counts {
            println!("verifier: {series} {program}: {count}");
        }
        println!(
            "verifier: {series}: {} programs, {} instructions",
            counts.len(),
            counts.values().sum::<u64>()
        );
        if args.write {
            // What this host refuses keeps its number from one that allows it.
            table.columns.entry(series).or_default().extend(counts);
        } else if let Some(committed) = table.columns.get(&series) {
            let is_new = |program: &&String| !committed.contains_key(*program);
            for program in counts.keys().filter(is_new) {
                println!("verifier: {series} {program} has no number in {PAGE} yet");
            }
            findings.extend(table::findings(committed, &counts));
        } else {
            println!("verifier: {series} is not in {PAGE}: nothing to compare with");
        }
    }
    if args.write {
        fs::write(&page, table.page()).with_context(|| format!("cannot write {PAGE}"))?;
        println!("verifier: {PAGE} written");
    }
    if !findings.is_empty() {
        bail!(
            "the verifier walks more than {PAGE} says:\n{}\nif that is meant: `cargo xtask verifier \
             --write`, and the reason in the commit",
            findings.join("\n")
        );
    }
    Ok(())
}

/// How `watch --tier` ends on a kernel that refuses all hooks of that tier; what it attached before is
/// in its log anyway.
const NOTHING_SERVES: i32 = 4;

/// Of the kernel that runs here.
fn here(workspace: &Workspace) -> Result<(Series, Counts)> {
    let release = process::output_text(Command::new("uname").arg("-r"))?;
    let series = series(&release).with_context(|| format!("no release: {release}"))?;
    let prefix = run::as_root([(LOG.0, LOG.1.into())])?;
    build::build(workspace, true, &[])?;
    let binary = workspace.binary(true)?;
    let mut counts = Counts::new();
    for tier in TIERS {
        let mut command = match &prefix {
            None => Command::new(&binary),
            Some(prefix) => run::with_prefix(prefix, &binary),
        };
        command.args(words(tier)).env(LOG.0, LOG.1);
        let text = process::stderr_text(&mut command, NOTHING_SERVES)
            .with_context(|| format!("tcptrace with --tier {tier}"))?;
        counts.extend(text.lines().filter_map(walked));
    }
    complete(series, counts)
}

/// Of a kernel of the matrix, one boot per tier.
fn in_vm(workspace: &Workspace, wanted: Wanted) -> Result<(Series, Counts)> {
    let mut counts = Counts::new();
    let mut kernel = None;
    for tier in TIERS {
        let mut program = vec!["/bin/tcptrace"];
        program.extend(words(tier));
        let mut hear = |line: &str| counts.extend(walked(line));
        let series = vm::run_program(workspace, wanted, &program, &[LOG], VM_LIMIT, &mut hear)?;
        kernel = Some(series);
    }
    complete(kernel.context("no tier")?, counts)
}

fn complete(series: Series, counts: Counts) -> Result<(Series, Counts)> {
    if counts.is_empty() {
        bail!(
            "{series} does not say what its verifier walked (kernels before 5.16 do not), or \
             nothing was attached"
        );
    }
    Ok((series, counts))
}

/// Every program of a tier, attached and given up at once.
fn words(tier: &str) -> [&str; 8] {
    [
        "watch",
        "--all",
        "--children",
        "--pid",
        "1",
        "--duration=1s",
        "--tier",
        tier,
    ]
}

/// Program and number from one line of the log: `NAME: the verifier walked N instructions`.
fn walked(line: &str) -> Option<(String, u64)> {
    let (before, after) = line.split_once(": the verifier walked ")?;
    let name = before.split_whitespace().next_back()?;
    let count = after.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_gives_program_and_number() {
        let line = "DEBUG attach: kfree_skb: the verifier walked 1234 instructions";
        assert_eq!(walked(line), Some(("kfree_skb".to_owned(), 1234)));
        assert_eq!(walked("attach: kfree_skb is refused"), None);
    }
}
