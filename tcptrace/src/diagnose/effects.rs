//! What a setting does with the value it has: one sentence, never the general description.

use std::ops::RangeInclusive;

use super::retries::{ORPHANS_MEANT, Schedule, client_retries, data_ms, rto_max_ms, span};
use crate::model::survey::{Host, Values};

/// The effect; `None` without a value that is understood.
pub(super) fn of(name: &str, values: &Values, host: &Host) -> Option<String> {
    let short = name.rsplit('.').next().unwrap_or(name);
    if short == "ip_local_port_range" {
        return ports(values);
    }
    if short == "ip_local_reserved_ports" {
        return reserved(values);
    }
    if short == "tcp_mem" {
        return memory(values, host);
    }
    let value = values.number(name)?;
    let rto_max = rto_max_ms(values);
    let says = match short {
        "somaxconn" => format!(
            "at most {} connections wait for accept() at one listener, however large its backlog",
            value.saturating_add(1)
        ),
        "tcp_max_syn_backlog" => syn_backlog(value, values.number("net.ipv4.tcp_syncookies")?),
        "tcp_abort_on_overflow" => match value {
            0 => format!(
                "a full accept queue drops silently: {}",
                client_retries(values)
            ),
            _ => "a full accept queue resets clients whose handshake was complete; SYNs are still dropped \
                  silently"
                .to_owned(),
        },
        "tcp_syncookies" => match value {
            0 => "a full SYN queue drops the SYNs of new clients silently",
            1 => "a full SYN queue answers with SYN cookies, so no client is refused",
            _ => "every SYN is answered with a cookie, whether the SYN queue is full or not",
        }
        .to_owned(),
        "tcp_synack_retries" => format!(
            "a client that never answers occupies the SYN queue for about {} (1 + {value} SYN-ACKs)",
            span(Schedule::of_syn_acks(values)?.given_up_ms)
        ),
        "tcp_syn_retries" => {
            let schedule = Schedule::of_syns(values)?;
            format!(
                "connect() to a host that does not answer sends the SYN again after {} and fails after \
                 about {}",
                schedule.moments(),
                span(schedule.given_up_ms)
            )
        }
        "tcp_fin_timeout" => format!(
            "a closed socket waits {value} s for the peer's FIN (FIN_WAIT2); TIME_WAIT always lasts 60 s"
        ),
        "tcp_max_orphans" => {
            let now = host.orphans.map_or_else(String::new, |orphans| {
                format!("sockets without a process: {orphans} now; ")
            });
            format!("{now}above {value} the kernel resets them instead of completing their close")
        }
        "tcp_orphan_retries" => {
            let (retries, meant) = if value == 0 {
                (ORPHANS_MEANT, " (0 means 8)")
            } else {
                (value, "")
            };
            format!(
                "a closed socket with unacknowledged data is given up after about {}, {retries} \
                 resends{meant}",
                span(data_ms(retries, rto_max))
            )
        }
        "tcp_retries1" => format!(
            "after {value} resends, about {}, the route is looked up again",
            span(data_ms(value, rto_max))
        ),
        "tcp_retries2" => format!(
            "a connection whose peer stops acknowledging data fails after about {} or more",
            span(data_ms(value, rto_max))
        ),
        "tcp_rfc1337" => pick(
            value,
            "a RST ends a TIME_WAIT at once",
            "a RST does not end a TIME_WAIT",
        ),
        "tcp_tw_reuse_delay" => match values.number("net.ipv4.tcp_tw_reuse") {
            Some(0) => "no effect while tcp_tw_reuse=0".to_owned(),
            _ => format!("connect() may take over a TIME_WAIT port once it is {value} ms old"),
        },
        "tcp_keepalive_time" => format!(
            "a silent peer gets the first probe after {}, and only from sockets with SO_KEEPALIVE",
            span(value.saturating_mul(1000))
        ),
        "tcp_keepalive_intvl" => format!("unanswered probes are repeated every {value} s"),
        "tcp_keepalive_probes" => {
            let time = values.number("net.ipv4.tcp_keepalive_time")?;
            let interval = values.number("net.ipv4.tcp_keepalive_intvl")?;
            let secs = time.saturating_add(value.saturating_mul(interval));
            format!(
                "a dead peer is detected {} after its last packet, by {value} probes",
                span(secs.saturating_mul(1000))
            )
        }
        "tcp_tw_reuse" => tw_reuse(value, values),
        "tcp_tw_recycle" => {
            "1 refuses clients behind one NAT address because of their timestamps; keep it 0"
                .to_owned()
        }
        "tcp_max_tw_buckets" => {
            "above it the kernel creates no TIME_WAIT socket, and late segments get a RST; a low limit does \
             not cure a high number of TIME_WAIT sockets"
                .to_owned()
        }
        "tcp_timestamps" => pick(
            value,
            "no PAWS and no tw_reuse, and connections made by SYN cookies lose window scaling",
            "protects a reused port from old segments",
        ),
        _ => return None,
    };
    Some(says)
}

