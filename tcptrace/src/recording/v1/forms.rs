//! The frozen forms.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

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
pub(super) type QueueForm = (u32, u32);

#[derive(Serialize, Deserialize)]
pub(super) struct FlowForm {
    pub(super) family: u8,
    pub(super) local: Option<EndForm>,
    pub(super) unbound: Option<IpAddr>,
    pub(super) remote: Option<EndForm>,
    pub(super) netns: Option<u32>,
    pub(super) cookie: Option<u64>,
}

/// See [`OwnerForm::basis`].
pub(super) const STALE: u8 = 1 << 7;

#[derive(Serialize, Deserialize)]
pub(super) struct OwnerForm {
    pub(super) process: u32,
    /// With [`STALE`], which versions before 0.2 do not have, of an owner that is only the last user.
    pub(super) basis: u8,
    pub(super) shared_by: Option<u32>,
    pub(super) tid: Option<u32>,
}

/// One signal. New ones go behind the last.
#[derive(Serialize, Deserialize)]
pub(super) enum SignalForm {
    State {
        old: u8,
        new: u8,
        in_old_ns: Option<u64>,
    },
    Reset(ResetForm),
    ResetReceived {
        dead: bool,
    },
    Retransmit(RetransmitForm),
    AcceptDrop(DropForm),
    SynDrop(DropForm),
    TimeWait {
        phase: u8,
        substate: u8,
        timeout_jiffies: Option<u64>,
        is_cancelled: bool,
        new_owner: Option<OwnerForm>,
    },
    Linger {
        start_ns: u64,
        linger_jiffies: u64,
        outcome: u8,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        remaining_bytes: Option<u32>,
    },
    Paws {
        reason: u32,
        check: u8,
    },
    Close(CloseForm),
}

#[derive(Serialize, Deserialize)]
pub(super) struct ResetForm {
    pub(super) reason: Option<u32>,
    /// One bit each, see [`super::encode::flags`].
    pub(super) flags: u16,
    pub(super) linger_jiffies: u64,
    pub(super) linger2: i32,
    pub(super) user_timeout_ms: u32,
    pub(super) shutdown: u8,
    pub(super) sk_err: i32,
    pub(super) state_now: u8,
    pub(super) queue: Option<QueueForm>,
    pub(super) unsent_bytes: Option<u32>,
    pub(super) unacked_bytes: Option<u32>,
    pub(super) unread_bytes: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RetransmitForm {
    pub(super) sequence: u32,
    pub(super) bytes: u32,
    pub(super) segments: Option<u32>,
    pub(super) attempt: Option<u32>,
    pub(super) error: Option<i32>,
    pub(super) ca_state: u8,
    pub(super) pending: u8,
    pub(super) tcp_flags: u8,
    pub(super) is_syn_ack: bool,
    pub(super) gave_up: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DropForm {
    pub(super) step: u8,
    pub(super) outcome: u8,
    pub(super) queue: Option<QueueForm>,
    pub(super) count: u64,
    pub(super) somaxconn: Option<u32>,
    pub(super) backlog: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CloseForm {
    pub(super) duration_ns: Option<u64>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) srtt_us: Option<u32>,
    pub(super) retransmits: u32,
    pub(super) sk_err: i32,
    pub(super) rst_received: bool,
    pub(super) has_time_wait: bool,
    pub(super) is_owned: bool,
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
