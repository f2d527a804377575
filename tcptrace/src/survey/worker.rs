//! Looks at the host in a thread of its own, so that a look that takes long, or never returns, does
//! not hold up whoever asked for it.
//!
//! At most one look of each kind is under way. The thread is started by the first question: by then
//! the process has given up its privileges, and the thread begins with what is left.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel,
};

use super::counters::{CounterReading, RefusalReading, counters, refusals};
use super::queues::Queues;
use super::snapshot::{Look, take};
use crate::model::Sample;
use crate::model::snapshot::Snapshot;

/// What may be asked for.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// The kernel's counters.
    Counters,
    /// Counters and listeners of refusals.
    Refusals,
    /// How full the queues are.
    Queues,
    /// Sockets, settings and counters.
    Snapshot(Look),
}

/// The kinds of questions.
const KINDS: usize = 4;

impl Question {
    const fn kind(self) -> usize {
        match self {
            Self::Counters => 0,
            Self::Refusals => 1,
            Self::Queues => 2,
            Self::Snapshot(_) => 3,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Refusals => "refusals",
            Self::Queues => "queues",
            Self::Snapshot(_) => "snapshot",
        }
    }
}

/// What was found.
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::Counters`].
    Counters(CounterReading),
    /// To [`Question::Refusals`].
    Refusals(RefusalReading),
    /// To [`Question::Queues`].
    Queues(Sample),
    /// To [`Question::Snapshot`].
    Snapshot(anyhow::Result<Box<Snapshot>>),
}

impl Answer {
    const fn kind(&self) -> usize {
        match self {
            Self::Counters(_) => 0,
            Self::Refusals(_) => 1,
            Self::Queues(_) => 2,
            Self::Snapshot(_) => 3,
        }
    }
}

/// Who looks.
pub type Surveyor = Box<dyn FnMut(Question) -> Answer + Send>;

/// Looks at these namespaces, none named: all. `queues` says how to look at queues.
pub fn surveyor(watched: Vec<u32>, mut queues: Queues) -> Surveyor {
    Box::new(move |question| match question {
        Question::Counters => Answer::Counters(counters(&watched)),
        Question::Refusals => Answer::Refusals(refusals(&watched)),
        Question::Queues => Answer::Queues(queues.look()),
        Question::Snapshot(look) => Answer::Snapshot(take(&look, &watched).map(Box::new)),
    })
}

/// The thread, from outside.
pub struct Worker {
    state: State,
    /// Since when each kind of question waits for its answer.
    asked: [Option<Instant>; KINDS],
}

enum State {
    /// Nothing was asked yet.
    Idle(Surveyor),
    Running {
        questions: mpsc::Sender<Question>,
        answers: UnboundedReceiver<Answer>,
    },
    /// The thread could not be started, or has ended.
    Gone,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that has not started yet.
    pub fn new(surveyor: Surveyor) -> Self {
        Self {
            state: State::Idle(surveyor),
            asked: [None; KINDS],
        }
    }

    /// Changes who looks; only before the first question.
    pub fn set(&mut self, surveyor: Surveyor) {
        if let State::Idle(_) = self.state {
            self.state = State::Idle(surveyor);
        }
    }

    /// Asks, unless the same kind of question still waits for its answer. Returns at once; whether
    /// an answer may be expected.
    pub fn ask(&mut self, question: Question) -> bool {
        if self.asked[question.kind()].is_some() {
            return true;
        }
        self.start();
        let State::Running { questions, .. } = &self.state else {
            return false;
        };
        let is_asked = questions.send(question).is_ok();
        self.asked[question.kind()] = is_asked.then(Instant::now);
        is_asked
    }

    /// Whether such a question waits for its answer.
    pub fn is_asked(&self, question: Question) -> bool {
        self.asked[question.kind()].is_some()
    }

    /// How long the oldest question has been waiting.
    pub fn waiting(&self, now: Instant) -> Duration {
        let oldest = self.asked.iter().flatten().min();
        oldest.map_or(Duration::ZERO, |asked| {
            now.saturating_duration_since(*asked)
        })
    }

    /// An answer, if one is there.
    pub fn try_take(&mut self) -> Option<Answer> {
        let State::Running { answers, .. } = &mut self.state else {
            return None;
        };
        match answers.try_recv() {
            Ok(answer) => Some(self.arrived(answer)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.lost();
                None
            }
        }
    }

    /// Done with the next answer; never where none is expected.
    pub async fn answer(&mut self) -> Answer {
        if let State::Running { answers, .. } = &mut self.state {
            if let Some(answer) = answers.recv().await {
                return self.arrived(answer);
            }
            self.lost();
        }
        std::future::pending().await
    }

    fn arrived(&mut self, answer: Answer) -> Answer {
        self.asked[answer.kind()] = None;
        answer
    }

    fn lost(&mut self) {
        self.asked = [None; KINDS];
        self.state = State::Gone;
        log::error!(target: "survey", "the survey's thread has ended");
    }

    fn start(&mut self) {
        if !matches!(self.state, State::Idle(_)) {
            return;
        }
        let State::Idle(surveyor) = std::mem::replace(&mut self.state, State::Gone) else {
            return;
        };
        let (questions, asked) = mpsc::channel();
        let (reported, answers) = unbounded_channel();
        let started = std::thread::Builder::new()
            .name("survey".to_owned())
            .spawn(move || work(surveyor, &asked, &reported))
            .context("cannot start the survey's thread");
        match started {
            Ok(_) => self.state = State::Running { questions, answers },
            Err(error) => log::error!(target: "survey", "{error:#}"),
        }
    }
}

fn work(
    mut surveyor: Surveyor,
    questions: &mpsc::Receiver<Question>,
    answers: &UnboundedSender<Answer>,
) {
    for question in questions {
        let begin = Instant::now();
        let answer = surveyor(question);
        log::debug!(target: "survey", "{} took {:?}", question.name(), begin.elapsed());
        // Nobody waits for it any more at the end of the run.
        if answers.send(answer).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A worker that answers only once it is let go, and its leash.
    fn held_up() -> (Worker, mpsc::Sender<()>) {
        let (let_go, wait) = channel::<()>();
        let surveyor: Surveyor = Box::new(move |_| {
            // Ends with an error when the test is over.
            let _ended = wait.recv();
            Answer::Queues(Sample {
                boot_ns: 77,
                spaces: Vec::new(),
            })
        });
        (Worker::new(surveyor), let_go)
    }

    #[test]
    fn a_look_that_hangs_holds_up_nobody() {
        let (mut worker, let_go) = held_up();
        let begin = Instant::now();
        for _ in 0..10_000 {
            assert!(worker.ask(Question::Queues));
            assert!(worker.try_take().is_none());
        }
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert!(worker.is_asked(Question::Queues));
        assert!(worker.waiting(begin + Duration::from_secs(9)) > Duration::from_secs(8));
        let_go.send(()).unwrap();
        let answer = loop {
            if let Some(answer) = worker.try_take() {
                break answer;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(matches!(answer, Answer::Queues(sample) if sample.boot_ns == 77));
        assert!(!worker.is_asked(Question::Queues));
        // It was asked 10,000 times and has looked once.
        std::thread::sleep(Duration::from_millis(20));
        assert!(worker.try_take().is_none());
    }

    #[test]
    fn a_surveyor_that_panics_is_not_waited_for() {
        let mut worker = Worker::new(Box::new(|_| panic!("on purpose")));
        assert!(worker.ask(Question::Counters));
        let begin = Instant::now();
        while worker.is_asked(Question::Counters) && begin.elapsed() < Duration::from_secs(5) {
            assert!(worker.try_take().is_none());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!worker.is_asked(Question::Counters));
        assert!(!worker.ask(Question::Counters));
    }
}
