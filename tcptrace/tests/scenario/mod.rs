//! The scenarios, a module for each family.

pub(crate) mod kit;

mod reset;

use kit::Family;

/// Every family, in the order they run.
pub(crate) fn families() -> Vec<Family> {
    vec![Family {
        name: "reset",
        scenarios: reset::scenarios(),
    }]
}
