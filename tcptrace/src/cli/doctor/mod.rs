//! `tcptrace doctor`: what is wrong with TCP on this host and what to do about it, then one line on what
//! this kernel cannot show. `--hooks` prints the report on privileges, kernel types and hooks instead.
//!
//! Attaches every program for a moment to see what this kernel shows, then the programs of `watch`, and
//! folds what they report for as long as `--for` says. Before and after that it reads settings, counters
//! and listeners. It changes nothing, and nothing stays attached. Without the privileges to
//! attach it reports everything else and returns 3; when the kernel refuses every hook it returns 1; with
//! `--fail`, 5 takes precedence over both. For a kernel given by a file it reports what would be tried.

mod json;
mod json_state;
mod observe;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use super::args::doctor::DoctorArgs;
use super::exit::Exit;
use super::output;
use crate::kernel::caps::Privileges;
use crate::model::doctor::ConfigFile;
use crate::session::{lack, namespaces};
use crate::sink;
use crate::sink::page::Page;
use report::Report;

/// Looks, and changes nothing.
///
/// # Errors
/// When stdout cannot be written, or the file holds no kernel's types.
pub fn run(args: &DoctorArgs, config: &[ConfigFile]) -> anyhow::Result<Exit> {
    if let Some(path) = &args.types {
        let report = Report::of_file(path)?;
        super::print(&rendered(&report, args, config))?;
        return Ok(able(&report));
    }
    let watched = match namespaces(&args.netns) {
        Ok(watched) => watched,
        Err(why) => {
            return Ok(output::refuse(&why, Exit::Usage));
        }
    };
    let privileges = Privileges::probe();
    let lack = lack(&privileges);
    let report = Report::of_this_machine(privileges, lack.is_none(), &watched, args);
    super::print(&rendered(&report, args, config))?;
    let lack = lack.or_else(|| report.refusal.clone());
    if let Some(message) = &lack {
        output::say(message);
    }
    Ok(if args.fail && report.is_wrong() {
        Exit::FailOn
    } else if args.fail && matches!(report.survey, Some(Err(_))) {
        // Not knowing must not pass for being fine.
        Exit::Failure
    } else if lack.is_some() {
        Exit::Privilege
    } else {
        able(&report)
    })
}

fn able(report: &Report) -> Exit {
    if report.is_able() {
        Exit::Done
    } else {
        Exit::Failure
    }
}

fn rendered(report: &Report, args: &DoctorArgs, config: &[ConfigFile]) -> Vec<u8> {
    let mut object = json::object(report);
    object.config = config;
    if args.json {
        return sink::json::line(&object);
    }
    let mut page = Page::new(is_colored(args)).in_columns(output::page_columns(&io::stdout()));
    if report.survey.is_none() || args.hooks {
        sink::doctor::hooks(&mut page, &object);
    } else {
        sink::doctor::diagnosis(&mut page, &object, args.all_settings);
    }
    page.text().as_bytes().to_vec()
}

fn is_colored(args: &DoctorArgs) -> bool {
    // A value that is not text is set anyway.
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    let is_terminal = io::stdout().is_terminal();
    args.color
        .colors(is_terminal, no_color.as_deref(), term.as_deref())
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
