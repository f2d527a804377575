//! What control groups keep from a process: frozen, throttled, short of memory. Versions 1 and 2, and
//! hosts that have both. Limits of a group hold for all below it, so the groups above are asked too.

use super::files::string;
use super::text;
use crate::model::activity::{Cgroup, Throttled};

/// Groups above a process that are asked, at most.
const MOST_LEVELS: usize = 16;

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: String,
    /// The group that is its root here: below a container's own mount, paths are shorter.
    root: String,
    /// `None`: version 2.
    controllers: Option<String>,
}

/// The hierarchies that are mounted here.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

/// The counters of one process's groups at one look.
#[derive(Debug, Default)]
pub(super) struct Reading {
    frozen: Option<String>,
    /// Path, periods, those throttled; the process's own group first.
    quotas: Vec<(String, u64, u64)>,
    memory_stalled_us: Option<u64>,
}

impl Mounts {
    pub(super) fn read() -> Self {
        Self(mounts(&string("/proc/self/mountinfo").unwrap_or_default()))
    }

    /// What the groups of a process say now.
    pub(super) fn of_process(&self, pid: u32) -> Reading {
        let mut reading = Reading::default();
        let groups = string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        for (controllers, path) in groups.lines().filter_map(group) {
            for dir in self.directories(controllers, path) {
                reading.add(controllers, &dir);
            }
        }
        if reading.memory_stalled_us.is_none() {
            reading.memory_stalled_us = string("/proc/pressure/memory")
                .as_deref()
                .and_then(text::stalled_us);
        }
        reading
    }

    /// Where the group and those above it are, the innermost first.
    fn directories(&self, controllers: Option<&str>, path: &str) -> Vec<Group> {
        let is_it = |mount: &&Mount| match (controllers, &mount.controllers) {
            (None, None) => true,
            (Some(asked), Some(there)) => there
                .split(',')
                .any(|one| asked.split(',').any(|other| one == other)),
            _ => false,
        };
        let mut directories = Vec::new();
        let Some(mount) = self.0.iter().find(is_it) else {
            return directories;
        };
        let root = mount.root.trim_end_matches('/');
        let Some(mut below) = path.strip_prefix(root) else {
            return directories;
        };
        while !below.is_empty() && below != "/" && directories.len() < MOST_LEVELS {
            directories.push(Group {
                path: format!("{root}{below}"),
                at: format!("{}{below}", mount.at),
            });
            below = below.rsplit_once('/').map_or("", |(above, _)| above);
        }
        directories
    }
}

struct Group {
    path: String,
    at: String,
}

impl Reading {
    fn add(&mut self, controllers: Option<&str>, group: &Group) {
        let file = |name: &str| string(format!("{}/{name}", group.at));
        let is_of =
            |name: &str| controllers.is_none_or(|all| all.split(',').any(|one| one == name));
        if is_of("freezer") && self.frozen.is_none() {
            let is_frozen = match controllers {
                None => {
                    file("cgroup.events").and_then(|text| text::named(&text, "frozen")) == Some(1)
                }
                Some(_) => file("freezer.state").is_some_and(|text| text.trim() == "FROZEN"),
            };
            self.frozen = is_frozen.then(|| group.path.clone());
        }
        if is_of("cpu")
            && let Some(stat) = file("cpu.stat")
            && let Some(periods) = text::named(&stat, "nr_periods")
            && let Some(throttled) = text::named(&stat, "nr_throttled")
        {
            self.quotas.push((group.path.clone(), periods, throttled));
        }
        // Version 1 has no pressure of groups.
        if controllers.is_none() && self.memory_stalled_us.is_none() {
            self.memory_stalled_us = file("memory.pressure")
                .as_deref()
                .and_then(text::stalled_us);
        }
    }
}

/// What happened between two readings.
pub(super) fn between(first: &Reading, second: &Reading) -> Cgroup {
    let throttled = second
        .quotas
        .iter()
        .filter_map(|(path, periods, throttled)| {
            let (_, periods_before, throttled_before) =
                first.quotas.iter().find(|(before, ..)| before == path)?;
            Some(Throttled {
                path: path.clone(),
                periods: periods.saturating_sub(*periods_before),
                throttled: throttled.saturating_sub(*throttled_before),
            })
        });
    let stalled_us = first
        .memory_stalled_us
        .zip(second.memory_stalled_us)
        .map(|(before, now)| now.saturating_sub(before));
    Cgroup {
        frozen: second.frozen.clone(),
        throttled: throttled
            .filter(|one| one.throttled > 0)
            .max_by_key(|one| one.throttled),
        memory_stalled_ms: stalled_us.map(|us| us / 1000),
    }
}

/// A line of /proc/PID/cgroup: the controllers (`None`: version 2) and the path.
fn group(line: &str) -> Option<(Option<&str>, &str)> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let is_v2 = number == "0" && controllers.is_empty();
    Some(((!is_v2).then_some(controllers), path))
}

/// The control groups among the mounts of /proc/self/mountinfo. Its paths are escaped; groups whose
/// mount has a blank in its path are not found.
fn mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, at) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let controllers = match kind.next()? {
            "cgroup2" => None,
            "cgroup" => Some(kind.nth(1)?.to_owned()),
            _ => return None,
        };
        Some(Mount {
            at: at.to_owned(),
            root: root.to_owned(),
            controllers,
        })
    };
    text.lines().filter_map(mount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        36 31 0:33 /docker/abc /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn groups_are_found_where_they_are_mounted_and_those_above_them() {
        let mounts = Mounts(mounts(MOUNTINFO));
        assert_eq!(mounts.0.len(), 3);
        let at = |controllers, path| -> Vec<String> {
            let found = mounts.directories(controllers, path);
            found.into_iter().map(|group| group.at).collect()
        };
        assert_eq!(
            at(None, "/a.slice/b.service"),
            [
                "/sys/fs/cgroup/unified/a.slice/b.service",
                "/sys/fs/cgroup/unified/a.slice"
            ]
        );
        assert_eq!(at(Some("cpuacct"), "/x"), ["/sys/fs/cgroup/cpu/x"]);
        assert_eq!(
            at(Some("freezer"), "/docker/abc/in"),
            ["/sys/fs/cgroup/freezer/in"]
        );
        assert!(at(Some("freezer"), "/other").is_empty());
        assert!(at(Some("memory"), "/x").is_empty());
        assert!(at(None, "/").is_empty());
        assert_eq!(group("0::/a"), Some((None, "/a")));
        assert_eq!(group("4:cpu:/b"), Some((Some("cpu"), "/b")));
    }

    #[test]
    fn the_group_that_was_throttled_most_is_named() {
        let reading = |own, above| Reading {
            frozen: None,
            quotas: vec![
                ("/a/b".to_owned(), 100 + own, own),
                ("/a".to_owned(), 50 + above, above),
            ],
            memory_stalled_us: Some(own * 1000),
        };
        let between = between(&reading(1, 1), &reading(3, 20));
        let throttled = between.throttled.unwrap();
        assert_eq!(
            (
                throttled.path.as_str(),
                throttled.periods,
                throttled.throttled
            ),
            ("/a", 19, 19)
        );
        assert_eq!(between.memory_stalled_ms, Some(2));
    }
}
