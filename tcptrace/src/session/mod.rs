//! A live run: from a plan to attached hooks, to a pipeline that runs, and to its end.
//!
//! Every command that listens to the kernel takes the same way: [`admit`] looks up whom to watch and
//! checks the privileges, [`Session::attach`] attaches the hooks, [`Session::connect`] makes the
//! pipeline, [`ready::announce`] notifies those who wait, [`ready::confine`] gives up the privileges that
//! only attaching needed. What a command shows, and on which stream, is the command line's business:
//! nothing here prints.

mod baseline;
pub mod ending;
mod facts;
pub mod logging;
pub mod out_of_memory;
mod permission;
pub mod plan;
pub mod ready;
mod scope;
mod settings;
mod trim_memory;

use anyhow::Context;
use thiserror::Error;
use tokio::runtime::Runtime;

use crate::attribute::Attributor;
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Attached, Baselines, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::kernel::clock;
use crate::model::{Clock, Kind, RunFacts};
use crate::pipeline::{Pipeline, Settings};
use crate::sink::Sink;
use crate::source::listens::Listens;
use crate::source::live::Live;

pub use permission::lack;
pub use plan::Plan;
pub use scope::{Scope, namespaces};

/// Why a run cannot begin, in words for the user.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// The plan names something that is not there.
    #[error("{0}")]
    Usage(String),
    /// A privilege is missing.
    #[error("{0}")]
    Privilege(String),
    /// This kernel cannot show what was asked for by name.
    #[error("{0}")]
    Unsupported(String),
}

/// The loop that a live command runs in: one thread.
///
/// # Errors
/// When the kernel gives no descriptor for it.
pub fn event_loop() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")
}

/// Whom to watch, and that this process may.
///
/// # Errors
/// [`Refused`] when the plan names what is not there, or a privilege is missing.
pub fn admit(plan: &Plan) -> Result<(Scope, Privileges), Refused> {
    let scope = Scope::resolve(plan).map_err(Refused::Usage)?;
    let privileges = Privileges::probe();
    match lack(&privileges) {
        Some(message) => Err(Refused::Privilege(message)),
        None => Ok((scope, privileges)),
    }
}

/// Hooks that are attached; they are detached when it is dropped.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Session {
    /// The kernel they are attached to.
    pub kernel: Kernel,
    /// How its clocks stood when everything was attached.
    pub clock: Clock,
    /// What the user should know although the run continues, one sentence each.
    pub notes: Vec<String>,
    attached: Attached,
    scope: Scope,
}

impl Session {
    /// Attaches what a plan asks for.
    ///
    /// # Errors
    /// [`Refused`] inside when this kernel or the privileges do not allow it; anything else is a
    /// failure.
    pub fn attach(plan: &Plan, scope: Scope, privileges: &Privileges) -> anyhow::Result<Self> {
        if let Some(why) = settings::too_little_memory(plan.engine.ring_bytes) {
            anyhow::bail!(why);
        }
        let kernel = Kernel::probe()?;
        let config = settings::config(kernel.config, plan, &scope);
        let wanted = Wanted {
            measures_accepts: plan.measures_accepts,
            kinds: plan.kinds,
            follows: scope.follows(),
            tier: plan.engine.tier,
        };
        let sizes = settings::sizes(plan.engine.ring_bytes)?;
        let begin = |all: &Baselines<'_>| baseline::read(all, &scope.filter.netns);
        let attached = match attach_all(&kernel, config, wanted, sizes, begin) {
            Ok(attached) => attached,
            Err(error) => {
                return Err(match privileges.refusal(&error) {
                    Some(why) => Refused::Privilege(why).into(),
                    None => error,
                });
            }
        };
        if let Some(why) = &attached.report.forks_refused {
            anyhow::bail!("cannot follow child processes: {why}");
        }
        if let Some(why) = settings::tier_refused(plan.engine.tier, &attached.report) {
            return Err(Refused::Unsupported(why).into());
        }
        let impossible = attached.report.impossible(plan.asked_by_name);
        if !impossible.is_empty() {
            let why = cannot_show(&impossible, &attached.report);
            return Err(Refused::Unsupported(why).into());
        }
        Ok(Self {
            kernel,
            clock: clock::now(),
            notes: Vec::new(),
            attached,
            scope,
        })
    }

    /// What became of every hook.
    pub fn report(&self) -> &AttachReport {
        &self.attached.report
    }

    /// What holds for the run that is about to begin.
    pub fn facts(&self, plan: &Plan) -> RunFacts {
        facts::gather(&self.kernel, self.report(), plan, &self.scope, self.clock)
    }

    /// A pipeline from what is attached to `sink`, ready to run. To be called once. Adds to
    /// [`Self::notes`].
    ///
    /// # Errors
    /// When a map of the programs is missing or cannot be used.
    pub fn connect<S: Sink>(&mut self, plan: &Plan, sink: S) -> anyhow::Result<Pipeline<S>> {
        let followed = if self.scope.follows() {
            Some(self.scope.follow(&mut self.attached.maps)?)
        } else {
            None
        };
        let mut attributor = Attributor::default();
        if self.report().snapshot_refused.is_some() {
            let (sockets, missed) = settings::sockets(&self.scope.filter.netns);
            attributor.learn(&sockets);
            let not_known =
                |why| format!("owners of sockets older than this run are unknown: {why}");
            self.notes.extend(missed.into_iter().map(not_known));
        }
        let programs = self.attached.take_programs();
        let live = Live::open(&mut self.attached.maps, programs)?;
        let settings = Settings {
            is_partial: self.scope.is_partial,
            filter: self.scope.filter.clone(),
            rate_limit: plan.rate_limit.map(u32::from),
            count: plan.stop.count.map(u64::from),
            after: plan.stop.after,
            fail_on: plan.fail_on,
            counted: self.report().counted(),
        };
        let host = self.kernel.host();
        trim_memory::give_back();
        Ok(Pipeline::new(
            live, attributor, host, settings, followed, sink,
        ))
    }

    /// What the programs remember of listeners. To be called once.
    ///
    /// # Errors
    /// When its maps are missing.
    pub fn listens(&mut self) -> anyhow::Result<Listens> {
        Listens::open(&mut self.attached.maps)
    }

    /// What the programs had no room for, and how often.
    pub fn full(&self) -> Vec<(u32, u64)> {
        self.attached.full()
    }
}

fn cannot_show(kinds: &[Kind], report: &AttachReport) -> String {
    let mut text = String::from("this kernel cannot show");
    for kind in kinds {
        text.push_str(&format!(" {kind}"));
        for refusal in report.of(*kind).flat_map(|outcome| &outcome.refusals) {
            text.push_str(&format!("\n  {refusal}"));
        }
    }
    text.push_str("\nto see what this kernel can show, run tcptrace doctor --hooks");
    text
}
