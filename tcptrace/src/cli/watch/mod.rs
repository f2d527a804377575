//! `tcptrace watch`: from a plan to a running pipeline, and from its end to an exit code.

pub(super) mod ending;
pub(super) mod engine;
pub(super) mod facts;
pub(super) mod scope;

use std::io::{self, Write};
use std::process::ExitStatus;

use super::doctor;
use super::exit::Exit;
use super::lean;
use super::output;
use super::plan::{Recording, WatchPlan};
use super::ready;
use crate::attribute::Attributor;
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Attached, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::kernel::confine::Duties;
use crate::model::Kind;
use crate::pipeline::{Ended, Pipeline, Settings};
use crate::recording::Outcome;
use crate::sink::Sink;
use crate::source::followed::Followed;
use crate::source::live::Live;

use ending::Stopper;
use scope::Scope;

/// Watches until told to stop.
///
/// # Errors
/// When something fails while running; usage and privilege problems are exit codes.
pub fn run(plan: WatchPlan) -> anyhow::Result<Exit> {
    let (scope, privileges) = match admitted(&plan) {
        Ok(admitted) => admitted,
        Err(exit) => return Ok(exit),
    };
    engine::event_loop()?.block_on(watch(plan, scope, &privileges))
}

/// Whom to watch, and that we may; otherwise why not is told.
pub(super) fn admitted(plan: &WatchPlan) -> Result<(Scope, Privileges), Exit> {
    let scope = Scope::resolve(plan).map_err(|why| refuse(&why, Exit::Usage))?;
    let privileges = Privileges::probe();
    match doctor::lack(&privileges) {
        Some(message) => Err(refuse(&message, Exit::Privilege)),
        None => Ok((scope, privileges)),
    }
}

async fn watch(plan: WatchPlan, scope: Scope, privileges: &Privileges) -> anyhow::Result<Exit> {
    // Before anything is attached, so that no signal finds the default action.
    let mut stopper = Stopper::listen()?;
    let kernel = Kernel::probe()?;
    let mut attached = match attach(&kernel, &plan, &scope, privileges)? {
        Ok(attached) => attached,
        Err(exit) => return Ok(exit),
    };
    let clock = engine::clock();
    let sink = output::sinks(&plan.output, clock);
    let facts = plan
        .recording
        .as_ref()
        .map(|_| facts::gather(&kernel, &attached.report, &plan, &scope, clock));
    let mut pipeline = connect(&plan, scope, &kernel, &mut attached, sink)?;
    if let (Some(recording), Some(facts)) = (&plan.recording, &facts) {
        pipeline.record(recording.files.clone(), facts, kernel.host())?;
        if let Some(every) = recording.sample_every {
            pipeline.sample(every, facts);
        }
    }
    if !plan.output.is_quiet {
        banner(&kernel, &attached.report, &plan);
    }
    ready::tell(plan.output.ready_file.as_deref())?;
    let command = match &plan.stop.command {
        Some(words) => match ending::start(words) {
            Ok(child) => Some(child),
            Err(why) => return Ok(refuse(&why, Exit::Failure)),
        },
        None => None,
    };
    // Not before: the command has the privileges that it would have without us.
    let writes_in = plan.recording.as_ref().map(Recording::directory);
    ready::confine(Duties { writes_in });
    let mut status = None;
    pipeline.run(stopper.wait(command, &mut status)).await?;
    // A second signal from here on ends the process at once.
    stopper.arm_second();
    let skipped = attached.skipped();
    let ended = pipeline.finish(skipped.iter().map(|(_, count)| count).sum())?;
    tell_skipped(skipped);
    drop(attached);
    if let (Some(recording), Some(outcome)) = (&plan.recording, &ended.recorded) {
        tell(recording, outcome, plan.output.is_quiet);
    }
    Ok(exit(&ended, plan.is_strict, status))
}

/// Attaches what a plan asks for; why it cannot be is told, and is then an exit code.
pub(super) fn attach(
    kernel: &Kernel,
    plan: &WatchPlan,
    scope: &Scope,
    privileges: &Privileges,
) -> anyhow::Result<Result<Attached, Exit>> {
    let config = engine::config(kernel, plan, scope);
    let wanted = Wanted {
        measures_accepts: false,
        kinds: plan.kinds,
        follows: scope.follows(),
        tier: plan.engine.tier,
    };
    let sizes = engine::sizes(plan.engine.ring_bytes);
    let attached = match attach_all(kernel, config, wanted, sizes) {
        Ok(attached) => attached,
        Err(error) => {
            return match privileges.refusal(&error) {
                Some(why) => Ok(Err(refuse(&why, Exit::Privilege))),
                None => Err(error),
            };
        }
    };
    if let Some(why) = &attached.report.forks_refused {
        anyhow::bail!("cannot follow child processes: {why}");
    }
    if let Some(why) = engine::tier_refused(plan.engine.tier, &attached.report) {
        return Ok(Err(refuse(&why, Exit::Unsupported)));
    }
    let impossible = attached.report.impossible(plan.asked_by_name);
    if !impossible.is_empty() {
        let why = cannot_show(&impossible, &attached.report);
        return Ok(Err(refuse(&why, Exit::Unsupported)));
    }
    Ok(Ok(attached))
}

