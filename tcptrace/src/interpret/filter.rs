//! From an incident to "show it or not", by what the user asked for.
//!
//! Conditions combine with AND, the values of one condition with OR; an empty list asks nothing.
//! What is not known never matches: an incident without an owner passes no `--pid`.

use std::net::IpAddr;

use crate::model::cgroup::Container;
use crate::model::{Endpoint, Event, Family, Flow, Incident, Kind, KindSet, Owner, Process};

use super::cidr::Cidr;
use super::pids::Pids;

/// What an incident must be like to be shown.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of these kinds.
    pub kinds: KindSet,
    /// Held by one of these processes (descendants already added).
    pub pids: Pids,
    /// Held by a process of one of these names.
    pub comms: Vec<String>,
    /// One of these ports at either end.
    pub ports: Vec<u16>,
    /// One of these local ports.
    pub lports: Vec<u16>,
    /// One of these remote ports.
    pub rports: Vec<u16>,
    /// Either address in one of these networks.
    pub addrs: Vec<Cidr>,
    /// The local address in one of these networks.
    pub laddrs: Vec<Cidr>,
    /// The remote address in one of these networks.
    pub raddrs: Vec<Cidr>,
    /// Addresses of this family. By address, not by socket: IPv4 over an IPv6 socket is IPv4.
    pub family: Option<Family>,
    /// In one of these network namespaces.
    pub netns: Vec<u32>,
    /// Held by a process in or below one of these cgroups; paths as in [`cgroup_path`].
    pub cgroups: Vec<String>,
    /// A process of one of these systemd units; a name without its manager means it under every manager.
    pub units: Vec<String>,
    /// A process in one of these containers, by name, id or the first 12 or more digits of the id.
    pub containers: Vec<String>,
}

impl Filter {
    /// Asks for these kinds and nothing else.
    pub fn of_kinds(kinds: KindSet) -> Self {
        Self {
            kinds,
            pids: Pids::default(),
            comms: Vec::new(),
            ports: Vec::new(),
            lports: Vec::new(),
            rports: Vec::new(),
            addrs: Vec::new(),
            laddrs: Vec::new(),
            raddrs: Vec::new(),
            family: None,
            netns: Vec::new(),
            cgroups: Vec::new(),
            units: Vec::new(),
            containers: Vec::new(),
        }
    }

    /// Whether anything but kinds and namespaces is asked for: then what passes cannot be compared
    /// with the kernel's counters.
    pub fn is_partial(&self) -> bool {
        !self.ports.is_empty()
            || !self.lports.is_empty()
            || !self.rports.is_empty()
            || !self.addrs.is_empty()
            || !self.laddrs.is_empty()
            || !self.raddrs.is_empty()
            || self.family.is_some()
            || !self.asks_no_owner()
    }

    /// Whether the incident is to be shown.
    pub fn accepts(&self, incident: &Incident) -> bool {
        self.accepts_parts(incident.kind(), &incident.flow, incident.owner.as_ref())
    }

    /// Whether what becomes of the event is to be shown: it has the kind, ends and owner of the event.
    pub fn accepts_event(&self, event: &Event) -> bool {
        self.accepts_parts(event.signal.kind(), &event.flow, event.owner.as_ref())
    }

    fn accepts_parts(&self, kind: Kind, flow: &Flow, owner: Option<&Owner>) -> bool {
        self.kinds.contains(kind) && self.accepts_flow(flow) && {
            self.asks_no_owner()
                || owner.is_some_and(|owner| {
                    owner
                        .processes()
                        .any(|process| self.accepts_process(process))
                })
        }
    }

