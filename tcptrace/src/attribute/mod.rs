//! The owner chain.
pub mod holders;
pub mod proc;
