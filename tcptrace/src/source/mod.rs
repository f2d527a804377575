//! Where facts come from.
pub mod followed;
pub mod listens;
pub mod live;
pub mod mib;
pub mod netns;
pub mod sock_diag;