    /// Whether a socket is to be shown, of whatever kind: held by these processes, any of which may
    /// be meant.
    pub fn accepts_socket<'a>(
        &self,
        flow: &Flow,
        holders: impl IntoIterator<Item = &'a Process>,
    ) -> bool {
        let mut holders = holders.into_iter();
        self.accepts_flow(flow)
            && (self.asks_no_owner() || holders.any(|process| self.accepts_process(process)))
    }

    fn accepts_flow(&self, flow: &Flow) -> bool {
        let (local, remote) = (flow.local, flow.remote);
        let port_in =
            |ports: &[u16], end: Option<Endpoint>| end.is_some_and(|end| ports.contains(&end.port));
        let addr_in = |networks: &[Cidr], end: Option<Endpoint>| {
            end.is_some_and(|end| networks.iter().any(|network| network.contains(end.addr)))
        };
        (self.ports.is_empty() || port_in(&self.ports, local) || port_in(&self.ports, remote))
            && (self.lports.is_empty() || port_in(&self.lports, local))
            && (self.rports.is_empty() || port_in(&self.rports, remote))
            && (self.addrs.is_empty()
                || addr_in(&self.addrs, local)
                || addr_in(&self.addrs, remote))
            && (self.laddrs.is_empty() || addr_in(&self.laddrs, local))
            && (self.raddrs.is_empty() || addr_in(&self.raddrs, remote))
            && self.family.is_none_or(|family| family == spoken(flow))
            && (self.netns.is_empty()
                || flow.netns.is_some_and(|inode| self.netns.contains(&inode)))
    }

    fn asks_no_owner(&self) -> bool {
        self.pids.is_empty()
            && self.comms.is_empty()
            && self.cgroups.is_empty()
            && self.units.is_empty()
            && self.containers.is_empty()
    }

    fn is_called(&self, process: &Process) -> bool {
        let mut names = self.comms.iter();
        names.any(|name| {
            *name == process.comm
                || *name == process.display_name()
                || process.program() == Some(name)
        })
    }

    /// Whether a socket that this process holds is to be shown, as far as its owner is concerned.
    pub fn accepts_process(&self, process: &Process) -> bool {
        (self.pids.is_empty() || self.pids.contains(process.pid, process.start_ticks))
            && (self.comms.is_empty() || self.is_called(process))
            && (self.cgroups.is_empty()
                || process.cgroup.as_deref().is_some_and(|path| {
                    self.cgroups
                        .iter()
                        .any(|parent| is_in_or_below(path, parent))
                }))
            && (self.units.is_empty()
                || process
                    .unit
                    .as_deref()
                    .is_some_and(|unit| self.units.iter().any(|asked| is_unit(unit, asked))))
            && (self.containers.is_empty()
                || process.container.as_ref().is_some_and(|container| {
                    let mut asked = self.containers.iter();
                    asked.any(|asked| is_container(container, asked))
                }))
    }
}

/// So many digits of an id are enough to mean it, as Docker prints them.
const SHORT_ID_DIGITS: usize = 12;

fn is_unit(unit: &str, asked: &str) -> bool {
    let own = unit.rsplit_once('/').map_or(unit, |(_, own)| own);
    let is_it = |name: &str| name == asked || name.strip_suffix(".service") == Some(asked);
    is_it(unit) || is_it(own)
}

fn is_container(container: &Container, asked: &str) -> bool {
    container.name.as_deref() == Some(asked)
        || container.id.as_deref().is_some_and(|id| {
            id == asked || asked.len() >= SHORT_ID_DIGITS && id.starts_with(asked)
        })
}

/// The family on the wire. The remote end decides: a listener on `[::]` may talk to an IPv4 client.
fn spoken(flow: &Flow) -> Family {
    match flow.remote.or(flow.local).map(|end| end.addr) {
        Some(IpAddr::V4(_)) => Family::Inet,
        Some(IpAddr::V6(_)) => Family::Inet6,
        None => flow.family,
    }
}

/// A cgroup path as processes bear it: without the mount point, with a slash in front and none at
/// the end.
pub fn cgroup_path(given: &str) -> String {
    // A host that keeps v1 hierarchies mounts v2's one level deeper.
    let below_mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .iter()
        .find_map(|mount| given.strip_prefix(mount))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(given);
    format!("/{}", below_mount.trim_matches('/'))
}

