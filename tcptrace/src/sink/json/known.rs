//! Processes as text, made once each: it is more than half of an object, and incidents come in
//! bursts of few processes.

use std::sync::Arc;

use super::fields;
use crate::model::Process;
use crate::sink::put;

/// Processes kept, each in the place its number falls on.
const PLACES: usize = 64;

#[derive(Default)]
pub(super) struct Known {
    places: Vec<Option<Text>>,
}

struct Text {
    /// Kept, so that no other process can lie at its address.
    process: Arc<Process>,
    text: Vec<u8>,
}

impl Known {
    /// `{"pid":...,"container":...`: an open object.
    #[inline]
    pub(super) fn text(&mut self, process: &Arc<Process>) -> &[u8] {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = &mut self.places[process.pid as usize % PLACES];
        let is_known = place
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.process, process));
        if !is_known {
            *place = Some(Text::of(process));
        }
        place.as_ref().map_or(&[], |known| &known.text)
    }
}

impl Text {
    #[cold]
    fn of(process: &Arc<Process>) -> Self {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(b"{\"pid\":");
        put::number(&mut text, process.pid);
        fields::put_number(&mut text, ",\"start_ticks\":", process.start_ticks);
        fields::put_text(&mut text, ",\"comm\":", Some(&process.comm));
        fields::put_text(&mut text, ",\"exe\":", process.exe.as_deref());
        fields::put_number(&mut text, ",\"uid\":", process.uid);
        fields::put_text(&mut text, ",\"cgroup\":", process.cgroup.as_deref());
        fields::put_text(&mut text, ",\"container\":", process.container.as_deref());
        text.shrink_to_fit();
        Self {
            process: Arc::clone(process),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(comm: &str) -> Arc<Process> {
        Arc::new(Process {
            pid: 7,
            start_ticks: Some(1),
            comm: comm.to_owned(),
            exe: None,
            uid: None,
            cgroup: None,
            container: None,
        })
    }

    #[test]
    fn a_process_under_a_new_name_is_written_anew() {
        let mut known = Known::default();
        let (old, new) = (process("old"), process("new"));
        for process in [&old, &new, &old] {
            let text = String::from_utf8(known.text(process).to_vec()).unwrap();
            assert!(text.starts_with(&format!(
                "{{\"pid\":7,\"start_ticks\":1,\"comm\":\"{}\"",
                process.comm
            )));
        }
    }
}
