//! From incidents to bytes for people and programs.
//!
//! Every sink fills a buffer and writes it out when flushed, one write per batch; the caller decides
//! when a batch ends. A sink never interprets: what it prints is in the model. A write that fails is
//! an `Err`, a closed pipe too (`BrokenPipe`); what was buffered is then gone.

pub mod color;
pub mod columns;
pub mod doctor;
mod flows;
pub mod json;
pub mod messages;
mod out;
pub mod page;
mod put;
pub mod sanitize;
pub mod schema;
pub mod stamp;
pub mod table;
pub mod text;

use std::io;

use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Finding, Incident, RunFacts, Sample};

pub use json::JsonSink;
pub use messages::Messages;
pub use out::broken;
pub use stamp::TimeStyle;
pub use table::TableStyle;
pub use text::TextSink;

/// Where the findings of a run go.
pub trait Sink {
    /// The run begins. Called once, before everything else, if its facts are known.
    fn begin(&mut self, _facts: &RunFacts) -> io::Result<()> {
        Ok(())
    }
    /// The wall clock was set: from here on it is ahead of the boot clock by this, ns.
    fn clock(&mut self, _boot_to_wall_ns: i64) -> io::Result<()> {
        Ok(())
    }
    /// How full things are, at intervals, where that is asked for.
    fn sample(&mut self, _sample: &Sample) -> io::Result<()> {
        Ok(())
    }
    /// One finding.
    fn incident(&mut self, incident: &Incident) -> io::Result<()>;
    /// It is this moment of the boot clock: what was waiting for it may be shown.
    fn tick(&mut self, _boot_ns: u64) -> io::Result<()> {
        Ok(())
    }
    /// Something was lost, as known at that moment of the boot clock.
    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()>;
    /// Something people should know beside the data, one sentence.
    fn notice(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }
    /// What is wrong by the incidents of the run, the worst first. Called right before the summary, where
    /// anybody judges.
    fn findings(&mut self, _findings: &[Finding]) -> io::Result<()> {
        Ok(())
    }
    /// The last word of the run.
    fn summary(&mut self, summary: &Summary) -> io::Result<()>;
    /// Writes out what is buffered; ends a batch.
    fn flush(&mut self) -> io::Result<()>;
}

/// Several sinks as one. All are served even when one fails; the first error is returned.
#[derive(Default)]
pub struct Fan {
    sinks: Vec<Box<dyn Sink + Send>>,
}

impl Fan {
    /// With one sink more.
    #[must_use]
    pub fn with(mut self, sink: impl Sink + Send + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    fn each(&mut self, mut serve: impl FnMut(&mut dyn Sink) -> io::Result<()>) -> io::Result<()> {
        let mut first_error = Ok(());
        for sink in &mut self.sinks {
            let served = serve(sink.as_mut());
            if first_error.is_ok() {
                first_error = served;
            }
        }
        first_error
    }
}

impl Sink for Fan {
    fn begin(&mut self, facts: &RunFacts) -> io::Result<()> {
        self.each(|sink| sink.begin(facts))
    }

    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.each(|sink| sink.clock(boot_to_wall_ns))
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.each(|sink| sink.sample(sample))
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        self.each(|sink| sink.incident(incident))
    }

    fn tick(&mut self, boot_ns: u64) -> io::Result<()> {
        self.each(|sink| sink.tick(boot_ns))
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        self.each(|sink| sink.loss(loss, boot_ns))
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.each(|sink| sink.notice(text))
    }

    fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        self.each(|sink| sink.findings(findings))
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.each(|sink| sink.summary(summary))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.each(|sink| sink.flush())
    }
}
