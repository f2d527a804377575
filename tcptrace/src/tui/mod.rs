//! `top`: the incidents of a run, as a screen that is drawn in place.
//!
//! ```text
//! pipeline or recording -> sink (TopSink) -> state        folds, never draws
//! terminal -> keys -> input -> control                    what the user has chosen
//! state + control -> view -> cells -> screen -> terminal  draws, never fetches
//! ```
//! `run` is the loop that ties these together, `term` takes the terminal and gives it back.

pub mod control;
pub mod input;
pub mod keys;
pub mod run;
mod screen;
pub mod sink;
pub mod state;
pub mod term;
mod text;
pub mod theme;
pub mod view;

pub use run::{Bell, Options};
pub use sink::{Shared, TopSink};
pub use state::{Source, State};
