//! What there is to report, before anybody renders it: gathers, and attaches for a moment.

use std::path::Path;

use anyhow::Context;
use tcptrace_common::config::MEASURE_ACCEPTS;

use super::chain;
use super::observe::{Observed, observe};
use crate::cli::args::doctor::DoctorArgs;
use crate::diagnose::{self, settings};
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Sizes, Wanted, attach_all};
use crate::kernel::caps::Privileges;
use crate::model::KindSet;
use crate::model::finding::Finding;
use crate::model::survey::Survey;
use crate::survey::First;

/// Maps as small as they may be: what the programs say in that moment is of no interest.
const SIZES: Sizes = Sizes {
    ring: 64 * 1024,
    socks: 1024,
    namespaces: 1,
    most: None,
};

/// All of it.
pub(super) struct Report {
    /// Of this process; `None` = the kernel does not run here.
    pub(super) privileges: Option<Privileges>,
    /// What it offers, or why that is not known.
    pub(super) kernel: Result<Kernel, String>,
    /// What can be seen.
    pub(super) signals: Signals,
    /// Why everything was refused in spite of the capabilities, where privileges are the reason.
    pub(super) refusal: Option<String>,
    /// How TCP does here, or why that is not known; `None` = the kernel does not run here.
    pub(super) survey: Option<Result<Survey, String>>,
    /// What is wrong, the worst first.
    pub(super) findings: Vec<Finding>,
}

/// What is known of the signals.
pub(super) enum Signals {
    /// Programs were attached.
    Tried(AttachReport),
    /// The kernel's types show what is missing; nothing was tried.
    Expected(AttachReport),
    /// Nothing, and why.
    Unknown(String),
}

impl Report {
    /// Of this machine. Without the privileges to attach it reports everything else. `watched` empty: of
    /// every network namespace.
    pub(super) fn of_this_machine(
        privileges: Privileges,
        may_attach: bool,
        watched: &[u32],
        args: &DoctorArgs,
    ) -> Self {
        // Attaching takes the time between the two looks.
        let first = First::take(watched);
        let kernel = Kernel::probe().map_err(|error| chain(&anyhow::Error::from(error)));
        let mut refusal = None;
        let signals = match &kernel {
            Err(_) => Signals::Unknown("without BTF no program can be loaded".to_owned()),
            Ok(_) if !may_attach => {
                let why = "not tried, for a lack of privileges";
                Signals::Unknown(why.to_owned())
            }
            Ok(kernel) => match attach(kernel) {
                Ok(report) => Signals::Tried(report),
                Err(error) => {
                    refusal = privileges.refusal(&error);
                    Signals::Unknown(chain(&error))
                }
            },
        };
        // The report on hooks has no findings.
        let listens = !args.hooks && matches!(signals, Signals::Tried(_));
        let observed = listens.then(|| observe(args, &privileges));
        let (observed, blind) = match observed {
            None => (Observed::default(), None),
            Some(Ok(observed)) => {
                let lost = observed.lost;
                let why = format!("{lost} events were lost while the hooks were observed");
                (observed, (lost > 0).then_some(why))
            }
            Some(Err(error)) => {
                let why = format!("what hooks report: {}", chain(&error));
                (Observed::default(), Some(why))
            }
        };
        let names: Vec<&str> = settings::names().collect();
        let survey = first
            // The hooks were observed for the time between the two looks.
            .and_then(|first| first.again(args.observe, &names))
            .map(diagnose::survey)
            .and_then(|mut survey| {
                // Not to have looked must not pass for having found nothing.
                anyhow::ensure!(!survey.spaces.is_empty(), "the network namespace is gone");
                survey.unseen.extend(blind);
                Ok(survey)
            })
            .map_err(|error| chain(&error));
        let findings = survey.as_ref().map_or_else(
            |_| Vec::new(),
            |survey| diagnose::findings(survey, &observed.tallies),
        );
        Self {
            privileges: Some(privileges),
            kernel,
            signals,
            refusal,
            survey: Some(survey),
            findings,
        }
    }

    /// Of a kernel whose types are in a file.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let kernel = Kernel::from_file(path)?;
        Ok(Self {
            privileges: None,
            signals: Signals::Expected(AttachReport::expected(&kernel)),
            kernel: Ok(kernel),
            refusal: None,
            survey: None,
            findings: Vec::new(),
        })
    }

    /// Whether something is wrong now with TCP on this machine.
    pub(super) fn is_wrong(&self) -> bool {
        diagnose::is_wrong_now(&self.findings)
    }

    /// Whether at least one kind can be seen.
    pub(super) fn is_able(&self) -> bool {
        match &self.signals {
            Signals::Tried(report) | Signals::Expected(report) => {
                report.impossible(KindSet::ALL).len() < KindSet::ALL.iter().count()
            }
            Signals::Unknown(_) => false,
        }
    }
}

/// What becomes of every program; all are detached again on return.
fn attach(kernel: &Kernel) -> anyhow::Result<AttachReport> {
    let mut config = kernel.config;
    // What is left out by the configuration is pruned, and would not be tried.
    config.kinds = KindSet::ALL.bits();
    config.features |= MEASURE_ACCEPTS;
    let wanted = Wanted {
        measures_accepts: true,
        kinds: KindSet::ALL,
        follows: true,
        tier: None,
    };
    let attached = attach_all(kernel, config, wanted, SIZES, |_| Ok(Vec::new()))
        .context("no program can be attached")?;
    Ok(attached.report)
}
