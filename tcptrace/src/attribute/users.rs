//! Which processes were seen using connections of a local port: the workers of a server.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Processes remembered per port.
const USERS: usize = 16;
/// Ports of several processes that are remembered; beyond this the table is cleared.
const MOST: usize = 4096;

/// See the module. Nearly every port, and every ephemeral one, has a single user at a time: that one
/// lies in a plain table, which costs an event one comparison.
#[derive(Debug)]
pub(super) struct Users {
    /// By port, 0 = nobody.
    latest: Box<[u32]>,
    several: HashMap<u16, Vec<u32>, RandomState>,
}

impl Default for Users {
    fn default() -> Self {
        // Zeroed pages, which take no memory until a port is written.
        Self {
            latest: vec![0; usize::from(u16::MAX) + 1].into_boxed_slice(),
            several: HashMap::default(),
        }
    }
}

impl Users {
    #[inline]
    pub(super) fn note(&mut self, port: u16, pid: u32) {
        let Some(latest) = self.latest.get_mut(usize::from(port)) else {
            return;
        };
        let before = std::mem::replace(latest, pid);
        if before != pid && before != 0 {
            self.note_another(port, before, pid);
        }
    }

    fn note_another(&mut self, port: u16, before: u32, pid: u32) {
        if self.several.len() >= MOST && !self.several.contains_key(&port) {
            self.several.clear();
        }
        let users = self.several.entry(port).or_default();
        for pid in [before, pid] {
            if !users.contains(&pid) {
                if users.len() == USERS {
                    users.remove(0);
                }
                users.push(pid);
            }
        }
    }

    /// Those of a port.
    pub(super) fn of(&self, port: u16) -> &[u32] {
        if let Some(users) = self.several.get(&port) {
            return users;
        }
        let latest = self.latest.get(usize::from(port)).map(std::slice::from_ref);
        latest.filter(|pid| **pid != [0]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_remembers_its_last_users_once_each() {
        let mut users = Users::default();
        assert!(users.of(80).is_empty());
        users.note(80, 1);
        assert_eq!(users.of(80), [1]);
        let most = u32::try_from(USERS).unwrap();
        for pid in 1..=most + 1 {
            users.note(80, pid);
            users.note(80, pid);
            users.note(80, most);
        }
        let known = users.of(80);
        assert_eq!(known.len(), USERS);
        assert!(!known.contains(&1) && known.contains(&(most + 1)));
        assert!(users.of(81).is_empty());
    }

    #[test]
    fn a_port_of_one_process_after_the_other_is_that_of_both() {
        let mut users = Users::default();
        users.note(65_535, 7);
        users.note(65_535, 8);
        assert_eq!(users.of(65_535), [7, 8]);
    }

    #[test]
    fn ports_remembered_are_bounded() {
        let mut users = Users::default();
        for port in 0..=u16::MAX {
            users.note(port, 1);
            users.note(port, 2);
        }
        assert!(users.several.len() <= MOST);
        assert_eq!(users.of(u16::MAX), [1, 2]);
    }
}
