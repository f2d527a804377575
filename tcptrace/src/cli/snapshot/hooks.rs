//! The hooks behind `--watch`: what they tell is folded, to be shown with the next snapshot.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;

use tcptrace_common::config::MEASURE_ACCEPTS;

use crate::cli::plan::{Output, WatchPlan};
use crate::cli::watch::{connect, engine, scope::Scope};
use crate::cli::{doctor, output};
use crate::kernel::Kernel;
use crate::kernel::attach::{Attached, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::model::flow::TcpState;
use crate::model::loss::Loss;
use crate::model::snapshot::Snapshot;
use crate::model::summary::{Reconciled, Summary};
use crate::model::{Incident, Kind};
use crate::pipeline::Pipeline;
use crate::query::folds::Folds;
use crate::sink::{Fan, Sink};
use crate::source::listens::Listens;

/// What was told so far, shared with who draws it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) folds: Folds,
    /// Events the kernel side could not pass on.
    pub(super) lost: u64,
}

/// Folds incidents; the summary goes where that of `watch` goes.
pub(super) struct FoldSink {
    heard: Rc<RefCell<Heard>>,
    summary: Option<Fan>,
}

impl Sink for FoldSink {
    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        self.heard.borrow_mut().folds.on(incident);
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, _: u64) -> io::Result<()> {
        self.heard.borrow_mut().lost += loss.count;
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        match &mut self.summary {
            Some(sink) => sink.summary(summary),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.summary {
            Some(sink) => sink.flush(),
            None => Ok(()),
        }
    }
}

/// Hooks that are attached.
pub(super) struct Hooks {
    pub(super) pipeline: Pipeline<FoldSink>,
    listens: Listens,
    /// Accepts are measured, or why they are not.
    measured: Result<(), String>,
    /// Detaches when dropped.
    attached: Attached,
}

impl Hooks {
    /// Runs of the programs that the kernel skipped.
    fn skipped(&self) -> u64 {
        let skipped = self.attached.skipped();
        skipped.iter().map(|(_, count)| count).sum()
    }

    /// Drains, and tells the summary.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let skipped = self.skipped();
        self.pipeline.finish(skipped)?;
        Ok(())
    }

    /// Adds to a snapshot what hooks know of its listeners.
    pub(super) fn complete(&mut self, snapshot: &mut Snapshot) {
        let mut listening = HashSet::new();
        let sockets = snapshot.spaces.iter_mut().flat_map(|s| &mut s.sockets);
        for socket in sockets.filter(|socket| socket.state == TcpState::Listen) {
            let Some(inode) = socket.inode else {
                continue;
            };
            listening.insert(inode);
            socket.backlog = self.listens.backlog(inode);
            socket.accepts = self.measured.is_ok().then(|| self.listens.accepts(inode));
        }
        if let (Err(why), false) = (&self.measured, listening.is_empty()) {
            let sentence = format!("how long connections wait for accept(): {why}");
            snapshot.unseen.push(sentence);
        }
        self.listens.keep(|inode| listening.contains(&inode));
    }

    /// How our counts compare with the kernel's so far. Takes what waits in the ring: a snapshot
    /// taken after it knows of all that was told.
    pub(super) fn reconcile(&mut self) -> anyhow::Result<Vec<Reconciled>> {
        let skipped = self.skipped();
        self.pipeline.reconcile(skipped)
    }
}

/// Attaches; Err says in a sentence why nothing can be heard.
pub(super) fn attach(
    plan: &WatchPlan,
    scope: Scope,
    heard: &Rc<RefCell<Heard>>,
) -> Result<Hooks, String> {
    if let Some(message) = doctor::lack(&Privileges::probe()) {
        return Err(message);
    }
    let try_it = || -> anyhow::Result<Hooks> {
        let kernel = Kernel::probe()?;
        let measures_accepts = plan.kinds.contains(Kind::AcceptDrop);
        let mut config = engine::config(&kernel, plan, &scope);
        if measures_accepts {
            config.features |= MEASURE_ACCEPTS;
        }
        let wanted = Wanted {
            measures_accepts,
            kinds: plan.kinds,
            follows: scope.follows(),
            tier: plan.engine.tier,
        };
        let sizes = engine::sizes(plan.engine.ring_bytes);
        let mut attached = attach_all(&kernel, config, wanted, sizes)?;
        let output = Output {
            // Its lines are not shown, and neither are their columns.
            has_header: false,
            ..plan.output.clone()
        };
        let sink = FoldSink {
            heard: Rc::clone(heard),
            summary: (output.is_json || !output.is_quiet)
                .then(|| output::sinks(&output, engine::clock())),
        };
        let pipeline = connect(plan, scope, &kernel, &mut attached, sink)?;
        let listens = Listens::open(&mut attached.maps)?;
        let measured = match &attached.report.waits {
            Some(outcome) if outcome.chosen.is_none() => Err(outcome.reason().to_owned()),
            _ => Ok(()),
        };
        Ok(Hooks {
            pipeline,
            listens,
            measured,
            attached,
        })
    };
    try_it().map_err(|error| format!("{error:#}"))
}
