//! `top` of a recording: read in a thread of its own, while the screen shows what has been read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::screen::{Screen, Signals};
use crate::cli::args::top::TopArgs;
use crate::cli::choice::Choice;
use crate::cli::exit::Exit;
use crate::cli::output::refuse;
use crate::cli::plan::PlanError;
use crate::cli::recorded_input::RecordedInput;
use crate::model::KindSet;
use crate::pipeline::period::Period;
use crate::pipeline::replay::Settings;
use crate::session::event_loop;
use crate::sink::color::ColorChoice;
use crate::source::lines::STDIN;
use crate::tui::{Options, Shared, Source, State, TopSink};

/// What to show of which recording.
#[derive(Debug)]
pub(super) struct Plan {
    files: Vec<PathBuf>,
    speed: Option<f64>,
    choice: Choice,
}

impl Plan {
    pub(super) fn new(args: TopArgs) -> Result<Self, PlanError> {
        Ok(Self {
            choice: Choice::new(&args.selection, args.filter)?,
            files: args.replay,
            speed: args.speed,
        })
    }
}

pub(super) fn run(plan: &Plan, options: Options, color: ColorChoice) -> anyhow::Result<Exit> {
    let is_keyboard = |path: &PathBuf| path == Path::new(STDIN);
    if plan.files.iter().any(is_keyboard) {
        let why = "--replay -: top reads keys from stdin; save the recording to a file first";
        return Ok(refuse(why, Exit::Usage));
    }
    let recorded_run = RecordedInput::open(&plan.files)?;
    let filter = match plan.choice.filter(recorded_run.kinds()) {
        Ok(filter) => filter,
        Err(why) => return Ok(refuse(&why, Exit::Unsupported)),
    };
    let settings = Settings {
        is_partial: filter.is_partial(),
        filter,
        count: None,
        fail_on: KindSet::EMPTY,
        speed: plan.speed,
        period: Period::default(),
    };
    event_loop()?.block_on(show(recorded_run, settings, options, color))
}

async fn show(
    recorded_run: RecordedInput,
    settings: Settings,
    options: Options,
    color: ColorChoice,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let shared = Shared::new(State::new(Source::Recording));
    shared.lock().set_recorded_clock(recorded_run.clock());
    let stop = Arc::new(AtomicBool::new(false));
    let (sink, is_stopped) = (TopSink::new(shared.clone()), Arc::clone(&stop));
    let mut screen = Screen::start(shared.clone(), options)?;
    let reading = {
        let shared = shared.clone();
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                let ended = recorded_run.show(settings, sink, &is_stopped);
                shared.lock().read_up();
                ended
            })
    };
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => {
            screen.end().await?;
            return Err(error).context("cannot start the reader's thread");
        }
    };
    screen.wait(&mut signals).await;
    stop.store(true, Ordering::Relaxed);
    screen.end().await?;
    // A second signal from here on ends the process at once.
    signals.stopper.arm_second();
    let ended = reading
        .join()
        .map_err(|_| anyhow::anyhow!("the reader of the recording panicked"))?;
    ended?;
    super::last_word(&shared, color)?;
    Ok(Exit::Done)
}
