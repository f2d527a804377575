//! Addresses from the text of /proc/kallsyms: `ffffffff82006070 t tw_timer_handler [module]`.
//!
//! Reads only as far as the last name wanted. Lines of any other shape are passed over.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use super::SymbolError;

/// The kernel hands out at most a page per read(2), so a larger buffer stays unused.
const BUFFER: usize = 4096;

/// The addresses of `names`, in their order.
pub(super) fn addresses(names: &[&str]) -> Vec<Result<u64, SymbolError>> {
    let found = File::open("/proc/kallsyms").and_then(|file| search(file, names));
    match found {
        Ok(found) => names
            .iter()
            .zip(found)
            .map(|(name, address)| verdict(name, address))
            .collect(),
        Err(error) => names
            .iter()
            .map(|_| Err(SymbolError::Io { kind: error.kind() }))
            .collect(),
    }
}

fn verdict(name: &str, address: Option<u64>) -> Result<u64, SymbolError> {
    match address {
        None => Err(SymbolError::NotFound {
            name: name.to_owned(),
        }),
        Some(0) => Err(SymbolError::Hidden {
            name: name.to_owned(),
        }),
        Some(address) => Ok(address),
    }
}

/// The first address listed for each name; stops at the last one found.
fn search(list: impl Read, names: &[&str]) -> std::io::Result<Vec<Option<u64>>> {
    let mut list = BufReader::with_capacity(BUFFER, list);
    let mut found = vec![None; names.len()];
    let mut line = Vec::with_capacity(128);
    while found.contains(&None) {
        line.clear();
        // A line without end cannot fill the memory: the kernel's longest name has 512 bytes.
        if list.by_ref().take(1024).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if let Some((address, symbol)) = split(&line) {
            for (found, name) in found.iter_mut().zip(names) {
                if found.is_none() && symbol == name.as_bytes() {
                    *found = number(address);
                }
            }
        }
    }
    Ok(found)
}

/// Address and name of a line.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&b| b == b' ')?;
    let name = line.get(at + 3..)?;
    let end = name
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(name.len());
    Some((line.get(..at)?, name.get(..end)?))
}

fn number(address: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    /// Fails when it is read past its text.
    struct Strict<'a>(&'a [u8]);

    impl Read for Strict<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("read too far")),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn reading_stops_at_the_last_name_wanted() {
        let list = Strict(b"ff01 T one\nff02 t two\t[module]\nff03 t two\n");
        assert_eq!(
            search(list, &["two", "one"]).unwrap(),
            [Some(0xff02), Some(0xff01)]
        );
    }

    #[test]
    fn only_the_whole_name_counts() {
        let list = &b"1 t one_more\n2 t on\n3 d a.one\n4 t one.llvm.1\n"[..];
        assert_eq!(search(list, &["one"]).unwrap(), [None]);
    }

    #[test]
    fn the_first_of_several_counts() {
        let list = &b"1 t one\n2 t one\n3 t two\n"[..];
        assert_eq!(search(list, &["one", "two"]).unwrap(), [Some(1), Some(3)]);
    }

    #[test]
    fn address_zero_means_hidden() {
        assert_eq!(
            search(&b"0000000000000000 t one\n"[..], &["one"]).unwrap(),
            [Some(0)]
        );
        assert_eq!(
            verdict("one", Some(0)),
            Err(SymbolError::Hidden {
                name: "one".to_owned()
            })
        );
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_panic(list in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = search(&list[..], &["a", ""]);
        }

        #[test]
        fn any_line_is_read_without_panic(list in "[0-9a-f ]{0,18}[ t\n]{0,3}[a-c \t\n]{0,6}") {
            let _ = search(list.as_bytes(), &["a", ""]);
        }
    }
}
