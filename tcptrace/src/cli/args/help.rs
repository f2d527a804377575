//! What the help says around the options: examples above them, marks and exit codes below.

/// Examples, first in the help and in the manual.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("tcptrace doctor", "what is wrong here, and what to do"),
    ("tcptrace watch", "what is going wrong, as it happens"),
    (
        "tcptrace watch --only rst_sent,rst_received --port 443",
        "resets on port 443",
    ),
    (
        "tcptrace watch --only accept_drop,syn_drop",
        "who refuses connections, and why",
    ),
    (
        "tcptrace watch --pid 1234 --children --duration 30s",
        "one process and its descendants",
    ),
    (
        "tcptrace watch --raddr 10.0.0.0/8 --json > incidents.ndjson",
        "NDJSON for other programs",
    ),
    (
        "tcptrace watch --fail-on rst_sent -- ./integration-test",
        "fail a test run that sends a RST",
    ),
    (
        "tcptrace explain rst_sent/linger_zero",
        "what it means and how to fix it",
    ),
    (
        "tcptrace listeners",
        "which accept queues are full, and why",
    ),
    ("tcptrace top", "everything on one screen"),
    ("tcptrace listeners 443", "one port, explained in sentences"),
    (
        "tcptrace timewait --watch",
        "which processes fill TIME_WAIT",
    ),
    (
        "tcptrace record -o flight.rec --rotate --max-size 64M --keep 16",
        "a flight recorder limited to 1 GiB",
    ),
    (
        "tcptrace replay flight.rec --only accept_drop",
        "refused connections from a recording",
    ),
    (
        "tcptrace states --comm java",
        "leaked and stuck sockets of a service",
    ),
];

/// One example of each subcommand.
pub(super) fn first_examples() -> String {
    let mut shown = Vec::new();
    examples(|line| {
        let subcommand = line.split(' ').nth(1);
        let is_first = !shown.contains(&subcommand);
        shown.push(subcommand);
        is_first
    })
}

pub(super) fn examples_of_watch() -> String {
    examples(|line| line.starts_with("tcptrace watch"))
}

/// The meaning first, the command below it: a long command still fits 80 columns.
fn examples(is_shown: impl FnMut(&'static str) -> bool) -> String {
    let mut is_shown = is_shown;
    let lines = EXAMPLES
        .iter()
        .filter(|(line, _)| is_shown(line))
        .map(|(line, says)| format!("  # {says}\n  {line}\n"));
    format!("Examples:\n{}", lines.collect::<String>())
}

pub(super) const TEMPLATE: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

/// What `watch` and `replay` say below their options.
pub(super) fn watch_help() -> String {
    format!(
        "Marks in a line:\n{}\n\nExit codes:\n{}",
        indented(crate::sink::text::LEGEND),
        codes()
    )
}

/// The exit codes.
pub(super) fn codes_help() -> String {
    format!("Exit codes:\n{}", codes())
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn codes() -> String {
    let lines = crate::cli::exit::TABLE
        .iter()
        .map(|(code, says)| format!("  {code:<5} {says}"));
    lines.collect::<Vec<_>>().join("\n")
}