fn pick(value: u64, zero: &str, other: &str) -> String {
    if value == 0 { zero } else { other }.to_owned()
}

fn syn_backlog(value: u64, cookies: u64) -> String {
    if cookies > 0 {
        return format!(
            "no effect while tcp_syncookies={cookies}: the SYN queue's limit is the accept queue's"
        );
    }
    // kernel: dropped when fewer than a quarter of the places are free and the peer is not proven.
    format!(
        "SYN cookies are off: with {} handshakes half open at a listener, the kernel drops SYNs from \
         unknown clients",
        value.saturating_sub(value / 4).saturating_add(1)
    )
}

fn tw_reuse(value: u64, values: &Values) -> String {
    if values.number("net.ipv4.tcp_timestamps") == Some(0) {
        return "no effect while tcp_timestamps=0".to_owned();
    }
    let delay = values.number("net.ipv4.tcp_tw_reuse_delay").unwrap_or(1000);
    match value {
        0 => "connect() never takes over a TIME_WAIT port; 1 would allow it for connections made from this \
              host"
            .to_owned(),
        1 => format!("connect() may take over a port in TIME_WAIT for {delay} ms or more"),
        _ => format!(
            "connect() may take over a port in TIME_WAIT for {delay} ms or more, on loopback only; \
             1 would allow it everywhere"
        ),
    }
}

fn ports(values: &Values) -> Option<String> {
    Some(format!(
        "{} ports: that many connections at most, TIME_WAIT included, from one local address to one remote \
         address and port",
        usable_ports(values)?
    ))
}

/// Ports that connect() and bind() give out: the range without the reserved ones.
pub(super) fn usable_ports(values: &Values) -> Option<u64> {
    let [first, last] = values.numbers("net.ipv4.ip_local_port_range")?;
    let kept = reserved_ranges(values).unwrap_or_default();
    let kept_back = inside(&kept, first..=last);
    let ports = last.saturating_add(1).checked_sub(first)?;
    Some(ports.saturating_sub(kept_back))
}

fn reserved(values: &Values) -> Option<String> {
    let ranges = reserved_ranges(values)?;
    if ranges.is_empty() {
        return Some("no port of the range is reserved".to_owned());
    }
    let all = inside(&ranges, 0..=u64::from(u16::MAX));
    let [first, last] = values.numbers("net.ipv4.ip_local_port_range")?;
    Some(format!(
        "{all} ports are never assigned automatically; {} of them are in the range",
        inside(&ranges, first..=last)
    ))
}

/// `1,5-7` as ranges; `None` where the text is not known or something else.
fn reserved_ranges(values: &Values) -> Option<Vec<RangeInclusive<u64>>> {
    let text = values.text("net.ipv4.ip_local_reserved_ports")?;
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        })
        .collect()
}

/// How many numbers of `ranges`, which do not overlap, lie in `within`.
fn inside(ranges: &[RangeInclusive<u64>], within: RangeInclusive<u64>) -> u64 {
    let common = ranges.iter().map(|range| {
        let first = (*range.start()).max(*within.start());
        let last = (*range.end()).min(*within.end());
        last.saturating_add(1).saturating_sub(first)
    });
    common.sum()
}

fn memory(values: &Values, host: &Host) -> Option<String> {
    let [_, pressure, most] = values.numbers("net.ipv4.tcp_mem")?;
    let bytes = host.page_bytes?;
    let mib = |pages: u64| pages.saturating_mul(bytes) >> 20;
    let limits = format!(
        "saves memory above {} MiB and refuses more above {} MiB",
        mib(pressure),
        mib(most)
    );
    Some(match host.memory_pages {
        None => format!("TCP {limits}; its current use is unknown"),
        Some(used) => {
            let state = if used >= most {
                "AT THE LIMIT"
            } else if used >= pressure {
                "UNDER PRESSURE"
            } else {
                "no pressure"
            };
            format!("TCP uses {} MiB now, {state}: it {limits}", mib(used))
        }
    })
}
