//! Rounds, one after the other: a script made up while it is played, and then judged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::judge::Judge;
use super::plan;
use super::random::Random;
use super::script::Step;
use super::stage::{SEATS, Stage};
use super::verdict::{Deviation, Figures};
use crate::scenario::kit::Space;

/// Steps of a round, before all players leave.
const STEPS: usize = 150;
/// Events may come this late after the step that caused them: delayed ACKs, closes that wait.
const PATIENCE: Duration = Duration::from_millis(1500);
/// TIME_WAIT lasts 60 s; later nothing is reported of a round's sockets.
const KEPT: Duration = Duration::from_secs(75);

/// One of several series of rounds that run at the same time.
pub(super) struct Lane {
    number: u8,
    spaces: [Arc<Space>; 2],
    feed: Arc<Feed>,
    counter: usize,
    /// Rounds of which late events may come.
    judged: VecDeque<(Instant, Judge)>,
}

/// What came of a round.
pub(super) struct Round {
    pub(super) script: Vec<Step>,
    pub(super) figures: Figures,
    pub(super) deviations: Vec<Deviation>,
}

impl Lane {
    pub(super) fn new(number: u8, spaces: [Arc<Space>; 2], feed: Arc<Feed>) -> Self {
        spaces[0].enter();
        Self {
            number,
            spaces,
            feed,
            counter: 0,
            judged: VecDeque::new(),
        }
    }

    fn stage(&self) -> Stage {
        Stage::new(self.number, self.spaces.clone(), self.counter)
    }

    /// A round of random steps.
    pub(super) fn invent(&mut self, random: &mut Random) -> Round {
        let mut stage = self.stage();
        let mut script = Vec::new();
        // Two numbers a step, since a race may make two sockets.
        for number in 0..STEPS {
            let Some(step) = plan::next(&stage, random, 2 * number) else {
                continue;
            };
            if stage.play(&step) {
                script.push(step);
            }
        }
        for seat in 0..SEATS {
            let step = if random.one_in(2) {
                Step::Exit { seat }
            } else {
                Step::Kill { seat }
            };
            if stage.play(&step) {
                script.push(step);
            }
        }
        self.judge(stage, script)
    }

    /// A round of these steps, after which all players leave.
    pub(super) fn repeat(&mut self, script: &[Step]) -> Round {
        let mut stage = self.stage();
        let leave = (0..SEATS).map(|seat| Step::Exit { seat });
        for step in script.iter().cloned().chain(leave) {
            stage.play(&step);
        }
        self.judge(stage, script.to_vec())
    }

    fn judge(&mut self, stage: Stage, script: Vec<Step>) -> Round {
        self.counter = stage.counter;
        self.spaces[0].enter();
        let mut judge = Judge::new(stage.truth, script.len());
        if !self.feed.settle(self.number) {
            eprintln!("lane {}: the knock does not show", self.number);
        }
        let mut late = Judge::default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            for event in self.feed.take(self.number) {
                let place = if judge.knows(&event) {
                    Some(&mut judge)
                } else {
                    let older = self.judged.iter_mut().map(|(_, judge)| judge);
                    older.rev().find(|judge| judge.knows(&event))
                };
                place.unwrap_or(&mut late).event(&event);
            }
            if judge.is_complete() || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        judge.finish();
        let mut figures = Figures::default();
        let mut deviations = Vec::new();
        let older = self.judged.iter_mut().map(|(_, judge)| judge);
        for judge in older.chain([&mut judge, &mut late]) {
            figures.add(std::mem::take(&mut judge.figures));
            deviations.append(&mut judge.deviations);
        }
        self.judged.push_back((Instant::now(), judge));
        while self
            .judged
            .front()
            .is_some_and(|(since, _)| since.elapsed() > KEPT)
        {
            self.judged.pop_front();
        }
        Round {
            script,
            figures,
            deviations,
        }
    }
}
