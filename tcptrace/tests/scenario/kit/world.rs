//! One scenario's world: a network namespace of its own, its actors, its tracer, and the list of
//! claims that did not hold. Claims are collected and not thrown, so one run shows all of them.

use std::cell::RefCell;
use std::fmt::Debug;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::command::Actor;
use super::counters::Counters;
use super::shared::Shared;
use super::space::{Space, keep_namespace, netns_inode, own_netns};
use super::tracer::{Format, Tracer};
use super::{reconcile, sys_ops, tracer};

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Claims that did not hold.
pub(crate) type Problems = Rc<RefCell<Vec<String>>>;

/// What a scenario gets from the runner. The namespace goes when the last of its processes goes.
pub(crate) struct World {
    /// The inode of the namespace, `netns` in every event.
    pub(crate) netns: u64,
    /// Processors that this run may use.
    pub(crate) processors: usize,
    /// The tracer that serves this namespace and others.
    shared: Option<Arc<Shared>>,
    /// How many runs of its programs had been skipped.
    skipped_before: u64,
    binary: Option<PathBuf>,
    host_netns: Rc<std::fs::File>,
    problems: Problems,
    notes: RefCell<Vec<String>>,
    unseen: RefCell<Option<String>>,
}

/// What a scenario found out.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) notes: Vec<String>,
    /// Claims that did not hold.
    pub(crate) problems: Vec<String>,
    /// Why this kernel cannot show what the scenario is about.
    pub(crate) unseen: Option<String>,
}

impl Report {
    pub(crate) fn verdict(&self) -> &'static str {
        if !self.problems.is_empty() {
            "failed"
        } else if self.unseen.is_some() {
            "unseen"
        } else {
            "passed"
        }
    }
}

impl World {
    /// Moves the calling thread into `space`. `binary` is the tracer; without one only the mechanics
    /// of the scenarios are checked. `shared` is one that runs already and serves this space.
    pub(crate) fn new(binary: Option<PathBuf>, space: &Space, shared: Option<Arc<Shared>>) -> Self {
        let host_netns = own_netns();
        space.enter();
        if let Some(shared) = &shared {
            shared.serve(space.inode);
        }
        Self {
            netns: space.inode,
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            skipped_before: shared.as_ref().map_or(0, |shared| shared.skipped()),
            shared,
            binary,
            host_netns: Rc::new(host_netns),
            problems: Problems::default(),
            notes: RefCell::default(),
            unseen: RefCell::default(),
        }
    }

    /// Moves the calling thread into a further namespace for `work`, and back. Actors started by
    /// `work` live there; its inode is given to it.
    pub(crate) fn elsewhere<T>(&self, work: impl FnOnce(u64) -> T) -> T {
        self.briefly(|inode| {
            keep_namespace();
            work(inode)
        })
    }

    /// The same, but the namespace ends with the last of its processes.
    pub(crate) fn briefly<T>(&self, work: impl FnOnce(u64) -> T) -> T {
        let here = own_netns();
        sys_ops::unshare(libc::CLONE_NEWNET).expect("a further network namespace");
        sys_ops::loopback_up().expect("loopback up");
        let result = work(netns_inode());
        sys_ops::set_netns(here.as_raw_fd()).expect("back to the namespace of the scenario");
        result
    }

    /// Keeps this thread, and the actors it starts from here on, on one processor.
    pub(crate) fn on_one_processor(&self) {
        self.on_processor(0);
    }

    /// The same, on a processor with a number.
    pub(crate) fn on_processor(&self, number: usize) {
        sys_ops::pin_to(number).expect("one processor");
    }

    pub(crate) fn actor(&self, comm: &str) -> Actor {
        Actor::start(comm, 0)
    }

    pub(crate) fn actor_as(&self, comm: &str, uid: u32) -> Actor {
        Actor::start(comm, uid)
    }

