//! The signals of a recording: one table of frozen forms, from which both directions follow. Each field
//! states the type that is written, so that a change of the model cannot change the format unnoticed.

use serde::{Deserialize, Serialize};

use super::Malformed;
use super::fields::{Frozen, OwnerForm, QueueForm};
use crate::model::event::{
    CallFailed, CloseFacts, ConnectFailed, LingerEnd, QueueDrop, Reset, Retransmit, StateChange,
    TimeWait, TimedOut,
};
use crate::model::{Owner, Signal};

/// A signal, as a pattern or as a value.
macro_rules! signal {
    ($variant:ident $fields:tt) => { Signal::$variant $fields };
    ($variant:ident $facts:ident $fields:tt) => { Signal::$variant($facts $fields) };
}

/// Declares the form of each signal: its fields in the order in which they are written, each with the type
/// that is written. Booleans in brackets share one number, a bit each from the lowest. `- field` came
/// later than the form: it is not written, and reads back as `None`.
macro_rules! signals {
    ($(
        $variant:ident $(($facts:ident))? {
            $($field:ident: $form:ty,)*
            $([$($bit:ident),*]: u16, $($more:ident: $more_form:ty,)*)?
            $(- $later:ident,)*
        }
    )*) => {
        /// One signal. New ones go behind the last.
        #[derive(Serialize, Deserialize)]
        pub(super) enum SignalForm {
            $($variant { $($field: $form,)* $(flags: u16, $($more: $more_form,)*)? },)*
        }

        impl SignalForm {
            /// `owner` gives an owner its form.
            pub(super) fn of(signal: &Signal, mut owner: impl FnMut(&Owner) -> OwnerForm) -> Self {
                match signal {
                    $(signal!($variant $($facts)? { $($field,)* $($($bit,)* $($more,)*)? $($later: _,)* }) => Self::$variant {
                        $($field: $field.freeze(&mut owner),)*
                        $(
                            flags: packed([$(*$bit),*]),
                            $($more: $more.freeze(&mut owner),)*
                        )?
                    },)*
                }
            }

            /// `owner` finds the owner of a form.
            pub(super) fn signal(
                self,
                owner: impl Fn(OwnerForm) -> Result<Owner, Malformed>,
            ) -> Result<Signal, Malformed> {
                Ok(match self {
                    $(Self::$variant { $($field,)* $(flags, $($more,)*)? } => {
                        $(let [$($bit),*] = unpacked(flags);)?
                        signal!($variant $($facts)? {
                            $($field: Frozen::thaw($field, &owner)?,)*
                            $($($bit,)* $($more: Frozen::thaw($more, &owner)?,)*)?
                            $($later: None,)*
                        })
                    })*
                })
            }
        }
    };
}

signals! {
    State(StateChange) {
        old: u8,
        new: u8,
        in_old_ns: Option<u64>,
    }
    Reset(Reset) {
        reason: Option<u32>,
        [has_sock, is_minisock, is_reply, is_dead, is_owned, has_socket, listener_is_closing, linger_on]: u16,
        linger_jiffies: u64,
        linger2: i32,
        user_timeout_ms: u32,
        shutdown: u8,
        sk_err: i32,
        state_now: u8,
        queue: Option<QueueForm>,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        unread_bytes: Option<u32>,
    }
    ResetReceived {
        dead: bool,
    }
    Retransmit(Retransmit) {
        sequence: u32,
        bytes: u32,
        segments: Option<u32>,
        attempt: Option<u32>,
        error: Option<i32>,
        ca_state: u8,
        pending: u8,
        tcp_flags: u8,
        is_syn_ack: bool,
        gave_up: bool,
    }
    AcceptDrop(QueueDrop) {
        step: u8,
        outcome: u8,
        queue: Option<QueueForm>,
        count: u64,
        somaxconn: Option<u32>,
        backlog: Option<u32>,
    }
    SynDrop(QueueDrop) {
        step: u8,
        outcome: u8,
        queue: Option<QueueForm>,
        count: u64,
        somaxconn: Option<u32>,
        backlog: Option<u32>,
    }
    TimeWait(TimeWait) {
        phase: u8,
        substate: u8,
        timeout_jiffies: Option<u64>,
        is_cancelled: bool,
        new_owner: Option<OwnerForm>,
    }
    Linger(LingerEnd) {
        start_ns: u64,
        linger_jiffies: u64,
        outcome: u8,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        remaining_bytes: Option<u32>,
    }
    Paws {
        reason: u32,
        check: u8,
    }
    Close(CloseFacts) {
        duration_ns: Option<u64>,
        bytes_sent: u64,
        bytes_received: u64,
        srtt_us: Option<u32>,
        retransmits: u32,
        sk_err: i32,
        rst_received: bool,
        has_time_wait: bool,
        is_owned: bool,
    }
    BacklogDrop(QueueDrop) {
        step: u8,
        outcome: u8,
        queue: Option<QueueForm>,
        count: u64,
        somaxconn: Option<u32>,
        backlog: Option<u32>,
    }
    TimedOut(TimedOut) {
        silent_jiffies: Option<u32>,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        user_timeout_ms: u32,
        window: Option<u32>,
        sk_err: i32,
        retransmits: u8,
        probes: u8,
        is_dead: bool,
    }
    ConnectFailed(ConnectFailed) {
        waited_ns: Option<u64>,
        sk_err: i32,
        retransmits: u8,
        is_owned: bool,
        is_shut: bool,
        is_sent: bool,
        has_port: bool,
    }
    CallFailed(CallFailed) {
        call: u8,
        errno: i32,
    }
}

/// One bit each, from the lowest.
fn packed<const COUNT: usize>(flags: [bool; COUNT]) -> u16 {
    let places = flags.into_iter().enumerate();
    places.fold(0, |all, (place, is_set)| all | u16::from(is_set) << place)
}

fn unpacked<const COUNT: usize>(flags: u16) -> [bool; COUNT] {
    std::array::from_fn(|place| flags >> place & 1 != 0)
}
