//! The tracer under test, as a black box: started like a user starts it, its standard output parsed
//! line by line, ended with SIGINT. Without a binary every expectation is skipped and only the
//! mechanics of the scenario count.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::events::{Events, expected_in};
use super::expect::Expect;
use super::shared::Shared;
use super::world::{Problems, poll, slowness};
use super::{sys_ops, verdict};

const EVENT_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_millis(300);
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(20);
/// More than any scenario but the flood prints.
const KEPT_OBJECTS: usize = 20_000;
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How the tracer is asked to print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    /// For people; its lines are kept as JSON strings and not judged.
    Text,
}

/// A running tracer.
pub(crate) struct Tracer {
    process: Option<Process>,
    /// A view of the run's own tracer instead, from this event of the namespace on.
    view: Option<(Arc<Shared>, usize)>,
    problems: Problems,
    netns: u64,
    loses: bool,
    text: bool,
    /// Shorter after an expectation failed: a broken tracer should not take minutes to say so.
    patience: Cell<Duration>,
}

struct Process {
    child: Child,
    printed: Arc<Mutex<Printed>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    ready_file: PathBuf,
}

/// What a tracer printed: all of it up to a bound, from there on only how much.
#[derive(Clone, Default)]
struct Printed {
    objects: Vec<Value>,
    beyond: usize,
}

impl Printed {
    fn add(&mut self, line: String) {
        let closing = line.contains("\"summary\"") || line.contains("\"lost\"");
        if self.objects.len() >= KEPT_OBJECTS && !closing {
            self.beyond += 1;
            return;
        }
        // A line that is not JSON stays a string, which the verdict refuses.
        let object = serde_json::from_str(&line).unwrap_or(Value::String(line));
        self.objects.push(object);
    }
}

/// The tracer's program, to be run in the host's network namespace and not in the scenario's.
pub(crate) fn command(binary: &Path, host_netns: &Rc<File>) -> Command {
    let netns = host_netns.as_raw_fd();
    let mut command = Command::new(binary);
    command.stdin(Stdio::null());
    // A system call that is not in the table of those that are allowed ends the tracer.
    let log = if cfg!(feature = "trace-ebpf") {
        "ebpf=debug,confine::refused=trace"
    } else {
        "confine::refused=trace"
    };
    command.env("TCPTRACE_LOG", log);
    // SAFETY: signal, setns and prctl are single system calls and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            // Tests that run under nohup would hand its ignored SIGHUP on.
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            sys_ops::set_netns(netns)?;
            sys_ops::die_with_parent()
        });
    }
    command
}

