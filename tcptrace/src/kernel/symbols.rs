//! Names of kernel functions -> their addresses in the running kernel.
//!
//! Two ways, the quick one first. A program of a dozen instructions asks the kernel's own symbol
//! table (a helper of 5.16 and later): 0.3 ms for two names. Where that is refused, /proc/kallsyms
//! is read up to the last name wanted: 40 to 60 ms, nearly all of it spent by the kernel on
//! formatting 120,000 lines. A large buffer does not help (every read(2) returns at most a page)
//! and neither does starting late (a seek formats all that it skips).
//!
//! An address the kernel hides is [`SymbolError::Hidden`], never 0. Of several functions with one
//! name the first counts.

mod kallsyms;
mod lookup;

use std::io;

/// Why the address of a symbol is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// The kernel knows the symbol but shows 0 for its address.
    #[error(
        "the kernel hides the address of {name}: reading it needs CAP_SYSLOG and kernel.kptr_restrict below 2"
    )]
    Hidden {
        /// The symbol asked for.
        name: String,
    },
    /// This kernel has no such symbol.
    #[error("this kernel has no symbol {name}")]
    NotFound {
        /// The symbol asked for.
        name: String,
    },
    /// The list of symbols cannot be read.
    #[error("cannot read /proc/kallsyms: {kind}")]
    Io {
        /// What went wrong.
        kind: io::ErrorKind,
    },
}

/// The addresses of `names`, in their order.
///
/// # Errors
/// Per name: see [`SymbolError`].
pub fn addresses(names: &[&str]) -> Vec<Result<u64, SymbolError>> {
    let quick: Vec<Option<u64>> = names.iter().map(|name| lookup::address(name)).collect();
    if quick.iter().all(Option::is_some) {
        return quick.into_iter().flatten().map(Ok).collect();
    }
    // One missing name means reading the list anyway, and the list distinguishes hidden from absent.
    kallsyms::addresses(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::btf::Btf;
    use crate::kernel::btf::fixture::skipped;
    use crate::kernel::caps::{Capability, Privileges};

    const NAMES: [&str; 2] = ["tw_timer_handler", "process_timeout"];

    /// Whether the quick way has to work: the kernel has the helper and lets us call it.
    fn must_be_quick() -> bool {
        let helper = Btf::from_kernel()
            .ok()
            .and_then(|btf| btf.enum_value("BPF_FUNC_kallsyms_lookup_name"));
        let privileges = Privileges::probe();
        let is_root = privileges.holds(Capability::SysAdmin) == Some(true)
            && privileges.in_user_namespace == Some(false);
        let is_shown = privileges.kptr_restrict.is_some_and(|level| level < 2);
        helper.is_some() && is_root && is_shown
    }

    #[test]
    fn both_ways_agree_on_this_kernel() {
        let listed = kallsyms::addresses(&NAMES);
        for (name, listed) in NAMES.iter().zip(&listed) {
            match lookup::address(name) {
                Some(address) => assert_eq!(Ok(address), *listed, "{name}"),
                None if must_be_quick() => panic!("{name} was not looked up"),
                None => skipped(format_args!("no program can look up {name} here")),
            }
        }
        assert_eq!(addresses(&NAMES), listed);
    }

    #[test]
    fn a_name_no_kernel_has_is_not_found() {
        let found = addresses(&["tw_timer_handler", "no_kernel_has_this_symbol"]);
        assert_eq!(
            found[1],
            Err(SymbolError::NotFound {
                name: "no_kernel_has_this_symbol".to_owned()
            })
        );
        assert_eq!(found[..1], kallsyms::addresses(&["tw_timer_handler"])[..]);
    }

    #[test]
    fn names_that_cannot_be_symbols_are_not_looked_up() {
        for name in ["", "nul\0inside", &"x".repeat(600)] {
            assert_eq!(lookup::address(name), None, "{name:?}");
        }
    }
}
