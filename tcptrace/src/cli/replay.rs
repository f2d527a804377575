//! `tcptrace replay`: a recording shown as a live run.

use std::io::{self, Write};
use std::path::PathBuf;

use super::args::ReplayArgs;
use super::exit::Exit;
use super::filter_args::FilterArgs;
use super::output;
use super::plan::{self, Output, PlanError};
use super::values::NetnsSpec;
use super::watch::ending;
use crate::interpret::filter::Filter;
use crate::model::{Kind, KindSet, RunFacts};
use crate::pipeline::replay::{Settings, replay};
use crate::recording::Reader;
use crate::sink::Sink;

/// What `replay` is to do.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    files: Vec<PathBuf>,
    speed: Option<f64>,
    choice: Choice,
    count: Option<u64>,
    output: Output,
    is_strict: bool,
    fail_on: KindSet,
}

/// What to show of a recording.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The kinds that were chosen; `None`: all that were recorded.
    kinds: Option<KindSet>,
    /// Those named by `--only`: it is an error when they were not recorded.
    asked_by_name: KindSet,
    filter: Filter,
}

impl Choice {
    /// `Err` for what only the machine that was recorded could tell.
    pub(super) fn new(
        selection: &super::groups::SelectionArgs,
        filter: FilterArgs,
    ) -> Result<Self, PlanError> {
        if filter.children {
            return Err(PlanError::OnlyLive("--children"));
        }
        let mut namespaces = Vec::new();
        for spec in &filter.netns {
            match spec {
                NetnsSpec::Inode(inode) => {
                    namespaces.extend(u32::try_from(*inode).ok());
                }
                NetnsSpec::Pid(_) | NetnsSpec::Name(_) => {
                    return Err(PlanError::OnlyLive("--netns other than inode:N"));
                }
            }
        }
        let is_chosen = selection.all || !selection.only.is_empty();
        let excepted: KindSet = selection.except.iter().copied().collect();
        let kinds = if is_chosen {
            Some(plan::kinds(selection)?)
        } else {
            (!excepted.is_empty()).then(|| {
                let all = KindSet::ALL.iter();
                all.filter(|kind| !excepted.contains(*kind)).collect()
            })
        };
        let mut filter = plan::filter(KindSet::ALL, filter);
        filter.netns = namespaces;
        Ok(Self {
            kinds,
            asked_by_name: selection.only.iter().copied().collect(),
            filter,
        })
    }

    /// The filter for a recording of these kinds. `Err`: a kind that was named is not in it.
    pub(super) fn filter(&self, recorded: KindSet) -> Result<Filter, String> {
        let missing = self
            .asked_by_name
            .iter()
            .find(|kind| !recorded.contains(*kind));
        if let Some(missing) = missing {
            let names: Vec<&str> = recorded.iter().map(Kind::name).collect();
            return Err(format!(
                "{missing} was not recorded; the recording holds {}",
                names.join(" ")
            ));
        }
        let chosen = self.kinds.unwrap_or(KindSet::ALL);
        let kinds = recorded.iter().filter(|kind| chosen.contains(*kind));
        let mut filter = self.filter.clone();
        filter.kinds = kinds.collect();
        Ok(filter)
    }
}

impl ReplayPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: ReplayArgs) -> Result<Self, PlanError> {
        Ok(Self {
            choice: Choice::new(&args.selection, args.filter)?,
            files: args.files,
            speed: args.speed,
            count: args.count.map(u64::from),
            output: plan::output(&args.output),
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
    let reader = Reader::open(&plan.files)?;
    let facts = reader.facts();
    let recorded = facts.map_or(KindSet::ALL, |facts| facts.kinds);
    let filter = match plan.choice.filter(recorded) {
        Ok(filter) => filter,
        Err(why) => {
            // Nobody is left to be told when stderr is closed.
            drop(writeln!(io::stderr(), "tcptrace: {why}"));
            return Ok(Exit::Unsupported);
        }
    };
    let clock = facts.map_or_else(Default::default, |facts| facts.clock);
    let mut sink = output::sinks(&plan.output, clock);
    if let Some(facts) = facts.filter(|_| !plan.output.is_quiet) {
        sink.notice(&banner(facts))?;
        for sentence in &facts.unseen {
            sink.notice(sentence)?;
        }
        sink.flush()?;
    }
    let stop = ending::stop_flag()?;
    let settings = Settings {
        is_partial: filter.is_partial(),
        filter,
        count: plan.count,
        fail_on: plan.fail_on,
        speed: plan.speed,
    };
    let ended = replay(reader, settings, sink, &stop)?;
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
    let host = facts
        .host_name
        .as_deref()
        .unwrap_or("a host without a name");
    format!(
        "replaying {} of {host}, Linux {}, recorded by tcptrace {}",
        kinds.join(" "),
        facts.kernel,
        facts.version
    )
}
