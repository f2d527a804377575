//! One tracer for several scenarios. A scenario gets a view of it: what was printed about its own
//! network namespace since the view was opened. Of other namespaces nothing is kept.
//!
//! Starting a tracer costs a second here and ten on an emulated processor; a view costs nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::expect::{Expect, field};
use super::space::own_netns;
use super::world::poll;
use super::{sys_ops, tracer, verdict};

/// Where a view knocks to learn that all that came before has arrived.
const MARK: &str = "127.99.1.1";
const MARK_PATIENCE: Duration = Duration::from_secs(2);
const KNOCKS: usize = 3;

/// Events kept of one namespace, more than any view shows. More are counted, and fail its scenario.
const KEPT_EVENTS: usize = 20_000;
/// Violations of the contract that are reported; more would be the same ones.
const KEPT_VIOLATIONS: usize = 20;

/// What it logs: each part of a kind that this kernel does not show, and what the kernel side notes.
const LOG: &str = if cfg!(feature = "trace-ebpf") {
    "ebpf=debug,attach=info"
} else {
    "attach=info"
};

/// The tracer of several scenarios.
pub(crate) struct Shared {
    pid: u32,
    intake: Arc<Mutex<Intake>>,
    /// Its standard error so far.
    errors: Arc<Mutex<String>>,
}

/// How often a hook reported a kind with an evidence: kind, hook, evidence.
pub(crate) type Measured = BTreeMap<[String; 3], usize>;

/// What is kept of its standard output.
#[derive(Default)]
struct Intake {
    /// The namespaces that are served now.
    served: HashMap<u64, Kept>,
    measured: Measured,
    events: usize,
    /// Runs of hooks that the kernel skipped, as reported.
    skipped: u64,
    violations: Vec<String>,
    /// The last object, unless it is an event.
    last: Option<Value>,
}

#[derive(Default)]
struct Kept {
    events: Vec<Value>,
    beyond: usize,
}

impl Intake {
    fn add(&mut self, line: String) {
        // A line that is not JSON stays a string, which the verdict refuses.
        let object: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        if self.violations.len() < KEPT_VIOLATIONS {
            self.violations.extend(verdict::on_object(&object));
        }
        if !verdict::is_event(&object) {
            self.skipped += verdict::skipped(&object);
            self.last = Some(object);
            return;
        }
        self.last = None;
        self.events += 1;
        let text = |name: &str| field(&object, name).as_str().unwrap_or("").to_owned();
        let key = [text("kind"), text("hook"), text("evidence")];
        *self.measured.entry(key).or_default() += 1;
        let netns = field(&object, "netns").as_u64();
        let Some(kept) = netns.and_then(|netns| self.served.get_mut(&netns)) else {
            return;
        };
        if kept.events.len() < KEPT_EVENTS {
            kept.events.push(object);
        } else {
            kept.beyond += 1;
        }
    }
}

/// What the runner holds of it, to end it.
pub(crate) struct Running {
    child: Child,
    shared: Arc<Shared>,
    out: JoinHandle<()>,
    err: JoinHandle<String>,
}

impl Shared {
    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is printed about a namespace from now on.
    pub(super) fn serve(&self, netns: u64) {
        self.intake().served.insert(netns, Kept::default());
    }

    /// Keeps it no longer; how many events were too many to be kept.
    pub(super) fn forget(&self, netns: u64) -> usize {
        let kept = self.intake().served.remove(&netns);
        kept.map_or(0, |kept| kept.beyond)
    }

    /// What it logged about a part of a kind: why that is not visible, or only counted.
    pub(crate) fn cannot_see(&self, kind: &str, part: &str) -> Option<String> {
        let heads = ["not visible", "only counted"].map(|how| format!("{how}: {kind} ({part}): "));
        let said = self.errors.lock().expect("no panic");
        said.lines()
            .filter_map(|line| line.split_once(" info attach: "))
            .map(|(_, note)| note)
            .find(|note| heads.iter().any(|head| note.starts_with(head.as_str())))
            .map(str::to_owned)
    }

    /// What the kernel side noted about a namespace so far.
    pub(super) fn notes(&self, netns: u64) -> Option<String> {
        tracer::notes_of(&self.errors.lock().expect("no panic"), netns)
    }

    /// Runs of its programs that the kernel skipped so far, since an interrupt brought the same hook
    /// again: likely where programs are slow, as in an emulator. 0 before 5.12, which does not say.
    pub(crate) fn skipped(&self) -> u64 {
        tracer::skipped_runs(self.pid)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.cast_signed()
    }

