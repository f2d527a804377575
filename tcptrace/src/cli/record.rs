//! `tcptrace record`: a watch whose lines go into files.

use super::args::record::RecordArgs;
use super::exit::Exit;
use super::output::Output;
use super::plan::{self, PlanError};
use super::watch::{self, WatchPlan};
use crate::recording::{Files, Rotation};
use crate::session::plan::{Plan, Recording};
use crate::sink::color::ColorChoice;

/// The default size limit of a file in a rotation.
const ROTATED_BYTES: u64 = 64 << 20;
/// The default number of files that a rotation retains.
const KEPT: u32 = 8;

/// What `record` is to do.
#[derive(Clone, Debug)]
pub struct RecordPlan(WatchPlan);

impl RecordPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: RecordArgs) -> Result<Self, PlanError> {
        let kinds = plan::kinds(&args.selection)?;
        let rotation = args.rotate.map(|after| Rotation {
            after,
            keep: args.keep.map_or(KEPT, u32::from),
        });
        let files = Files {
            path: args.output,
            max_bytes: args.max_size.or(rotation.map(|_| ROTATED_BYTES)),
            rotation,
            overwrites: args.force,
        };
        Ok(Self(WatchPlan {
            run: Plan {
                asked_by_name: plan::asked_by_name(&args.selection, &args.live),
                stop: plan::stop(&args.stop, args.command),
                fail_on: plan::fail_on(kinds, &args.selection, &args.live.fail_on)?,
                ..plan::live(kinds, args.filter, plan::engine(args.engine))
            },
            is_strict: args.live.strict,
            output: Output {
                ready_file: args.live.ready_file,
                ..Output::none(ColorChoice::Auto, args.quiet)
            },
            recording: Some(Recording {
                files,
                sample_every: Some(args.sample).filter(|every| !every.is_zero()),
            }),
        }))
    }
}

/// Records until it is stopped.
///
/// # Errors
/// When something fails while running; usage and privilege problems are exit codes.
pub fn run(plan: RecordPlan) -> anyhow::Result<Exit> {
    watch::run(plan.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;

    fn files(line: &str) -> Files {
        let words = ["tcptrace", "record", "-o", "a.rec"]
            .into_iter()
            .chain(line.split_whitespace());
        let Ok(Cli {
            command: Command::Record(args),
            ..
        }) = Cli::try_parse_from(words)
        else {
            panic!("{line} is refused");
        };
        RecordPlan::new(*args).unwrap().0.recording.unwrap().files
    }

    #[test]
    fn a_rotation_has_a_budget_even_when_none_is_given() {
        let files = files("--rotate");
        assert_eq!(files.max_bytes, Some(ROTATED_BYTES));
        let rotation = files.rotation.unwrap();
        assert_eq!((rotation.after, rotation.keep), (None, KEPT));
    }

    #[test]
    fn sizes_times_and_numbers_of_files_are_taken() {
        let rotated = files("--rotate 1h --max-size 1G --keep 3");
        assert_eq!(rotated.max_bytes, Some(1 << 30));
        let rotation = rotated.rotation.unwrap();
        assert_eq!(rotation.after, Some(Duration::from_secs(3600)));
        assert_eq!(rotation.keep, 3);
        let single = files("--max-size 64K --force");
        assert_eq!((single.rotation, single.overwrites), (None, true));
    }
}
