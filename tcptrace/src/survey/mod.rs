//! One look at the host: its network namespaces, their sockets, settings and counters, and who holds
//! the sockets. Reads only.
//!
//! There is one loop over namespaces ([`namespaces()`]) with one limit, and every result says what it
//! leaves out. Whoever must not wait has a [`Worker`] look.

mod activity;
mod counters;
mod namespaces;
mod observation;
mod queues;
mod services;
mod settings;
mod snapshot;
mod worker;

pub use crate::kernel::clock::{boot_ns, now as clock};
pub use activity::Activities;
pub use counters::{CounterReading, Presence, RefusalReading, Refusing, counters, refusals};
pub use namespaces::{MOST, Namespaces, namespaces, number};
pub use observation::First;
pub use queues::Queues;
pub use settings::settings;
pub use snapshot::{Look, take};
pub use worker::{Answer, Question, Surveyor, Worker, surveyor};
