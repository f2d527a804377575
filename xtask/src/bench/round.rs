//! One run of the load with one contender, or with several at once, and rounds of such runs.
//!
//! A run begins on a quiet host and leaves a quiet one. Within a round every contender runs once;
//! the order is turned by one from round to round, so that none always runs first.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::load::{Load, LoadResult, LoadSpec};
use super::proc::Sockets;
use super::tracer::{Observed, Output, Running, TracerSpec};

/// Where runs happen.
pub(super) struct Place {
    pub(super) load: PathBuf,
    /// For what tracers write; in memory, so that no disk is measured.
    pub(super) output: PathBuf,
}

/// Nobody, the same nobody again, or tracers.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) tracers: Vec<TracerSpec>,
}

impl Contender {
    /// The load alone.
    pub(super) fn nobody(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tracers: Vec::new(),
        }
    }

    pub(super) fn of(tracer: TracerSpec) -> Self {
        Self {
            name: tracer.name.to_owned(),
            tracers: vec![tracer],
        }
    }
}

/// What one run gave.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) cell: String,
    pub(super) contender: String,
    pub(super) round: usize,
    pub(super) load: LoadResult,
    /// One for each tracer of the contender.
    pub(super) observed: Vec<Observed>,
}

impl Place {
    /// Runs the load once beside the contender.
    pub(super) fn run(
        &self,
        load: &LoadSpec,
        contender: &Contender,
    ) -> Result<(LoadResult, Vec<Observed>)> {
        let context = || format!("{} with {}", load.mode, contender.name);
        let quiet = Sockets::now();
        let mut running = Vec::new();
        let mut load = Load::start(&self.load, load).with_context(context)?;
        for (index, tracer) in contender.tracers.iter().enumerate() {
            let directory = self.directory(index)?;
            let mut tracer = Running::start(tracer, &directory, Output::File)?;
            tracer.wait_ready().with_context(context)?;
            running.push(tracer);
        }
        for tracer in &mut running {
            tracer.note_go();
        }
        load.go()?;
        let result = load.result().with_context(context)?;
        let mut observed = Vec::new();
        for mut tracer in running {
            tracer.settle()?;
            observed.push(tracer.stop()?);
        }
        drop(load);
        self.clear()?;
        become_quiet(quiet);
        Ok((result, observed))
    }

    /// The output directory of one of several tracers, made.
    pub(super) fn directory(&self, index: usize) -> Result<PathBuf> {
        let directory = self.output.join(index.to_string());
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        Ok(directory)
    }

    /// Forgets what tracers wrote, which may be a GB.
    pub(super) fn clear(&self) -> Result<()> {
        if self.output.exists() {
            fs::remove_dir_all(&self.output)
                .with_context(|| format!("cannot remove {}", self.output.display()))?;
        }
        Ok(())
    }
}

/// Waits until the host is as quiet as it was before a run; says so when it does not become so.
pub(super) fn become_quiet(before: Option<Sockets>) {
    if !before.is_none_or(Sockets::wait) {
        eprintln!("bench: sockets of the last run are still there; what follows may be slower");
    }
}

/// Runs every contender of a cell once a round.
pub(super) fn rounds(
    place: &Place,
    cell: &str,
    load: &LoadSpec,
    contenders: &[Contender],
    count: usize,
) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for round in 0..count {
        for contender in turned(contenders, round) {
            let (result, observed) = place
                .run(load, contender)
                .with_context(|| format!("cell {cell}, round {round}"))?;
            runs.push(Run {
                cell: cell.to_owned(),
                contender: contender.name.clone(),
                round,
                load: result,
                observed,
            });
        }
    }
    Ok(runs)
}

/// All of them, beginning with another one each round.
fn turned<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let start = if all.is_empty() { 0 } else { round % all.len() };
    all[start..].iter().chain(&all[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_all_and_begins_with_another() {
        let order = |round| turned(&[1, 2, 3], round).copied().collect::<Vec<_>>();
        assert_eq!(order(0), [1, 2, 3]);
        assert_eq!(order(1), [2, 3, 1]);
        assert_eq!(order(3), [1, 2, 3]);
        assert_eq!(turned(&[] as &[i32], 4).count(), 0);
    }
}
