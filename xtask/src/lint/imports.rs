//! Who may import whom: the table of the house, and what it says about one path of one module.
//!
//! A module of tcptrace without a rule is a finding too, so that a new room cannot slip in.

use super::paths::NamedPath;

/// What one room may name.
pub(super) struct Rule {
    room: &'static str,
    /// Rooms of the same crate, besides itself.
    inside: &'static [&'static str],
    outside: Outside,
}

/// What a room may name of other crates; given as path prefixes.
enum Outside {
    Anything,
    Except(&'static [&'static str]),
    /// These, but not those.
    Only(&'static [&'static str], &'static [&'static str]),
}

use Outside::{Anything, Except, Only};

/// The rules of one crate.
pub(super) struct House {
    /// Directory of the crate's sources, from the workspace root.
    pub(super) sources: &'static str,
    /// Whether every top-level module must have a rule.
    every_room_is_ruled: bool,
    rules: &'static [Rule],
}

const fn rule(room: &'static str, inside: &'static [&'static str], outside: Outside) -> Rule {
    Rule {
        room,
        inside,
        outside,
    }
}

/// Clocks, files, tasks and everything else that makes a result depend on more than its input.
const IMPURE: &[&str] = &[
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    "std::env",
    "std::fs",
    "std::io",
    "std::os",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The same for a room that implements the sinks' trait, whose errors are those of `std::io`.
const IMPURE_BUT_ERRORS: &[&str] = &[
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::os",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The rooms that own the crates speaking to the kernel are `kernel` and `source`.
const KERNEL_CRATES: &[&str] = &["aya"];

pub(super) const HOUSES: &[House] = &[
    House {
        sources: "tcptrace/src",
        every_room_is_ruled: true,
        rules: &[
            rule(
                "model",
                &[],
                Only(
                    &[
                        "std",
                        "core",
                        "alloc",
                        "jiff",
                        "schemars",
                        "serde",
                        "thiserror",
                        "tcptrace_common",
                    ],
                    IMPURE,
                ),
            ),
            rule("kernel", &["model"], Anything),
            rule("source", &["kernel", "model"], Anything),
            rule("decode", &["model"], Except(KERNEL_CRATES)),
            rule("attribute", &["model"], Except(KERNEL_CRATES)),
            rule(
                "interpret",
                &["model"],
                Only(&["std", "core", "alloc", "ipnet", "thiserror"], IMPURE),
            ),
            rule(
                "diagnose",
                &["model", "interpret", "query"],
                Only(&["std", "core", "alloc", "thiserror"], IMPURE),
            ),
            rule("query", &["model", "interpret"], Except(KERNEL_CRATES)),
            rule("sink", &["model"], Except(KERNEL_CRATES)),
            rule(
                "tui",
                &["model", "interpret", "diagnose", "sink"],
                Except(KERNEL_CRATES),
            ),
            rule(
                "report",
                &["model", "interpret", "diagnose", "sink"],
                Only(
                    &[
                        "std",
                        "core",
                        "alloc",
                        "foldhash",
                        "hashbrown",
                        "jiff",
                        "maud",
                    ],
                    IMPURE_BUT_ERRORS,
                ),
            ),
            rule("recording", &["model"], Except(KERNEL_CRATES)),
            rule(
                "pipeline",
                &[
                    "model",
                    "source",
                    "decode",
                    "attribute",
                    "interpret",
                    "recording",
                    "sink",
                    "survey",
                ],
                Anything,
            ),
            rule(
                "survey",
                &["model", "kernel", "source", "attribute"],
                Anything,
            ),
            rule(
                "session",
                &[
                    "model",
                    "kernel",
                    "source",
                    "decode",
                    "attribute",
                    "interpret",
                    "recording",
                    "sink",
                    "survey",
                    "pipeline",
                ],
                Anything,
            ),
            rule(
                "cli",
                &[
                    "model",
                    "kernel",
                    "source",
                    "decode",
                    "attribute",
                    "interpret",
                    "query",
                    "recording",
                    "sink",
                    "report",
                    "tui",
                    "survey",
                    "diagnose",
                    "pipeline",
                    "session",
                ],
                Anything,
            ),
        ],
    },
    House {
        sources: "tcptrace-ebpf/src",
        every_room_is_ruled: false,
        rules: &[
            rule(
                "hook",
                &["signal", "offsets"],
                Except(&["aya_ebpf::maps", "aya_ebpf::helpers"]),
            ),
            rule(
                "signal",
                &[
                    "sock",
                    "offsets",
                    "emit",
                    "owner",
                    "filter",
                    "maps",
                    "memory",
                    "head_slot",
                    "full_maps",
                    "note",
                    "reentry",
                ],
                Except(&["aya_ebpf::programs", "aya_ebpf::EbpfContext"]),
            ),
        ],
    },
];

/// tcptrace-common has no rooms; this holds for all of it.
pub(super) const COMMON_SOURCES: &str = "tcptrace-common/src";

/// What is wrong with a path named in tcptrace-common: None when nothing is.
pub(super) fn common_finding(path: &NamedPath) -> Option<String> {
    // The orphan rule leaves no other place for `impl aya::Pod`; it is behind the feature `user`.
    let forbidden = starts_with_any(path, &["std", "alloc", "aya", "aya_ebpf"]);
    (forbidden && path.text() != "aya::Pod")
        .then(|| format!("`{}`: tcptrace-common may use `core` only", path.text()))
}

impl House {
    fn rule_for(&self, room: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.room == room)
    }

    /// What is wrong with there being such a room: None when nothing is.
    pub(super) fn room_finding(&self, room: &str) -> Option<String> {
        (self.every_room_is_ruled && self.rule_for(room).is_none())
            .then(|| format!("module `{room}` has no rule in xtask/src/lint/imports.rs"))
    }

    /// What is wrong with `path` being named in `room`: None when nothing is. `rooms` are all
    /// top-level modules of the crate, `crates` the names of all crates it depends on.
    pub(super) fn path_finding(
        &self,
        room: &str,
        path: &NamedPath,
        rooms: &[String],
        crates: &[String],
    ) -> Option<String> {
        let rule = self.rule_for(room)?;
        let finding =
            |allowed: &str| Some(format!("`{}`: `{room}` may use {allowed}", path.text()));
        if path.segments.first().is_some_and(|first| first == "crate") {
            let target = path.segments.get(1)?.as_str();
            let is_allowed = target == room || rule.inside.contains(&target);
            if !is_allowed && (target == "*" || rooms.iter().any(|known| known == target)) {
                return finding(&match rule.inside {
                    [] => "no other module".to_owned(),
                    inside => format!("only {} of this crate", inside.join(", ")),
                });
            }
            return None;
        }
        match rule.outside {
            Anything => None,
            Except(forbidden) if starts_with_any(path, forbidden) => {
                finding(&format!("nothing of {}", forbidden.join(", ")))
            }
            Except(_) => None,
            Only(_, forbidden) if starts_with_any(path, forbidden) => {
                finding("no clock, file, task or system call")
            }
            Only(allowed, _) => {
                let names_a_crate = path
                    .segments
                    .first()
                    .is_some_and(|first| crates.contains(first));
                (names_a_crate && !starts_with_any(path, allowed))
                    .then(|| finding(&format!("only {}", allowed.join(", "))))
                    .flatten()
            }
        }
    }
}

fn starts_with_any(path: &NamedPath, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        let mut segments = path.segments.iter();
        prefix
            .split("::")
            .all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::super::paths::named_paths;
    use super::*;

    /// The findings in `text` as a file of `room`.
    fn findings(sources: &str, room: &str, text: &str) -> Vec<String> {
        let house = HOUSES
            .iter()
            .find(|house| house.sources == sources)
            .unwrap();
        let rooms: Vec<String> = house
            .rules
            .iter()
            .map(|rule| rule.room.to_owned())
            .chain(["maps".into()])
            .collect();
        let crates = ["aya", "serde", "tokio", "std", "core"].map(str::to_owned);
        named_paths(text, &[room.to_owned()])
            .iter()
            .filter_map(|path| house.path_finding(room, path, &rooms, &crates))
            .collect()
    }

    const USER: &str = "tcptrace/src";
    const EBPF: &str = "tcptrace-ebpf/src";

    #[test]
    fn interpret_may_use_the_model_and_nothing_else() {
        assert_eq!(
            findings(USER, "interpret", "use crate::model::Event; use super::X;"),
            [""; 0]
        );
        for text in [
            "use crate::kernel::Kernel;",
            "use crate::{model::Event, sink::Sink};",
            "fn f() { std::time::Instant::now(); }",
            "use std::{fmt, fs};",
            "use tokio::time;",
            "use crate::*;",
        ] {
            assert_eq!(findings(USER, "interpret", text).len(), 1, "{text}");
        }
        assert_eq!(
            findings(USER, "interpret", "use std::time::Duration;"),
            [""; 0]
        );
    }

    #[test]
    fn a_sink_may_not_reach_what_comes_before_it() {
        for room in ["kernel", "source", "attribute", "interpret", "cli"] {
            let text = format!("use crate::{room}::X;");
            assert_eq!(findings(USER, "sink", &text).len(), 1, "{room}");
        }
    }

    #[test]
    fn decode_knows_neither_aya_nor_kernel() {
        assert_eq!(
            findings(USER, "decode", "use aya::Pod; use super::kernel::X;").len(),
            2
        );
    }

    #[test]
    fn a_hook_touches_neither_maps_nor_sock_nor_emit() {
        assert_eq!(
            findings(
                EBPF,
                "hook",
                "use crate::signal::reset; use crate::offsets;"
            ),
            [""; 0]
        );
        assert_eq!(
            findings(EBPF, "hook", "crate::maps::RING.reserve();").len(),
            1
        );
    }

    #[test]
    fn a_signal_knows_no_context_type() {
        let text = "use aya_ebpf::programs::BtfTracePointContext;";
        assert_eq!(findings(EBPF, "signal", text).len(), 1);
    }

    #[test]
    fn a_room_without_a_rule_is_a_finding() {
        assert!(HOUSES[0].room_finding("helpers").is_some());
        assert_eq!(HOUSES[0].room_finding("model"), None);
    }

    #[test]
    fn common_stays_without_std_and_aya_but_for_pod() {
        let count = |text: &str| {
            named_paths(text, &[])
                .iter()
                .filter_map(common_finding)
                .count()
        };
        assert_eq!(count("use std::fmt; use aya::Btf; use core::fmt;"), 2);
        assert_eq!(count("unsafe impl aya::Pod for X {}"), 0);
    }
}
