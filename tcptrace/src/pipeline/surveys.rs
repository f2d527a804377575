//! Surveys of the host during a run, made by a [`Worker`]: the loop that reads the ring only asks,
//! and takes answers that are there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::survey::{Answer, Question, Queues, Worker, surveyor};

/// How often counters are read for what hooks do not see.
const COUNTING: Duration = Duration::from_secs(1);
/// A look that takes longer is reported.
const SLOW: Duration = Duration::from_secs(5);
/// How long the last reading of the counters is waited for at the end of a run.
const PATIENCE: Duration = Duration::from_secs(3);
const NAP: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Surveys {
    worker: Worker,
    watched: Vec<u32>,
    /// How often queues are sampled, and when next.
    sampled: Option<(Duration, Instant)>,
    /// When refusals are counted next; `None`: never.
    counted: Option<Instant>,
    slow_survey: Slowness,
    slow_proc: Slowness,
}

/// Something that takes longer than it should, reported once each time.
#[derive(Debug, Default)]
struct Slowness {
    is_reported: bool,
}

impl Slowness {
    /// Whether to report it now.
    fn begins(&mut self, waiting: Duration) -> bool {
        let was_reported = std::mem::replace(&mut self.is_reported, waiting >= SLOW);
        self.is_reported && !was_reported
    }
}

impl Surveys {
    /// Of these namespaces, none named: of all. `counts`: refusals are counted.
    pub(super) fn new(watched: &[u32], counts: bool) -> Self {
        let queues = Queues::new(watched, HashMap::new());
        Self::of(
            Worker::new(surveyor(watched.to_vec(), queues)),
            watched,
            counts,
        )
    }

    fn of(worker: Worker, watched: &[u32], counts: bool) -> Self {
        Self {
            worker,
            watched: watched.to_vec(),
            sampled: None,
            counted: counts.then(Instant::now),
            slow_survey: Slowness::default(),
            slow_proc: Slowness::default(),
        }
    }

    /// Samples queues every so often. `limits`: `tcp_max_tw_buckets` by namespace.
    pub(super) fn sample(&mut self, every: Duration, limits: HashMap<u32, u32>) {
        let queues = Queues::new(&self.watched, limits);
        self.worker.set(surveyor(self.watched.clone(), queues));
        self.sampled = Some((every, Instant::now()));
    }

    /// Asks for what is due; to be called now and then.
    pub(super) fn tick(&mut self, now: Instant) {
        if let Some((every, due)) = &mut self.sampled
            && now >= *due
        {
            // After a standstill the missed ones are not made up for.
            *due = (*due + *every).max(now);
            self.worker.ask(Question::Queues);
        }
        if let Some(due) = &mut self.counted
            && now >= *due
        {
            *due = now + COUNTING;
            self.worker.ask(Question::Refusals);
        }
    }

    /// Until something is due.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        let sampled = self.sampled.map(|(_, due)| due);
        let due = sampled.into_iter().chain(self.counted).min();
        due.map_or(Duration::MAX, |due| due.saturating_duration_since(now))
    }

    /// Asks for one more look; whether an answer may be expected.
    pub(super) fn ask(&mut self, question: Question) -> bool {
        self.worker.ask(question)
    }

    /// An answer, if one is there.
    pub(super) fn try_take(&mut self) -> Option<Answer> {
        self.worker.try_take()
    }

    /// Done with the next answer; never where none is expected.
    pub(super) async fn answer(&mut self) -> Answer {
        self.worker.answer().await
    }

    /// Notices about what takes long, once each: a survey, and a reading of /proc by `attribute` that has
    /// been `waiting`.
    pub(super) fn troubles(&mut self, now: Instant, waiting: Duration) -> Vec<String> {
        let survey = self.slow_survey.begins(self.worker.waiting(now)).then(|| {
            format!(
                "reading the network namespaces takes longer than {} s: queue samples and counted refusals are \
                 late, incidents are not",
                SLOW.as_secs()
            )
        });
        let proc = self.slow_proc.begins(waiting).then(|| {
            format!(
                "reading the descriptors or command lines of processes takes longer than {} s: owners may be \
                 missing or marked as the last user, incidents are not late",
                SLOW.as_secs()
            )
        });
        survey.into_iter().chain(proc).collect()
    }

    /// Asks for the counters and waits, at the end of a run; every answer that comes until then is
    /// handed to `take`. Err: none came in time, in one sentence.
    pub(super) fn last_counters(&mut self, mut take: impl FnMut(Answer)) -> Result<(), String> {
        let begin = Instant::now();
        let mut is_expected = self.worker.ask(Question::Counters);
        while is_expected && begin.elapsed() < PATIENCE {
            match self.worker.try_take() {
                Some(answer) => {
                    let is_last = matches!(answer, Answer::Counters(_));
                    take(answer);
                    if is_last {
                        return Ok(());
                    }
                }
                None => std::thread::sleep(NAP),
            }
            is_expected = self.worker.is_asked(Question::Counters);
        }
        Err(format!(
            "the kernel's counters could not be read within {} s and are not compared",
            PATIENCE.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hanging() -> Surveys {
        let forever: crate::survey::Surveyor = Box::new(|_| {
            loop {
                std::thread::park();
            }
        });
        Surveys::of(Worker::new(forever), &[], true)
    }

    #[test]
    fn a_hung_look_neither_holds_up_the_loop_nor_its_end() {
        let mut surveys = hanging();
        surveys.sampled = Some((Duration::from_millis(1), Instant::now()));
        let begin = Instant::now();
        for turn in 0..10_000 {
            surveys.tick(begin + Duration::from_millis(turn));
            assert!(surveys.try_take().is_none());
        }
        assert!(begin.elapsed() < Duration::from_secs(1), "held up");
        let later = Instant::now() + SLOW;
        let [reported] = &surveys.troubles(later, Duration::ZERO)[..] else {
            panic!("a slow look is reported");
        };
        assert!(
            reported.contains("network namespaces takes longer than 5 s"),
            "{reported}"
        );
        let [reported] = &surveys.troubles(later, SLOW)[..] else {
            panic!("once each");
        };
        assert!(
            reported.contains("processes takes longer than 5 s"),
            "{reported}"
        );
        assert!(surveys.troubles(later, SLOW * 2).is_empty(), "once");
        // It continued, and hangs again.
        assert!(surveys.troubles(later, Duration::ZERO).is_empty());
        assert_eq!(surveys.troubles(later, SLOW).len(), 1);
        let begin = Instant::now();
        let why = surveys.last_counters(|_| panic!("no answer")).unwrap_err();
        assert!(why.contains("within 3 s"), "{why}");
        assert!(begin.elapsed() < PATIENCE + Duration::from_secs(2));
    }

    #[test]
    fn nothing_is_asked_where_nothing_is_wanted() {
        let forbidden: crate::survey::Surveyor = Box::new(|_| panic!("asked"));
        let mut surveys = Surveys::of(Worker::new(forbidden), &[], false);
        let now = Instant::now();
        surveys.tick(now + Duration::from_secs(100));
        assert_eq!(surveys.rest(now), Duration::MAX);
        assert_eq!(surveys.worker.waiting(now), Duration::ZERO);
    }
}
