//! From what two looks read to a survey: rows of listeners, ports and stuck sockets, and which settings
//! are the host's.

use std::collections::HashMap;

use super::settings;
use crate::interpret::filter::Filter;
use crate::model::KindSet;
use crate::model::rows::{ListenerRow, PortUse, StateRow};
use crate::model::survey::{Host, Observation, Space, Survey, Texts, Values, WayIn};
use crate::query::folds::Folds;
use crate::query::{listeners, ports, states};

/// What the sockets of a namespace show.
#[derive(Default)]
struct Sockets {
    listeners: Vec<ListenerRow>,
    ports: Vec<PortUse>,
    stuck: Vec<StateRow>,
}

/// The survey of an observation.
#[must_use]
pub fn survey(observation: Observation) -> Survey {
    let mut sockets = sockets(&observation);
    let mut host = Host {
        orphans: observation.orphans,
        memory_pages: observation.memory_pages,
        page_bytes: observation.page_bytes,
        ..Host::default()
    };
    // Read there too when other namespaces were asked for.
    host.take(parted(&observation.own_settings).0, WayIn::Own);
    let mut spaces = Vec::new();
    for space in observation.spaces {
        let (of_host, own) = parted(&space.settings);
        host.take(of_host, space.way_in.clone());
        let held = sockets.remove(&space.netns).unwrap_or_default();
        spaces.push(Space {
            netns: space.netns,
            way_in: space.way_in,
            processes: space.processes,
            settings: own,
            counters: space.counters,
            time_wait: space.time_wait,
            listeners: held.listeners,
            ports: held.ports,
            stuck: held.stuck,
        });
    }
    let mut unseen = observation.unseen;
    if host.way_in.is_none() {
        unseen.push(
            "the limits of the whole host (tcp_mem, tcp_max_orphans): only its first network \
             namespace shows them"
                .to_owned(),
        );
    }
    Survey {
        looked_ms: observation.looked_ms,
        host,
        spaces,
        unseen,
    }
}

impl Host {
    /// Its settings, from the first namespace that shows them.
    fn take(&mut self, settings: Values, way_in: WayIn) {
        if self.way_in.is_none() && settings != Values::default() {
            self.settings = settings;
            self.way_in = Some(way_in);
        }
    }
}

fn sockets(observation: &Observation) -> HashMap<u32, Sockets> {
    let snapshot = &observation.snapshot;
    let (folds, everything) = (Folds::default(), Filter::of_kinds(KindSet::EMPTY));
    let mut sockets: HashMap<u32, Sockets> = HashMap::new();
    for mut row in listeners::rows(snapshot, &folds, &everything).rows {
        let before = observation.drops_before.get(&(row.netns, row.cookie));
        let risen = row.drops.zip(before);
        row.drops_risen = risen.map(|(now, before)| u64::from(now.wrapping_sub(*before)));
        sockets.entry(row.netns).or_default().listeners.push(row);
    }
    for row in states::rows(snapshot, &folds, &everything).rows {
        if row.anomaly.is_some() {
            sockets.entry(row.netns).or_default().stuck.push(row);
        }
    }
    for space in &snapshot.spaces {
        let mut ports = ports::of(space);
        // What is far from its limit is not worth keeping.
        ports.retain(|one| one.used() * 2 >= one.range);
        sockets.entry(space.netns).or_default().ports = ports;
    }
    sockets
}

/// Settings of the whole host, and those of the namespace. The size of the table, by which defaults
/// are judged, is with both and without its sign, by which it would differ where nothing does.
fn parted(texts: &Texts) -> (Values, Values) {
    let (mut of_host, mut of_space) = (Values::default(), Values::default());
    for (name, text) in texts {
        let text = text.trim_start_matches('-');
        if settings::is_of_host(name) {
            of_host.insert(name, text);
        } else {
            of_space.insert(name, text);
        }
    }
    if of_host != Values::default()
        && let Some((name, size)) = texts.iter().find(|(name, _)| *name == settings::TABLE_SIZE)
    {
        of_host.insert(name, size.trim_start_matches('-'));
    }
    (of_host, of_space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::survey::ObservedSpace;

    fn space(netns: u32, settings: Texts) -> ObservedSpace {
        ObservedSpace {
            netns,
            way_in: WayIn::Pid(netns),
            processes: 3,
            settings,
            counters: None,
            time_wait: Some(5),
        }
    }

    fn text(name: &'static str, value: &str) -> (&'static str, String) {
        (name, value.to_owned())
    }

    #[test]
    fn settings_of_the_host_come_from_the_first_namespace_that_shows_them() {
        let of_host = text("net.ipv4.tcp_max_orphans", "77");
        let (size, own) = (
            text(settings::TABLE_SIZE, "-65536"),
            text("net.core.somaxconn", "9"),
        );
        let observation = Observation {
            looked_ms: 11,
            spaces: vec![
                space(1, vec![own.clone()]),
                space(2, vec![of_host, own, size]),
            ],
            ..Observation::default()
        };
        let survey = survey(observation);
        assert_eq!(survey.host.way_in, Some(WayIn::Pid(2)));
        assert_eq!(
            survey.host.settings.text("net.ipv4.tcp_max_orphans"),
            Some("77")
        );
        assert_eq!(
            survey.host.settings.text(settings::TABLE_SIZE),
            Some("65536")
        );
        let settings = &survey.spaces[1].settings;
        assert_eq!(settings.text("net.core.somaxconn"), Some("9"));
        assert_eq!(settings.text("net.ipv4.tcp_max_orphans"), None);
        assert_eq!(
            (survey.spaces[0].time_wait, survey.looked_ms),
            (Some(5), 11)
        );
        assert_eq!(survey.unseen, Vec::<String>::new());
    }

    #[test]
    fn limits_of_the_host_that_nobody_shows_are_said_to_be_missing() {
        let survey = survey(Observation::default());
        assert!(survey.unseen[0].contains("tcp_max_orphans"));
    }
}
