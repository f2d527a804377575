//! The sink of `top`: everything goes into the state, under a lock that is held for no longer than that. The views
//! decide what is drawn of it, and when.
//!
//! The last word is kept too, for when the terminal has been given back. Nothing here fails.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::State;
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Incident, RunFacts, Sample};
use crate::sink::Sink;

#[derive(Debug)]
struct Inside {
    state: Mutex<State>,
    summary: Mutex<Option<Summary>>,
}

/// The state, shared by the sink and the drawing thread.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inside>);

impl Shared {
    /// Shares it.
    pub fn new(state: State) -> Self {
        Self(Arc::new(Inside {
            state: Mutex::new(state),
            summary: Mutex::new(None),
        }))
    }

    /// The state. Others wait as long as it is held.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // Counts are whole between any two of them: who panicked meanwhile has not broken them.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last word, once there is one.
    pub fn take_summary(&self) -> Option<Summary> {
        let summary = self.0.summary.lock();
        summary.unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// See the module.
#[derive(Debug)]
pub struct TopSink {
    shared: Shared,
}

impl TopSink {
    /// Fills `shared`.
    pub fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

impl Sink for TopSink {
    fn begin(&mut self, facts: &RunFacts) -> io::Result<()> {
        self.shared.lock().begin(facts);
        Ok(())
    }

    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.shared.lock().set_clock(boot_to_wall_ns);
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.shared.lock().sample(sample);
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        self.shared.lock().incident(incident);
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, _: u64) -> io::Result<()> {
        self.shared.lock().loss(loss);
        Ok(())
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.shared.lock().notice(text);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let mut kept = self
            .shared
            .0
            .summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(summary.clone());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
