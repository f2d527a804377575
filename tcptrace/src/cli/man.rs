//! `tcptrace man`: the manual pages, from the same definition as the help: one of the whole, and one
//! of each subcommand.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::{Cli, DOCTOR_HELP, EXAMPLES, ManArgs};
use super::exit::{self, Exit};
use crate::interpret::advice;
use crate::sink::text::LEGEND;

/// Columns of a text line.
const TEXT_FIELDS: &[(&str, &str)] = &[
    (
        "TIME",
        "when it happened in the kernel, not when tcptrace read it",
    ),
    ("KIND", "what happened; tcptrace explain KIND has more"),
    (
        "PID, COMM",
        "the owner of the socket: process ID and name of its main thread",
    ),
    (
        "LOCAL > REMOTE",
        "the connection; IPv6 addresses in brackets",
    ),
    ("DETAIL", "most important first; --wide prints everything"),
];

const OVERHEAD: &[&str] = &[
    "The programs run where the kernel reports state changes, resets, retransmissions, drops and \
     timers. What is left out by --only, --except, --port, --netns, -4 or -6 is dropped in the \
     kernel wherever it is certain there, before anything is written to the ring.",
    "The cost grows with connections opened and closed per second, not with bytes. The kinds state \
     and close cost most, since they report every connection; they are off unless asked for.",
    "If losses are reported, choose fewer kinds or a larger --ring-size; --rate-limit only reduces output.",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "NO_COLOR",
        "if set and not empty, no colour unless --color always",
    ),
    ("TERM", "if dumb, no colour unless --color always"),
    ("TZ", "the time zone of --time local"),
];

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

fn whole() -> Command {
    let mut whole = Cli::command();
    whole.build();
    whole
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

/// The page of a subcommand.
fn page_of(command: &Command) -> io::Result<Vec<u8>> {
    let (name, version) = ("tcptrace", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).source(format!("{name} {version}"));
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if let Some(notes) = command.get_after_long_help().or(command.get_after_help()) {
        section(&mut out, "NOTES")?;
        literal(&mut out, &notes.to_string())?;
    }
    let begin = format!("{name} {}", command.get_name());
    let is_own = |line: &str| line == begin || line.starts_with(&format!("{begin} "));
    let examples: Vec<_> = EXAMPLES.iter().filter(|(line, _)| is_own(line)).collect();
    if !examples.is_empty() {
        section(&mut out, "EXAMPLES")?;
    }
    for (line, says) in examples {
        tagged(&mut out, line, says)?;
    }
    section(&mut out, "SEE ALSO")?;
    paragraph(&mut out, "tcptrace(1)")?;
    Ok(out)
}

fn page() -> io::Result<Vec<u8>> {
    let whole = whole();
    let with_options = [
        ("watch", ".SH OPTIONS OF WATCH"),
        ("listeners", ".SH OPTIONS OF LISTENERS, STATES AND TIMEWAIT"),
        ("doctor", ".SH OPTIONS OF DOCTOR"),
    ]
    .map(|(name, title)| {
        let command = whole.find_subcommand(name).cloned().unwrap_or_default();
        (command, title)
    });
    let subcommands: Vec<_> = whole
        .get_subcommands()
        .map(|command| (command.get_name().to_owned(), said(command.get_about())))
        .collect();
    let whole = Man::new(whole);
    let mut out = Vec::new();
    whole.render_title(&mut out)?;
    whole.render_name_section(&mut out)?;
    whole.render_synopsis_section(&mut out)?;
    section(&mut out, "DESCRIPTION")?;
    paragraph(
        &mut out,
        "tcptrace watches the TCP of a Linux host through eBPF and prints one line per incident, \
         with the process that owns the socket. A PID is always the owner: who opened, accepted or \
         listens, never whoever was on the CPU.",
    )?;
    section(&mut out, "EXAMPLES")?;
    for (line, says) in EXAMPLES {
        tagged(&mut out, line, says)?;
    }
    section(&mut out, "SUBCOMMANDS")?;
    for (name, says) in &subcommands {
        tagged(&mut out, name, says)?;
    }
    for (command, title) in with_options {
        let mut options = Vec::new();
        Man::new(command).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options).replacen(".SH OPTIONS", title, 1);
        out.write_all(options.as_bytes())?;
    }
    let wrong: Vec<&str> = DOCTOR_HELP.split_ascii_whitespace().collect();
    paragraph(&mut out, &wrong.join(" "))?;
    fields(&mut out)?;
    section(&mut out, "OVERHEAD")?;
    for text in OVERHEAD {
        paragraph(&mut out, text)?;
    }
    section(&mut out, "EXIT STATUS")?;
    for (code, says) in exit::TABLE {
        tagged(&mut out, code, says)?;
    }
    section(&mut out, "ENVIRONMENT")?;
    for (name, says) in ENVIRONMENT {
        tagged(&mut out, name, says)?;
    }
    section(&mut out, "SEE ALSO")?;
    let pages: String = subcommands
        .iter()
        .map(|(name, _)| format!("tcptrace-{name}(1), "))
        .collect();
    paragraph(&mut out, &format!("{pages}ss(8), nstat(8), tcp(7), bpf(2)"))?;
    Ok(out)
}

