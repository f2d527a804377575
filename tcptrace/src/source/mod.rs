//! Where facts come from.
pub mod followed;
pub mod lines;
pub mod listens;
pub mod live;
pub mod mib;
pub mod ndjson;
pub mod netns;
mod ring;
pub mod sock_diag;
