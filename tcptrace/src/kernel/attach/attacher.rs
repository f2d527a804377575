//! Settles signals: tries their candidates in order, until one loads and attaches whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::time::Instant;

use anyhow::Context;
use aya::{Btf, Ebpf};
use tcptrace_common::names;

use super::links::Link;
use super::programs::{self, Loaded};
use super::{OTHER_TIER, Outcome, serve};
use crate::kernel::Kernel;
use crate::kernel::tiers::{Candidate, Hooks, Program, Signal};
use crate::model::Tier;

/// A signal on its way: either chosen, or the index of the candidate to try next.
#[derive(Debug)]
pub(super) struct Open {
    outcome: Outcome,
    next: usize,
}

pub(super) struct Attacher<'a> {
    object: &'a mut Ebpf,
    types: &'a Btf,
    kernel: &'a Kernel,
    forced: Option<Tier>,
    /// Programs that were loaded, or refused, ahead of time.
    loaded: Loaded,
    tried: BTreeMap<String, Result<(), String>>,
    links: BTreeMap<String, Link>,
    /// The first refusal of a function tier that holds for all its programs.
    closed: BTreeMap<&'static str, String>,
    by_function: u32,
}

impl<'a> Attacher<'a> {
    pub(super) fn new(
        object: &'a mut Ebpf,
        types: &'a Btf,
        kernel: &'a Kernel,
        forced: Option<Tier>,
    ) -> Self {
        Self {
            object,
            types,
            kernel,
            forced,
            loaded: Loaded::new(),
            tried: BTreeMap::new(),
            links: BTreeMap::new(),
            closed: BTreeMap::new(),
            by_function: 0,
        }
    }

    /// Tries the candidates up to the first that is no function hook and could serve.
    pub(super) fn by_functions(&mut self, signal: &'static Signal) -> Open {
        let mut open = Open {
            outcome: Outcome {
                signal,
                chosen: None,
                hook: String::new(),
                refusals: Vec::new(),
            },
            next: 0,
        };
        while let Some(candidate) = self.viable(&mut open) {
            if !matches!(candidate.hooks, Hooks::Functions { .. }) {
                break;
            }
            self.choose(&mut open, candidate);
        }
        open
    }

    /// Tries the candidates that are left.
    pub(super) fn by_the_rest(&mut self, mut open: Open) -> Outcome {
        while let Some(candidate) = self.viable(&mut open) {
            self.choose(&mut open, candidate);
        }
        open.outcome
    }

    /// The tracepoints that will be tried first for a signal that is not settled.
    pub(super) fn first_choice(&self, open: &Open) -> Vec<Program> {
        if open.outcome.chosen.is_some() {
            return Vec::new();
        }
        let candidate = open.outcome.signal.candidates.get(open.next);
        let programs = candidate.and_then(|c| c.programs(self.kernel).ok());
        programs.unwrap_or_default()
    }