fn is_in_or_below(path: &str, parent: &str) -> bool {
    parent == "/"
        || path
            .strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::incident::ResetMeaning;
    use crate::model::{Basis, Evidence, What};

    fn end(text: &str) -> Option<Endpoint> {
        let addr: std::net::SocketAddr = text.parse().unwrap();
        Some(Endpoint {
            addr: addr.ip(),
            port: addr.port(),
        })
    }

    fn incident() -> Incident {
        let process = Process {
            pid: 42,
            start_ticks: Some(7),
            comm: "nginx".into(),
            exe: None,
            uid: None,
            cgroup: Some("/system.slice/nginx.service".into()),
            unit: Some("user@1000.service/nginx.service".into()),
            container: Some(Container {
                id: Some("4f5a6b7c8d9e0a1b2c3d".into()),
                name: Some("shop-web".into()),
                ..Container::default()
            }),
            ..Process::default()
        };
        Incident {
            boot_ns: 0,
            flow: Flow {
                family: Family::Inet6,
                local: end("10.0.0.1:80"),
                unbound: None,
                remote: end("192.168.7.9:40000"),
                netns: Some(99),
                cookie: None,
            },
            state: None,
            owner: Some(Owner {
                process: Arc::new(process),
                basis: Basis::Task,
                shared_by: None,
                tid: None,
                holders: None,
                is_stale: false,
            }),
            hook: "test",
            evidence: Evidence::Seen,
            what: What::RstReceived {
                meaning: ResetMeaning::Reset,
                silent_ms: None,
            },
        }
    }

    fn shown(change: impl FnOnce(&mut Filter)) -> bool {
        let mut filter = Filter::of_kinds(KindSet::ALL);
        change(&mut filter);
        filter.accepts(&incident())
    }

    fn net(text: &str) -> Vec<Cidr> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn a_kind_that_was_not_asked_for_is_left_out() {
        assert!(shown(|_| ()));
        assert!(!shown(|f| f.kinds = KindSet::ALL.without(Kind::RstReceived)));
    }

    #[test]
    fn a_port_matches_at_either_end_and_a_side_only_at_its_own() {
        assert!(shown(|f| f.ports = vec![80]));
        assert!(shown(|f| f.ports = vec![1, 40000]));
        assert!(!shown(|f| f.ports = vec![81]));
        assert!(shown(|f| f.lports = vec![80]) && !shown(|f| f.lports = vec![40000]));
        assert!(shown(|f| f.rports = vec![40000]) && !shown(|f| f.rports = vec![80]));
    }

    #[test]
    fn a_process_is_found_by_either_name() {
        let process = Process {
            comm: "python3".into(),
            name: Some("python3 worker.py".into()),
            ..Process::default()
        };
        let finds = |name: &str| {
            let mut filter = Filter::of_kinds(KindSet::ALL);
            filter.comms = vec![name.into()];
            filter.accepts_process(&process)
        };
        assert!(finds("python3") && finds("python3 worker.py") && finds("worker.py"));
        assert!(!finds("worker") && !finds(""));
    }

    #[test]
    fn conditions_combine_with_and() {
        assert!(!shown(|f| {
            f.ports = vec![80];
            f.comms = vec!["apache".into()];
        }));
    }

    #[test]
    fn an_ipv4_network_matches_a_mapped_address_by_side() {
        assert!(shown(|f| f.addrs = net("192.168.0.0/16")));
        assert!(shown(|f| f.raddrs = net("192.168.0.0/16")));
        assert!(!shown(|f| f.laddrs = net("192.168.0.0/16")));
    }

    #[test]
    fn the_family_is_judged_by_address_not_by_socket() {
        assert!(shown(|f| f.family = Some(Family::Inet)));
        assert!(!shown(|f| f.family = Some(Family::Inet6)));
    }

    #[test]
    fn the_family_of_a_dual_stack_listener_is_its_clients() {
        let mut filter = Filter::of_kinds(KindSet::ALL);
        filter.family = Some(Family::Inet);
        let mut incident = incident();
        incident.flow.local = end("[::]:80");
        assert!(filter.accepts(&incident));
        incident.flow.remote = None;
        assert!(!filter.accepts(&incident));
    }

    #[test]
    fn an_unknown_owner_passes_no_owner_filter() {
        let mut incident = incident();
        incident.owner = None;
        for change in [
            |f: &mut Filter| f.pids = Pids::from([42]),
            |f: &mut Filter| f.comms = vec!["nginx".into()],
            |f: &mut Filter| f.cgroups = vec!["/".into()],
        ] {
            let mut filter = Filter::of_kinds(KindSet::ALL);
            change(&mut filter);
            assert!(!filter.accepts(&incident));
        }
    }

    #[test]
    fn an_unknown_namespace_or_end_passes_no_such_filter() {
        let mut incident = incident();
        incident.flow.netns = None;
        incident.flow.remote = None;
        let mut by_netns = Filter::of_kinds(KindSet::ALL);
        by_netns.netns = vec![99];
        assert!(!by_netns.accepts(&incident));
        let mut by_end = Filter::of_kinds(KindSet::ALL);
        by_end.raddrs = net("0.0.0.0/0");
        assert!(!by_end.accepts(&incident));
    }

    #[test]
    fn any_holder_of_a_shared_socket_passes() {
        let process = |pid, start, comm: &str| {
            Arc::new(Process {
                pid,
                start_ticks: Some(start),
                comm: comm.into(),
                exe: None,
                uid: None,
                cgroup: None,
                container: None,
                ..Process::default()
            })
        };
        let (master, worker) = (process(42, 7, "master"), process(43, 8, "worker"));
        let mut incident = incident();
        incident.owner = Some(Owner {
            is_stale: false,
            process: Arc::clone(&master),
            basis: Basis::Socket,
            shared_by: Some(2),
            tid: None,
            holders: Some([master, worker].into()),
        });
        let shown = |change: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::of_kinds(KindSet::ALL);
            change(&mut filter);
            filter.accepts(&incident)
        };
        for pid in [42, 43] {
            assert!(shown(&|f| f.pids = Pids::from([pid])), "{pid}");
        }
        assert!(shown(&|f| f.comms = vec!["worker".into()]));
        assert!(!shown(&|f| f.comms = vec!["other".into()]));
        // One process must meet all conditions.
        assert!(!shown(&|f| {
            f.pids = Pids::from([42]);
            f.comms = vec!["worker".into()];
        }));
    }

    #[test]
    fn a_stranger_who_was_given_the_number_later_is_not_shown() {
        let mut filter = Filter::of_kinds(KindSet::ALL);
        filter.pids.add(42, 6);
        assert!(!filter.accepts(&incident()));
        filter.pids.add(42, 7);
        assert!(filter.accepts(&incident()));
    }

    #[test]
    fn a_cgroup_matches_whole_path_components() {
        for given in [
            "/system.slice",
            "/sys/fs/cgroup/system.slice/",
            "system.slice",
            "/",
        ] {
            assert!(shown(|f| f.cgroups = vec![cgroup_path(given)]), "{given}");
        }
        assert!(!shown(|f| f.cgroups = vec![cgroup_path("/system.sli")]));
        assert_eq!(cgroup_path("/sys/fs/cgroup"), "/");
        assert_eq!(cgroup_path("/sys/fs/cgroupish"), "/sys/fs/cgroupish");
    }

    #[test]
    fn a_unit_matches_with_and_without_its_manager_and_suffix() {
        for unit in ["nginx", "nginx.service", "user@1000.service/nginx.service"] {
            assert!(shown(|f| f.units = vec![unit.into()]), "{unit}");
        }
        for unit in ["ngin", "user@1000.service", "nginx.scope", ""] {
            assert!(!shown(|f| f.units = vec![unit.into()]), "{unit}");
        }
    }

    #[test]
    fn a_container_matches_by_name_id_and_twelve_digits() {
        for container in ["shop-web", "4f5a6b7c8d9e0a1b2c3d", "4f5a6b7c8d9e"] {
            assert!(
                shown(|f| f.containers = vec![container.into()]),
                "{container}"
            );
        }
        for container in ["shop", "4f5a6b7c8d9", "5a6b7c8d9e0a1b", ""] {
            assert!(
                !shown(|f| f.containers = vec![container.into()]),
                "{container}"
            );
        }
    }
}
