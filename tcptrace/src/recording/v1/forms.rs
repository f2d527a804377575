//! The frozen forms.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::fields::{OwnerForm, QueueForm};
use super::signals::SignalForm;

/// One item. New ones go behind the last.
#[derive(Serialize, Deserialize)]
pub(super) enum ItemForm<'a> {
    /// The next number of a hook stands for this name.
    #[serde(borrow)]
    Hook(Cow<'a, str>),
    /// The next number of a process stands for this one.
    #[serde(borrow)]
    Process(ProcessForm<'a>),
    Event(EventForm),
    /// Boot clock, ns.
    Tick(u64),
    Kernel {
        kind: u8,
        filtered: u64,
        lost: u64,
        boot_ns: u64,
    },
    Undecodable(Option<u8>),
    Sample(SampleForm),
    /// Boot clock, ns.
    Ending(u64),
    Clock {
        boot_to_wall_ns: i64,
        step_ns: i64,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct ProcessForm<'a> {
    pub(super) pid: u32,
    pub(super) start_ticks: Option<u64>,
    #[serde(borrow)]
    pub(super) comm: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) exe: Option<Cow<'a, str>>,
    pub(super) uid: Option<u32>,
    #[serde(borrow)]
    pub(super) cgroup: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) container: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventForm {
    /// Since the event before it in the block, or since the block's first moment; ns.
    pub(super) later_ns: i64,
    pub(super) sock: Option<u64>,
    pub(super) inode: Option<u64>,
    pub(super) flow: FlowForm,
    pub(super) state: u8,
    pub(super) owner: Option<OwnerForm>,
    pub(super) hook: u32,
    pub(super) evidence: u8,
    pub(super) signal: SignalForm,
}

pub(super) type EndForm = (IpAddr, u16);

#[derive(Serialize, Deserialize)]
pub(super) struct FlowForm {
    pub(super) family: u8,
    pub(super) local: Option<EndForm>,
    pub(super) unbound: Option<IpAddr>,
    pub(super) remote: Option<EndForm>,
    pub(super) netns: Option<u32>,
    pub(super) cookie: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SampleForm {
    pub(super) boot_ns: u64,
    pub(super) spaces: Vec<SpaceForm>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SpaceForm {
    pub(super) netns: u32,
    pub(super) time_wait_entries: Option<u64>,
    pub(super) time_wait_limit: Option<u32>,
    pub(super) orphans: Option<u64>,
    pub(super) listeners: Vec<ListenerForm>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ListenerForm {
    pub(super) family: u8,
    pub(super) local: EndForm,
    pub(super) cookie: u64,
    pub(super) holder: Option<u32>,
    pub(super) accept_queue: QueueForm,
    pub(super) drops: Option<u32>,
}