/// A tracer of everything in these namespaces; none named: on all.
pub(crate) fn watch_all(
    binary: &Path,
    host_netns: &Rc<File>,
    spaces: &[u64],
    ready_file: &Path,
) -> Command {
    let mut command = command(binary, host_netns);
    command
        .args(["watch", "--all", "--json", "--ring-size", "16777216"])
        .args(spaces.iter().map(|inode| format!("--netns=inode:{inode}")))
        .arg("--ready-file")
        .arg(ready_file)
        .args(forced_tier())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits until it is attached; false when it ended before, or takes too long. Removes its ready-file.
pub(crate) fn attaches(child: &mut Child, ready_file: &Path) -> bool {
    poll(START_PATIENCE, || {
        ready_file.exists() || child.try_wait().is_ok_and(|status| status.is_some())
    });
    std::fs::remove_file(ready_file).is_ok()
}

impl Tracer {
    pub(crate) fn start(
        binary: Option<&Path>,
        host_netns: &Rc<File>,
        format: Format,
        args: &[&str],
    ) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mut tracer = Self {
            process: None,
            view: None,
            problems: Problems::default(),
            netns: 0,
            loses: false,
            text: format == Format::Text,
            patience: Cell::new(EVENT_PATIENCE),
        };
        let Some(binary) = binary else { return tracer };
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("tcptrace-live-{}-{number}.ready", std::process::id());
        let ready_file = std::env::temp_dir().join(name);
        let mut child = command(binary, host_netns)
            .args(["watch", "--ready-file"])
            .arg(&ready_file)
            .args((format == Format::Json).then_some("--json"))
            .args(forced_tier())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the tracer");
        let printed = Arc::new(Mutex::new(Printed::default()));
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (errors, error_reader) = collect(child.stderr.take().expect("piped"));
        let line_sink = printed.clone();
        let readers = vec![
            std::thread::spawn(move || {
                for line in out.lines().map_while(Result::ok) {
                    line_sink.lock().expect("no panic").add(line);
                }
            }),
            error_reader,
        ];
        let mut process = Process {
            child,
            printed,
            errors,
            readers,
            ready_file,
        };
        let ready = poll(START_PATIENCE, || process.is_ready() || process.has_ended());
        let attached = ready && process.is_ready();
        tracer.process = Some(process);
        assert!(
            attached,
            "the tracer is not ready: {}",
            tracer.standard_error()
        );
        tracer
    }

    /// A view of the run's tracer.
    pub(crate) fn view(shared: Arc<Shared>, problems: Problems, netns: u64) -> Self {
        let from = shared.printed(netns);
        Self {
            process: None,
            view: Some((shared, from)),
            problems,
            netns,
            loses: false,
            text: false,
            patience: Cell::new(EVENT_PATIENCE),
        }
    }

    pub(crate) fn report_to(mut self, problems: Problems, netns: u64) -> Self {
        self.problems = problems;
        self.netns = netns;
        self
    }

    /// Lost events are counted and reported, and are not a failure (floods).
    pub(crate) fn may_lose(mut self) -> Self {
        self.loses = true;
        self
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.process
            .as_ref()
            .map(|process| process.child.id() as i32)
    }

    /// How often it has written this on standard error; `None` where the scenario only describes itself.
    pub(crate) fn has_written(&self, text: &str) -> Option<usize> {
        let errors = &self.process.as_ref()?.errors;
        Some(errors.lock().expect("no panic").matches(text).count())
    }

    fn standard_error(&mut self) -> String {
        let Some(process) = &mut self.process else {
            return String::new();
        };
        let _ = process.child.kill();
        let _ = process.child.wait();
        process
            .readers
            .drain(..)
            .for_each(|reader| drop(reader.join()));
        process.errors.lock().expect("no panic").clone()
    }

    /// What was printed so far.
    pub(crate) fn events(&self) -> Events {
        if let Some((shared, from)) = &self.view {
            return Events {
                objects: shared.events(self.netns, *from),
                beyond: 0,
                problems: self.problems.clone(),
                netns: self.netns,
                dry: false,
            };
        }
        let printed = self
            .process
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default();
        Events {
            objects: printed.objects,
            beyond: printed.beyond,
            problems: self.problems.clone(),
            netns: self.netns,
            dry: self.process.is_none(),
        }
    }

    /// Waits until an event matches; after five seconds the claim fails, with the closest event's
    /// mismatches and everything that was seen.
    pub(crate) fn expect(&self, label: &str, expected: Expect) {
        let expected = expected_in(expected, self.netns);
        let is_there = || match (&self.process, &self.view) {
            (Some(process), _) => process.printed_one_like(&expected),
            (None, Some((shared, from))) => shared.has(self.netns, *from, &expected),
            (None, None) => true,
        };
        if !poll(self.patience.get(), is_there) {
            self.patience.set(PATIENCE_AFTER_FAILURE);
            self.events().missing(label, &expected);
        }
    }

    /// SIGINT, then the verdict on the whole output: well-formed objects, a summary at the end, the
    /// identity of loss, exit code 0.
    pub(crate) fn stop(mut self) -> Events {
        if let Some((shared, _)) = &self.view {
            if !shared.settle(self.netns) {
                let text = "  the shared tracer does not show the mark".to_owned();
                self.problems.borrow_mut().push(text);
            }
            return self.events();
        }
        if let Some(pid) = self.pid() {
            sys_ops::kill(pid, libc::SIGINT).expect("interrupt the tracer");
        }
        self.ended(Some(0))
    }

    /// SIGINT, judged like `stop`, but any exit code: it is returned.
    pub(crate) fn interrupt(mut self) -> (Events, Option<i32>) {
        if let Some(pid) = self.pid() {
            sys_ops::kill(pid, libc::SIGINT).expect("interrupt the tracer");
        }
        let events = self.ended(None);
        let status = self
            .process
            .as_mut()
            .and_then(|process| process.child.wait().ok());
        (events, status.and_then(|status| status.code()))
    }

    /// Waits for the tracer to end by itself with `code`.
    pub(crate) fn wait(mut self, code: i32) -> Events {
        self.ended(Some(code))
    }

    /// SIGKILL: nothing it printed is judged.
    pub(crate) fn kill(mut self) {
        drop(self.standard_error());
    }

    fn ended(&mut self, code: Option<i32>) -> Events {
        let (loses, text) = (self.loses, self.text);
        let Some(process) = &mut self.process else {
            return self.events();
        };
        let status = wait_for(&mut process.child);
        process
            .readers
            .drain(..)
            .for_each(|reader| drop(reader.join()));
        let errors = process.errors.lock().expect("no panic").clone();
        let events = self.events();
        let mut wrong = if text {
            Vec::new()
        } else {
            verdict::on_output(&events.objects, events.beyond, loses)
        };
        let wanted = code.is_none() || status.and_then(|status| status.code()) == code;
        if status.is_none() || !wanted {
            wrong.push(format!("exit code: expected {code:?}, got {status:?}"));
        }
        if !wrong.is_empty() {
            let mut text = String::from("  the tracer's output as a whole");
            for line in wrong {
                let _ = write!(text, "\n    {line}");
            }
            let _ = write!(text, "\n    its standard error:\n{errors}");
            self.problems.borrow_mut().push(text);
        }
        let has_failed = !self.problems.borrow().is_empty();
        if let Some(notes) = notes_of(&errors, self.netns).filter(|_| has_failed) {
            self.problems.borrow_mut().push(notes);
        }
        events
    }
}

