//! The sysctls that decide what happens to TCP connections here, read once.
//!
//! Turns files below /proc/sys into typed options and never changes one. Values below `net.` are
//! those of the network namespace this process is in. A file that is absent, unreadable or not a
//! number is None, never a default: reading does not fail.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

macro_rules! sysctls {
    ($($(#[$doc:meta])* $field:ident: $ty:ty = $path:literal,)*) => {
        /// The values of one moment; None where this kernel or namespace does not show it.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Sysctls {
            $($(#[$doc])* pub $field: Option<$ty>,)*
            /// `net.ipv4.ip_local_port_range`: first and last port given out by connect and bind.
            pub ip_local_port_range: Option<(u16, u16)>,
        }

        impl Sysctls {
            /// Values as `text` gives them for a path below /proc/sys.
            fn from_texts(text: impl Fn(&str) -> Option<String>) -> Sysctls {
                Sysctls {
                    $($field: text($path).and_then(|text| number(&text)),)*
                    ip_local_port_range: text("net/ipv4/ip_local_port_range")
                        .and_then(|text| range(&text)),
                }
            }
        }
    };
}

sysctls! {
    /// Upper limit of every accept queue of this namespace.
    somaxconn: u32 = "net/core/somaxconn",
    /// SYNs a listener remembers before it drops or answers with cookies.
    tcp_max_syn_backlog: u32 = "net/ipv4/tcp_max_syn_backlog",
    /// 1: a full accept queue answers with a reset instead of silence.
    tcp_abort_on_overflow: u32 = "net/ipv4/tcp_abort_on_overflow",
    /// 0 never, 1 when the SYN queue is full, 2 always.
    tcp_syncookies: u32 = "net/ipv4/tcp_syncookies",
    /// Resends of a SYN before connect gives up.
    tcp_syn_retries: u32 = "net/ipv4/tcp_syn_retries",
    /// Resends of a SYN after one second each, before the pause doubles (6.5 and newer).
    tcp_syn_linear_timeouts: u32 = "net/ipv4/tcp_syn_linear_timeouts",
    /// Longest pause between two resends, ms (6.15 and newer).
    tcp_rto_max_ms: u32 = "net/ipv4/tcp_rto_max_ms",
    /// Resends of a SYN-ACK before the request is forgotten.
    tcp_synack_retries: u32 = "net/ipv4/tcp_synack_retries",
    /// 1 globally, 2 for loopback only: connect may take over a TIME_WAIT port.
    tcp_tw_reuse: u32 = "net/ipv4/tcp_tw_reuse",
    /// Milliseconds a TIME_WAIT must be old before reuse (absent up to 6.12).
    tcp_tw_reuse_delay: u32 = "net/ipv4/tcp_tw_reuse_delay",
    /// Only before 4.12: 1 refuses clients behind one NAT address by their timestamps.
    tcp_tw_recycle: u32 = "net/ipv4/tcp_tw_recycle",
    /// TIME_WAIT sockets beyond which new ones are closed at once.
    tcp_max_tw_buckets: u32 = "net/ipv4/tcp_max_tw_buckets",
    /// Seconds an orphan stays in FIN_WAIT2.
    tcp_fin_timeout: u32 = "net/ipv4/tcp_fin_timeout",
    /// 0 off (no PAWS either), 1 on, 2 on without random offsets.
    tcp_timestamps: u32 = "net/ipv4/tcp_timestamps",
    /// Sockets without an owner beyond which new ones are reset.
    tcp_max_orphans: u32 = "net/ipv4/tcp_max_orphans",
    /// Retries before a socket without an owner is killed; 0 means 8.
    tcp_orphan_retries: u32 = "net/ipv4/tcp_orphan_retries",
    /// Retries after which the route is questioned.
    tcp_retries1: u32 = "net/ipv4/tcp_retries1",
    /// Retries after which an established connection is given up.
    tcp_retries2: u32 = "net/ipv4/tcp_retries2",
    /// Seconds of silence before the first keepalive probe.
    tcp_keepalive_time: u32 = "net/ipv4/tcp_keepalive_time",
    /// Seconds between keepalive probes.
    tcp_keepalive_intvl: u32 = "net/ipv4/tcp_keepalive_intvl",
    /// Unanswered keepalive probes before the connection is reset.
    tcp_keepalive_probes: u32 = "net/ipv4/tcp_keepalive_probes",
    /// 1: a closed listener's waiting connections move to another one of its reuseport group.
    tcp_migrate_req: u32 = "net/ipv4/tcp_migrate_req",
    /// 1: the strict reading of RFC 1337, resets do not end TIME_WAIT.
    tcp_rfc1337: u32 = "net/ipv4/tcp_rfc1337",
    /// Per-second limit of challenge ACKs; 2147483647 means none.
    tcp_challenge_ack_limit: u32 = "net/ipv4/tcp_challenge_ack_limit",
    /// Packets a CPU may queue for the stack before it drops them.
    netdev_max_backlog: u32 = "net/core/netdev_max_backlog",
}

impl Sysctls {
    /// What /proc/sys says now, for the network namespace of this process.
    pub fn read() -> Sysctls {
        let root = Path::new("/proc/sys");
        Sysctls::from_texts(|path| fs::read_to_string(root.join(path)).ok())
    }
}

/// The text of one setting, by its full name (`net.ipv4.tcp_mem`), for the network namespace of the
/// calling thread. None where this kernel or namespace does not have it.
pub fn text(name: &str) -> io::Result<Option<String>> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes of a page, in which the kernel counts the memory of TCP; None if it does not show it.
pub fn page_bytes() -> Option<u64> {
    // SAFETY: sysconf takes a number and returns one; it touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

/// The one number a file holds. None when it holds anything else.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn range(text: &str) -> Option<(u16, u16)> {
    let mut ports = text.split_ascii_whitespace().map(number);
    match (ports.next()??, ports.next()??, ports.next()) {
        (first, last, None) if first <= last => Some((first, last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_machine_shows_its_listen_limits() {
        let sysctls = Sysctls::read();
        assert!(sysctls.somaxconn.is_some() && sysctls.tcp_max_syn_backlog.is_some());
        let (first, last) = sysctls
            .ip_local_port_range
            .expect("every kernel has a port range");
        assert!(first <= last);
    }

    #[test]
    fn one_setting_is_read_by_its_name() {
        let text = text("net.core.somaxconn").expect("readable");
        assert!(text.is_some_and(|text| number::<u32>(&text).is_some()));
        assert_eq!(
            super::text("net.ipv4.no_such_setting").expect("absent"),
            None
        );
        assert!(page_bytes().is_some_and(u64::is_power_of_two));
    }

    #[test]
    fn absent_and_odd_files_are_none() {
        assert_eq!(Sysctls::from_texts(|_| None), Sysctls::default());
        for odd in ["", "\n", "-1", "4294967296", "1 2", "one", "1\0"] {
            let sysctls = Sysctls::from_texts(|_| Some(odd.to_owned()));
            assert_eq!(sysctls.somaxconn, None, "{odd:?}");
        }
    }

    #[test]
    fn a_port_range_needs_two_ordered_ports() {
        assert_eq!(range("32768\t60999\n"), Some((32768, 60999)));
        for odd in ["", "1", "2 1", "1 2 3", "1 65536", "a b"] {
            assert_eq!(range(odd), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = Sysctls::from_texts(|_| Some(text.clone()));
        }

        #[test]
        fn every_number_comes_back(value in any::<u32>()) {
            let sysctls = Sysctls::from_texts(|_| Some(format!("{value}\n")));
            prop_assert_eq!(sysctls.tcp_max_tw_buckets, Some(value));
        }
    }
}
