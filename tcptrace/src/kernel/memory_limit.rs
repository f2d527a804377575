//! How much memory the control group of this process may use (cgroups(7)): both versions, the least of all
//! groups above it. The kernel kills a process that needs more; only a look before that can say why.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted on every system that has them.
const MOUNTED: &str = "/sys/fs/cgroup";

/// Bytes, and the group that says so; `None`: no limit, or it cannot be read.
pub fn memory_limit() -> Option<(u64, PathBuf)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups
        .lines()
        .filter_map(directory)
        .flat_map(|(directory, name)| limits(&directory, name))
        .min()
}

/// The directory of a line of /proc/self/cgroup that may limit memory, and the file that says how much.
fn directory(line: &str) -> Option<(PathBuf, &'static str)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let within = path.trim_start_matches('/');
    if number == "0" && controllers.is_empty() {
        return Some((Path::new(MOUNTED).join(within), "memory.max"));
    }
    let has_memory = controllers.split(',').any(|name| name == "memory");
    has_memory.then(|| {
        let mounted = Path::new(MOUNTED).join("memory");
        (mounted.join(within), "memory.limit_in_bytes")
    })
}

/// Of a group and of those that it is in.
fn limits(directory: &Path, name: &'static str) -> Vec<(u64, PathBuf)> {
    let groups = directory
        .ancestors()
        .take_while(|path| path.starts_with(MOUNTED));
    groups
        .filter_map(|group| {
            // `max`, or a number near 2^63, where there is none.
            let text = fs::read_to_string(group.join(name)).ok()?;
            Some((text.trim().parse().ok()?, group.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_found() {
        let of = |line| directory(line).map(|(path, name)| (path.display().to_string(), name));
        let unified = ("/sys/fs/cgroup/a.slice/b".to_owned(), "memory.max");
        assert_eq!(of("0::/a.slice/b"), Some(unified));
        let old = (
            "/sys/fs/cgroup/memory/x".to_owned(),
            "memory.limit_in_bytes",
        );
        assert_eq!(of("4:memory:/x"), Some(old.clone()));
        assert_eq!(of("4:cpu,memory:/x"), Some(old));
        assert_eq!(of("7:pids:/x"), None);
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn a_limit_of_this_machine_is_a_number_or_none() {
        if let Some((limit, group)) = memory_limit() {
            assert!(limit > 1 << 20, "{limit} of {}", group.display());
        }
    }
}
