//! `tcptrace report`: a recording as one HTML page.

mod live;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::args::filter::FilterArgs;
use super::args::recorded::{PeriodArgs, ReportArgs, Zone};
use super::choice::Choice;
use super::exit::Exit;
use super::output::refuse;
use super::output_file::OutputFile;
use super::period::period;
use super::plan::{self, PlanError};
use super::recorded_input::RecordedInput;
use crate::model::KindSet;
use crate::pipeline::replay::Settings;
use crate::report::{Story, page};
use crate::session::plan::{Engine, Plan, Stop};

/// The ring size of `--live`.
const RING_BYTES: u32 = 4 << 20;

/// What `report` is to do.
#[derive(Clone, Debug)]
pub struct ReportPlan {
    /// A run to watch instead of the files.
    live: Option<Plan>,
    files: Vec<PathBuf>,
    page: Option<PathBuf>,
    zone: Zone,
    period: PeriodArgs,
    choice: Choice,
}

impl ReportPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: ReportArgs) -> Result<Self, PlanError> {
        if let Some(after) = args.live {
            return Self::live(args, after);
        }
        Ok(Self {
            live: None,
            choice: Choice::new(&args.selection, args.filter)?,
            files: args.files,
            page: args.page,
            zone: args.time,
            period: args.period,
        })
    }

    fn live(args: ReportArgs, after: Duration) -> Result<Self, PlanError> {
        let kinds = plan::kinds(&args.selection)?;
        let engine = Engine {
            tier: None,
            ring_bytes: RING_BYTES,
        };
        let run = Plan {
            asked_by_name: args.selection.only.iter().copied().collect(),
            stop: Stop {
                after: Some(after),
                ..Stop::default()
            },
            ..plan::live(kinds, args.filter.clone(), engine)
        };
        Ok(Self {
            live: Some(run),
            choice: Choice::new(&args.selection, FilterArgs::default())?,
            files: Vec::new(),
            page: args.page,
            zone: args.time,
            period: args.period,
        })
    }
}

/// Makes the page.
///
/// # Errors
/// When the recording cannot be read, or the page not be written.
pub fn run(plan: &ReportPlan) -> anyhow::Result<Exit> {
    let place = match OutputFile::of(plan.page.as_deref(), &plan.files) {
        Ok(place) => place,
        Err(why) => return Ok(refuse(&why, Exit::Usage)),
    };
    let zone = match plan.zone {
        Zone::Local => TimeZone::system(),
        Zone::Utc => TimeZone::UTC,
    };
    if let Some(run) = &plan.live {
        return live::run(run, place, &zone);
    }
    let recorded_run = RecordedInput::open(&plan.files)?;
    let recorded = recorded_run.kinds();
    let filter = match plan.choice.filter(recorded) {
        Ok(filter) => filter,
        Err(why) => return Ok(refuse(&why, Exit::Unsupported)),
    };
    let mut story = Story::default();
    if recorded_run.facts().is_none() {
        story.clock(recorded_run.clock());
    }
    for file in &plan.files {
        story.source(&file.to_string_lossy());
    }
    let is_partial = filter.is_partial();
    let period = period(plan.period, &plan.files, &recorded_run, zone.clone())?;
    if is_partial || !period.is_all() || filter.kinds != recorded || !filter.netns.is_empty() {
        story.narrow(filter.kinds);
    }
    let settings = Settings {
        is_partial,
        filter,
        count: None,
        fail_on: KindSet::EMPTY,
        speed: None,
        period,
    };
    recorded_run.show(settings, &mut story, &AtomicBool::new(false))?;
    writer::write(&place, page(&story, &zone).as_bytes())?;
    Ok(Exit::Done)
}