    /// What was printed about a namespace from a place on.
    pub(crate) fn with<T>(&self, netns: u64, from: usize, look: impl FnOnce(&[Value]) -> T) -> T {
        let intake = self.intake();
        let kept = intake.served.get(&netns);
        let events = kept.map_or(&[][..], |kept| kept.events.as_slice());
        look(events.get(from..).unwrap_or_default())
    }

    /// How much was printed about a namespace so far.
    pub(crate) fn printed(&self, netns: u64) -> usize {
        self.with(netns, 0, <[Value]>::len)
    }

    /// Whether an event matches.
    pub(crate) fn has(&self, netns: u64, from: usize, expected: &Expect) -> bool {
        self.with(netns, from, |events| {
            events.iter().any(|event| expected.matches(event))
        })
    }

    /// The events of a view, without those of its knocks.
    pub(crate) fn events(&self, netns: u64, from: usize) -> Vec<Value> {
        let is_mark = |event: &&Value| {
            ["local.addr", "remote.addr"]
                .iter()
                .any(|end| field(event, end) == MARK)
        };
        self.with(netns, from, |events| {
            events.iter().filter(|e| !is_mark(e)).cloned().collect()
        })
    }

    /// Waits until everything caused so far in this thread's namespace has been printed: knocks,
    /// and waits for the knock. False when it never shows, however often it knocks: a single one
    /// may be missed if it interrupts the very program that would report it.
    pub(crate) fn settle(&self, netns: u64) -> bool {
        let before = self.printed(netns);
        let mark: SocketAddr = format!("{MARK}:9").parse().expect("an address");
        let knock = Expect::new("state")
            .is("new", "SYN_SENT")
            .is("remote.addr", MARK);
        (0..KNOCKS).any(|_| {
            // Refused or dropped, its SYN_SENT is reported.
            let _ = TcpStream::connect_timeout(&mark, Duration::from_millis(200));
            poll(MARK_PATIENCE, || self.has(netns, before, &knock))
        })
    }
}

impl Running {
    /// Starts it and waits until it is attached. It reports on these namespaces; none named: on all.
    /// Err says why not.
    pub(crate) fn start(binary: &Path, spaces: &[u64]) -> Result<Self, String> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("tcptrace-live-{}-shared-{number}.ready", std::process::id());
        let ready_file = std::env::temp_dir().join(name);
        let host = Rc::new(own_netns());
        let mut child = tracer::watch_all(binary, &host, spaces, &ready_file)
            .env("TCPTRACE_LOG", LOG)
            .spawn()
            .expect("start the tracer");
        let intake: Arc<Mutex<Intake>> = Arc::default();
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let sink = Arc::clone(&intake);
        let out = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                sink.lock().expect("no panic").add(line);
            }
        });
        let (errors, err) = tracer::collect(child.stderr.take().expect("piped"));
        if !tracer::attaches(&mut child, &ready_file) {
            let _ = child.kill();
            let _ = child.wait();
            let errors = errors.lock().expect("no panic");
            return Err(format!("the shared tracer is not ready: {errors}"));
        }
        let shared = Arc::new(Shared {
            pid: child.id(),
            intake,
            errors: Arc::clone(&errors),
        });
        Ok(Self {
            child,
            shared,
            out,
            err: std::thread::spawn(move || {
                err.join().expect("no panic");
                errors.lock().expect("no panic").clone()
            }),
        })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Ends it: which hook reported what, and what is wrong with its output as a whole.
    pub(crate) fn stop(mut self) -> (Measured, Vec<String>) {
        sys_ops::kill(self.shared.pid(), libc::SIGINT).expect("interrupt the tracer");
        let status = tracer::wait_for(&mut self.child);
        self.out.join().expect("no panic");
        let errors = self.err.join().expect("no panic");
        let intake = std::mem::take(&mut *self.shared.intake());
        let mut wrong = intake.violations;
        wrong.extend(verdict::on_end(
            intake.last.as_ref(),
            intake.events,
            intake.skipped,
        ));
        if status.and_then(|status| status.code()) != Some(0) {
            wrong.push(format!("exit code: expected 0, got {status:?}"));
        }
        if !wrong.is_empty() {
            wrong.push(format!("its standard error:\n{errors}"));
        }
        (intake.measured, wrong)
    }
}
