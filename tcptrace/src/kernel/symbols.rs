//! Addresses of kernel functions, from /proc/kallsyms.

use std::fs::File;
use std::io::{self, Read};

/// Why an address is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Shown as 0.
    #[error(
        "the kernel hides the address of {0}: it needs CAP_SYSLOG, or kernel.kptr_restrict=0 with \
         kernel.perf_event_paranoid at most 1"
    )]
    Hidden(String),
    /// No such function.
    #[error("this kernel has no function {0}")]
    Absent(String),
    /// The file could not be read.
    #[error("cannot read /proc/kallsyms: {0}")]
    Unreadable(String),
}

/// The kernel formats the file as it is read, about 70 ms for all of it: reading stops as soon as
/// all names are found.
pub fn addresses(names: &[&str]) -> Vec<Result<u64, SymbolError>> {
    match File::open("/proc/kallsyms").and_then(|file| search(file, names)) {
        Ok(found) => found,
        Err(error) => names
            .iter()
            .map(|_| Err(SymbolError::Unreadable(error.to_string())))
            .collect(),
    }
}

/// Searches lines of `ADDRESS TYPE NAME [MODULE]`.
fn search(mut file: impl Read, names: &[&str]) -> io::Result<Vec<Result<u64, SymbolError>>> {
    let mut found: Vec<_> = names
        .iter()
        .map(|name| Err(SymbolError::Absent((*name).to_owned())))
        .collect();
    let mut missing = names.len();
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = 0;
    while missing > 0 {
        if kept == buffer.len() {
            // A line longer than the buffer is no symbol.
            kept = 0;
        }
        let read = file.read(&mut buffer[kept..])?;
        if read == 0 {
            break;
        }
        let filled = kept + read;
        let whole = buffer[..filled]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in buffer[..whole].split(|byte| *byte == b'\n') {
            let Some((address, name)) = fields(line) else {
                continue;
            };
            let Some(place) = names.iter().position(|wanted| wanted.as_bytes() == name) else {
                continue;
            };
            if found[place].is_err() {
                found[place] = match parse(address) {
                    Some(0) | None => Err(SymbolError::Hidden(names[place].to_owned())),
                    Some(address) => Ok(address),
                };
                missing -= 1;
            }
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
    Ok(found)
}

/// Address and name of a core symbol; modules' have a fourth field.
fn fields(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = line.iter().position(|byte| *byte == b' ')?;
    let name = line.get(first + 3..)?;
    (!name.contains(&b'\t')).then_some((&line[..first], name))
}

fn parse(address: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()
}
