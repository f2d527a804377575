//! The kernel's own TCP counters of the calling thread's namespace: the proof that the sockets did
//! what a scenario claims, whatever the tracer says.

use std::collections::BTreeMap;

/// A reading of `/proc/net/netstat` and `/proc/net/snmp`, names as `TcpExt.TCPAbortOnData`.
pub(crate) struct Counters(BTreeMap<String, i64>);

impl Counters {
    pub(crate) fn read() -> Self {
        let mut values = BTreeMap::new();
        for file in ["netstat", "snmp"] {
            let path = format!("/proc/thread-self/net/{file}");
            let text = std::fs::read_to_string(&path).expect("the kernel's counters");
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.chunks_exact(2) {
                let names = pair[0].split_whitespace();
                let numbers = pair[1].split_whitespace();
                let prefix = pair[0].split(':').next().expect("a group name");
                for (name, number) in names.zip(numbers).skip(1) {
                    let number = number.parse().expect("a counter");
                    values.insert(format!("{prefix}.{name}"), number);
                }
            }
        }
        Self(values)
    }

    /// The value of `GROUP.NAME`; `None` where this kernel has no such counter.
    pub(crate) fn find(&self, full: &str) -> Option<i64> {
        self.0.get(full).copied()
    }

    /// The value of `TcpExt.NAME` (or `GROUP.NAME` when it has a dot).
    pub(crate) fn value(&self, name: &str) -> i64 {
        let full = if name.contains('.') {
            name.into()
        } else {
            format!("TcpExt.{name}")
        };
        *self
            .0
            .get(&full)
            .unwrap_or_else(|| panic!("this kernel has no counter {full}"))
    }
}
