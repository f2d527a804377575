//! The scenarios, a module for each family.

pub(crate) mod kit;

mod linger;
mod reset;
mod reset_received;

use kit::Family;

/// Names each family after its module.
macro_rules! families {
    ($($name:ident),* $(,)?) => {
        vec![$(Family { name: stringify!($name), scenarios: $name::scenarios() }),*]
    };
}

/// Every family, in the order they run.
pub(crate) fn families() -> Vec<Family> {
    families![reset, reset_received, linger]
}
