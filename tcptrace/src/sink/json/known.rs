//! Owners as text, made once each: it is more than half of an object, and incidents come in bursts of
//! few processes.

use std::sync::Arc;

use super::plain::{self, Digits};
use crate::model::Owner;
use crate::model::owner::OwnerObject;

/// Owners kept, each in the place its number and basis fall on.
const PLACES: usize = 256;
/// There are fewer bases than this.
const BASES: usize = 4;

#[derive(Default)]
pub(super) struct Known {
    places: Vec<Option<Text>>,
    nobody: Vec<u8>,
}

struct Text {
    /// Kept, so that no other process can lie at its address.
    owner: Owner,
    text: Vec<u8>,
}

impl Known {
    /// `{"pid":...}`
    #[inline]
    pub(super) fn text(&mut self, owner: Option<&Owner>) -> &[u8] {
        let Some(owner) = owner else {
            return self.nobody();
        };
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let at = (owner.process.pid as usize * BASES + owner.basis as usize) % PLACES;
        let place = &mut self.places[at];
        let is_known = place.as_ref().is_some_and(|known| known.is_of(owner));
        if !is_known {
            *place = Some(Text::of(owner));
        }
        place.as_ref().map_or(&[], |known| &known.text)
    }

    fn nobody(&mut self) -> &[u8] {
        if self.nobody.is_empty() {
            self.nobody = plain::text(&OwnerObject::default(), Digits::Two);
        }
        &self.nobody
    }
}

impl Text {
    #[inline(always)]
    fn is_of(&self, owner: &Owner) -> bool {
        Arc::ptr_eq(&self.owner.process, &owner.process)
            && self.owner.basis == owner.basis
            && self.owner.shared_by == owner.shared_by
            && self.owner.is_stale == owner.is_stale
    }

    #[cold]
    fn of(owner: &Owner) -> Self {
        let mut text = plain::text(&OwnerObject::from(owner), Digits::Two);
        text.shrink_to_fit();
        Self {
            owner: owner.clone(),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Basis, Process};

    fn owner(comm: &str) -> Owner {
        let process = Arc::new(Process {
            pid: 7,
            start_ticks: Some(1),
            comm: comm.to_owned(),
            exe: None,
            uid: None,
            cgroup: None,
            container: None,
            ..Process::default()
        });
        Owner {
            process,
            basis: Basis::Task,
            shared_by: None,
            tid: None,
            holders: None,
            is_stale: false,
        }
    }

    fn written(known: &mut Known, owner: &Owner) -> String {
        String::from_utf8(known.text(Some(owner)).to_vec()).unwrap()
    }

    #[test]
    fn a_process_under_a_new_name_is_written_again() {
        let mut known = Known::default();
        let (old, new) = (owner("old"), owner("new"));
        for owner in [&old, &new, &old] {
            let begin = format!(
                "{{\"pid\":7,\"start_ticks\":1,\"comm\":\"{}\"",
                owner.process.comm
            );
            assert!(written(&mut known, owner).starts_with(&begin));
        }
    }

    #[test]
    fn the_same_process_known_otherwise_is_written_again() {
        let mut known = Known::default();
        let task = owner("x");
        for (basis, shared_by) in [
            (Basis::Task, None),
            (Basis::Socket, None),
            (Basis::Socket, Some(13)),
            (Basis::Task, None),
        ] {
            let owner = Owner {
                basis,
                shared_by,
                ..task.clone()
            };
            let shared_by = shared_by.map_or("null".to_owned(), |count: u32| count.to_string());
            let end = format!(
                "\"basis\":\"{basis}\",\"shared_by\":{shared_by},\"stale\":{}}}",
                owner.is_stale
            );
            assert!(written(&mut known, &owner).ends_with(&end));
            let stale = Owner {
                is_stale: true,
                ..owner
            };
            assert!(written(&mut known, &stale).ends_with("\"stale\":true}"));
        }
    }

    #[test]
    fn nobody_is_an_object_of_nulls() {
        let mut known = Known::default();
        let text = String::from_utf8(known.text(None).to_vec()).unwrap();
        assert!(text.starts_with("{\"pid\":null,"), "{text}");
        assert!(
            text.ends_with("\"basis\":\"none\",\"shared_by\":null,\"stale\":null}"),
            "{text}"
        );
    }
}
