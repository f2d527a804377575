//! Scenarios in groups that share a tracer. A group is as large as the list of namespaces that
//! tcptrace filters by in the kernel, so that other traffic on this machine, however much, costs
//! neither the tracer nor the test program anything.
//!
//! On an emulated processor, where a start takes ten seconds and nothing else is going on, all
//! scenarios are one group, whose tracer gets no namespaces.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use super::shared::{Measured, Running, Shared};
use super::space::Space;
use super::world::slowness;

/// The length of that list.
const GROUP: usize = 8;

/// Hands out scenarios, each with its place.
pub(super) struct Groups<'a, T> {
    /// The tracer; `None` = no scenario shares one.
    binary: Option<PathBuf>,
    queue: Mutex<Queue<'a, T>>,
    findings: Arc<Mutex<Findings>>,
}

struct Queue<'a, T> {
    waiting: VecDeque<&'a T>,
    /// What the next scenarios get.
    spaces: Vec<Arc<Space>>,
    group: Option<Arc<Group>>,
}

/// What the shared tracers printed, after they ended.
#[derive(Default)]
struct Findings {
    measured: Measured,
    problems: Vec<String>,
}

/// Where a scenario runs: its namespace, and the tracer that it shares.
pub(super) struct Place {
    pub(super) space: Arc<Space>,
    pub(super) group: Option<Arc<Group>>,
}

/// Ends its tracer when the last place of the group is given up.
pub(super) struct Group {
    shared: Arc<Shared>,
    /// Starts the tracer, which dies with this thread, and ends it once `in_use` is dropped.
    keeper: Option<JoinHandle<(Measured, Vec<String>)>>,
    in_use: Option<mpsc::Sender<()>>,
    findings: Arc<Mutex<Findings>>,
    /// Inhabited as long as the tracer may read their counters.
    _spaces: Vec<Arc<Space>>,
}

fn is_emulated() -> bool {
    slowness() > 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.group.as_ref().map(|group| Arc::clone(&group.shared))
    }
}

impl<'a, T> Groups<'a, T> {
    pub(super) fn new(binary: Option<&Path>, scenarios: Vec<&'a T>) -> Self {
        Self {
            binary: binary.map(Path::to_path_buf),
            queue: Mutex::new(Queue {
                waiting: VecDeque::from(scenarios),
                spaces: Vec::new(),
                group: None,
            }),
            findings: Arc::default(),
        }
    }

    /// The next scenario; `None` when all have been handed out.
    pub(super) fn next(&self) -> Option<(&'a T, Place)> {
        let mut queue = lock(&self.queue);
        let scenario = queue.waiting.pop_front()?;
        if queue.spaces.is_empty() {
            let count = (queue.waiting.len() + 1).min(GROUP);
            queue.spaces = (0..count).map(|_| Arc::new(Space::make())).collect();
            if queue.group.is_none() || !is_emulated() {
                queue.group = self.group(&queue.spaces);
            }
        }
        let place = Place {
            space: queue.spaces.pop().expect("just made"),
            group: queue.group.clone(),
        };
        Some((scenario, place))
    }

    /// A new place for a scenario that has had one in `group`.
    pub(super) fn another(&self, group: Option<Arc<Group>>) -> Place {
        let space = Arc::new(Space::make());
        let group = if is_emulated() {
            group
        } else {
            self.group(std::slice::from_ref(&space))
        };
        Place { space, group }
    }

    fn group(&self, spaces: &[Arc<Space>]) -> Option<Arc<Group>> {
        let binary = self.binary.clone()?;
        let inodes = spaces.iter().map(|space| space.inode);
        let arguments = if is_emulated() {
            Vec::new()
        } else {
            inodes.collect()
        };
        let (in_use, wait) = mpsc::channel::<()>();
        let (started, receive_started) = mpsc::channel();
        let keeper = std::thread::spawn(move || {
            let running = match Running::start(&binary, &arguments) {
                Ok(running) => running,
                Err(problem) => return (Measured::new(), vec![problem]),
            };
            let _ = started.send(running.shared());
            let _ = wait.recv();
            running.stop()
        });
        let Ok(shared) = receive_started.recv() else {
            let (_, problems) = keeper.join().expect("no panic");
            lock(&self.findings).problems.extend(problems);
            return None;
        };
        Some(Arc::new(Group {
            shared,
            keeper: Some(keeper),
            in_use: Some(in_use),
            findings: Arc::clone(&self.findings),
            _spaces: spaces.to_vec(),
        }))
    }

    /// Ends the last tracer. What all of them printed, and what was wrong with it; `None` when no
    /// scenario shared one.
    pub(super) fn into_findings(self) -> Option<(Measured, Vec<String>)> {
        drop(self.queue);
        self.binary?;
        let findings = std::mem::take(&mut *lock(&self.findings));
        Some((findings.measured, findings.problems))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.in_use.take());
        let Some(Ok((measured, problems))) = self.keeper.take().map(JoinHandle::join) else {
            return;
        };
        let mut findings = lock(&self.findings);
        findings.problems.extend(problems);
        for (key, count) in measured {
            *findings.measured.entry(key).or_default() += count;
        }
    }
}
