//! The template behind [`super::incident`]: one table of kinds becomes the type, what is written, what
//! is read back, and what the schema says.

use super::Named;

/// Takes the fields of a kind, one after the other.
pub trait Put<T> {
    /// `key` is whole, with comma, quotes and colon: `,"name":`.
    fn put(&mut self, key: &'static str, value: &T);
}

/// A field that may be the cause an incident is filed under.
pub(super) trait Cause {
    /// The names it can have.
    const NAMES: &'static [&'static str];

    /// Its name; `None`: not known.
    fn cause(&self) -> Option<&'static str>;
}

impl<T: Named> Cause for T {
    const NAMES: &'static [&'static str] = T::NAMES;

    fn cause(&self) -> Option<&'static str> {
        Some((*self).name())
    }
}

impl<T: Named> Cause for Option<T> {
    const NAMES: &'static [&'static str] = T::NAMES;

    fn cause(&self) -> Option<&'static str> {
        (*self).map(T::name)
    }
}

/// The names of the causes that a field of `F` distinguishes.
pub(super) const fn names_of<F, T: Cause>(_of: fn(&F) -> &T) -> &'static [&'static str] {
    T::NAMES
}

/// The name of a field in the contract.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}
pub(super) use key;

/// Whether a kind is shown without being asked for.
macro_rules! is_default {
    (shown) => {
        true
    };
    (on_request) => {
        false
    };
}
pub(super) use is_default;

/// Declares the kinds of incident, in the order of their wire numbers, each with its fields:
///
/// ```text
/// /// What the kind is.
/// Kind = "name", rank 1, Bad, shown, cause field {
///     /// What the field means: this is its description in the schema.
///     field: Type;
///     field as "name_in_the_contract": Type;
///     #[serde(default, skip_serializing_if = "...")]
///     field: Type, if condition_for_writing_it;
/// }
/// ```
///
/// `rank` orders the kinds for readers, the worst first. Then come how bad the kind is, whether it is
/// `shown` by default or `on_request` only, and the field whose value `explain` knows. `None` is written as
/// `null`; a field with a condition is absent where that does not hold.
macro_rules! kinds {
    ($(
        $(#[$kind_doc:meta])*
        $kind:ident = $name:literal, rank $rank:literal, $impact:ident, $shown:ident
        $(, cause $cause:ident)? {
            $(
                $(#[$doc:meta])*
                $field:ident $(as $key:literal)?: $of:ty $(, if $is_there:expr)?;
            )*
        }
    )*) => {
        named! {
            /// Kind of an incident; the discriminant is the wire's kind number.
            Kind { $($(#[$kind_doc])* $kind = $name,)* }
        }

        /// The fields of one kind. `None` = not known.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each field is described in `form`")]
        pub enum What {
            $($(#[$kind_doc])* $kind { $($field: $of,)* },)*
        }

        impl What {
            /// The kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind,)*
                }
            }

            /// The value that distinguishes the causes of the kind; `None`: unknown, or there are none.
            pub fn cause(&self) -> Option<&'static str> {
                match self {
                    $(Self::$kind { $($cause,)? .. } => {
                        let causes: &[Option<&'static str>] = &[$(Cause::cause($cause))?];
                        causes.first().copied().flatten()
                    })*
                }
            }

            /// Hands over the fields in the order of the table.
            #[inline(always)]
            pub fn write<W>(&self, to: &mut W)
            where
                $($(W: Put<$of>,)*)*
            {
                match self {
                    $(Self::$kind { $($field),* } => {
                        $($(if $is_there)? {
                            to.put(concat!(",\"", key!($field $($key)?), "\":"), $field);
                        })*
                    })*
                }
            }

        }

        /// Reads the fields of the kind, from an object that may have others too.
        impl<'de> serde::de::DeserializeSeed<'de> for Kind {
            type Value = What;

            fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<What, D::Error> {
                Ok(match self {
                    $(Self::$kind => {
                        let form::$kind { $($field),* } = serde::Deserialize::deserialize(from)?;
                        What::$kind { $($field),* }
                    })*
                })
            }
        }

        impl Kind {
            /// The kinds as a reader wants them: refusals, then deaths, then what is merely slow.
            pub const BY_RANK: [Self; Self::ALL.len()] = {
                let mut ranked = [Kind::State; Self::ALL.len()];
                $(ranked[$rank - 1] = Self::$kind;)*
                ranked
            };

            /// How bad it is, unless its fields say better or worse.
            pub const fn impact(self) -> Impact {
                match self {
                    $(Self::$kind => Impact::$impact,)*
                }
            }

            /// The names of its causes; empty: it has none.
            pub fn causes(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => {
                        let causes: &[&'static [&'static str]] =
                            &[$(names_of(|form: &form::$kind| &form.$cause))?];
                        causes.first().copied().unwrap_or_default()
                    })*
                }
            }

            /// Whether `watch` shows it without being asked for it.
            pub const fn is_default(self) -> bool {
                match self {
                    $(Self::$kind => is_default!($shown),)*
                }
            }

            /// The schema of the fields that only this kind has.
            pub fn schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use schemars::JsonSchema;
                match self {
                    $(Self::$kind => form::$kind::json_schema(generator),)*
                }
            }
        }

        /// The fields of each kind as an object.
        mod form {
            use super::*;

            $(
                $(#[$kind_doc])*
                #[derive(serde::Deserialize, schemars::JsonSchema)]
                pub(super) struct $kind {
                    $(
                        $(#[$doc])*
                        $(#[serde(rename = $key)])?
                        pub(super) $field: $of,
                    )*
                }
            )*
        }
    };
}
pub(super) use kinds;