/// Says which programs the kernel did not run.
pub(super) fn tell_skipped(skipped: impl IntoIterator<Item = (String, u64)>) {
    for (program, count) in skipped {
        let note = "the kernel skipped runs of a hook that was interrupted by itself; some of them \
                    may have been events";
        drop(writeln!(io::stderr(), "{note}: {program}, {count} times"));
    }
}

/// A pipeline from what is attached to `sink`, ready to run.
pub(super) fn connect<S: Sink>(
    plan: &WatchPlan,
    scope: Scope,
    kernel: &Kernel,
    attached: &mut Attached,
    sink: S,
) -> anyhow::Result<Pipeline<S>> {
    let followed = if scope.follows() {
        Some(Followed::open(&mut attached.maps, &scope.followed_roots())?)
    } else {
        None
    };
    let mut attributor = Attributor::default();
    if attached.report.snapshot_refused.is_some() {
        let (sockets, missed) = engine::sockets(&scope.filter.netns);
        attributor.learn(&sockets);
        for why in missed {
            drop(writeln!(
                io::stderr(),
                "owners of sockets older than this run are not known: {why}"
            ));
        }
    }
    let live = Live::open(&mut attached.maps)?;
    let settings = Settings {
        is_partial: scope.is_partial,
        filter: scope.filter,
        rate_limit: plan.output.rate_limit.map(u32::from),
        count: plan.stop.count.map(u64::from),
        after: plan.stop.after,
        fail_on: plan.fail_on,
        counted: attached.report.counted(),
    };
    let host = kernel.host();
    lean::give_back();
    Ok(Pipeline::new(
        live, attributor, host, settings, followed, sink,
    ))
}

/// What is in the files now.
fn tell(recording: &Recording, outcome: &Outcome, is_quiet: bool) {
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
        let lost = outcome.lost_events;
        text.push_str(&format!("not in {path}: {lost} events: {why}\n"));
    }
    drop(io::stderr().write_all(text.as_bytes()));
}

fn exit(ended: &Ended, is_strict: bool, command: Option<ExitStatus>) -> Exit {
    let is_incomplete = |outcome: &Outcome| outcome.lost_events > 0;
    let is_unrecorded = ended.recorded.as_ref().is_some_and(is_incomplete);
    if ended.has_failed {
        Exit::FailOn
    } else if (ended.has_lost || is_unrecorded) && is_strict {
        Exit::Lost
    } else if is_unrecorded {
        Exit::Failure
    } else {
        command.map_or(Exit::Done, ending::code)
    }
}

/// Nobody is left to be told when stderr is closed.
pub(super) fn refuse(why: &str, exit: Exit) -> Exit {
    drop(writeln!(io::stderr(), "tcptrace: {why}"));
    exit
}

fn cannot_show(kinds: &[Kind], report: &AttachReport) -> String {
    let mut text = String::from("this kernel cannot show");
    for kind in kinds {
        text.push_str(&format!(" {kind}"));
        for refusal in report.of(*kind).flat_map(|outcome| &outcome.refusals) {
            text.push_str(&format!("\n  {refusal}"));
        }
    }
    text.push_str("\nto see what this kernel can show: tcptrace doctor");
    text
}

/// One line on what is watched, and one for each part of a kind that is not seen.
fn banner(kernel: &Kernel, report: &AttachReport, plan: &WatchPlan) {
    let verb = if plan.output.has_lines {
        "watching"
    } else {
        "recording"
    };
    let mut text = format!(
        "{verb} {} by {} hooks on Linux {}; Ctrl-C ends the run with a summary\n",
        plan.kinds
            .iter()
            .map(Kind::name)
            .collect::<Vec<_>>()
            .join(" "),
        report.attached.len(),
        kernel.release
    );
    for sentence in facts::unseen(report, plan.kinds) {
        text.push_str(&sentence);
        text.push('\n');
    }
    drop(io::stderr().write_all(text.as_bytes()));
}
