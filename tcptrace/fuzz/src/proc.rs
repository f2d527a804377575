//! Any bytes as the text of a file below /proc.

use tcptrace::attribute::holders::parse_socket_link;
use tcptrace::attribute::proc::{cgroup_path, container, parse_effective_uid, parse_stat};
use tcptrace::source::mib::{Counters, delta};
use tcptrace::source::netns::{parse_link, parse_mounts};

/// Hands `data` to every parser of such texts.
pub fn run(data: &[u8]) {
    let _ = (parse_stat(data), parse_effective_uid(data));
    let _ = (cgroup_path(data), container(data));
    let _ = (parse_socket_link(data), parse_link(data));
    let _ = parse_mounts(data);
    let (before, after) = data.split_at(data.len() / 2);
    let _ = delta(&Counters::parse(before), &Counters::parse(after));
}
