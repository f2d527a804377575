//! One tracer for many scenarios: started once for the whole run, watching everything. A scenario
//! gets a view of it: what was printed about its own network namespace since the view was opened.
//!
//! Starting a tracer costs a second here and ten on an emulated processor; a view costs nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::expect::{Expect, field};
use super::world::poll;
use super::{sys_ops, tracer, verdict};

/// Where a view knocks to learn that all that came before has arrived.
const MARK: &str = "127.99.1.1";
const MARK_PATIENCE: Duration = Duration::from_secs(2);
const KNOCKS: usize = 3;

static CURRENT: RwLock<Option<Arc<Shared>>> = RwLock::new(None);

/// The tracer of the run.
pub(crate) struct Shared {
    pid: u32,
    by_netns: Arc<Mutex<HashMap<u64, Vec<Value>>>>,
    /// Its standard error so far.
    errors: Arc<Mutex<String>>,
}

/// What the runner holds of it, to end it.
pub(crate) struct Running {
    child: Child,
    shared: Arc<Shared>,
    out: JoinHandle<Vec<Value>>,
    err: JoinHandle<String>,
    ready_file: std::path::PathBuf,
}

impl Shared {
    /// The one that runs now.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What it announced about a part of a kind: why that is not seen, or only counted.
    pub(crate) fn cannot_see(&self, kind: &str, part: &str) -> Option<String> {
        let heads = ["off", "only counted"].map(|how| format!("{how}: {kind} ({part}): "));
        let said = self.errors.lock().expect("no panic");
        said.lines()
            .find(|line| heads.iter().any(|head| line.starts_with(head.as_str())))
            .map(str::to_owned)
    }

    /// Runs of its programs that the kernel skipped so far, since an interrupt brought the same hook
    /// again: likely where programs are slow, as in an emulator. 0 before 5.12, which does not say.
    pub(crate) fn skipped(&self) -> u64 {
        let Ok(files) = std::fs::read_dir(format!("/proc/{}/fdinfo", self.pid)) else {
            return 0;
        };
        let misses = |file: std::fs::DirEntry| {
            let text = std::fs::read_to_string(file.path()).ok()?;
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix("recursion_misses:"))?;
            line.trim().parse::<u64>().ok()
        };
        files.flatten().filter_map(misses).sum()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.cast_signed()
    }

    /// What was printed about a namespace from a place on.
    pub(crate) fn with<T>(&self, netns: u64, from: usize, look: impl FnOnce(&[Value]) -> T) -> T {
        let all = self.by_netns.lock().expect("no panic");
        let events = all.get(&netns).map_or(&[][..], Vec::as_slice);
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
    /// may be missed, when it interrupts the very program that would tell it.
    pub(crate) fn settle(&self, netns: u64) -> bool {
        let before = self.printed(netns);
        let mark: SocketAddr = format!("{MARK}:9").parse().expect("an address");
        let knock = Expect::new("state")
            .is("new", "SYN_SENT")
            .is("remote.addr", MARK);
        (0..KNOCKS).any(|_| {
            // Refused or dropped, its SYN_SENT is told.
            let _ = TcpStream::connect_timeout(&mark, Duration::from_millis(200));
            poll(MARK_PATIENCE, || self.has(netns, before, &knock))
        })
    }
}

impl Running {
    /// Starts it and waits until it is attached.
    pub(crate) fn start(binary: &Path) -> Self {
        let name = format!("tcptrace-live-{}-shared.ready", std::process::id());
        let ready_file = std::env::temp_dir().join(name);
        let host = Rc::new(std::fs::File::open("/proc/thread-self/ns/net").expect("own namespace"));
        let mut child = tracer::command(binary, &host)
            .args(["watch", "--all", "--json", "--ring-size", "16777216"])
            .arg("--ready-file")
            .arg(&ready_file)
            .args(tracer::forced_tier())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the tracer");
        let by_netns: Arc<Mutex<HashMap<u64, Vec<Value>>>> = Arc::default();
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let sink = Arc::clone(&by_netns);
        let out = std::thread::spawn(move || sort(lines, &sink));
        let (errors, err) = tracer::collect(child.stderr.take().expect("piped"));
        let ready = poll(tracer::START_PATIENCE, || {
            ready_file.exists() || child.try_wait().is_ok_and(|status| status.is_some())
        });
        assert!(
            ready && ready_file.exists(),
            "the shared tracer is not ready: {}",
            errors.lock().expect("no panic")
        );
        let shared = Arc::new(Shared {
            pid: child.id(),
            by_netns,
            errors: Arc::clone(&errors),
        });
        *CURRENT.write().expect("no panic") = Some(Arc::clone(&shared));
        Self {
            child,
            shared,
            out,
            err: std::thread::spawn(move || {
                err.join().expect("no panic");
                errors.lock().expect("no panic").clone()
            }),
            ready_file,
        }
    }

    /// Which hook told what, how surely and how often: kind, hook, evidence, count.
    pub(crate) fn measured(&self) -> Vec<(String, String, String, usize)> {
        let mut counts: BTreeMap<[String; 3], usize> = BTreeMap::new();
        for event in self
            .shared
            .by_netns
            .lock()
            .expect("no panic")
            .values()
            .flatten()
        {
            let text = |name: &str| field(event, name).as_str().unwrap_or("").to_owned();
            let key = [text("kind"), text("hook"), text("evidence")];
            *counts.entry(key).or_default() += 1;
        }
        counts
            .into_iter()
            .map(|([kind, hook, evidence], count)| (kind, hook, evidence, count))
            .collect()
    }

    /// Ends it; what is wrong with its output as a whole.
    pub(crate) fn stop(mut self) -> Vec<String> {
        *CURRENT.write().expect("no panic") = None;
        sys_ops::kill(self.shared.pid(), libc::SIGINT).expect("interrupt the tracer");
        let status = tracer::wait_for(&mut self.child);
        let rest = self.out.join().expect("no panic");
        let errors = self.err.join().expect("no panic");
        let _ = std::fs::remove_file(&self.ready_file);
        let mut objects: Vec<Value> = Vec::new();
        for events in self.shared.by_netns.lock().expect("no panic").values() {
            objects.extend(events.iter().cloned());
        }
        objects.extend(rest);
        let mut wrong = verdict::on_output(&objects, 0, false);
        if status.and_then(|status| status.code()) != Some(0) {
            wrong.push(format!("exit code: expected 0, got {status:?}"));
        }
        if !wrong.is_empty() {
            wrong.push(format!("its standard error:\n{errors}"));
        }
        wrong
    }
}

/// Files events by namespace; returns what belongs to none (losses, the summary, no JSON at all).
fn sort(lines: impl BufRead, by_netns: &Mutex<HashMap<u64, Vec<Value>>>) -> Vec<Value> {
    let mut rest = Vec::new();
    for line in lines.lines().map_while(Result::ok) {
        let object: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        match field(&object, "netns").as_u64() {
            Some(netns) => {
                let mut all = by_netns.lock().expect("no panic");
                all.entry(netns).or_default().push(object);
            }
            None => rest.push(object),
        }
    }
    rest
}
