//! What this kernel is and can do.
pub mod btf;
pub mod caps;
pub mod enums;
pub mod symbols;
pub mod sysctl;
