//! Connections as text, made once for the events of a connection that come close to each other: a
//! change of state, its end and its TIME_WAIT have the same ends, and writing those costs as much as
//! the rest of a line.

use crate::model::{Endpoint, Flow};

/// Connections kept, each in the place its ports fall on. Few, so that they stay in the nearest cache:
/// where each connection has one line only, looking here is in vain.
const PLACES: usize = 64;

#[derive(Default)]
pub(super) struct Flows {
    places: Vec<Kept>,
}

#[derive(Default)]
struct Kept {
    flow: Option<Flow>,
    text: Vec<u8>,
}

impl Flows {
    /// What `write` makes of a connection. Always the same `write`.
    #[inline]
    pub(super) fn text(&mut self, flow: &Flow, write: impl FnOnce(&mut Vec<u8>, &Flow)) -> &[u8] {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Kept::default);
        }
        let port = |end: Option<Endpoint>| end.map_or(0, |end| usize::from(end.port));
        // The two directions between two ports must not fall on one place.
        let at = port(flow.local) + 3 * port(flow.remote);
        let kept = &mut self.places[at % PLACES];
        if kept.flow != Some(*flow) {
            kept.text.clear();
            write(&mut kept.text, flow);
            kept.flow = Some(*flow);
        }
        &kept.text
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::model::Family;

    fn flow(port: u16, netns: u32) -> Flow {
        let end = |port| {
            Some(Endpoint {
                addr: IpAddr::from([127, 0, 0, 1]),
                port,
            })
        };
        Flow {
            family: Family::Inet,
            local: end(port),
            unbound: None,
            remote: end(80),
            netns: Some(netns),
            cookie: None,
        }
    }

    #[test]
    fn a_connection_is_written_once_and_never_for_another() {
        let (mut flows, mut written) = (Flows::default(), 0);
        let mut text = |flow: Flow| {
            let text = flows.text(&flow, |out, flow| {
                written += 1;
                out.extend_from_slice(format!("{flow:?}").as_bytes());
            });
            assert_eq!(text, format!("{flow:?}").as_bytes());
        };
        // The same place: the first again, another port, another namespace.
        for flow in [flow(1, 1), flow(1, 1), flow(65, 1), flow(65, 2), flow(1, 1)] {
            text(flow);
        }
        assert_eq!(written, 4);
    }
}
