//! Names of the kernel's drop and reset reasons, both ways.
//!
//! The numbers move between releases and even inside stable series, so they are read from the
//! running kernel and never written down here. A kernel without one of the enums (5.10 has
//! neither) has no names of that sort: every look-up is None.

use std::sync::Arc;

use super::btf::Btf;

/// The names of one kind of reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    /// Sorted by number.
    by_number: Vec<(u32, Arc<str>)>,
}

impl Names {
    /// Variants of the enum, without the first of `prefixes` that fits.
    fn read(btf: &Btf, name: &str, prefixes: &[&str]) -> Names {
        let mut by_number: Vec<(u32, Arc<str>)> = btf
            .enum_values(name)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(variant, value)| {
                let short = prefixes.iter().find_map(|p| variant.strip_prefix(p));
                let short = short.unwrap_or(variant);
                // The end of the list and the mask of the subsystem bits are no reasons.
                let is_reason = !matches!(short, "MAX" | "SUBSYS_MASK");
                Some((
                    u32::try_from(value).ok().filter(|_| is_reason)?,
                    short.into(),
                ))
            })
            .collect();
        by_number.sort_by_key(|&(number, _)| number);
        by_number.dedup_by_key(|&mut (number, _)| number);
        Names { by_number }
    }

    fn name(&self, number: u32) -> Option<&str> {
        let at = self
            .by_number
            .binary_search_by_key(&number, |&(n, _)| n)
            .ok()?;
        self.by_number.get(at).map(|(_, name)| &**name)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.by_number
            .iter()
            .find(|(_, known)| &**known == name)
            .map(|&(number, _)| number)
    }
}

/// Why packets were dropped and resets sent, in this kernel's numbers and words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReasonNames {
    drop: Names,
    reset: Names,
}

impl ReasonNames {
    /// The reasons of the kernel that `btf` describes.
    pub fn from_btf(btf: &Btf) -> ReasonNames {
        ReasonNames {
            drop: Names::read(btf, "skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"]),
            reset: Names::read(btf, "sk_rst_reason", &["SK_RST_REASON_"]),
        }
    }

    /// The name of a drop reason without its prefix (`TCP_LISTEN_OVERFLOW`). None when this kernel
    /// has no such number.
    pub fn drop_name(&self, number: u32) -> Option<&str> {
        self.drop.name(number)
    }

    /// The number of a drop reason by its name without prefix. None when this kernel lacks it.
    pub fn drop_number(&self, name: &str) -> Option<u32> {
        self.drop.number(name)
    }

    /// The name of a reset reason without its prefix (`TCP_ABORT_ON_LINGER`). None when this
    /// kernel has no such number.
    pub fn reset_name(&self, number: u32) -> Option<&str> {
        self.reset.name(number)
    }

    /// The number of a reset reason by its name without prefix. None when this kernel lacks it.
    pub fn reset_number(&self, name: &str) -> Option<u32> {
        self.reset.number(name)
    }

    /// All drop reasons in the order of their numbers; nothing on kernels without the enum.
    pub fn drops(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        self.drop
            .by_number
            .iter()
            .map(|(number, name)| (*number, name))
    }

    /// All reset reasons in the order of their numbers; nothing on kernels without the enum.
    pub fn resets(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        self.reset
            .by_number
            .iter()
            .map(|(number, name)| (*number, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::btf::fixture::{Blob, skipped};

    #[test]
    fn a_kernel_without_the_enums_has_no_names() {
        let names = ReasonNames::from_btf(&Btf::parse(Blob::new().bytes()).unwrap());
        assert_eq!(names, ReasonNames::default());
        assert_eq!(names.drop_name(0), None);
        assert_eq!(names.reset_number("NO_SOCKET"), None);
    }

    #[test]
    fn prefixes_go_and_markers_are_no_reasons() {
        let mut blob = Blob::new();
        blob.enumeration(
            "skb_drop_reason",
            false,
            &[
                ("SKB_NOT_DROPPED_YET", 0),
                ("SKB_CONSUMED", 1),
                ("SKB_DROP_REASON_NO_SOCKET", 3),
                ("SKB_DROP_REASON_MAX", 4),
                ("SKB_DROP_REASON_SUBSYS_MASK", -65536),
            ],
        );
        blob.enumeration("sk_rst_reason", false, &[("SK_RST_REASON_ERROR", 24)]);
        let names = ReasonNames::from_btf(&Btf::parse(blob.bytes()).unwrap());
        let drops: Vec<(u32, &str)> = names.drops().map(|(n, name)| (n, &**name)).collect();
        assert_eq!(
            drops,
            [(0, "NOT_DROPPED_YET"), (1, "CONSUMED"), (3, "NO_SOCKET")]
        );
        assert_eq!(names.drop_name(2), None, "a gap has no name");
        assert_eq!(names.drop_number("NO_SOCKET"), Some(3));
        assert_eq!(names.reset_name(24), Some("ERROR"));
        assert_eq!(names.resets().count(), 1);
    }

    #[test]
    fn names_of_this_kernel_lead_back_to_their_numbers() {
        let Ok(btf) = Btf::from_kernel() else {
            skipped("this kernel has no readable BTF");
            return;
        };
        let names = ReasonNames::from_btf(&btf);
        for (number, name) in names.drops() {
            assert_eq!(names.drop_number(name), Some(number));
            assert_eq!(names.drop_name(number), Some(&**name));
        }
        for (number, name) in names.resets() {
            assert_eq!(names.reset_number(name), Some(number));
        }
        if btf.enum_values("sk_rst_reason").is_some() {
            assert_eq!(names.reset_name(0), Some("NOT_SPECIFIED"));
        }
    }
}
