//! `report --live`: the page of a run that nobody records.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::writer::Writer;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::output_file::OutputFile;
use crate::model::Kind;
use crate::report::{Story, page};
use crate::session::ending::Stopper;
use crate::session::{Plan, Session, admit, event_loop, ready};

/// How often queues and levels are looked at.
const SAMPLED: std::time::Duration = std::time::Duration::from_secs(1);

/// Watches until the time is over or a signal comes, and makes the page.
///
/// # Errors
/// When it cannot begin, or the page not be written.
pub(super) fn run(plan: &Plan, file: OutputFile, zone: &TimeZone) -> anyhow::Result<Exit> {
    let (scope, privileges) = admit(plan)?;
    event_loop()?.block_on(async {
        // Before anything is attached, so that no signal finds the default action.
        let mut stopper = Stopper::listen()?;
        let mut session = Session::attach(plan, scope, &privileges)?;
        let facts = session.facts(plan);
        let mut story = Story::default();
        let mut pipeline = session.connect(plan, &mut story)?;
        pipeline.begin(&facts);
        pipeline.sample(SAMPLED, &facts);
        session.notes.iter().for_each(|note| output::say(note));
        // What opens files for writing must exist before that is given up.
        let writer = Writer::start(file)?;
        let notes = ready::confine(Some(&mut pipeline), None);
        notes.iter().for_each(|note| output::say(note));
        banner(plan);
        pipeline.run(stopper.wait(None, &mut None)).await?;
        // A second signal from here on ends the process at once.
        stopper.arm_second();
        let full = session.full();
        pipeline.finish(&full)?;
        output::report_full(full);
        drop(session);
        writer.finish(page(&story, zone).into_bytes())?;
        Ok(Exit::Done)
    })
}

fn banner(plan: &Plan) {
    let kinds: Vec<&str> = plan.kinds.iter().map(Kind::name).collect();
    let time = plan.stop.after.map(|after| format!(" for {after:?}"));
    drop(writeln!(
        io::stderr(),
        "watching {}{}; Ctrl-C ends earlier and writes the report",
        kinds.join(" "),
        time.unwrap_or_default(),
    ));
}
