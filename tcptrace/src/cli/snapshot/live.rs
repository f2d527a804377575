//! `--watch`: one snapshot per interval, with what hooks reported in between.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::canvas::Canvas;
use super::hooks::{self, Folded, Hooks};
use super::screen::Screen;
use super::{Question, style_in_place};
use crate::cli::args::snapshot::SnapshotArgs;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, say};
use crate::model::snapshot::Snapshot;
use crate::session::ending::{Fused, Stopper};
use crate::session::{Plan, Scope, event_loop, ready};
use crate::survey::{self, Look};

/// Takes snapshots until it is stopped.
pub(super) fn run(
    question: &impl Question,
    args: &SnapshotArgs,
    interval: Duration,
    plan: Plan,
    output: Output,
    scope: Scope,
) -> anyhow::Result<Exit> {
    event_loop()?.block_on(watch(question, args, interval, plan, output, scope))
}

async fn watch<Q: Question>(
    question: &Q,
    args: &SnapshotArgs,
    interval: Duration,
    plan: Plan,
    output: Output,
    scope: Scope,
) -> anyhow::Result<Exit> {
    let mut stopper = Stopper::listen()?;
    let begin = Instant::now();
    let folded = Rc::new(RefCell::new(Folded::default()));
    // Before the hooks: the kernel then knows every socket by its cookie, and counters have a start.
    let first = survey::take(&question.look(), &scope.filter.netns)?;
    folded.borrow_mut().folds.look(&first);
    let mut canvas = Canvas {
        question,
        filter: scope.filter.clone(),
        roots: scope.filter.pids.processes().collect(),
        folded: Rc::clone(&folded),
        clock: survey::clock(),
        interval,
        screen: None,
        last: Vec::new(),
        frames: 0,
        without_hooks: None,
        plan: &plan,
        output: &output,
    };
    let mut hooks = if plan.kinds.is_empty() {
        None
    } else {
        match hooks::attach(&plan, &output, scope, &folded) {
            Ok(hooks) => {
                let now = survey::clock().start_boot_ns;
                folded.borrow_mut().folds.watch_from(now);
                Some(hooks)
            }
            Err(why) => {
                canvas.without_hooks = Some(format!("facts from hooks: {why}"));
                None
            }
        }
    };
    let notes = ready::announce(args.ready_file.as_deref())?;
    notes.iter().for_each(|note| say(note));
    let notes = ready::confine(hooks.as_mut().map(|hooks| &mut hooks.pipeline), None);
    notes.iter().for_each(|note| say(note));
    if style_in_place(&output).is_some() {
        canvas.screen = Some(Screen::enter()?);
    }
    loop {
        let Some(snapshot) =
            look(&question.look(), &mut canvas, hooks.as_mut(), &mut stopper).await?
        else {
            break;
        };
        canvas.draw(snapshot)?;
        let left = args
            .duration
            .map(|duration| duration.saturating_sub(begin.elapsed()));
        let is_enough = args.count.is_some_and(|count| canvas.frames >= count.get());
        if is_enough || left.is_some_and(|left| left.is_zero()) {
            break;
        }
        let pause = left.map_or(interval, |left| left.min(interval));
        if rest(&mut stopper, hooks.as_mut(), pause).await? {
            break;
        }
    }
    // First: a second signal ends the process on the spot.
    canvas.leave()?;
    stopper.arm_second();
    if let Some(hooks) = hooks {
        hooks.finish()?;
    }
    Ok(Exit::Done)
}

/// Waits and listens meanwhile; whether a signal came.
async fn rest(
    stopper: &mut Stopper,
    hooks: Option<&mut Hooks>,
    pause: Duration,
) -> anyhow::Result<bool> {
    let mut is_stopped = false;
    let mut no_command = None;
    let wait = async {
        tokio::select! {
            () = stopper.wait(None, &mut no_command) => is_stopped = true,
            () = tokio::time::sleep(pause) => {}
        }
    };
    match hooks {
        Some(hooks) => hooks.pipeline.run(wait).await?,
        None => wait.await,
    }
    Ok(is_stopped)
}

/// The next snapshot; `None`: a signal came first.
async fn look<Q>(
    look: &Look,
    canvas: &mut Canvas<'_, Q>,
    hooks: Option<&mut Hooks>,
    stopper: &mut Stopper,
) -> anyhow::Result<Option<Snapshot>> {
    let Some(hooks) = hooks else {
        return survey::take(look, &canvas.filter.netns).map(Some);
    };
    let mut no_command = None;
    let wait = std::pin::pin!(stopper.wait(None, &mut no_command));
    let mut stop = Fused::new(wait);
    let snapshot = hooks.look(*look, &mut stop).await?;
    // A signal that came together with the answer is not waited for again.
    Ok(snapshot.filter(|_| !stop.is_done()))
}