fn said(about: Option<&clap::builder::StyledStr>) -> String {
    about.map(ToString::to_string).unwrap_or_default()
}

fn fields(out: &mut Vec<u8>) -> io::Result<()> {
    section(out, "FIELDS")?;
    for (name, says) in TEXT_FIELDS {
        tagged(out, name, says)?;
    }
    paragraph(out, "Marks in a line:")?;
    literal(out, LEGEND)?;
    paragraph(out, "The kinds:")?;
    for advice in advice::all().filter(|advice| advice.cause.is_none()) {
        tagged(out, advice.kind.name(), advice.line)?;
    }
    paragraph(
        out,
        "The fields of --json are those of the schema: tcptrace schema.",
    )
}

/// Lines as they are.
fn literal(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(out, ".nf")?;
    for line in text.lines() {
        writeln!(out, "{}", escaped(line))?;
    }
    writeln!(out, ".fi")
}

fn section(out: &mut Vec<u8>, name: &str) -> io::Result<()> {
    writeln!(out, ".SH {name}")
}

fn paragraph(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(out, ".PP\n{}", escaped(text))
}

fn tagged(out: &mut Vec<u8>, tag: &str, text: &str) -> io::Result<()> {
    writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(tag), escaped(text))
}

/// Text that roff takes literally: no escapes, no requests, dashes that can be copied.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('…', "\\[u2026]");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_section_and_the_options_of_watch() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        for name in [
            "NAME",
            "SYNOPSIS",
            "EXAMPLES",
            "SUBCOMMANDS",
            "OPTIONS OF WATCH",
            "OPTIONS OF DOCTOR",
            "FIELDS",
            "OVERHEAD",
            "EXIT STATUS",
            "ENVIRONMENT",
        ] {
            assert!(
                page.contains(&format!(".SH {name}")) || page.contains(&format!(".SH \"{name}\"")),
                "{name}"
            );
        }
        assert!(page.contains("\\-\\-rate\\-limit"));
    }

    #[test]
    fn every_subcommand_has_a_page_of_its_own_options() {
        let whole = whole();
        for command in whole.get_subcommands() {
            let page = String::from_utf8(page_of(command).unwrap()).unwrap();
            let title = format!(".TH tcptrace-{} 1", command.get_name());
            assert!(page.contains(&title), "{title}: {page}");
            for option in command.get_opts().filter_map(|option| option.get_long()) {
                let option = option.replace('-', "\\-");
                assert!(page.contains(&option), "{title}: {option}");
            }
        }
    }

    #[test]
    fn text_cannot_become_a_request() {
        assert_eq!(escaped(".TH x"), "\\&.TH x");
        assert_eq!(escaped("a\\b --c"), "a\\eb \\-\\-c");
    }
}
