//! The hooks behind `--watch`: what they tell is folded, to be shown with the next snapshot.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::cli::plan::{Output, WatchPlan};
use crate::cli::watch::{connect, engine, scope::Scope};
use crate::cli::{doctor, output};
use crate::kernel::Kernel;
use crate::kernel::attach::{Attached, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::model::Incident;
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::pipeline::Pipeline;
use crate::query::folds::Folds;
use crate::sink::{Fan, Sink};

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
    /// Detaches when dropped.
    _attached: Attached,
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
        let config = engine::config(&kernel, plan, &scope);
        let wanted = Wanted {
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
        Ok(Hooks {
            pipeline,
            _attached: attached,
        })
    };
    try_it().map_err(|error| format!("{error:#}"))
}
