//! Numbers for names: the positions in which version 1 knows the values of an enum. They are frozen;
//! a value that is added later stands behind those there are.

use super::Malformed;
use super::fields::{Found, Frozen, Owners};
use crate::model::flow::TcpState;
use crate::model::incident::{Call, DropOutcome, LingerOutcome, PawsWhere, Step, TimeWaitPhase};
use crate::model::{Basis, Evidence, Family, Kind};

/// An enum with frozen positions.
pub(super) trait Coded: Copy + 'static {
    const ALL: &'static [Self];

    fn code(self) -> u8;

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// 0 stands for `None`.
    fn optional(value: Option<Self>) -> u8 {
        value.map_or(0, |value| value.code() + 1)
    }

    /// `Err` for a number that stands for nothing.
    fn of_optional(code: u8) -> Result<Option<Self>, Malformed> {
        match code.checked_sub(1) {
            None => Ok(None),
            Some(code) => Self::of_code(code).map(Some).ok_or(Malformed),
        }
    }
}

macro_rules! coded {
    ($($name:ty),*) => {
        $(impl Coded for $name {
            const ALL: &'static [Self] = <$name>::ALL;

            fn code(self) -> u8 {
                self as u8
            }
        }

        impl Frozen<u8> for $name {
            fn freeze(&self, _: Owners<'_>) -> u8 {
                self.code()
            }

            fn thaw(form: u8, _: Found<'_>) -> Result<Self, Malformed> {
                Self::of_code(form).ok_or(Malformed)
            }
        }

        impl Frozen<u8> for Option<$name> {
            fn freeze(&self, _: Owners<'_>) -> u8 {
                Coded::optional(*self)
            }

            fn thaw(form: u8, _: Found<'_>) -> Result<Self, Malformed> {
                Coded::of_optional(form)
            }
        })*
    };
}

coded!(
    Basis,
    Call,
    DropOutcome,
    Evidence,
    Family,
    Kind,
    LingerOutcome,
    PawsWhere,
    Step,
    TcpState,
    TimeWaitPhase
);

#[cfg(test)]
mod tests {
    use super::*;

    fn names<T: Coded + ToString>() -> String {
        let names: Vec<String> = T::ALL.iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    #[test]
    fn positions_are_those_that_version_1_was_written_with() {
        assert_eq!(names::<Basis>(), "task socket listener snapshot");
        assert_eq!(names::<DropOutcome>(), "dropped reset cookie");
        assert_eq!(names::<Evidence>(), "seen inferred counted");
        assert_eq!(names::<Family>(), "inet inet6");
        // Kinds that came later stand behind these.
        assert!(names::<Kind>().starts_with(
            "state rst_sent rst_received linger_close accept_drop syn_drop retransmit time_wait \
             paws_drop close"
        ));
        assert_eq!(
            names::<LingerOutcome>(),
            "drained timed_out interrupted reset"
        );
        assert_eq!(names::<PawsWhere>(), "established time_wait ack echo");
        assert_eq!(names::<Step>(), "syn ack");
        assert_eq!(
            names::<TcpState>(),
            "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK \
             LISTEN CLOSING NEW_SYN_RECV"
        );
        assert_eq!(names::<TimeWaitPhase>(), "enter reuse overflow expire");
    }

    #[test]
    fn every_value_comes_back() {
        for (position, value) in TcpState::ALL.iter().enumerate() {
            assert_eq!(usize::from(value.code()), position);
            assert_eq!(
                TcpState::of_optional(TcpState::optional(Some(*value))).ok(),
                Some(Some(*value))
            );
        }
        assert_eq!(TcpState::of_optional(0).ok(), Some(None));
        assert!(TcpState::of_optional(200).is_err());
    }
}
