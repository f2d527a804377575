//! `tcptrace replay`: a recording shown as a live run.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::args::recorded::{PeriodArgs, ReplayArgs};
use super::choice::Choice;
use super::exit::Exit;
use super::output::{self, Output};
use super::period::period;
use super::plan::PlanError;
use super::recorded_input::RecordedInput;
use crate::model::{Kind, KindSet, RunFacts};
use crate::pipeline::replay::Settings;
use crate::session::ending;
use crate::sink::{Sink, TimeStyle};

/// What `replay` is to do.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    files: Vec<PathBuf>,
    speed: Option<f64>,
    period: PeriodArgs,
    choice: Choice,
    count: Option<u64>,
    output: Output,
    is_strict: bool,
    fail_on: KindSet,
}

impl ReplayPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: ReplayArgs) -> Result<Self, PlanError> {
        Ok(Self {
            choice: Choice::new(&args.selection, args.filter)?,
            files: args.files,
            speed: args.speed,
            period: args.period,
            count: args.count.map(u64::from),
            output: Output::lines(&args.output)?,
            is_strict: args.strict,
            fail_on: args.fail_on.into_iter().collect(),
        })
    }
}

/// Shows the recording.
///
/// # Errors
/// When it cannot be read or shown.
pub fn run(plan: &ReplayPlan) -> anyhow::Result<Exit> {
    let recorded_run = RecordedInput::open(&plan.files)?;
    let filter = match plan.choice.filter(recorded_run.kinds()) {
        Ok(filter) => filter,
        Err(why) => return Ok(output::refuse(&why, Exit::Unsupported)),
    };
    let mut output = plan.output.clone();
    let has_clock = recorded_run.has_clock();
    if !has_clock && output.time != TimeStyle::None {
        output.time = TimeStyle::Relative;
    }
    let mut sink = output::sinks(&output, recorded_run.clock());
    if !has_clock {
        sink.notice(
            "the beginning of the recording is damaged, so the time of day is unknown: times count from the \
             boot of that host (ts counts from 1970)",
        )?;
    }
    if let Some(facts) = recorded_run.facts().filter(|_| !plan.output.is_quiet) {
        sink.notice(&banner(facts))?;
        if let Some(gaps) = gaps(facts) {
            sink.notice(&gaps)?;
        }
        sink.flush()?;
    }
    let zone = match plan.output.time {
        TimeStyle::Utc => TimeZone::UTC,
        _ => TimeZone::system(),
    };
    let stop = ending::stop_flag()?;
    let settings = Settings {
        is_partial: filter.is_partial(),
        filter,
        count: plan.count,
        fail_on: plan.fail_on,
        speed: plan.speed,
        period: period(plan.period, &plan.files, &recorded_run, zone)?,
    };
    let ended = recorded_run.show(settings, sink, &stop)?;
    Ok(if ended.has_failed {
        Exit::FailOn
    } else if ended.has_lost && plan.is_strict {
        Exit::Lost
    } else {
        Exit::Done
    })
}

/// One line on what is replayed.
fn banner(facts: &RunFacts) -> String {
    let kinds: Vec<&str> = facts.kinds.iter().map(Kind::name).collect();
    let host = facts.host_name.as_deref().unwrap_or("an unnamed host");
    format!(
        "replaying {} of {host}, Linux {}, recorded by tcptrace {}",
        kinds.join(" "),
        facts.kernel,
        facts.version
    )
}

/// One line on what the recorded run could not show; `None`: it showed everything.
fn gaps(facts: &RunFacts) -> Option<String> {
    // Earlier versions wrote "off: " before what was missing.
    let subjects = facts.unseen.iter().map(|sentence| {
        let sentence = sentence.strip_prefix("off: ").unwrap_or(sentence);
        sentence.split_once(": ").map_or(sentence, |(what, _)| what)
    });
    let subjects: Vec<&str> = subjects.collect();
    (!subjects.is_empty()).then(|| {
        format!(
            "not visible in this recording: {}; `tcptrace report` shows why",
            subjects.join(", ")
        )
    })
}
