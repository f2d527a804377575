//! `top` of this kernel: hooks, the pipeline, and the screen beside it.

use std::time::Duration;

use super::screen::{Screen, Signals};
use crate::cli::exit::Exit;
use crate::cli::plan::WatchPlan;
use crate::cli::ready;
use crate::cli::watch::scope::Scope;
use crate::cli::watch::{admitted, attach, connect, engine, facts, tell_skipped};
use crate::kernel::Kernel;
use crate::kernel::caps::Privileges;
use crate::kernel::confine::Duties;
use crate::sink::color::ColorChoice;
use crate::tui::{Options, Shared, Source, State, TopSink};

/// How often queues and levels are looked at.
const SAMPLED: Duration = Duration::from_secs(1);

pub(super) fn run(plan: WatchPlan, options: Options, color: ColorChoice) -> anyhow::Result<Exit> {
    let (scope, privileges) = match admitted(&plan) {
        Ok(admitted) => admitted,
        Err(exit) => return Ok(exit),
    };
    engine::event_loop()?.block_on(watch(plan, scope, &privileges, options, color))
}

async fn watch(
    plan: WatchPlan,
    scope: Scope,
    privileges: &Privileges,
    options: Options,
    color: ColorChoice,
) -> anyhow::Result<Exit> {
    // Before anything is attached, so that no signal finds the default action.
    let mut signals = Signals::listen()?;
    let kernel = Kernel::probe()?;
    let mut attached = match attach(&kernel, &plan, &scope, privileges)? {
        Ok(attached) => attached,
        Err(exit) => return Ok(exit),
    };
    let clock = engine::clock();
    let facts = facts::gather(&kernel, &attached.report, &plan, &scope, clock);
    let shared = Shared::new(State::new(Source::Live));
    let sink = TopSink::new(shared.clone());
    let mut pipeline = connect(&plan, scope, &kernel, &mut attached, sink)?;
    pipeline.begin(&facts);
    pipeline.sample(SAMPLED, &facts);
    pipeline.be_patient();
    ready::tell(plan.output.ready_file.as_deref())?;
    // Before the screen's thread, which has what is left then.
    ready::confine(Duties::default());
    let mut screen = Screen::start(shared.clone(), options)?;
    let ran = pipeline.run(screen.wait(&mut signals)).await;
    // First: what is said from now on is for the terminal as it was.
    screen.end().await?;
    // A second signal from here on ends the process at once.
    signals.stopper.arm_second();
    ran?;
    let skipped = attached.skipped();
    pipeline.finish(skipped.iter().map(|(_, count)| count).sum())?;
    super::last_word(&shared, color)?;
    tell_skipped(skipped);
    drop(attached);
    Ok(Exit::Done)
}
