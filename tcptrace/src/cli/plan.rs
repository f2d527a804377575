//! From what was written to what is meant. Refuses contradictions that no single option shows.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::args::WatchArgs;
use super::filter_args::FilterArgs;
use super::groups::{CommandArgs, EngineArgs, LiveArgs, OutputArgs, SelectionArgs, StopArgs};
use super::values::NetnsSpec;
use crate::interpret::filter::{Filter, cgroup_path};
use crate::model::{Family, Kind, KindSet, Tier};
use crate::recording::Files;
use crate::sink::TimeStyle;
use crate::sink::color::ColorChoice;

/// What `watch` is to do.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// Kinds to watch.
    pub kinds: KindSet,
    /// Those named by `--only` or `--fail-on`: it is an error when this kernel cannot show them.
    pub asked_by_name: KindSet,
    /// What to show. `filter.pids` are as written, `filter.netns` is empty: see the next two.
    pub filter: Filter,
    /// Descendants of `filter.pids` count too.
    pub with_children: bool,
    /// Namespaces to look up.
    pub netns: Vec<NetnsSpec>,
    /// When to end.
    pub stop: Stop,
    /// Where and how to write.
    pub output: Output,
    /// How to listen.
    pub engine: Engine,
    /// A loss is an error.
    pub is_strict: bool,
    /// Seeing one of these is an error.
    pub fail_on: KindSet,
    /// What is shown is recorded too.
    pub recording: Option<Recording>,
}

/// What a run leaves in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where to, and how large.
    pub files: Files,
    /// How often queues are looked at; `None`: never.
    pub sample_every: Option<Duration>,
}

impl Recording {
    /// In which its files are made, renamed and removed.
    pub fn directory(&self) -> &Path {
        let parent = self.files.path.parent();
        let named = parent.filter(|parent| !parent.as_os_str().is_empty());
        named.unwrap_or(Path::new("."))
    }
}

/// When to end. What comes first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// After this time.
    pub after: Option<Duration>,
    /// Stop after this many incidents shown.
    pub count: Option<NonZeroU64>,
    /// When this command ends; program and arguments, never empty.
    pub command: Option<Vec<OsString>>,
}

/// Where and how to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Incidents are shown as lines.
    pub has_lines: bool,
    /// NDJSON instead of text.
    pub is_json: bool,
    /// The TIME column of text.
    pub time: TimeStyle,
    /// Nothing is cut.
    pub is_wide: bool,
    /// Names of the columns first.
    pub has_header: bool,
    /// When to colour.
    pub color: ColorChoice,
    /// Neither banner nor summary on stderr.
    pub is_quiet: bool,
    /// Created when every hook is attached.
    pub ready_file: Option<PathBuf>,
    /// Lines per second.
    pub rate_limit: Option<NonZeroU32>,
}

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The only tier to use; `None`: the best there is for each fact.
    pub tier: Option<Tier>,
    /// Size of the ring.
    pub ring_bytes: u32,
}

/// Why a command line means nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// `--except` took everything away.
    #[error("--except leaves no kind to watch; exclude fewer kinds, or use --only")]
    NothingLeft,
    /// `--fail-on` of a kind that is not watched.
    #[error("--fail-on {kind}: this kind is not being watched, so it can never occur; {fix}")]
    FailOnUnwatched {
        /// The kind.
        kind: Kind,
        /// What to change.
        fix: &'static str,
    },
    /// A filter that needs the machine itself.
    #[error(
        "{0}: not available for a recording; pass it to tcptrace record, or use --pid, --comm or \
         --netns inode:N"
    )]
    OnlyLive(&'static str),
}