    /// Sets `net.NAME` in this namespace only.
    pub(crate) fn sysctl(&self, name: &str, value: i64) {
        let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
        std::fs::write(&path, value.to_string()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters::read()
    }

    /// How far counter `name` rose since `before`, waiting for it to reach `by`.
    fn risen(&self, before: &Counters, name: &str, by: i64) -> i64 {
        let risen = || self.counters().value(name) - before.value(name);
        poll(PATIENCE, || risen() >= by);
        risen()
    }

    /// Claims that counter `name` rises by exactly `by` after `before`.
    pub(crate) fn rose(&self, before: &Counters, name: &str, by: i64) {
        let risen = self.risen(before, name, by);
        self.claim_eq(&format!("the kernel's {name} rises"), risen, by);
    }

    /// Claims that counter `name` rises by at least `by`.
    pub(crate) fn rose_at_least(&self, before: &Counters, name: &str, by: i64) {
        let risen = self.risen(before, name, by);
        self.claim(
            &format!("the kernel's {name} rises by {by} or more, got {risen}"),
            risen >= by,
        );
    }

    /// How many TIME_WAIT sockets the kernel holds in this namespace (FIN_WAIT2 orphans included).
    pub(crate) fn time_waits(&self) -> u32 {
        let text = std::fs::read_to_string("/proc/thread-self/net/sockstat").expect("sockstat");
        let tcp = text
            .lines()
            .find(|line| line.starts_with("TCP:"))
            .expect("a TCP line");
        let mut words = tcp.split(' ').skip_while(|word| *word != "tw");
        words
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a count of TIME_WAIT")
    }

    pub(crate) fn claim(&self, label: &str, holds: bool) {
        if !holds {
            self.problems
                .borrow_mut()
                .push(format!("  does not hold: {label}"));
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "claims read better without references"
    )]
    pub(crate) fn claim_eq<T: PartialEq + Debug>(&self, label: &str, got: T, expected: T) {
        if got != expected {
            let text = format!("  {label}\n    expected {expected:?}\n    got      {got:?}");
            self.problems.borrow_mut().push(text);
        }
    }

    /// Polls until `holds`; the claim fails after five seconds.
    pub(crate) fn until(&self, label: &str, holds: impl FnMut() -> bool) {
        self.claim(label, poll(PATIENCE, holds));
    }

    /// What every kind says about this namespace from now on: a view of the run's own tracer where
    /// there is one and nothing else is asked of it. Sockets made before are not older than it.
    pub(crate) fn watch(&self, extra: &[&str]) -> Tracer {
        match &self.shared {
            Some(shared) if extra.is_empty() => {
                Tracer::view(Arc::clone(shared), self.problems.clone(), self.netns)
            }
            _ => self.watch_alone(extra),
        }
    }

    /// Whether a part of a kind (as `tcptrace doctor` names them) is seen on this kernel, by what
    /// the run's tracer announced. When it is not, the scenario's verdict is `unseen`.
    pub(crate) fn sees(&self, kind: &str, part: &str) -> bool {
        let shared = self.shared.as_ref();
        let why = shared.and_then(|shared| shared.cannot_see(kind, part));
        if why.is_some() {
            self.unseen.replace(why.clone());
        }
        why.is_none()
    }

    /// Claims that what the run's tracer reported about this namespace is what the kernel counted.
    pub(crate) fn reconcile(&self) {
        if let Some(shared) = &self.shared {
            let wrong = reconcile::differences(shared, self.netns);
            let skipped = shared.skipped() - self.skipped_before;
            if skipped > 0 && !wrong.is_empty() {
                let note = format!("{}; {skipped} runs of hooks were skipped", wrong.join(";"));
                self.notes.borrow_mut().push(note);
            } else {
                self.problems.borrow_mut().extend(wrong);
            }
        }
    }

    /// Starts a tracer for this namespace, with every kind shown, and waits until it is attached.
    pub(crate) fn watch_alone(&self, extra: &[&str]) -> Tracer {
        let netns = format!("inode:{}", self.netns);
        let mut args = vec!["--all", "--netns", &netns];
        args.extend(extra);
        self.watch_with(&args)
    }

    /// Starts `tracer watch --json --ready-file F ARGS...` and waits until it is attached.
    pub(crate) fn watch_with(&self, args: &[&str]) -> Tracer {
        self.start(Format::Json, args)
    }

    /// Starts a tracer for this namespace that prints for people, not into a terminal.
    pub(crate) fn watch_as_text(&self, extra: &[&str]) -> Tracer {
        let netns = format!("inode:{}", self.netns);
        let mut args = vec!["--netns", &netns];
        args.extend(extra);
        self.start(Format::Text, &args)
    }

    fn start(&self, format: Format, args: &[&str]) -> Tracer {
        let tracer = Tracer::start(self.binary.as_deref(), &self.host_netns, format, args);
        tracer.report_to(self.problems.clone(), self.netns)
    }

    /// `tracer ARGS...` ready to be started in the host's namespace; `None` without a tracer.
    pub(crate) fn command(&self, args: &[&str]) -> Option<std::process::Command> {
        let mut command = tracer::command(self.binary.as_deref()?, &self.host_netns);
        command.args(args);
        Some(command)
    }

    /// Any program, ready to be started in the host's namespace.
    pub(crate) fn host_command(&self, program: &Path) -> std::process::Command {
        tracer::command(program, &self.host_netns)
    }

    /// What the scenario needs is not to be had on this machine: its verdict is `unseen`.
    pub(crate) fn cannot(&self, why: &str) {
        self.unseen.replace(Some(why.to_owned()));
    }

    /// The same, started in the scenario's own namespace (for `-- COMMAND`).
    pub(crate) fn command_here(&self, args: &[&str]) -> Option<std::process::Command> {
        let mut command = std::process::Command::new(self.binary.as_deref()?);
        command.args(args);
        Some(command)
    }

    pub(crate) fn binary(&self) -> Option<&Path> {
        self.binary.as_deref()
    }

    /// Something measured that the report should carry.
    pub(crate) fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    /// What the scenario found out. What the run's tracer printed about it is forgotten.
    pub(crate) fn into_report(self) -> Report {
        if let Some(shared) = &self.shared
            && !self.problems.borrow().is_empty()
            && let Some(notes) = shared.notes(self.netns)
        {
            self.problems.borrow_mut().push(notes);
        }
        let beyond = self.shared.map_or(0, |shared| shared.forget(self.netns));
        if beyond > 0 {
            let text = format!("  {beyond} events too many for a view: start a tracer of its own");
            self.problems.borrow_mut().push(text);
        }
        Report {
            notes: self.notes.into_inner(),
            problems: self.problems.take(),
            unseen: self.unseen.into_inner(),
        }
    }
}

/// How many times longer everything may take, `$TCPTRACE_TEST_SLOWNESS`: a kernel on an emulated
/// processor. What is claimed stays the same.
pub(crate) fn slowness() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR.get_or_init(|| {
        let text = std::env::var("TCPTRACE_TEST_SLOWNESS").unwrap_or_else(|_| "1".into());
        let factor = text
            .parse()
            .ok()
            .filter(|factor| (1..=100).contains(factor));
        factor.unwrap_or_else(|| panic!("TCPTRACE_TEST_SLOWNESS={text} is not 1 to 100"))
    })
}

/// True as soon as `holds` does, false after `patience`.
pub(crate) fn poll(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience * slowness();
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}
