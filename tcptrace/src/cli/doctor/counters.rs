//! Damage that the kernel has counted already, in the network namespace of this process.

use super::page::Page;
use crate::source::mib::Counters;
use crate::source::netns::{self, Netns, Reach};

/// Counters that tell of trouble, and the kind of incident that names who is behind it.
const TELLING: [(&str, &str); 14] = [
    ("TcpExt.ListenOverflows", "accept_drop"),
    ("TcpExt.TCPReqQFullDrop", "syn_drop"),
    ("TcpExt.TCPReqQFullDoCookies", "syn_drop"),
    ("TcpExt.TCPAbortOnData", "rst_sent/linger_zero"),
    ("TcpExt.TCPAbortOnClose", "rst_sent/unread_data"),
    ("TcpExt.TCPAbortOnLinger", "rst_sent/linger2"),
    ("TcpExt.TCPAbortOnMemory", "rst_sent/out_of_memory"),
    ("TcpExt.TCPAbortOnTimeout", "rst_sent/keepalive_timeout"),
    ("Tcp.OutRsts", "rst_sent"),
    ("Tcp.EstabResets", "rst_received/reset"),
    ("Tcp.AttemptFails", "rst_received/refused"),
    ("Tcp.RetransSegs", "retransmit"),
    ("TcpExt.TCPTimeWaitOverflow", "time_wait/overflow"),
    ("TcpExt.PAWSEstab", "paws_drop"),
];

/// One that has moved.
pub(super) struct Telling {
    /// Its name, as in /proc/net.
    pub(super) counter: &'static str,
    /// Since the namespace was made.
    pub(super) value: u64,
    /// What `tcptrace explain` has to say of it.
    pub(super) topic: &'static str,
}

/// Those of our own namespace that are not 0, or why they cannot be read.
pub(super) fn own() -> Result<Vec<Telling>, String> {
    let read = || -> anyhow::Result<Counters> {
        let own = Netns {
            inode: netns::own()?,
            reach: Reach::Own,
            processes: 0,
        };
        Ok(Counters::read(&own)?)
    };
    let counters = read().map_err(|error| format!("{error:#}"))?;
    Ok(telling(&counters))
}

fn telling(counters: &Counters) -> Vec<Telling> {
    let moved = |&(counter, topic): &(&'static str, &'static str)| {
        let value = counters.value(counter).filter(|value| *value > 0)?;
        Some(Telling {
            counter,
            value,
            topic,
        })
    };
    TELLING.iter().filter_map(moved).collect()
}

pub(super) fn table(page: &mut Page, counted: &Result<Vec<Telling>, String>) {
    page.heading("COUNTED SO FAR, IN THIS NETWORK NAMESPACE");
    let counted = match counted {
        Ok(counted) => counted,
        Err(error) => {
            page.row("not known", error);
            return;
        }
    };
    for telling in counted {
        let (counter, value) = (telling.counter, telling.value);
        page.line(&format!(
            "  {counter:<28} {value:>12}  tcptrace explain {}",
            telling.topic
        ));
    }
    if counted.is_empty() {
        page.line("  none of the counters that tell of trouble has moved");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::advice;
    use crate::model::Kind;

    #[test]
    fn every_topic_can_be_explained() {
        for (counter, topic) in TELLING {
            let (kind, cause) = match topic.split_once('/') {
                Some((kind, cause)) => (kind, Some(cause)),
                None => (topic, None),
            };
            let kind = Kind::from_name(kind).expect(counter);
            assert!(advice::find(kind, cause).is_some(), "{counter}: {topic}");
        }
    }

    #[test]
    fn only_what_has_moved_is_told() {
        let mut page = Page::default();
        let text = b"TcpExt: ListenOverflows PAWSEstab\nTcpExt: 7 0\n";
        table(&mut page, &Ok(telling(&Counters::parse(text))));
        let lines: Vec<Vec<&str>> = page
            .text()
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        let overflows = "TcpExt.ListenOverflows 7 tcptrace explain accept_drop";
        assert_eq!(lines, [overflows.split(' ').collect::<Vec<_>>()]);
    }

    #[test]
    fn a_quiet_host_is_told_so() {
        let mut page = Page::default();
        table(&mut page, &Ok(telling(&Counters::parse(b""))));
        assert!(page.text().contains("none of the counters"));
    }
}