impl WatchPlan {
    /// The plan; `Err` for a usage error.
    pub fn new(args: WatchArgs) -> Result<Self, PlanError> {
        let kinds = kinds(&args.selection)?;
        Ok(Self {
            kinds,
            asked_by_name: asked_by_name(&args.selection, &args.live),
            with_children: args.filter.children,
            netns: args.filter.netns.clone(),
            filter: filter(kinds, args.filter),
            stop: stop(&args.stop, args.command),
            fail_on: fail_on(kinds, &args.selection, &args.live.fail_on)?,
            is_strict: args.live.strict,
            output: Output {
                ready_file: args.live.ready_file,
                rate_limit: args.rate_limit,
                ..output(&args.output)
            },
            engine: engine(args.engine),
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

/// How often queues are looked at for a recording, unless told otherwise.
const SAMPLED: Duration = Duration::from_secs(1);

/// The kinds that are chosen.
pub(super) fn kinds(selection: &SelectionArgs) -> Result<KindSet, PlanError> {
    let only: KindSet = selection.only.iter().copied().collect();
    let start = if !only.is_empty() {
        only
    } else if selection.all {
        KindSet::ALL
    } else {
        KindSet::DEFAULT
    };
    let kinds = selection
        .except
        .iter()
        .fold(start, |kinds, &kind| kinds.without(kind));
    if kinds.is_empty() {
        return Err(PlanError::NothingLeft);
    }
    Ok(kinds)
}

/// The kinds that are an error; they must be watched.
pub(super) fn fail_on(
    kinds: KindSet,
    selection: &SelectionArgs,
    named: &[Kind],
) -> Result<KindSet, PlanError> {
    let fail_on: KindSet = named.iter().copied().collect();
    if let Some(kind) = fail_on.iter().find(|&kind| !kinds.contains(kind)) {
        let fix = if !selection.only.is_empty() {
            "add it to --only"
        } else if selection.except.contains(&kind) {
            "remove it from --except"
        } else {
            "add --all"
        };
        return Err(PlanError::FailOnUnwatched { kind, fix });
    }
    Ok(fail_on)
}

/// The kinds that must be there, since they were named.
pub(super) fn asked_by_name(selection: &SelectionArgs, live: &LiveArgs) -> KindSet {
    selection
        .only
        .iter()
        .chain(&live.fail_on)
        .copied()
        .collect()
}

pub(super) fn stop(stop: &StopArgs, command: CommandArgs) -> Stop {
    Stop {
        after: stop.duration,
        count: stop.count,
        command: Some(command.command).filter(|words| !words.is_empty()),
    }
}

pub(super) fn output(args: &OutputArgs) -> Output {
    Output {
        has_lines: true,
        is_json: args.json,
        time: args.time,
        is_wide: args.wide,
        has_header: !args.no_header,
        color: args.color,
        is_quiet: args.quiet,
        ready_file: None,
        rate_limit: None,
    }
}

pub(super) const fn engine(args: EngineArgs) -> Engine {
    Engine {
        tier: args.tier.0,
        ring_bytes: args.ring_size,
    }
}

/// The filter as written; see [`WatchPlan::filter`].
pub(super) fn filter(kinds: KindSet, args: FilterArgs) -> Filter {
    let family = match (args.ipv4, args.ipv6) {
        (true, _) => Some(Family::Inet),
        (false, true) => Some(Family::Inet6),
        (false, false) => None,
    };
    Filter {
        pids: args.pid.into_iter().collect(),
        comms: args.comm,
        ports: args.port,
        lports: args.lport,
        rports: args.rport,
        addrs: args.addr,
        laddrs: args.laddr,
        raddrs: args.raddr,
        family,
        cgroups: args.cgroup.iter().map(|path| cgroup_path(path)).collect(),
        ..Filter::of_kinds(kinds)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;

    fn parsed(line: &str) -> Result<Box<WatchArgs>, String> {
        let words = ["tcptrace", "watch"]
            .into_iter()
            .chain(line.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Watch(args),
            }) => Ok(args),
            Ok(other) => panic!("not watch: {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn plan(line: &str) -> WatchPlan {
        WatchPlan::new(*parsed(line).unwrap()).unwrap()
    }

    fn refusal(line: &str) -> String {
        match parsed(line) {
            Ok(args) => WatchPlan::new(*args).unwrap_err().to_string(),
            Err(error) => error,
        }
    }

    #[test]
    fn without_a_choice_all_but_state_and_close_are_watched() {
        let plan = plan("");
        assert_eq!(plan.kinds, KindSet::DEFAULT);
        assert_eq!(plan.filter.kinds, KindSet::DEFAULT);
        assert!(plan.asked_by_name.is_empty());
    }

    #[test]
    fn kinds_are_chosen_by_comma_and_repeat() {
        let kinds: KindSet = [Kind::RstSent, Kind::AcceptDrop, Kind::Close]
            .into_iter()
            .collect();
        let plan = plan("--only rst_sent,accept_drop --only close");
        assert_eq!(plan.kinds, kinds);
        assert_eq!(plan.asked_by_name, kinds);
    }

    #[test]
    fn all_and_except_combine() {
        assert_eq!(plan("--all").kinds, KindSet::ALL);
        assert_eq!(
            plan("--all --except state").kinds,
            KindSet::ALL.without(Kind::State)
        );
        assert_eq!(
            plan("--except time_wait").kinds,
            KindSet::DEFAULT.without(Kind::TimeWait)
        );
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(refusal("--only close --except state").contains("cannot be used with"));
        assert!(refusal("--only close --except close").contains("cannot be used with"));
        assert!(refusal("-4 -6").contains("cannot be used with"));
        assert!(refusal("--children").contains("--pid"));
        let everything = Kind::ALL
            .iter()
            .map(|kind| kind.name())
            .collect::<Vec<_>>()
            .join(",");
        assert!(refusal(&format!("--all --except {everything}")).contains("leaves no kind"));
    }

    #[test]
    fn an_unknown_kind_gets_the_list_and_the_nearest() {
        let text = refusal("--only rst_send");
        assert!(
            text.contains("time_wait") && text.contains("similar value"),
            "{text}"
        );
        assert!(text.contains("'rst_sent'"), "{text}");
    }

    #[test]
    fn fail_on_needs_a_watched_kind_and_counts_as_named() {
        assert_eq!(
            plan("--fail-on rst_sent").asked_by_name,
            KindSet::EMPTY.with(Kind::RstSent)
        );
        assert!(refusal("--fail-on close").contains("add --all"));
        assert!(refusal("--only retransmit --fail-on close").contains("--only"));
    }

    #[test]
    fn filters_arrive_typed() {
        let plan = plan(
            "--pid 1,2 --pid 3 --children --comm gunicorn-worker-7 --port 80,443 --raddr 10.1.2.3/8 \
             -4 --netns blue,7 --cgroup /sys/fs/cgroup/system.slice/",
        );
        assert_eq!(plan.filter.pids.len(), 3);
        assert!(plan.with_children);
        assert_eq!(plan.filter.comms, ["gunicorn-worker"]);
        assert_eq!(plan.filter.ports, [80, 443]);
        assert_eq!(plan.filter.raddrs[0].to_string(), "10.0.0.0/8");
        assert_eq!(plan.filter.family, Some(Family::Inet));
        assert_eq!(
            plan.netns,
            [NetnsSpec::Name("blue".into()), NetnsSpec::Pid(7)]
        );
        assert_eq!(plan.filter.cgroups, ["/system.slice"]);
    }

    #[test]
    fn the_command_takes_every_word_after_the_dashes() {
        let command = plan("--count 3 -- curl --json -4").stop.command.unwrap();
        assert_eq!(command, ["curl", "--json", "-4"]);
        assert_eq!(plan("").stop, Stop::default());
        assert!(refusal("curl").contains("unexpected argument"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for line in [
            "--port 0",
            "--port 65536",
            "--pid 0",
            "--count 0",
            "--rate-limit 0",
        ] {
            assert!(refusal(line).contains("invalid value"), "{line}");
        }
        assert!(refusal("--ring-size 3M").contains("powers of two"));
        assert!(refusal("--duration 0").contains("zero"));
        assert!(refusal("--addr 10.0.0.0/33").contains("longest prefix"));
    }

    #[test]
    fn the_engine_defaults_to_the_best_tier_and_four_mebibytes() {
        assert_eq!(
            plan("").engine,
            Engine {
                tier: None,
                ring_bytes: 4 << 20
            }
        );
        assert_eq!(plan("--tier kprobe").engine.tier, Some(Tier::Kprobe));
    }
}
