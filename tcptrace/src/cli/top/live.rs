//! `top` of this kernel: hooks, the pipeline, and the screen beside it.

use std::time::Duration;

use super::screen::{Screen, Signals};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Output};
use crate::session::{Plan, Session, admit, event_loop, ready};
use crate::tui::{Options, Shared, Source, State, TopSink};

/// How often queues and levels are looked at.
const SAMPLED: Duration = Duration::from_secs(1);

pub(super) fn run(plan: &Plan, output: &Output, options: Options) -> anyhow::Result<Exit> {
    let (scope, privileges) = admit(plan)?;
    event_loop()?.block_on(async {
        // Before anything is attached, so that no signal finds the default action.
        let signals = Signals::listen()?;
        let session = Session::attach(plan, scope, &privileges)?;
        watch(plan, output, session, signals, options).await
    })
}

async fn watch(
    plan: &Plan,
    output: &Output,
    mut session: Session,
    mut signals: Signals,
    options: Options,
) -> anyhow::Result<Exit> {
    let facts = session.facts(plan);
    let shared = Shared::new(State::new(Source::Live));
    let sink = TopSink::new(shared.clone());
    let mut pipeline = session.connect(plan, sink)?;
    pipeline.begin(&facts);
    pipeline.sample(SAMPLED, &facts);
    pipeline.be_patient();
    session.notes.iter().for_each(|note| output::say(note));
    let notes = ready::announce(output.ready_file.as_deref())?;
    notes.iter().for_each(|note| output::say(note));
    // Before the screen's thread, which has what is left then.
    let notes = ready::confine(Some(&mut pipeline), None);
    notes.iter().for_each(|note| output::say(note));
    let mut screen = Screen::start(shared.clone(), options)?;
    let ran = pipeline.run(screen.wait(&mut signals)).await;
    // First: what is said from now on is for the terminal as it was.
    screen.end().await?;
    // A second signal from here on ends the process at once.
    signals.stopper.arm_second();
    ran?;
    let full = session.full();
    pipeline.finish(&full)?;
    super::last_word(&shared, output.color)?;
    output::report_full(full);
    drop(session);
    Ok(Exit::Done)
}