    /// The next candidate that may be tried; those passed over leave their reason.
    fn viable(&self, open: &mut Open) -> Option<&'static Candidate> {
        if open.outcome.chosen.is_some() {
            return None;
        }
        while let Some(candidate) = open.outcome.signal.candidates.get(open.next) {
            let obstacle = if candidate.tier.is_allowed_by(self.forced) {
                candidate.obstacle(self.kernel)
            } else {
                Some(OTHER_TIER.to_owned())
            };
            let Some(obstacle) = obstacle else {
                return Some(candidate);
            };
            open.refuse(&candidate.label(self.kernel), &obstacle);
        }
        None
    }

    fn choose(&mut self, open: &mut Open, candidate: &'static Candidate) {
        match self.attach_whole(candidate) {
            Ok(()) => {
                open.outcome.chosen = Some(candidate);
                open.outcome.hook = candidate.label(self.kernel);
                self.by_function |= candidate.by_function;
            }
            Err((target, why)) => {
                let label = candidate.label(self.kernel);
                // What holds for every hook of the tier, or for the very hook of the label, needs no
                // name of a function.
                let is_plain = self.closed.values().any(|closed| *closed == why)
                    || label.rsplit('/').next() == Some(target);
                if is_plain || target.is_empty() {
                    open.refuse(&label, &why);
                } else {
                    open.refuse(&label, &format!("{target}: {why}"));
                }
            }
        }
    }

    /// Attaches all programs of a candidate. When one is refused, those attached for it are taken
    /// back: half a family would report things twice, or wrong. `Err`: the function that was refused
    /// (empty: no single one), and why.
    fn attach_whole(&mut self, candidate: &Candidate) -> Result<(), (&'static str, String)> {
        let programs = candidate.programs(self.kernel).map_err(|why| ("", why))?;
        let known = |program: &Program| match self.tried.get(program.name) {
            Some(Err(why)) => Some((program.target, why.clone())),
            _ => None,
        };
        if let Some(why) = programs.iter().find_map(known) {
            return Err(why);
        }
        let mut fresh = Vec::new();
        for program in programs {
            let is_fresh = !self.tried.contains_key(program.name);
            match self.attach(&program) {
                Ok(()) if is_fresh => fresh.push(program.name),
                Ok(()) => {}
                Err(why) => {
                    self.take_back(&fresh);
                    return Err((program.target, why));
                }
            }
        }
        Ok(())
    }

    fn take_back(&mut self, names: &[&str]) {
        for name in names {
            self.tried.remove(*name);
            self.links.remove(*name);
            if let Some(program) = self.object.program_mut(name) {
                // It was loaded a moment ago; what cannot be unloaded goes with this process.
                drop(programs::unload(program));
            }
        }
    }

    /// Attaches a program once; the answer is remembered.
    pub(super) fn attach(&mut self, program: &Program) -> Result<(), String> {
        if let Some(answer) = self.tried.get(program.name) {
            return answer.clone();
        }
        let tier = programs::tier_of(program.name);
        let begin = Instant::now();
        let answer = match self.closed.get(tier) {
            Some(why) => Err(why.clone()),
            None => self.attach_now(program).map_err(|error| {
                let why = describe(&error);
                if programs::closes_tier(&error) {
                    self.closed.insert(tier, why.clone());
                }
                why
            }),
        };
        let (name, took) = (program.name, begin.elapsed());
        match &answer {
            Ok(()) => log::debug!(target: "attach", "{name}: attached in {took:?}"),
            Err(why) => log::debug!(target: "attach", "{name}: refused in {took:?}: {why}"),
        }
        self.tried.insert(name.to_owned(), answer.clone());
        answer
    }

    fn attach_now(&mut self, program: &Program) -> anyhow::Result<()> {
        let found = self
            .object
            .program_mut(program.name)
            .context("not in the object")?;
        match self.loaded.remove(program.name) {
            Some(answer) => answer?,
            None => programs::load(found, program.target, self.types)?,
        }
        let link = programs::attach(found, program.target)?;
        self.links.insert(program.name.to_owned(), link);
        Ok(())
    }

    /// Attaches the program that makes up for skipped runs. Where that is refused they are counted as lost.
    pub(super) fn attach_again(&mut self) {
        let program = Program {
            name: names::AGAIN,
            target: names::AGAIN_OF,
        };
        if let Err(why) = self.attach(&program) {
            log::info!(target: "attach", "{}: {why}", names::AGAIN);
        }
    }

    /// Loads programs that will most likely be wanted, several at a time.
    pub(super) fn load_ahead(&mut self, wanted: &[Program]) {
        let names: BTreeSet<&str> = wanted.iter().map(|program| program.name).collect();
        self.loaded = programs::load_tracepoints(self.object, self.types, &names);
    }

    /// Sets for the tracepoints what function hooks report so far: bits of `config::by_function`.
    pub(super) fn serve(&mut self) -> anyhow::Result<u32> {
        serve(self.object, self.by_function)?;
        Ok(self.by_function)
    }

    /// What is attached, by the names of the programs.
    pub(super) fn into_links(self) -> BTreeMap<String, Link> {
        self.links
    }
}

impl Open {
    fn refuse(&mut self, label: &str, why: &str) {
        self.outcome.refusals.push(format!("{label}: {why}"));
        self.next += 1;
    }
}

/// One line: the verifier's log can be megabytes, its last line says why.
fn describe(error: &anyhow::Error) -> String {
    if let Some(code) = programs::refusal_code(error) {
        return match code.kind() {
            ErrorKind::PermissionDenied => "not permitted by this kernel (EPERM)".to_owned(),
            _ => code.to_string(),
        };
    }
    let text = format!("{error:#}");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("no reason given").trim().to_owned();
    match lines.rfind(|line| !line.starts_with("processed ")) {
        Some(last) => format!("{first} ... {}", last.trim()),
        None => first,
    }
}
