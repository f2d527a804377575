//! The hooks behind `--watch`: their incidents are folded and shown with the next snapshot.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;

use crate::cli::output::{self, Output};
use crate::kernel::caps::Privileges;
use crate::model::Incident;
use crate::model::flow::TcpState;
use crate::model::loss::Loss;
use crate::model::snapshot::Snapshot;
use crate::model::summary::Summary;
use crate::pipeline::Pipeline;
use crate::query::folds::Folds;
use crate::session::{Plan, Scope, Session, lack};
use crate::sink::{Fan, Sink};
use crate::source::listens::Listens;
use crate::survey::Look;

/// The incidents so far, shared with the code that draws them.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) folds: Folds,
    /// Events the kernel side could not pass on.
    pub(super) lost: u64,
}

/// Folds incidents; the summary goes where that of `watch` goes.
pub(super) struct FoldSink {
    folded: Rc<RefCell<Folded>>,
    summary: Option<Fan>,
}

impl Sink for FoldSink {
    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        self.folded.borrow_mut().folds.on(incident);
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, _: u64) -> io::Result<()> {
        self.folded.borrow_mut().lost += loss.count;
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
    session: Session,
}

impl Hooks {
    /// Drains the ring and prints the summary.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let full = self.session.full();
        self.pipeline.finish(&full)?;
        output::report_full(full);
        Ok(())
    }

    /// Adds to a snapshot what hooks know of its listeners.
    fn complete(&mut self, snapshot: &mut Snapshot) {
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

    /// A snapshot and how our counts compare with the kernel's, while hooks are listened to. `None`:
    /// `stop` was done first.
    pub(super) async fn look(
        &mut self,
        look: Look,
        mut stop: impl Future<Output = ()> + Unpin,
    ) -> anyhow::Result<Option<Snapshot>> {
        // First: a snapshot taken after it includes everything reported so far.
        let reconciled = self.pipeline.reconcile(&mut stop).await?;
        let Some(reconciliation) = reconciled else {
            return Ok(None);
        };
        let Some(mut snapshot) = self.pipeline.look(look, &mut stop).await? else {
            return Ok(None);
        };
        snapshot.reconciliation = reconciliation;
        self.complete(&mut snapshot);
        Ok(Some(snapshot))
    }
}

/// Attaches; `Err` explains in a sentence why nothing can be observed.
pub(super) fn attach(
    plan: &Plan,
    output: &Output,
    scope: Scope,
    folded: &Rc<RefCell<Folded>>,
) -> Result<Hooks, String> {
    let privileges = Privileges::probe();
    if let Some(message) = lack(&privileges) {
        return Err(message);
    }
    let try_it = || -> anyhow::Result<Hooks> {
        let mut session = Session::attach(plan, scope, &privileges)?;
        let output = Output {
            // Its lines are not shown, and neither are their columns.
            has_header: false,
            ..output.clone()
        };
        let sink = FoldSink {
            folded: Rc::clone(folded),
            summary: (output.is_json || !output.is_quiet)
                .then(|| output::sinks(&output, session.clock)),
        };
        let pipeline = session.connect(plan, sink)?;
        session.notes.iter().for_each(|note| output::say(note));
        let listens = session.listens()?;
        let measured = match &session.report().waits {
            Some(outcome) if outcome.chosen.is_none() => Err(outcome.reason().to_owned()),
            _ => Ok(()),
        };
        Ok(Hooks {
            pipeline,
            listens,
            measured,
            session,
        })
    };
    try_it().map_err(|error| format!("{error:#}"))
}
