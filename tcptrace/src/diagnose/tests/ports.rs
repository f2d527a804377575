//! Local ports that are used up.

use std::net::{IpAddr, Ipv4Addr};

use super::{found, ids, space, survey, values};
use crate::diagnose::is_wrong_now;
use crate::model::Endpoint;
use crate::model::finding::Severity;
use crate::model::rows::PortUse;
use crate::model::survey::Survey;

const RANGE: (&str, &str) = ("net.ipv4.ip_local_port_range", "40000 40099");

fn local() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 88, 1, 2))
}

fn used(live: u32, time_wait: u32, port: Option<u16>) -> PortUse {
    PortUse {
        local: local(),
        remote: port.map(|port| Endpoint {
            addr: IpAddr::V4(Ipv4Addr::new(10, 88, 1, 11)),
            port,
        }),
        live,
        time_wait,
        sockets: live + time_wait,
        range: 100,
        holders: Vec::new(),
    }
}

fn with(ports: &[PortUse], others: &[(&'static str, &str)]) -> Survey {
    let mut space = space(7);
    let mut texts = vec![RANGE];
    texts.extend(others);
    space.settings = values(&texts);
    space.ports = ports.to_vec();
    survey(space)
}

/// Ten destinations with ten ports each: no destination is full, the address is.
#[test]
fn ports_bound_first_run_out_over_all_destinations() {
    let mut ports = vec![used(100, 0, None)];
    ports.extend((9000..9010).map(|port| used(10, 0, Some(port))));
    let findings = found(&with(&ports, &[]));
    assert_eq!(ids(&findings), [("ports_exhausted", Severity::Broken)]);
    let finding = &findings[0];
    assert_eq!(
        finding.title,
        "all local ports of 10.88.1.2 are used up over all destinations"
    );
    assert_eq!(finding.evidence[0].value, Some(100));
    assert!(finding.do_first.contains("IP_BIND_ADDRESS_NO_PORT"));
    assert!(is_wrong_now(&findings));
}

#[test]
fn wrong_begins_at_nine_in_ten() {
    for (used_up, expected) in [
        (89, None),
        (90, Some(Severity::Degraded)),
        (100, Some(Severity::Broken)),
    ] {
        for port in [None, Some(9000)] {
            for time_wait in [0, used_up] {
                let ports = [used(used_up - time_wait, time_wait, port)];
                let found = found(&with(&ports, &[]));
                let severity = found.first().map(|finding| finding.severity);
                assert_eq!(severity, expected, "{used_up} {port:?} {time_wait}");
            }
        }
    }
}

/// connect() without bind() shares a port between destinations: then nothing has run out.
#[test]
fn shared_ports_are_no_shortage() {
    let shared = PortUse {
        sockets: 250,
        ..used(95, 0, None)
    };
    assert_eq!(found(&with(&[shared], &[])), []);
}

#[test]
fn one_destination_explains_its_address() {
    let ports = [used(97, 0, None), used(97, 0, Some(9000))];
    let findings = found(&with(&ports, &[]));
    assert_eq!(findings.len(), 1);
    assert!(findings[0].title.ends_with("towards 10.88.1.11:9000"));
}

#[test]
fn reserved_ports_leave_fewer() {
    let reserved = ("net.ipv4.ip_local_reserved_ports", "40050-40099");
    let findings = found(&with(&[used(50, 0, Some(9000))], &[reserved]));
    assert_eq!(ids(&findings), [("ports_exhausted", Severity::Broken)]);
}

#[test]
fn ports_in_time_wait_count_where_connect_may_not_take_them_over() {
    let ports = [used(5, 95, Some(9000))];
    let reuse = "net.ipv4.tcp_tw_reuse";
    let of = |value, timestamps| {
        found(&with(
            &ports,
            &[(reuse, value), ("net.ipv4.tcp_timestamps", timestamps)],
        ))
    };
    assert_eq!(of("1", "1"), []);
    assert_eq!(of("1", "0").len(), 1, "no effect without timestamps");
    // 2 is for loopback only.
    let change = of("2", "1").remove(0).do_then.unwrap();
    assert_eq!(change.command, "sysctl -w net.ipv4.tcp_tw_reuse=1");
}
