//! A network namespace as a user names it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Which network namespace, as written; it is looked up later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetnsSpec {
    /// That of a process.
    Pid(u32),
    /// One with a name under `/run/netns` (`ip netns`).
    Name(String),
    /// By inode number, as in `net:[4026531840]`.
    Inode(u64),
}

impl fmt::Display for NetnsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "{pid}"),
            Self::Name(name) => f.write_str(name),
            Self::Inode(inode) => write!(f, "inode:{inode}"),
        }
    }
}

/// Why a word names no network namespace, and how to write it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct NotNetns(String);

impl FromStr for NetnsSpec {
    type Err = NotNetns;

    fn from_str(text: &str) -> Result<Self, NotNetns> {
        let inode = text.strip_prefix("inode:").or_else(|| {
            text.strip_prefix("net:[")
                .and_then(|rest| rest.strip_suffix(']'))
        });
        if let Some(digits) = inode {
            return match digits.parse() {
                Ok(inode) if inode > 0 => Ok(Self::Inode(inode)),
                _ => Err(NotNetns(format!(
                    "`{digits}` is not an inode number; see `readlink /proc/PID/ns/net`, then use \
                     inode:4026531840"
                ))),
            };
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(pid) if pid > 0 => Ok(Self::Pid(pid)),
                _ => Err(NotNetns(format!(
                    "`{text}` is not a PID; for an inode number, use inode:{text}"
                ))),
            };
        }
        if text.is_empty() || text.contains('/') || text == "." || text == ".." {
            return Err(NotNetns(format!(
                "`{text}` is not the name of a network namespace; see `ip netns`, or use a PID or \
                 inode:N"
            )));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        text.parse::<NetnsSpec>().unwrap_err().to_string()
    }

    #[test]
    fn a_namespace_is_a_pid_a_name_or_an_inode() {
        assert_eq!("123".parse(), Ok(NetnsSpec::Pid(123)));
        assert_eq!("blue".parse(), Ok(NetnsSpec::Name("blue".into())));
        assert_eq!(
            "inode:4026531840".parse(),
            Ok(NetnsSpec::Inode(4_026_531_840))
        );
        assert_eq!(
            "net:[4026531840]".parse(),
            Ok(NetnsSpec::Inode(4_026_531_840))
        );
        assert!(why("inode:x").contains("readlink"));
        assert!(why("0").contains("inode:0"));
        assert!(why("../x").contains("ip netns"));
    }
}
