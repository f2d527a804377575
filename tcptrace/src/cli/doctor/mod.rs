//! `tcptrace doctor`: what can be seen on this machine, by what, and what stands in the way.
//!
//! Attaches every program for a moment, as `watch` would, and tells what became of it. Reads only:
//! nothing of the machine is changed and nothing stays attached. Without the privileges to attach
//! it tells all the rest and returns 3; when the kernel refuses everything it returns 1. For a
//! kernel given by a file it tells what would be tried.

mod counters;
mod json;
mod machine;
pub(super) mod page;
mod report;
mod signals;

use std::io::{self, Write};

use super::args::DoctorArgs;
use super::exit::Exit;
use crate::kernel::caps::Privileges;
use page::{Page, clean};
use report::Report;

/// Looks, and changes nothing.
///
/// # Errors
/// When stdout cannot be written, or the file holds no kernel's types.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    if let Some(path) = &args.types {
        let report = Report::of_file(path)?;
        super::print(rendered(&report, args.json).as_bytes())?;
        return Ok(exit(&report));
    }
    let privileges = Privileges::probe();
    let lack = lack(&privileges);
    let report = Report::of_this_machine(privileges, lack.is_none());
    super::print(rendered(&report, args.json).as_bytes())?;
    let refusal = report.refusal.as_ref().map(|why| cleaned(why));
    if let Some(message) = lack.or(refusal) {
        // Nobody is left to be told when stderr is closed.
        drop(writeln!(io::stderr(), "tcptrace: {message}"));
        return Ok(Exit::Privilege);
    }
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    if report.is_able() {
        Exit::Done
    } else {
        Exit::Failure
    }
}

fn rendered(report: &Report, is_json: bool) -> String {
    if is_json {
        return format!("{}\n", json::object(report));
    }
    let mut page = Page::default();
    if let Some(privileges) = &report.privileges {
        machine::privileges(&mut page, privileges);
    }
    machine::kernel(&mut page, &report.kernel);
    signals::all(&mut page, &report.signals);
    if let Some(counted) = &report.counters {
        counters::table(&mut page, counted);
    }
    page.text().to_owned()
}

/// What to say when privileges are missing, for every command that needs them.
pub(super) fn lack(privileges: &Privileges) -> Option<String> {
    let binary = std::env::current_exe().unwrap_or_else(|_| "tcptrace".into());
    let words: Vec<String> = std::env::args_os()
        .map(|word| clean(&word.to_string_lossy()))
        .collect();
    let message = privileges.permission_message(&binary, &words.join(" "))?;
    Some(cleaned(&message))
}

fn cleaned(message: &str) -> String {
    message.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
