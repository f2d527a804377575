//! What the path of a cgroup says of a process: its container and its systemd unit. Pure. Recognition
//! goes by the directory names that runtimes and systemd use; what is not recognized is `None`, never a
//! guess.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A container, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container")]
pub struct Container {
    /// Id that its runtime gave it, mostly 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name that people gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What runs it: docker, podman, containerd, cri-o, lxc, nspawn. Absent where the path fits several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Image that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What a runtime writes before the id in the name of a scope, or of a directory without systemd.
const ID_PREFIXES: [(&str, &str); 6] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-payload-", "podman"),
    ("libpod-", "podman"),
];
/// Units of systemd that hold other things than the processes of a container.
const NO_CONTAINERS: [&str; 8] = [
    ".service", ".mount", ".slice", ".socket", ".swap", ".timer", ".path", ".target",
];
const ID_DIGITS: usize = 64;
/// Docker's short form; anything shorter is no id.
const SHORT_ID_DIGITS: usize = 12;
/// A task of Amazon ECS in its newer form: so many hexadecimal digits, a dash, a number.
const ECS_DIGITS: usize = 32;

impl Container {
    /// The innermost container that the path names: containers nest.
    #[must_use]
    pub fn in_path(path: &str) -> Option<Self> {
        find(path).map(|(container, _)| container)
    }

    /// A container recorded by its id alone, beside the path.
    #[must_use]
    pub fn recorded(id: Option<String>, path: Option<&str>) -> Option<Self> {
        let in_path = path.and_then(Self::in_path);
        match id {
            Some(_) => in_path
                .filter(|container| container.id == id)
                .or(Some(Self {
                    id,
                    ..Self::default()
                })),
            None => in_path,
        }
    }

    /// Its name, else its id.
    pub fn label(&self) -> Option<&str> {
        self.name.as_deref().or(self.id.as_deref())
    }

    fn by_id(id: &str, runtime: Option<&str>) -> Self {
        Self {
            id: Some(id.to_owned()),
            runtime: runtime.map(str::to_owned),
            ..Self::default()
        }
    }

    fn by_name(name: &str, runtime: Option<&str>) -> Option<Self> {
        (!name.is_empty()).then(|| Self {
            name: Some(name.to_owned()),
            runtime: runtime.map(str::to_owned),
            ..Self::default()
        })
    }
}

/// The systemd unit of the path, its innermost service or scope, as `systemctl` takes the name; that of a
/// user's manager as `user@UID.service/UNIT`. A container's own scope is not one: inside of it the
/// unit is that of the container's systemd, outside that of the service that started it.
#[must_use]
pub fn unit(path: &str) -> Option<String> {
    let own = find(path).map(|(_, at)| at);
    let names: Vec<&str> = path.split('/').collect();
    let is_unit = |name: &str| {
        [".service", ".scope"].iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|stem| !stem.is_empty())
        })
    };
    let at = (0..names.len())
        .rev()
        .find(|at| is_unit(names[*at]) && own.is_none_or(|own| own != *at))?;
    let unit = unescape_cgroup(names[at]);
    let manager = names[..at]
        .iter()
        .rev()
        .find(|name| name.starts_with("user@") && name.ends_with(".service"));
    Some(match manager {
        Some(manager) if own.is_none_or(|own| own > at) => format!("{manager}/{unit}"),
        _ => unit.to_owned(),
    })
}

/// systemd puts an underscore before a unit whose name the kernel would take for a file of its own.
fn unescape_cgroup(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

/// The innermost container and the place of its directory among those of the path.
fn find(path: &str) -> Option<(Container, usize)> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let names: Vec<&str> = path.split('/').collect();
    for at in (0..names.len()).rev() {
        let before = at.checked_sub(1).map(|at| names[at]);
        let after = names.get(at + 1).copied();
        if let Some(container) = in_directory(names[at], before, after) {
            return Some((container, at));
        }
    }
    None
}

fn in_directory(name: &str, before: Option<&str>, after: Option<&str>) -> Option<Container> {
    if let Some(container) = with_name(name, before, after) {
        return Some(container);
    }
    // `run-ID.mount` is a mount of the runtime's, and `ID.service` a health check on the host.
    // conmon is podman's and CRI-O's own helper beside a container.
    if NO_CONTAINERS.iter().any(|suffix| name.ends_with(suffix)) || name.contains("conmon-") {
        return None;
    }
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let by_prefix = ID_PREFIXES
        .iter()
        .find_map(|(prefix, runtime)| Some((stem.strip_prefix(prefix)?, *runtime)));
    // containerd without systemd below a systemd-made pod: `POD.slice:cri-containerd:ID`.
    let by_prefix =
        by_prefix.or_else(|| Some((stem.rsplit_once(":cri-containerd:")?.1, "containerd")));
    if let Some((id, runtime)) = by_prefix
        && id.len() >= SHORT_ID_DIGITS
        && is_hex(id)
    {
        return Some(Container::by_id(id, Some(runtime)));
    }
    let id = stem
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|run| run.len() == ID_DIGITS);
    if let Some(id) = id {
        let is_docker = before == Some("docker") && id == name;
        return Some(Container::by_id(id, is_docker.then_some("docker")));
    }
    let (task, number) = stem.split_once('-')?;
    let is_ecs = task.len() == ECS_DIGITS
        && is_hex(task)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_ecs.then(|| Container::by_id(stem, None))
}

/// Containers that the path names by what people call them.
fn with_name(name: &str, before: Option<&str>, after: Option<&str>) -> Option<Container> {
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Container::by_name(name, Some("lxc"));
    }
    if matches!(before, Some("lxc" | "lxc.payload")) {
        return Container::by_name(name, Some("lxc"));
    }
    if after == Some("supervisor") {
        // nspawn's own process beside its container.
        return None;
    }
    let service = name
        .strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"));
    if let Some(name) = service {
        return Container::by_name(name, Some("nspawn"));
    }
    let machine = unescape(name.strip_prefix("machine-")?.strip_suffix(".scope")?)?;
    // libvirt registers machines with a hypervisor's name in front; an emulator is no container.
    let is_emulator = machine.starts_with("qemu-");
    // nspawn alone makes `payload`; anybody may register a machine.
    let runtime = (after == Some("payload")).then_some("nspawn");
    (!is_emulator).then(|| Container::by_name(&machine, runtime))?
}

/// `\x2d` and the like, as systemd writes the bytes that may not stand in a unit's name; `-` stands for
/// `/`, which no name of a machine has. `None`: not written by systemd.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.strip_prefix(b"x")?.get(..2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(3..)?;
    }
    String::from_utf8(bytes).ok()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
