//! From what was seen to what is wrong: ranked findings with their evidence, cause, advice and risk.
//!
//! Pure: a survey of the host and folds of incidents are handed in, and nothing is read here. This is the only
//! room that makes findings and advice; `doctor`, `report`, `top` and `listeners PORT` show them. A finding
//! without evidence is never reported. A counter that does not rise now is a risk and not a verdict, since it
//! cannot be distinguished from a fault that was repaired since. What is not known stays `None` and leads to no
//! sentence. `interpret::advice` holds the texts of `explain`; findings quote them and do not repeat them.

pub mod damage;
mod effects;
mod findings;
pub mod fold;
mod late;
pub mod listener;
mod merge;
pub mod retries;
pub mod settings;
mod survey;
#[cfg(test)]
pub(crate) mod tests;
mod weight;

pub use findings::{findings, hurt, ids, is_wrong_now, of_topic, topics_of, whose};
pub use fold::{Tallies, Tally};
pub use survey::survey;
