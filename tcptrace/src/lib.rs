//! tcptrace as a library: the rooms and who may import whom.
//!
//! ```text
//! kernel hook -> ring -> source -> decode -> attribute -> interpret -> sink
//!            sock_diag, /proc -> snapshot -> query (+ folds of incidents) -> rows -> sink::table
//! ```
//! Facts flow one way; what differs between kernels lives in `kernel`.

pub mod attribute;
pub mod cli;
pub mod decode;
pub mod diagnose;
pub mod interpret;
pub mod kernel;
pub mod model;
pub mod pipeline;
pub mod query;
pub mod recording;
pub mod report;
pub mod session;
pub mod sink;
pub mod source;
pub mod survey;
pub mod tui;
