//! The kinds of incident a user can ask for.

use serde::{Deserialize, Deserializer};

use super::incident::Kind;

impl Kind {
    /// Position in per-kind tables; equals the wire's kind number.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The kind of a wire number.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet(u32);

impl KindSet {
    /// No kind.
    pub const EMPTY: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);
    /// What `watch` shows by default.
    pub const DEFAULT: Self = {
        let (mut kinds, mut at) = (Self::ALL, 0);
        while at < Kind::ALL.len() {
            if !Kind::ALL[at].is_default() {
                kinds = kinds.without(Kind::ALL[at]);
            }
            at += 1;
        }
        kinds
    };

    /// With that kind added.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind.index())
    }

    /// With that kind taken out.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind.index()))
    }

    /// Whether the kind is in.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind.index() != 0
    }

    /// Whether no kind is in.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit per kind number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The kinds in it, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<Kind> for KindSet {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// Reads a kind; `None` for one that this version does not know.
pub(super) fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Kind>, D::Error> {
    let name = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
    Ok(name.and_then(|name| Kind::from_name(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_rank_of_its_own() {
        let ranked: KindSet = Kind::BY_RANK.into_iter().collect();
        assert_eq!(ranked, KindSet::ALL);
        assert_eq!(Kind::BY_RANK[0], Kind::AcceptDrop);
    }

    #[test]
    fn transitions_and_lives_are_shown_on_request_only() {
        let rest: Vec<Kind> = Kind::ALL
            .iter()
            .copied()
            .filter(|kind| !KindSet::DEFAULT.contains(*kind))
            .collect();
        assert_eq!(rest, [Kind::State, Kind::Close]);
    }
}
