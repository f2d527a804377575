//! `tcptrace watch` and `record`: from a plan to a running pipeline, and from its end to an exit
//! code.

#[cfg(test)]
mod tests;

use std::process::ExitStatus;
use std::time::Duration;

use super::args::watch::WatchArgs;
use super::exit::Exit;
use super::output::{self, Output};
use super::plan::{self, PlanError};
use crate::kernel::caller;
use crate::model::Kind;
use crate::pipeline::Ended;
use crate::recording::{Files, Outcome};
use crate::session::ending::{self, Stopper};
use crate::session::plan::{Plan, Recording};
use crate::session::{Session, admit, event_loop, ready};

/// What `watch` is to do.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// Whom and what to watch.
    pub run: Plan,
    /// Where and how to write.
    pub output: Output,
    /// A loss is an error.
    pub is_strict: bool,
    /// What is shown is recorded too.
    pub recording: Option<Recording>,
}

/// The default interval at which queues are sampled for a recording.
const SAMPLED: Duration = Duration::from_secs(1);

impl WatchPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: WatchArgs) -> Result<Self, PlanError> {
        let kinds = plan::kinds(&args.selection)?;
        Ok(Self {
            run: Plan {
                asked_by_name: plan::asked_by_name(&args.selection, &args.live),
                stop: plan::stop(&args.stop, args.command),
                fail_on: plan::fail_on(kinds, &args.selection, &args.live.fail_on)?,
                rate_limit: args.rate_limit,
                ..plan::live(kinds, args.filter, plan::engine(args.engine))
            },
            is_strict: args.live.strict,
            output: Output {
                ready_file: args.live.ready_file,
                ..Output::lines(&args.output)?
            },
            recording: args.record.map(|path| Recording {
                files: Files {
                    path,
                    max_bytes: None,
                    rotation: None,
                    overwrites: false,
                },
                sample_every: Some(SAMPLED),
            }),
        })
    }
}

/// Watches until it is stopped.
///
/// # Errors
/// When it cannot begin, see [`crate::session::Refused`], or something fails while running.
pub fn run(plan: WatchPlan) -> anyhow::Result<Exit> {
    let (scope, privileges) = admit(&plan.run)?;
    event_loop()?.block_on(async {
        // Before anything is attached, so that no signal finds the default action.
        let stopper = Stopper::listen()?;
        let session = Session::attach(&plan.run, scope, &privileges)?;
        watch(plan, session, stopper).await
    })
}

async fn watch(
    plan: WatchPlan,
    mut session: Session,
    mut stopper: Stopper,
) -> anyhow::Result<Exit> {
    let sink = output::sinks(&plan.output, session.clock);
    let facts = plan.recording.as_ref().map(|_| session.facts(&plan.run));
    let mut pipeline = session.connect(&plan.run, sink)?;
    if let (Some(recording), Some(facts)) = (&plan.recording, &facts) {
        // The file is its user's, whatever this binary may.
        caller::as_caller(|| {
            pipeline.record(recording.files.clone(), facts, session.kernel.host())
        })??;
        if let Some(every) = recording.sample_every {
            pipeline.sample(every, facts);
        }
    }
    if !plan.output.is_quiet {
        banner(&session, &plan);
    }
    session.notes.iter().for_each(|note| output::say(note));
    let notes = ready::announce(plan.output.ready_file.as_deref())?;
    notes.iter().for_each(|note| output::say(note));
    let command = match &plan.run.stop.command {
        Some(words) => match ending::start(words) {
            Ok(child) => Some(child),
            Err(why) => return Ok(output::refuse(&why, Exit::Failure)),
        },
        None => None,
    };
    // Not before: the command has the privileges that it would have without us.
    let command_pid = command.as_ref().and_then(tokio::process::Child::id);
    let notes = ready::confine(Some(&mut pipeline), command_pid);
    notes.iter().for_each(|note| output::say(note));
    let mut status = None;
    pipeline.run(stopper.wait(command, &mut status)).await?;
    // A second signal from here on ends the process at once.
    stopper.arm_second();
    let full = session.full();
    let ended = pipeline.finish(&full)?;
    output::report_full(full);
    drop(session);
    if let (Some(recording), Some(outcome)) = (&plan.recording, &ended.recorded) {
        report_recorded(recording, outcome, plan.output.is_quiet);
    }
    Ok(exit(&ended, plan.is_strict, status))
}

/// What is in the files now.
fn report_recorded(recording: &Recording, outcome: &Outcome, is_quiet: bool) {
    let path = recording.files.path.display();
    let mut text = String::new();
    if !is_quiet {
        let events = outcome.events - outcome.lost_events;
        text = format!("recorded {events} events in {} bytes", outcome.bytes);
        if outcome.files > 1 {
            text.push_str(&format!(" and {} files", outcome.files));
        }
        text.push_str(&format!("; show them: tcptrace replay {path}\n"));
    }
    if let Some(why) = &outcome.trouble {
        let (lost, doubtful) = (outcome.lost_events, outcome.doubtful_events);
        text.push_str(&match (lost, doubtful) {
            (0, 0) => format!("while recording {path}: {why}\n"),
            (_, 0) => format!("not in {path}: {lost} events: {why}\n"),
            (0, _) => format!("{doubtful} events may be missing in {path}: {why}\n"),
            _ => format!("not in {path}: {lost} events; {doubtful} more may be missing: {why}\n"),
        });
    }
    output::print_lines(&text);
}

fn exit(ended: &Ended, is_strict: bool, command: Option<ExitStatus>) -> Exit {
    let is_incomplete = |outcome: &Outcome| outcome.lost_events > 0 || outcome.doubtful_events > 0;
    let is_unrecorded = ended.recorded.as_ref().is_some_and(is_incomplete);
    if ended.has_failed {
        Exit::FailOn
    } else if (ended.has_lost || is_unrecorded) && is_strict {
        Exit::Lost
    } else if is_unrecorded {
        Exit::Failure
    } else {
        command.map_or(Exit::Done, |status| Exit::Command(ending::code(status)))
    }
}

/// One line on what is watched, and one on what this kernel does not show of it.
fn banner(session: &Session, plan: &WatchPlan) {
    let verb = if plan.output.has_lines {
        "watching"
    } else {
        "recording"
    };
    let kinds: Vec<&str> = plan.run.kinds.iter().map(Kind::name).collect();
    let report = session.report();
    let mut text = format!(
        "{verb} {} by {} hooks on Linux {}; Ctrl-C ends the run with a summary\n",
        kinds.join(" "),
        report.attached.len(),
        session.kernel.release
    );
    let coverage = report.coverage(plan.run.kinds);
    if !coverage.is_complete() {
        text.push_str(&format!(
            "{coverage}; `tcptrace doctor --hooks` shows why\n"
        ));
    }
    output::print_lines(&text);
}
