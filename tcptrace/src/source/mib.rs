//! Turns the kernel's per-namespace counter files (`/proc/PID/net/{netstat,snmp,snmp6,sockstat}`) into
//! named numbers, for the namespace asked for.
//!
//! Names are the kernel's, `GROUP.NAME` ("TcpExt.ListenOverflows"). A counter this kernel does not
//! have is absent and never 0. What a counter means is not decided here. Reading fails when the
//! namespace cannot be reached, or is another one than when it was found.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::netns::{self, EnterError, Netns, Reach};

/// Counters of one namespace at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    values: BTreeMap<String, u64>,
}

impl FromIterator<(String, u64)> for Counters {
    /// By their names, as an earlier reading had them.
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(values: I) -> Self {
        Self {
            values: values.into_iter().collect(),
        }
    }
}

/// How much counters changed between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    changes: BTreeMap<String, i64>,
}

/// The TCP lines of sockstat and sockstat6. Every field is `None` where the kernel has no such word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sockstat {
    /// IPv4 TCP sockets in use in this namespace.
    pub tcp_inuse: Option<u64>,
    /// IPv6 TCP sockets in use in this namespace.
    pub tcp6_inuse: Option<u64>,
    /// TCP sockets without an owner, on the whole host.
    pub orphans: Option<u64>,
    /// TIME_WAIT entries of this namespace, IPv4 and IPv6 together.
    pub time_wait: Option<u64>,
    /// TCP sockets allocated on the whole host, IPv4 and IPv6 together.
    pub allocated: Option<u64>,
    /// Pages of memory TCP uses on the whole host.
    pub memory_pages: Option<u64>,
}

/// Why counters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MibError {
    /// The namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// A counter file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Counters {
    /// Reads all counters of `netns`.
    pub fn read(netns: &Netns) -> Result<Self, MibError> {
        let [netstat, snmp] = read_files(netns, ["netstat", "snmp"])?;
        let mut counters = Self::parse(&netstat);
        counters.values.append(&mut Self::parse(&snmp).values);
        // Where IPv6 is off there is no such file.
        if let Ok([snmp6]) = read_files(netns, ["snmp6"]) {
            counters.values.append(&mut Self::parse_six(&snmp6).values);
        }
        Ok(counters)
    }

    /// Takes the counters of IPv6 from the text of a snmp6 file: lines of a name and a value. Those of a single
    /// type of ICMP message, and lines that are no counter, are passed over.
    #[must_use]
    pub fn parse_six(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let counter = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?.strip_prefix("Ip6")?;
            let value = words.next()?.parse().ok()?;
            Some((format!("Ip6.{name}"), value))
        };
        text.lines().filter_map(counter).collect()
    }

    /// Takes the counters from the text of a netstat or snmp file: pairs of lines, names then
    /// values, both headed by their group. Pairs that do not match are passed over, as are
    /// values that are no counters (negative ones are settings, like `Tcp.MaxConn`).
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut values = BTreeMap::new();
        let mut names: Option<(&str, &str)> = None;
        for line in text.lines() {
            let Some((group, words)) = line.split_once(':') else {
                names = None;
                continue;
            };
            match names.take() {
                Some((head, list)) if head == group => {
                    for (name, value) in list
                        .split_ascii_whitespace()
                        .zip(words.split_ascii_whitespace())
                    {
                        if let Ok(value) = value.parse() {
                            values.insert(format!("{group}.{name}"), value);
                        }
                    }
                }
                _ => names = Some((group, words)),
            }
        }
        Self { values }
    }

    /// The counter's value; `None` when this kernel has no counter of that name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        self.values.get(name).copied()
    }

    /// All counters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }
}

/// `after` - `before`, for the counters both have.
///
/// Right across an overflow; negative for what is no counter but a level (`Tcp.CurrEstab`), or
/// when the two are not of the same namespace.
#[must_use]
pub fn delta(before: &Counters, after: &Counters) -> Delta {
    let changes = before
        .values
        .iter()
        .filter_map(|(name, old)| {
            Some((
                name.clone(),
                after.value(name)?.wrapping_sub(*old).cast_signed(),
            ))
        })
        .collect();
    Delta { changes }
}

impl Delta {
    /// The change; `None` when a counter of that name was missing on either side.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<i64> {
        self.changes.get(name).copied()
    }

    /// The counters that did change, by name.
    pub fn changed(&self) -> impl Iterator<Item = (&str, i64)> {
        self.changes
            .iter()
            .filter(|(_, by)| **by != 0)
            .map(|(name, by)| (name.as_str(), *by))
    }
}

impl Sockstat {
    /// Reads the socket numbers of `netns`; the IPv6 one stays `None` where IPv6 is off.
    pub fn read(netns: &Netns) -> Result<Self, MibError> {
        let [mut text] = read_files(netns, ["sockstat"])?;
        match read_files(netns, ["sockstat6"]) {
            Ok([six]) => text.extend_from_slice(&six),
            Err(MibError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self::parse(&text))
    }

    /// Takes the numbers from the text of sockstat, sockstat6, or both one after the other.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut found = Self::default();
        for line in text.lines() {
            let Some((group, rest)) = line.split_once(':') else {
                continue;
            };
            let mut words = rest.split_ascii_whitespace();
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                let field = match (group, name) {
                    ("TCP", "inuse") => &mut found.tcp_inuse,
                    ("TCP", "orphan") => &mut found.orphans,
                    ("TCP", "tw") => &mut found.time_wait,
                    ("TCP", "alloc") => &mut found.allocated,
                    ("TCP", "mem") => &mut found.memory_pages,
                    ("TCP6", "inuse") => &mut found.tcp6_inuse,
                    _ => continue,
                };
                *field = value.parse().ok();
            }
        }
        found
    }
}

fn read_files<const N: usize>(netns: &Netns, names: [&str; N]) -> Result<[Vec<u8>; N], MibError> {
    match netns.reach {
        // The files of a process show its namespace to everybody: no need to go there.
        Reach::Pid(pid) => {
            let texts = read_in(&PathBuf::from(format!("/proc/{pid}/net")), names);
            // Looked at afterwards: the number may have gone to a process somewhere else.
            netns.confirm()?;
            texts
        }
        Reach::Own | Reach::Named(_) => {
            netns::with(netns, || read_in(Path::new("/proc/thread-self/net"), names))?
        }
    }
}

fn read_in<const N: usize>(dir: &Path, names: [&str; N]) -> Result<[Vec<u8>; N], MibError> {
    let mut texts = [const { Vec::new() }; N];
    for (text, name) in texts.iter_mut().zip(names) {
        let path = dir.join(name);
        *text = std::fs::read(&path).map_err(|source| MibError::Read { path, source })?;
    }
    Ok(texts)
}

#[cfg(test)]
mod tests;
