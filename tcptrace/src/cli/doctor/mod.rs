//! `tcptrace doctor`: what can be seen on this machine, by what, and what stands in the way.
//!
//! Attaches every program for a moment, as `watch` would, and tells what became of it. Reads only:
//! nothing of the machine is changed and nothing stays attached. Without the privileges to attach
//! it tells all the rest and returns 3; when the kernel refuses everything it returns 1.

mod counters;
mod machine;
mod page;
mod signals;

use std::io::{self, Write};

use anyhow::Context;

use super::args::DoctorArgs;
use super::exit::Exit;
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Sizes, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::model::KindSet;
use page::{Page, clean};

/// Maps as small as they may be: what the programs say in that moment is of no interest.
const SIZES: Sizes = Sizes {
    ring: 64 * 1024,
    socks: 1024,
};

/// Looks, and changes nothing.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(_args: &DoctorArgs) -> anyhow::Result<Exit> {
    let privileges = Privileges::probe();
    let lack = lack(&privileges);
    let kernel = Kernel::probe().map_err(|error| chain(&anyhow::Error::from(error)));
    let mut page = Page::default();
    machine::privileges(&mut page, &privileges);
    machine::kernel(&mut page, &kernel);
    let is_able = match (&kernel, &lack) {
        (Err(_), _) => {
            signals::none(&mut page, "without BTF no program can be loaded");
            false
        }
        (Ok(_), Some(_)) => {
            signals::none(&mut page, "not tried, for a lack of privileges: see above");
            false
        }
        (Ok(kernel), None) => match attach(kernel) {
            Ok(report) => {
                signals::all(&mut page, &report);
                report.impossible(KindSet::ALL).len() < KindSet::ALL.iter().count()
            }
            Err(error) => {
                signals::none(&mut page, &chain(&error));
                false
            }
        },
    };
    counters::own(&mut page);
    super::print(page.text().as_bytes())?;
    if let Some(message) = lack {
        // Nobody is left to be told when stderr is closed.
        drop(writeln!(io::stderr(), "tcptrace: {message}"));
        return Ok(Exit::Privilege);
    }
    Ok(if is_able { Exit::Done } else { Exit::Failure })
}

/// What becomes of every program; all are detached again on return.
fn attach(kernel: &Kernel) -> anyhow::Result<AttachReport> {
    let mut config = kernel.config;
    // What is left out by the configuration is pruned, and would not be tried.
    config.kinds = KindSet::ALL.bits();
    let wanted = Wanted {
        kinds: KindSet::ALL,
        follows: true,
        tier: None,
    };
    let attached =
        attach_all(kernel, config, wanted, SIZES).context("no program can be attached")?;
    Ok(attached.report)
}

/// What to say when privileges are missing, for every command that needs them.
pub(super) fn lack(privileges: &Privileges) -> Option<String> {
    let binary = std::env::current_exe().unwrap_or_else(|_| "tcptrace".into());
    let words: Vec<String> = std::env::args_os()
        .map(|word| clean(&word.to_string_lossy()))
        .collect();
    let message = privileges.permission_message(&binary, &words.join(" "))?;
    Some(message.lines().map(clean).collect::<Vec<_>>().join("\n"))
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
