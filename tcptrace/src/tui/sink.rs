//! The sink of `top`: everything it is told goes into the state, under a lock that is held for no
//! longer than that. What is drawn of it, and when, is somebody else's business.
//!
//! The last word goes to another sink: it is told when the terminal has been given back. Only that
//! one can fail.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::State;
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Incident, RunFacts, Sample};
use crate::sink::Sink;

/// The state, shared by who is told and who draws.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// Shares it.
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state. Others wait as long as it is held.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // Counts are whole between any two of them: who panicked meanwhile has not broken them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[allow(missing_debug_implementations, reason = "a sink need not have one")]
pub struct TopSink<S> {
    shared: Shared,
    last_word: S,
}

impl<S: Sink> TopSink<S> {
    /// Fills `shared`; the summary is for `last_word`.
    pub fn new(shared: Shared, last_word: S) -> Self {
        Self { shared, last_word }
    }
}

impl<S: Sink> Sink for TopSink<S> {
    fn begin(&mut self, facts: &RunFacts) -> io::Result<()> {
        self.shared.lock().begin(facts);
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

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.last_word.summary(summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.last_word.flush()
    }
}
