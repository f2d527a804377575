//! What is left of the object once everything is attached: links, programs and maps, by their
//! descriptors. The object itself with its instructions would be 2 MB of memory for nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::Context;
use aya::Ebpf;
use aya::maps::Map;
use aya::programs::fentry::FEntryLink;
use aya::programs::fexit::FExitLink;
use aya::programs::kprobe::KProbeLink;
use aya::programs::tp_btf::BtfTracePointLink;
use tcptrace_common::hook::Hook;

/// A program's place in the kernel; it is detached when this is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held, never read")]
pub(super) enum Link {
    Tracepoint(BtfTracePointLink),
    Entry(FEntryLink),
    Exit(FExitLink),
    Breakpoint(KProbeLink),
}

/// The maps of the object, by name, for those who read them.
pub type Maps = BTreeMap<String, Map>;

/// Programs at work.
pub(super) struct Links {
    pub(super) programs: Programs,
    _links: Vec<Link>,
}

/// Attached programs by their names in the object, to ask the kernel about them.
#[derive(Debug, Default)]
pub struct Programs(Vec<(String, OwnedFd)>);

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.programs.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Links {
    /// Takes what must stay out of the object.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(super) fn take(
        mut object: Ebpf,
        links: BTreeMap<String, Link>,
    ) -> anyhow::Result<(Self, Maps)> {
        let names: Vec<String> = object.maps().map(|(name, _)| name.to_owned()).collect();
        let maps = names
            .into_iter()
            .filter_map(|name| {
                let map = object.take_map(&name)?;
                Some((name, map))
            })
            .collect();
        let mut programs = Vec::new();
        for name in links.keys() {
            let program = object
                .program(name)
                .context("an attached program is gone")?;
            let fd = program.fd()?.as_fd().try_clone_to_owned()?;
            programs.push((name.clone(), fd));
        }
        let held = Self {
            programs: Programs(programs),
            _links: links.into_values().collect(),
        };
        Ok((held, maps))
    }
}

impl Programs {
    /// Hooks of which the kernel skipped runs, because an interrupt brought the same hook while it ran,
    /// and how many since they were attached. Kernels before 5.12 do not say
    /// (`recursion_misses` of `bpf_prog_info`).
    pub fn skipped(&self) -> BTreeMap<&'static str, u64> {
        let mut skipped = BTreeMap::new();
        for (name, fd) in &self.0 {
            let count = fact(fd, "recursion_misses:").unwrap_or(0);
            if let Some(hook) = Hook::label_of_program(name).filter(|_| count > 0) {
                *skipped.entry(hook).or_default() += count;
            }
        }
        skipped
    }

    /// How many instructions the verifier walked for each program: two thirds of what a start costs.
    /// Kernels before 5.16 do not say. `cargo xtask verifier` reads these lines.
    pub(super) fn log_verified(&self) {
        if !log::log_enabled!(target: "attach", log::Level::Debug) {
            return;
        }
        for (name, fd) in &self.0 {
            if let Some(count) = fact(fd, "verified_insns:") {
                log::debug!(target: "attach", "{name}: the verifier walked {count} instructions");
            }
        }
    }
}

/// A number that the kernel shows of a program. `None` where it does not.
fn fact(program: &OwnedFd, label: &str) -> Option<u64> {
    let fd = program.as_raw_fd();
    let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let line = facts.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().parse().ok()
}