/// What the kernel side noted about a namespace, why it did not report something: from the standard
/// error of a tracer built with the feature `trace-ebpf`. None when there is nothing.
pub(super) fn notes_of(errors: &str, netns: u64) -> Option<String> {
    const MOST: usize = 60;
    let place = format!("netns {netns} ");
    let notes: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains(&place))
        .collect();
    let last = notes.len().saturating_sub(MOST);
    let lines: String = notes[last..]
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect();
    (!notes.is_empty())
        .then(|| format!("  not reported by the kernel side ({last} before these){lines}"))
}

/// The tier that every tracer of this run must use, `$TCPTRACE_TIER`; it chooses itself without.
pub(crate) fn forced_tier() -> Vec<String> {
    let tier = std::env::var("TCPTRACE_TIER").ok();
    tier.into_iter()
        .flat_map(|tier| ["--tier".to_owned(), tier])
        .collect()
}

/// Whether this run's tracers must hook functions.
pub(crate) fn by_functions() -> bool {
    std::env::var("TCPTRACE_TIER").is_ok_and(|tier| tier != "tracepoint")
}

/// Runs of a tracer's programs that the kernel skipped so far.
pub(crate) fn skipped_runs(pid: u32) -> u64 {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
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

/// Reads what a tracer says on its standard error, as it comes.
pub(crate) fn collect(err: ChildStderr) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let errors = Arc::new(Mutex::new(String::new()));
    let sink = errors.clone();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(err).lines().map_while(Result::ok) {
            let mut text = sink.lock().expect("no panic");
            text.push_str(&line);
            text.push('\n');
        }
    });
    (errors, reader)
}

pub(crate) fn wait_for(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + STOP_PATIENCE * slowness();
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("wait for the tracer") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

impl Process {
    fn is_ready(&self) -> bool {
        self.ready_file.exists()
    }

    fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("wait for the tracer")
            .is_some()
    }

    fn printed(&self) -> Printed {
        self.printed.lock().expect("no panic").clone()
    }

    fn printed_one_like(&self, expected: &Expect) -> bool {
        let printed = self.printed.lock().expect("no panic");
        printed
            .objects
            .iter()
            .any(|object| expected.matches(object))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.child.kill();
            let _ = process.child.wait();
            let _ = std::fs::remove_file(&process.ready_file);
        }
    }
}
