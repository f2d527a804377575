//! Turns the text of /proc/PID/cgroup into a cgroup path and a container id. Pure. Recognition
//! goes by the directory names the runtimes use; what is not recognized is `None`, never a guess.

/// Names a systemd-managed runtime puts before the id in a scope's name.
const SCOPE_PREFIXES: [&str; 4] = ["docker-", "cri-containerd-", "crio-", "libpod-"];
const ID_DIGITS: usize = 64;
/// Docker's short form; anything shorter is no id.
const SHORT_ID_DIGITS: usize = 12;

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
        .or_else(|| below_root().find(|line| id_in_path(line.path).is_some()))
        .or_else(|| below_root().find(|line| line.controllers == "name=systemd"))
        .or_else(|| below_root().next())
        .or_else(|| lines.first())?;
    Some(chosen.path.to_owned())
}

/// The id of the container whose cgroup the text names, in any of its hierarchies.
///
/// The runtime's own helper next to a container (`libpod-conmon-ID.scope`) is not in it.
#[must_use]
pub fn container_id(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .filter_map(parse_line)
        .find_map(|line| id_in_path(line.path))
        .map(str::to_owned)
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

/// The innermost directory that names a container decides: containers nest.
fn id_in_path(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(id_in_directory)
}

fn id_in_directory(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    if stem.contains("conmon-") {
        return None;
    }
    let scoped = SCOPE_PREFIXES
        .iter()
        .find_map(|prefix| stem.strip_prefix(prefix));
    // containerd without systemd below a systemd-made pod: `POD.slice:cri-containerd:ID`.
    let scoped = scoped.or_else(|| Some(stem.rsplit_once(":cri-containerd:")?.1));
    if let Some(id) = scoped.filter(|id| id.len() >= SHORT_ID_DIGITS && is_hex(id)) {
        return Some(id);
    }
    stem.split(|c: char| !c.is_ascii_hexdigit())
        .find(|run| run.len() == ID_DIGITS)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
