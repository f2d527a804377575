//! What a judgement can be: which deviations there are, which of them are known, what is counted.

use std::collections::BTreeMap;

/// What is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A process that never held the socket.
    WrongOwner,
    /// One that had given it away, though another process held it or held it later.
    StaleOwner,
    /// One that got it only later.
    LaterOwner,
    /// The same, by a look into /proc.
    OwnerOfReading,
    /// One that listens on the same port of another address.
    OtherListener,
    /// One that threw the descriptor away unreceived.
    Discarder,
    /// A name that the process never bore.
    WrongName,
    /// One that it bore at another time.
    OtherName,
    OtherUser,
    WrongCause,
    /// Data that came after close().
    LateData,
    WrongBytes,
    WrongMeaning,
    WrongEnd,
    WrongPhase,
    WrongSocket,
    MissingReset,
    ExtraReset,
    MissingReceived,
    ExtraReceived,
    MissingClose,
    ExtraClose,
    BrokenChain,
    /// An event of a socket that nobody made.
    Invented,
}

impl Class {
    /// The number of the fault in the list of known ones, whose mending is under way. Everything else
    /// fails the run.
    pub(super) const fn known_fault(self) -> Option<&'static str> {
        match self {
            Self::StaleOwner => {
                Some("A1: an owner is not checked again after the socket was given away")
            }
            Self::Discarder => Some("F12: a descriptor discarded in flight is the discarder's"),
            Self::OtherName => Some("A2, F4: names are those of reading"),
            Self::OtherListener => {
                Some("A5, F10: listeners of one port are not distinguished by their address")
            }
            Self::OwnerOfReading => Some("F4: owners found in /proc are those of reading"),
            Self::MissingClose | Self::BrokenChain => {
                Some("F3: some changes of state are not reported, and not counted as lost")
            }
            Self::OtherUser => Some("F4: users are those of reading"),
            Self::LateData => Some("B5: data after close() has no cause of its own"),
            Self::WrongPhase => Some(
                "new: a TIME_WAIT that a RST ended is reused by whoever connected to that end last",
            ),
            _ => None,
        }
    }

    /// Whether it may be because the kernel skipped a run of a hook (fault F3).
    pub(super) const fn is_absence(self) -> bool {
        matches!(
            self,
            Self::MissingReset | Self::MissingReceived | Self::MissingClose | Self::BrokenChain
        )
    }
}

#[derive(Clone, Debug)]
pub(super) struct Deviation {
    pub(super) class: Class,
    pub(super) text: String,
}

/// What was judged, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) sockets: usize,
    pub(super) steps: usize,
    pub(super) events: usize,
    pub(super) owners: usize,
    /// By basis.
    pub(super) bases: BTreeMap<String, usize>,
    /// Events without an owner, by kind, of sockets that a process held, or had held.
    pub(super) ownerless: BTreeMap<String, usize>,
    /// One of each.
    pub(super) without_owner: BTreeMap<String, String>,
    /// Owned by the listener's process though another had accepted: basis `listener`, documented.
    pub(super) listeners_after_accept: usize,
    /// Owners reported as the last user only, and how many of them held the socket anyway.
    pub(super) stale: usize,
    pub(super) needlessly_stale: usize,
    pub(super) causes: usize,
    pub(super) byte_counts: usize,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.steps += other.steps;
        self.events += other.events;
        self.owners += other.owners;
        self.listeners_after_accept += other.listeners_after_accept;
        self.stale += other.stale;
        self.needlessly_stale += other.needlessly_stale;
        self.causes += other.causes;
        self.byte_counts += other.byte_counts;
        self.without_owner.extend(other.without_owner);
        for (sum, more) in [
            (&mut self.bases, other.bases),
            (&mut self.ownerless, other.ownerless),
        ] {
            for (name, count) in more {
                *sum.entry(name).or_default() += count;
            }
        }
    }
}
