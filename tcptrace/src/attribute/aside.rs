//! Readings of `/proc` that may take long, or never return, in a thread of its own. The loop that reads the ring
//! waits for an answer for a moment only; an answer that comes later is taken when it is there.
//!
//! The thread is started by the first question: by then the process has given up its privileges, and the thread
//! begins with what is left.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// Who answers.
type Reader<Q, A> = Box<dyn FnMut(&Q) -> A + Send>;

/// See the module.
pub(super) struct Aside<Q, A> {
    name: &'static str,
    /// How long an answer is waited for.
    pub(super) moment: Duration,
    /// Questions that may wait for their answers; beyond this a question gets none.
    most: usize,
    state: State<Q, A>,
    /// When the questions that are not answered yet were asked, the oldest first.
    asked: VecDeque<Instant>,
}

enum State<Q, A> {
    /// Nothing was asked yet.
    Idle(Reader<Q, A>),
    Running {
        questions: mpsc::Sender<Q>,
        answers: mpsc::Receiver<Answered<Q, A>>,
    },
    /// The thread could not be started, or has ended.
    Gone,
}

/// An answer, with what it answers.
#[derive(Debug)]
pub(super) struct Answered<Q, A> {
    pub(super) question: Q,
    pub(super) answer: A,
    /// How long the reading took.
    pub(super) took: Duration,
}

impl<Q: Send + 'static, A: Send + 'static> Aside<Q, A> {
    pub(super) fn new(
        name: &'static str,
        moment: Duration,
        most: usize,
        reader: impl FnMut(&Q) -> A + Send + 'static,
    ) -> Self {
        Self {
            name,
            moment,
            most,
            state: State::Idle(Box::new(reader)),
            asked: VecDeque::new(),
        }
    }

    /// The answer, if it is there within a moment. While an earlier question is not answered nothing is waited for.
    pub(super) fn ask(&mut self, question: Q) -> Option<A> {
        let is_behind = !self.asked.is_empty();
        if self.asked.len() >= self.most {
            return None;
        }
        self.start();
        let State::Running { questions, answers } = &self.state else {
            return None;
        };
        if questions.send(question).is_err() {
            self.lost();
            return None;
        }
        if !is_behind {
            match answers.recv_timeout(self.moment) {
                Ok(answered) => return Some(answered.answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.lost();
                    return None;
                }
            }
        }
        self.asked.push_back(Instant::now());
        None
    }

    /// An answer that came late, if one is there.
    #[inline]
    pub(super) fn late(&mut self) -> Option<Answered<Q, A>> {
        self.asked.front()?;
        let State::Running { answers, .. } = &self.state else {
            return None;
        };
        match answers.try_recv() {
            Ok(answered) => {
                self.asked.pop_front();
                Some(answered)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.lost();
                None
            }
        }
    }

    /// How long the oldest question has been waiting for its answer.
    pub(super) fn waiting(&self, now: Instant) -> Duration {
        let asked = self.asked.front();
        asked.map_or(Duration::ZERO, |asked| {
            now.saturating_duration_since(*asked)
        })
    }

    fn lost(&mut self) {
        self.asked.clear();
        self.state = State::Gone;
        log::error!(target: "attribute", "the thread {} has ended", self.name);
    }

    fn start(&mut self) {
        if !matches!(self.state, State::Idle(_)) {
            return;
        }
        let State::Idle(mut reader) = std::mem::replace(&mut self.state, State::Gone) else {
            return;
        };
        let (questions, asked) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        let work = move || {
            for question in asked {
                let begin = Instant::now();
                let answer = reader(&question);
                let answered = Answered {
                    question,
                    answer,
                    took: begin.elapsed(),
                };
                // At the end of the run nobody waits for it any more.
                if told.send(answered).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(work)
        {
            Ok(_) => self.state = State::Running { questions, answers },
            Err(error) => {
                log::error!(target: "attribute", "cannot start the thread {}: {error}", self.name);
            }
        }
    }
}

impl<Q, A> std::fmt::Debug for Aside<Q, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aside")
            .field("name", &self.name)
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
