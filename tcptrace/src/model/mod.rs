//! Plain data shared by all rooms: no behaviour beyond naming, parsing of names and `Display`.

pub mod activity;
pub mod cgroup;
mod counts;
pub mod coverage;
pub mod doctor;
pub mod errno;
pub mod event;
pub mod finding;
pub mod flow;
pub mod host;
pub mod incident;
pub mod kind;
mod kinds;
pub mod line;
pub mod loss;
pub mod owner;
pub mod rows;
pub mod run;
pub mod sample;
pub mod service;
pub mod snapshot;
pub mod summary;
pub mod survey;
pub mod tier;

pub use errno::Errno;
pub use event::{Event, Signal};
pub use finding::Finding;
pub use flow::{Endpoint, Family, Flow};
pub use host::{Clock, Host};
pub use incident::{Evidence, Impact, Incident, Kind, What};
pub use kind::KindSet;
pub use kinds::Put;
pub use owner::{Basis, Owner, Process};
pub use run::RunFacts;
pub use sample::Sample;
pub use tier::Tier;

/// Declares a field-less enum with one stable name per value (the names of the NDJSON contract). The
/// comments are the descriptions in the schema.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[schemars(inline)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The names of all.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];

            /// The stable name, as in the NDJSON contract.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::model::Named for $name {
            const NAMES: &'static [&'static str] = Self::NAMES;

            fn name(self) -> &'static str {
                self.name()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use named;

/// A value with a stable name.
pub trait Named: Copy {
    /// The names of all values.
    const NAMES: &'static [&'static str];

    /// The name in the NDJSON contract.
    fn name(self) -> &'static str;
}
