//! The template behind [`super::incident`]: one table of kinds becomes the type, what is written, what
//! is read back, and what the schema says.

/// Takes the fields of a kind, one after the other.
pub trait Put<T> {
    /// `key` is whole, with comma, quotes and colon: `,"name":`.
    fn put(&mut self, key: &'static str, value: &T);
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

/// Declares the kinds of incident, in the order of their wire numbers, each with its fields:
///
/// ```text
/// /// What the kind is.
/// Kind = "name" {
///     /// What the field means: this is its description in the schema.
///     field: Type;
///     field as "name_in_the_contract": Type;
///     #[serde(default, skip_serializing_if = "...")]
///     field: Type, if condition_for_writing_it;
/// }
/// ```
///
/// `None` is written as `null`; a field with a condition is absent where that does not hold.
macro_rules! kinds {
    ($(
        $(#[$kind_doc:meta])*
        $kind:ident = $name:literal {
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
