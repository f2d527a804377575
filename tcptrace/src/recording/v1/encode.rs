//! From items to the payload of a block.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::codes::Coded;
use super::forms::{
    CloseForm, DropForm, EndForm, EventForm, FlowForm, ItemForm, ListenerForm, OwnerForm,
    ProcessForm, QueueForm, ResetForm, RetransmitForm, STALE, SampleForm, SignalForm, SpaceForm,
};
use crate::model::event::{CloseFacts, QueueDrop, Reset, Retransmit};
use crate::model::incident::Queue;
use crate::model::{Endpoint, Event, Flow, Owner, Process, Sample, Signal};
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
        let signal = self.signal(&event.signal);
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
            container: process.container.as_deref().map(Cow::Borrowed),
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

    fn signal(&mut self, signal: &Signal) -> SignalForm {
        match signal {
            Signal::State(change) => SignalForm::State {
                old: change.old.code(),
                new: change.new.code(),
                in_old_ns: change.in_old_ns,
            },
            Signal::Reset(facts) => SignalForm::Reset(reset(facts)),
            Signal::ResetReceived { dead } => SignalForm::ResetReceived { dead: *dead },
            Signal::Retransmit(facts) => SignalForm::Retransmit(retransmit(facts)),
            Signal::AcceptDrop(facts) => SignalForm::AcceptDrop(drop_form(facts)),
            Signal::SynDrop(facts) => SignalForm::SynDrop(drop_form(facts)),
            Signal::TimeWait(facts) => SignalForm::TimeWait {
                phase: facts.phase.code(),
                substate: Coded::optional(facts.substate),
                timeout_jiffies: facts.timeout_jiffies,
                is_cancelled: facts.is_cancelled,
                new_owner: facts.new_owner.as_ref().map(|owner| self.owner(owner)),
            },
            Signal::Linger(facts) => SignalForm::Linger {
                start_ns: facts.start_ns,
                linger_jiffies: facts.linger_jiffies,
                outcome: facts.outcome.code(),
                unsent_bytes: facts.unsent_bytes,
                unacked_bytes: facts.unacked_bytes,
                remaining_bytes: facts.remaining_bytes,
            },
            Signal::Paws { reason, check } => SignalForm::Paws {
                reason: *reason,
                check: Coded::optional(*check),
            },
            Signal::Close(facts) => SignalForm::Close(close(facts)),
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
                    accept_queue: queue(listener.accept_queue),
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

const fn queue(queue: Queue) -> QueueForm {
    (queue.length, queue.limit)
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

/// The bits of [`ResetForm::flags`], from the lowest.
pub(super) const fn flags(facts: &Reset) -> [bool; 8] {
    [
        facts.has_sock,
        facts.is_minisock,
        facts.is_reply,
        facts.is_dead,
        facts.is_owned,
        facts.has_socket,
        facts.listener_is_closing,
        facts.linger_on,
    ]
}

fn reset(facts: &Reset) -> ResetForm {
    let bits = flags(facts).into_iter().enumerate();
    ResetForm {
        reason: facts.reason,
        flags: bits.fold(0, |all, (place, is_set)| all | u16::from(is_set) << place),
        linger_jiffies: facts.linger_jiffies,
        linger2: facts.linger2,
        user_timeout_ms: facts.user_timeout_ms,
        shutdown: facts.shutdown,
        sk_err: facts.sk_err,
        state_now: facts.state_now,
        queue: facts.queue.map(queue),
        unsent_bytes: facts.unsent_bytes,
        unacked_bytes: facts.unacked_bytes,
        unread_bytes: facts.unread_bytes,
    }
}

const fn retransmit(facts: &Retransmit) -> RetransmitForm {
    RetransmitForm {
        sequence: facts.sequence,
        bytes: facts.bytes,
        segments: facts.segments,
        attempt: facts.attempt,
        error: facts.error,
        ca_state: facts.ca_state,
        pending: facts.pending,
        tcp_flags: facts.tcp_flags,
        is_syn_ack: facts.is_syn_ack,
        gave_up: facts.gave_up,
    }
}

fn drop_form(facts: &QueueDrop) -> DropForm {
    DropForm {
        step: Coded::optional(facts.step),
        outcome: Coded::optional(facts.outcome),
        queue: facts.queue.map(queue),
        count: facts.count,
        somaxconn: facts.somaxconn,
        backlog: facts.backlog,
    }
}

const fn close(facts: &CloseFacts) -> CloseForm {
    CloseForm {
        duration_ns: facts.duration_ns,
        bytes_sent: facts.bytes_sent,
        bytes_received: facts.bytes_received,
        srtt_us: facts.srtt_us,
        retransmits: facts.retransmits,
        sk_err: facts.sk_err,
        rst_received: facts.rst_received,
        has_time_wait: facts.has_time_wait,
        is_owned: facts.is_owned,
    }
}
