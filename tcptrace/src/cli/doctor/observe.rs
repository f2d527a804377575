//! The hooks of a look: what they report between the two samples, by kind and cause.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::cli::args::doctor::DoctorArgs;
use crate::cli::output;
use crate::diagnose::Tallies;
use crate::interpret::filter::Filter;
use crate::kernel::caps::Privileges;
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Clock, Incident, KindSet};
use crate::session::plan::Engine;
use crate::session::{Plan, Scope, Session, event_loop, ready};
use crate::sink::Sink;

/// Room for what arrives in a moment; what does not fit is counted.
const RING_BYTES: u32 = 1 << 20;

/// What was observed.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The incidents.
    pub(super) tallies: Tallies,
    /// Events that were lost on the way.
    pub(super) lost: u64,
}

/// Adds incidents to what was observed.
struct Adding {
    clock: Clock,
    observed: Rc<RefCell<Observed>>,
}

impl Sink for Adding {
    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        let wall_ns = self.clock.boot_to_wall_ns;
        let wall_ns = wall_ns.saturating_add_unsigned(incident.boot_ns);
        self.observed.borrow_mut().tallies.on(incident, wall_ns);
        Ok(())
    }

    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.clock.boot_to_wall_ns = boot_to_wall_ns;
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, _: u64) -> io::Result<()> {
        let mut observed = self.observed.borrow_mut();
        observed.lost = observed.lost.saturating_add(loss.count);
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Attaches what `watch` attaches by default, and listens for as long as is asked for.
///
/// # Errors
/// When no hook can be attached, or the ring cannot be read.
pub(super) fn observe(args: &DoctorArgs, privileges: &Privileges) -> anyhow::Result<Observed> {
    let kinds = KindSet::DEFAULT;
    let engine = Engine {
        tier: None,
        ring_bytes: RING_BYTES,
    };
    let plan = Plan {
        netns: args.netns.clone(),
        ..Plan::of(kinds, Filter::of_kinds(kinds), engine)
    };
    let scope = Scope::resolve(&plan).map_err(anyhow::Error::msg)?;
    let observed = Rc::new(RefCell::new(Observed::default()));
    event_loop()?.block_on(async {
        let mut session = Session::attach(&plan, scope, privileges)?;
        let adding = Adding {
            clock: session.clock,
            observed: Rc::clone(&observed),
        };
        let mut pipeline = session.connect(&plan, adding)?;
        pipeline.be_patient();
        let notes = ready::announce(args.ready_file.as_deref())?;
        notes.iter().for_each(|note| output::say(note));
        pipeline.run(tokio::time::sleep(args.observe)).await?;
        pipeline.finish(&session.full())?;
        anyhow::Ok(())
    })?;
    Ok(observed.take())
}
