//! `tcptrace man`: the manual pages, from the same definition as the help: one of the whole, and one
//! of each subcommand.

mod pages;
mod roff;
mod texts;

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap::error::ErrorKind;

use super::args::ManArgs;
use super::exit::Exit;

use pages::{page, page_of, whole};

/// Prints one, or writes all of them.
pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    if let Some(directory) = &args.all {
        write_all(directory)?;
        return Ok(Exit::Done);
    }
    let Some(name) = &args.command else {
        return super::print(&page()?);
    };
    let whole = whole();
    if let Some(command) = whole.find_subcommand(name) {
        return super::print(&page_of(command)?);
    }
    let names: Vec<_> = whole.get_subcommands().map(Command::get_name).collect();
    let why = format!(
        "{name} is not a subcommand; the subcommands are {}",
        names.join(", ")
    );
    let error = super::usage_error("man", ErrorKind::InvalidValue, &why);
    Ok(super::parse_failed(&error))
}

fn write_all(directory: &Path) -> anyhow::Result<()> {
    let write = |name: &str, page: io::Result<Vec<u8>>| {
        let file = directory.join(format!("{name}.1"));
        page.and_then(|page| std::fs::write(&file, page))
            .with_context(|| format!("cannot write {}", file.display()))
    };
    let whole = whole();
    write(whole.get_name(), page())?;
    whole.get_subcommands().try_for_each(|command| {
        let name = format!("{}-{}", whole.get_name(), command.get_name());
        write(&name, page_of(command))
    })
}
