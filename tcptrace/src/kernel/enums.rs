//! Names of the kernel's reasons. Their numbers move between releases, even inside stable ones.

use std::sync::Arc;

use super::btf::Btf;

/// Names by number, without prefix; empty where this kernel has no such enum.
#[derive(Clone, Debug, Default)]
pub struct ReasonNames {
    drop: Vec<Option<Arc<str>>>,
    reset: Vec<Option<Arc<str>>>,
}

/// Numbers above this are not the core's (subsystems put theirs above 0xffff).
const LARGEST: usize = 4096;

impl ReasonNames {
    /// From the kernel's types.
    pub fn read(kernel: &Btf) -> Self {
        Self {
            drop: names(kernel, "skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"]),
            reset: names(kernel, "sk_rst_reason", &["SK_RST_REASON_"]),
        }
    }

    /// Number of a drop reason.
    pub fn drop_number(&self, name: &str) -> Option<u32> {
        let place = self
            .drop
            .iter()
            .position(|known| known.as_deref() == Some(name))?;
        u32::try_from(place).ok()
    }

    /// Names of `enum skb_drop_reason`.
    pub fn drop_names(&self) -> &[Option<Arc<str>>] {
        &self.drop
    }

    /// Names of `enum sk_rst_reason`.
    pub fn reset_names(&self) -> &[Option<Arc<str>>] {
        &self.reset
    }
}

fn names(kernel: &Btf, name: &str, prefixes: &[&str]) -> Vec<Option<Arc<str>>> {
    let mut names = Vec::new();
    for (variant, value) in kernel.enum_values(name).unwrap_or_default() {
        let Some(place) = usize::try_from(value).ok().filter(|place| *place < LARGEST) else {
            continue;
        };
        if names.len() <= place {
            names.resize(place + 1, None);
        }
        let short = prefixes
            .iter()
            .find_map(|prefix| variant.strip_prefix(prefix));
        names[place] = Some(Arc::from(short.unwrap_or(variant)));
    }
    names
}
