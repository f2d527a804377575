//! The pages: what stands in which section.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::roff::{literal, paragraph, section, tagged};
use super::texts::{ENVIRONMENT, OVERHEAD, TEXT_FIELDS};
use crate::cli::args::Cli;
use crate::cli::args::doctor::DOCTOR_HELP;
use crate::cli::args::help::EXAMPLES;
use crate::cli::exit;
use crate::interpret::advice;
use crate::sink::text::LEGEND;

/// The command line as defined, with everything that clap adds.
pub(super) fn whole() -> Command {
    let mut whole = Cli::command();
    whole.build();
    whole
}

/// The page of a subcommand.
pub(super) fn page_of(command: &Command) -> io::Result<Vec<u8>> {
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

/// The page of the whole.
pub(super) fn page() -> io::Result<Vec<u8>> {
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
        "tcptrace watches TCP on a Linux host through eBPF and prints one line per incident, with the \
         process that owns the socket. A PID is always the owner, that is, the process that opened the \
         socket, accepted it, or listens. It is never the task that happened to be on the CPU.",
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
}
