//! The values of fields: texts of a bounded length, and names of the contract.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::NdjsonError;
use crate::model::flow::TcpState;
use crate::model::incident::{
    CloseHow, ClosedBy, DropOutcome, Evidence, LimitedBy, LingerOutcome, PawsWhere, ResetCause,
    ResetMeaning, RetransmitType, Step, TimeWaitEnd, TimeWaitPhase,
};
use crate::model::loss::LossPlace;
use crate::model::summary::Verdict;
use crate::model::{Basis, Family, Kind};

/// Bytes of a text at most: a path has 4096, escaped by the kernel up to twice that.
const LONGEST: usize = 16_384;

/// What went wrong, without the place in the line that serde adds.
pub(super) fn without_place(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    text.chars()
        .take(text[..end].chars().count().min(300))
        .collect()
}

/// A text, borrowed from the line where that has it as it is.
#[derive(Clone, Debug)]
pub(super) struct Text<'de>(Cow<'de, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text of at most {LONGEST} bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.len() > LONGEST {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if text.len() > LONGEST {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(Text(Cow::Borrowed(text)))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor)
    }
}

/// A value with a stable name.
pub(super) trait Named: Sized {
    /// Of that name.
    fn of(name: &str) -> Option<Self>;
    /// All names.
    fn names() -> String;
}

macro_rules! all_named {
    ($($of:ty)*) => {
        $(impl Named for $of {
            fn of(name: &str) -> Option<Self> {
                Self::from_name(name)
            }

            fn names() -> String {
                let names: Vec<&str> = Self::ALL.iter().map(|value| value.name()).collect();
                names.join(", ")
            }
        })*
    };
}
all_named!(Basis CloseHow ClosedBy DropOutcome Evidence Family LimitedBy LingerOutcome LossPlace
    PawsWhere ResetCause ResetMeaning RetransmitType Step TcpState TimeWaitEnd TimeWaitPhase Verdict);

fn expected<T: Named>(name: &str) -> String {
    let name: String = name.chars().take(40).collect();
    format!("`{name}` where one of these is expected: {}", T::names())
}

/// The value of a name that is a field's.
pub(super) fn named<T: Named>(field: &'static str, name: &Text<'_>) -> Result<T, NdjsonError> {
    let name = name.as_str();
    T::of(name).ok_or_else(|| NdjsonError::Field(format!("{field}: {}", expected::<T>(name))))
}

/// A field that holds a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<T>(pub(super) T);

impl<'de, T: Named> Deserialize<'de> for Of<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(from)?;
        let value = T::of(name.as_str());
        value
            .map(Of)
            .ok_or_else(|| D::Error::custom(expected::<T>(name.as_str())))
    }
}

/// Numbers by kind, in the order of the line. Kinds that are not known here are passed over.
#[derive(Clone, Debug)]
pub(super) struct Counts(pub(super) Vec<(Kind, u64)>);

struct CountsVisitor<'de>(PhantomData<&'de ()>);

impl<'de> Visitor<'de> for CountsVisitor<'de> {
    type Value = Counts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of kinds and their numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
        let mut counts: Vec<(Kind, u64)> = Vec::new();
        while let Some((name, count)) = map.next_entry::<Text<'de>, u64>()? {
            let Some(kind) = Kind::from_name(name.as_str()) else {
                continue;
            };
            if counts.iter().any(|(known, _)| *known == kind) {
                return Err(A::Error::custom(format_args!("{kind} is there twice")));
            }
            counts.push((kind, count));
        }
        Ok(Counts(counts))
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(CountsVisitor(PhantomData))
    }
}
