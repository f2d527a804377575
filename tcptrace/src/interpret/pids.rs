//! Which processes `--pid` means.
//!
//! A number alone is what the command line says, and all that a recording of another machine can be
//! asked for. On a running system a number names one process after the other, so there the process
//! that bears it now is meant: number and start time together.

use std::collections::HashSet;

/// Processes by number, by identity, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pids {
    numbers: HashSet<u32>,
    /// (pid, start in clock ticks since boot).
    processes: HashSet<(u32, u64)>,
}

impl Pids {
    /// Whether none are named: then every process is meant.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.processes.is_empty()
    }

    /// How many are named.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.processes.len()
    }

    /// The processes that are named by number alone.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.numbers.iter().copied()
    }

    /// The processes that are named by (pid, start in clock ticks since boot).
    pub fn processes(&self) -> impl ExactSizeIterator<Item = (u32, u64)> + '_ {
        self.processes.iter().copied()
    }

    /// Adds whatever process bears the number.
    pub fn add_number(&mut self, pid: u32) {
        self.numbers.insert(pid);
    }

    /// Adds one process; false when it is there already.
    pub fn add(&mut self, pid: u32, start_ticks: u64) -> bool {
        self.processes.insert((pid, start_ticks))
    }

    /// The number stands for this process from now on, and for no other.
    pub fn pin(&mut self, pid: u32, start_ticks: u64) {
        self.numbers.remove(&pid);
        self.processes.insert((pid, start_ticks));
    }

    /// Forgets the processes, but not the numbers.
    pub fn forget_processes(&mut self) {
        self.processes.clear();
    }

    /// Whether the process is one of them. Without a start time it cannot be distinguished from others of
    /// its number, and only a number can name it.
    pub fn contains(&self, pid: u32, start_ticks: Option<u64>) -> bool {
        self.numbers.contains(&pid)
            || start_ticks.is_some_and(|start| self.processes.contains(&(pid, start)))
    }
}

impl<const N: usize> From<[u32; N]> for Pids {
    fn from(numbers: [u32; N]) -> Self {
        numbers.into_iter().collect()
    }
}

impl FromIterator<u32> for Pids {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        Self {
            numbers: numbers.into_iter().collect(),
            processes: HashSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_any_process_and_an_identity_means_one() {
        let mut pids = Pids::from([5]);
        assert!(pids.add(6, 60) && !pids.add(6, 60));
        assert!(pids.contains(5, Some(1)) && pids.contains(5, None));
        assert!(pids.contains(6, Some(60)));
        assert!(!pids.contains(6, Some(61)) && !pids.contains(6, None));
        assert!(!pids.contains(7, Some(60)));
        assert_eq!(pids.len(), 2);
        pids.pin(5, 50);
        assert!(pids.contains(5, Some(50)) && !pids.contains(5, Some(51)));
        pids.add_number(8);
        pids.forget_processes();
        assert!(!pids.contains(6, Some(60)) && pids.contains(8, None));
    }
}
