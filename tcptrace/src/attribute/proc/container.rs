//! Turns the text of /proc/PID/cgroup into a cgroup path and a container. Pure.

use crate::model::cgroup::Container;

/// The cgroup v2 path; on a host that keeps processes in v1 hierarchies that of the most specific
/// one: one that names a container, else systemd's, else the first that is not the root. `None` for
/// text without any cgroup.
#[must_use]
pub fn cgroup_path(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<Line<'_>> = text.lines().filter_map(parse_line).collect();
    let below_root = || lines.iter().filter(|line| line.path != "/");
    let chosen = below_root()
        .find(|line| line.is_v2)
        .or_else(|| below_root().find(|line| Container::in_path(line.path).is_some()))
        .or_else(|| below_root().find(|line| line.controllers == "name=systemd"))
        .or_else(|| below_root().next())
        .or_else(|| lines.first())?;
    Some(chosen.path.to_owned())
}

/// The container whose cgroup the text names, in any of its hierarchies.
#[must_use]
pub fn container(text: &[u8]) -> Option<Container> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .filter_map(parse_line)
        .find_map(|line| Container::in_path(line.path))
}

struct Line<'a> {
    is_v2: bool,
    controllers: &'a str,
    path: &'a str,
}

/// `HIERARCHY:CONTROLLERS:PATH`, hierarchy 0 without controllers being v2.
fn parse_line(line: &str) -> Option<Line<'_>> {
    let (hierarchy, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let is_v2 = hierarchy == "0" && controllers.is_empty();
    path.starts_with('/').then_some(Line {
        is_v2,
        controllers,
        path,
    })
}
