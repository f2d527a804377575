//! The tracer under test and what it prints, sorted by the lane whose addresses an event bears.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::stage::FIRST_LANE;
use crate::scenario::kit::space::own_netns;
use crate::scenario::kit::world::poll;
use crate::scenario::kit::{sys_ops, tracer};

pub(super) const LANES: usize = 16;
/// `127.MARK+LANE.1.1`: where a lane knocks to learn that all that came before has arrived.
const FIRST_MARK: u8 = 200;
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
pub(super) struct End {
    addr: IpAddr,
    port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Owner {
    pub(super) pid: Option<u64>,
    pub(super) start_ticks: Option<u64>,
    pub(super) comm: Option<String>,
    pub(super) uid: Option<u64>,
    pub(super) basis: Option<String>,
    /// Reported as the last user only.
    pub(super) stale: Option<bool>,
}

/// What is judged of an event.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) mono_ns: u64,
    #[serde(default)]
    pub(super) netns: u64,
    pub(super) cookie: Option<u64>,
    #[serde(default)]
    hook: String,
    pub(super) family: Option<String>,
    local: Option<End>,
    remote: Option<End>,
    #[serde(default)]
    pub(super) owner: Owner,
    pub(super) cause: Option<String>,
    pub(super) meaning: Option<String>,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) how: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) unsent_bytes: Option<i64>,
    pub(super) unacked_bytes: Option<i64>,
    pub(super) unread_bytes: Option<i64>,
    pub(super) bytes_sent: Option<u64>,
    pub(super) bytes_received: Option<u64>,
    /// Of a `lost` object.
    count: Option<u64>,
    #[serde(skip)]
    pub(super) line: String,
}

impl End {
    fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port.unwrap_or(0))
    }
}

impl Event {
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.local.as_ref().map(End::addr)
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.remote.as_ref().map(End::addr)
    }

    /// The event in a few words.
    pub(super) fn brief(&self) -> String {
        let details = [
            &self.cause,
            &self.meaning,
            &self.old,
            &self.new,
            &self.phase,
            &self.how,
        ];
        let details = details.into_iter().flatten().map(String::as_str);
        let details: Vec<&str> = details.collect();
        let owner = self
            .owner
            .pid
            .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        format!(
            "{} {} {} cookie {:?} owner {owner} {} by {}",
            self.mono_ns,
            self.kind,
            details.join(" "),
            self.cookie,
            self.owner.basis.as_deref().unwrap_or("null"),
            self.hook,
        )
    }

    /// The second byte of the first address that `wanted` accepts.
    fn second_byte(&self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let ends = [self.local.as_ref(), self.remote.as_ref()];
        let bytes = ends.into_iter().flatten().filter_map(|end| match end.addr {
            IpAddr::V4(v4) => Some(v4.octets()[1]),
            IpAddr::V6(_) => None,
        });
        bytes.into_iter().find(|byte| wanted(*byte))
    }
}

/// What has been printed and not been judged yet.
#[derive(Default)]
pub(super) struct Feed {
    lanes: [Mutex<Vec<Event>>; LANES],
    marks: [AtomicUsize; LANES],
    /// Lines that no lane can have caused.
    strays: Mutex<Vec<String>>,
    last: Mutex<String>,
    pub(super) lines: AtomicU64,
    pub(super) lost: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    fn add(&self, line: String) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let Ok(mut event) = serde_json::from_str::<Event>(&line) else {
            lock(&self.strays).push(line);
            return;
        };
        if event.kind == "summary" {
            *lock(&self.last) = line;
            return;
        }
        if event.kind == "lost" {
            let count = event.count.unwrap_or(1);
            self.lost.fetch_add(count, Ordering::Relaxed);
            return;
        }
        let lanes = LANES as u8;
        if let Some(mark) = event.second_byte(|byte| byte >= FIRST_MARK) {
            let mark = usize::from(mark - FIRST_MARK);
            if event.new.as_deref() == Some("SYN_SENT") && mark < LANES {
                self.marks[mark].fetch_add(1, Ordering::SeqCst);
            }
            return;
        }
        event.line = line;
        let lane = event.second_byte(|byte| (FIRST_LANE..FIRST_LANE + lanes).contains(&byte));
        match lane {
            Some(lane) => lock(&self.lanes[usize::from(lane - FIRST_LANE)]).push(event),
            None => lock(&self.strays).push(event.line),
        }
    }

    /// What came for a lane since it was asked last.
    pub(super) fn take(&self, lane: u8) -> Vec<Event> {
        std::mem::take(&mut lock(&self.lanes[usize::from(lane)]))
    }

    pub(super) fn strays(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.strays))
    }

    /// Waits until all that this thread's lane has caused so far has been printed. False when the
    /// knock never shows.
    pub(super) fn settle(&self, lane: u8) -> bool {
        let seen = || self.marks[usize::from(lane)].load(Ordering::SeqCst);
        let before = seen();
        let mark: SocketAddr = format!("127.{}.1.1:9", FIRST_MARK + lane)
            .parse()
            .expect("an address");
        // A single knock may be missed, when it interrupts the very program that would report it.
        (0..3).any(|_| {
            let _ = TcpStream::connect_timeout(&mark, Duration::from_millis(200));
            poll(PATIENCE, || seen() > before)
        })
    }
}

/// The tracer under test.
pub(super) struct Running {
    child: Child,
    pub(super) feed: Arc<Feed>,
    out: JoinHandle<()>,
    errors: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it; it ends with the calling thread at the latest.
    ///
    /// `keep` is a file for all it prints.
    pub(super) fn start(
        binary: &Path,
        spaces: &[u64],
        keep: Option<&Path>,
    ) -> Result<Self, String> {
        let mut keep = match keep.map(std::fs::File::create) {
            Some(Ok(file)) => Some(std::io::BufWriter::new(file)),
            Some(Err(error)) => return Err(format!("--keep: {error}")),
            None => None,
        };
        let name = format!("tcptrace-oracle-{}.ready", std::process::id());
        let ready_file = std::env::temp_dir().join(name);
        let host = Rc::new(own_netns());
        let mut child = tracer::watch_all(binary, &host, spaces, &ready_file)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let feed = Arc::new(Feed::default());
        let sink = Arc::clone(&feed);
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let out = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(file) = &mut keep {
                    let _ = writeln!(file, "{line}");
                }
                sink.add(line);
            }
        });
        let (errors, _) = tracer::collect(child.stderr.take().expect("piped"));
        if !tracer::attaches(&mut child, &ready_file) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the tracer is not ready: {}", lock(&errors)));
        }
        Ok(Self {
            child,
            feed,
            out,
            errors,
        })
    }

    /// Runs of its programs that the kernel skipped so far.
    pub(super) fn skipped(&self) -> u64 {
        tracer::skipped_runs(self.child.id())
    }

    /// Ends it: its summary, and what is wrong with the end.
    pub(super) fn stop(mut self) -> (Option<Value>, Vec<String>) {
        let mut wrong = Vec::new();
        sys_ops::kill(self.child.id().cast_signed(), libc::SIGINT).expect("interrupt the tracer");
        let status = tracer::wait_for(&mut self.child);
        if status.and_then(|status| status.code()) != Some(0) {
            let errors = lock(&self.errors);
            wrong.push(format!("the tracer ended with {status:?}: {errors}"));
        }
        self.out.join().expect("no panic");
        let summary = serde_json::from_str(&lock(&self.feed.last)).ok();
        if summary.is_none() {
            wrong.push("the tracer printed no summary".to_owned());
        }
        (summary, wrong)
    }
}
