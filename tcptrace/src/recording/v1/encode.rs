//! From items to the payload of a block.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::codes::Coded;
use super::fields::{OwnerForm, STALE, queue_form};
use super::forms::{
    EndForm, EventForm, FlowForm, ItemForm, ListenerForm, ProcessForm, SampleForm, SpaceForm,
};
use super::signals::SignalForm;
use crate::model::{Endpoint, Event, Flow, Owner, Process, Sample};
use crate::recording::Item;

/// Room for an event: more than the largest form takes.
const EVENT_BYTES: usize = 512;

/// Writes items into a payload; one for each block.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    payload: Vec<u8>,
    hooks: HashMap<(*const u8, usize), u32, RandomState>,
    processes: HashMap<*const Process, u32, RandomState>,
    /// Keeps the addresses above from standing for other processes.
    kept: Vec<Arc<Process>>,
    before_ns: u64,
}

// SAFETY: the addresses are only compared; what they stand for is `'static` or kept.
unsafe impl Send for Encoder {}

impl Encoder {
    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.payload.len()
    }

    /// The payload so far.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Begins the next payload, in the memory of this one.
    pub(crate) fn clear(&mut self) {
        self.hooks.clear();
        self.processes.clear();
        self.kept.clear();
        self.before_ns = 0;
        self.payload.clear();
    }

    /// Appends an event.
    pub(crate) fn event(&mut self, event: &Event) {
        let hook = self.hook(event.hook);
        let owner = event.owner.as_ref().map(|owner| self.owner(owner));
        let signal = SignalForm::of(&event.signal, |owner| self.owner(owner));
        let form = ItemForm::Event(EventForm {
            later_ns: event.boot_ns.wrapping_sub(self.before_ns).cast_signed(),
            sock: event.sock,
            inode: event.inode,
            flow: flow(&event.flow),
            state: Coded::optional(event.state),
            owner,
            hook,
            evidence: event.evidence.code(),
            signal,
        });
        self.before_ns = event.boot_ns;
        self.put(&form);
    }

    /// Appends an item of any kind.
    pub(crate) fn item(&mut self, item: &Item) {
        let form = match item {
            Item::Event(event) => return self.event(event),
            Item::Tick(boot_ns) => ItemForm::Tick(*boot_ns),
            Item::Kernel(kind, count, boot_ns) => ItemForm::Kernel {
                kind: kind.code(),
                filtered: count.filtered,
                lost: count.lost,
                boot_ns: *boot_ns,
            },
            Item::Undecodable(kind) => ItemForm::Undecodable(kind.map(Coded::code)),
            Item::Sample(sample) => ItemForm::Sample(self.sample(sample)),
            Item::Ending(boot_ns) => ItemForm::Ending(*boot_ns),
            Item::Clock {
                boot_to_wall_ns,
                step_ns,
            } => ItemForm::Clock {
                boot_to_wall_ns: *boot_to_wall_ns,
                step_ns: *step_ns,
            },
        };
        self.put(&form);
    }

    fn put(&mut self, form: &ItemForm<'_>) {
        let mut room = [0; EVENT_BYTES];
        if let Ok(bytes) = postcard::to_slice(form, &mut room) {
            self.payload.extend_from_slice(bytes);
        } else if let Ok(bytes) = postcard::to_stdvec(form) {
            // Only what has lists and texts: a process, a sample.
            self.payload.extend_from_slice(&bytes);
        }
    }

    fn hook(&mut self, name: &'static str) -> u32 {
        let place = (name.as_ptr(), name.len());
        if let Some(number) = self.hooks.get(&place) {
            return *number;
        }
        let number = count(self.hooks.len());
        self.hooks.insert(place, number);
        self.put(&ItemForm::Hook(Cow::Borrowed(name)));
        number
    }

    fn process(&mut self, process: &Arc<Process>) -> u32 {
        if let Some(number) = self.processes.get(&Arc::as_ptr(process)) {
            return *number;
        }
        let number = count(self.processes.len());
        self.processes.insert(Arc::as_ptr(process), number);
        self.kept.push(Arc::clone(process));
        let form = ProcessForm {
            pid: process.pid,
            start_ticks: process.start_ticks,
            comm: Cow::Borrowed(&process.comm),
            exe: process.exe.as_deref().map(Cow::Borrowed),
            uid: process.uid,
            cgroup: process.cgroup.as_deref().map(Cow::Borrowed),
            container: process
                .container
                .as_ref()
                .and_then(|container| container.id.as_deref())
                .map(Cow::Borrowed),
        };
        self.put(&ItemForm::Process(form));
        number
    }

    fn owner(&mut self, owner: &Owner) -> OwnerForm {
        OwnerForm {
            process: self.process(&owner.process),
            basis: owner.basis.code() | if owner.is_stale { STALE } else { 0 },
            shared_by: owner.shared_by,
            tid: owner.tid,
        }
    }

    fn sample(&mut self, sample: &Sample) -> SampleForm {
        let spaces = sample.spaces.iter().map(|space| SpaceForm {
            netns: space.netns,
            time_wait_entries: space.time_wait_entries,
            time_wait_limit: space.time_wait_limit,
            orphans: space.orphans,
            listeners: space
                .listeners
                .iter()
                .map(|listener| ListenerForm {
                    family: listener.family.code(),
                    local: end(listener.local),
                    cookie: listener.cookie,
                    holder: listener.holder.as_ref().map(|holder| self.process(holder)),
                    accept_queue: queue_form(listener.accept_queue),
                    drops: listener.drops,
                })
                .collect(),
        });
        SampleForm {
            boot_ns: sample.boot_ns,
            spaces: spaces.collect(),
        }
    }
}

fn count(length: usize) -> u32 {
    // A block ends long before.
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn end(end: Endpoint) -> EndForm {
    (end.addr, end.port)
}

fn flow(flow: &Flow) -> FlowForm {
    FlowForm {
        family: flow.family.code(),
        local: flow.local.map(end),
        unbound: flow.unbound,
        remote: flow.remote.map(end),
        netns: flow.netns,
        cookie: flow.cookie,
    }
}
