//! Plain data shared by all rooms: no behaviour beyond naming, parsing of names and `Display`.

pub mod event;
pub mod finding;
pub mod flow;
pub mod host;
pub mod incident;
pub mod kind;
pub mod loss;
pub mod owner;
pub mod rows;
pub mod run;
pub mod sample;
pub mod snapshot;
pub mod summary;
pub mod survey;
pub mod tier;

pub use event::{Event, Signal};
pub use finding::Finding;
pub use flow::{Endpoint, Family, Flow};
pub use host::{Clock, Host};
pub use incident::{Evidence, Incident, What};
pub use kind::{Kind, KindSet};
pub use owner::{Basis, Owner, Process};
pub use run::RunFacts;
pub use sample::Sample;
pub use tier::Tier;

/// Declares a field-less enum with one stable name per value (the names of the NDJSON contract).
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, as in the NDJSON contract.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
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
