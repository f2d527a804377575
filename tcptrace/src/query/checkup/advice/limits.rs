//! Limits of the host and of a namespace that are reached, or nearly: TIME_WAIT, orphans, memory.

use super::{About, Advice, ROOM, command};
use crate::query::checkup::{Host, Space};

/// Part of a limit from which on it is worth a word, in percent.
const NEAR_PERCENT: u64 = 90;

pub(super) fn time_wait(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_max_tw_buckets";
    let most = space.settings.number(name)?;
    let overflows = space.total("TcpExt.TCPTimeWaitOverflow");
    let is_near = |entries: &u64| is_near(*entries, most);
    let near = space.time_wait.filter(is_near);
    if overflows == 0 && near.is_none() {
        return None;
    }
    let now = space.time_wait.map_or_else(
        || format!("tcp_max_tw_buckets is {most}"),
        |entries| format!("{entries} of {most} entries are in use now"),
    );
    Some(Advice {
        about: About::TimeWait,
        netns: Some(space.netns),
        evidence: format!(
            "{overflows} TIME_WAITs could not be made in netns {}; {now}",
            space.netns
        ),
        first: "See who leaves them: tcptrace timewait. Reuse connections (keep-alive, pools), or \
                let the clients close first."
            .to_owned(),
        command: Some(command(
            &space.way_in,
            name,
            &most.saturating_mul(2).max(ROOM).to_string(),
        )),
        risk:
            "Each entry takes some 250 bytes of kernel memory. Do not lower it: what is over the \
               limit loses its protection from old segments."
                .to_owned(),
    })
}

fn is_near(used: u64, most: u64) -> bool {
    used > 0 && used.saturating_mul(100) >= most.saturating_mul(NEAR_PERCENT)
}

fn thrown_away(spaces: &[Space]) -> u64 {
    let counts = spaces
        .iter()
        .map(|space| space.total("TcpExt.TCPAbortOnMemory"));
    counts.sum()
}

pub(super) fn orphans(host: &Host, spaces: &[Space]) -> Option<Advice> {
    let name = "net.ipv4.tcp_max_orphans";
    let (now, most) = (host.orphans?, host.settings.number(name)?);
    let thrown = thrown_away(spaces);
    // kernel: an orphan that sends without progress counts twice or four times.
    let is_many = now > 0 && now.saturating_mul(4) >= most;
    if !is_many {
        return None;
    }
    let way_in = host.way_in.as_ref()?;
    Some(Advice {
        about: About::Orphans,
        netns: None,
        evidence: format!(
            "{now} sockets without a process, tcp_max_orphans is {most}; {thrown} closed sockets were \
             thrown away"
        ),
        first: "See to whom: tcptrace states. Their peers are gone or do not read; shut down and \
                read until the end before close(), or set TCP_USER_TIMEOUT."
            .to_owned(),
        command: Some(command(way_in, name, &most.saturating_mul(2).to_string())),
        risk: "Each may hold up to 64 KiB that cannot be swapped.".to_owned(),
    })
}

pub(super) fn memory(host: &Host, spaces: &[Space]) -> Option<Advice> {
    let name = "net.ipv4.tcp_mem";
    let limits: [u64; 3] = host.settings.numbers(name)?;
    let used = host.memory_pages?;
    let pressures = spaces
        .iter()
        .map(|space| space.total("TcpExt.TCPMemoryPressures"));
    let pressures: u64 = pressures.sum();
    let thrown = thrown_away(spaces);
    if used < limits[1] && pressures == 0 && thrown == 0 {
        return None;
    }
    let is_now = used >= limits[1];
    let doubled = limits.map(|pages| pages.saturating_mul(2).to_string());
    let command = host.way_in.as_ref().filter(|_| is_now || pressures > 0);
    Some(Advice {
        about: About::Memory,
        netns: None,
        evidence: format!(
            "TCP uses {used} pages, its limits (tcp_mem) are {} {} {}; it came under pressure \
             {pressures} times, and {thrown} closed sockets were thrown away for memory or their number",
            limits[0], limits[1], limits[2]
        ),
        first:
            "Find sockets whose data nobody reads or acknowledges: tcptrace states shows unread \
                and unacknowledged bytes by process."
                .to_owned(),
        command: command.map(|way_in| self::command(way_in, name, &doubled.join(" "))),
        risk: if command.is_some() {
            "It is memory that cannot be swapped: on a host that is short of it others are killed."
                .to_owned()
        } else {
            "Which limit was met is not known any more; dmesg may say (TCP: too many orphaned \
             sockets, TCP: out of memory)."
                .to_owned()
        },
    })
}
