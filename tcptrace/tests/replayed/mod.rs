//! What stands between records and interpretation, where there is no kernel and no /proc.

use tcptrace::model::owner::ReportedOwner;
use tcptrace::model::{Event, Host, Owner, Signal};

use crate::{fixture, records};

/// A kernel of 250 ticks per second with the reasons the records use.
pub(crate) fn host() -> Host {
    let mut host = Host {
        reset_reasons: vec![None; 16],
        drop_reasons: vec![None; 37],
        hz: Some(250),
    };
    for (number, name) in records::RESET_REASONS {
        host.reset_reasons[number as usize] = Some(name.into());
    }
    host.drop_reasons[records::PAWS as usize] = Some("TCP_RFC7323_PAWS".into());
    host
}

/// What attribution makes of it where /proc has nothing to add.
fn owner(heard: &ReportedOwner) -> Owner {
    let comm = String::from_utf8_lossy(&heard.comm);
    let comm = comm.split('\0').next().unwrap_or_default();
    fixture::owner(heard.pid, comm, heard.basis, heard.holders)
}

pub(crate) fn attributed(mut event: Event) -> Event {
    let owner = event.heard.as_ref().map(owner);
    match &mut event.signal {
        Signal::TimeWait(facts) if event.hook == "tp_btf/timer_cancel" => facts.new_owner = owner,
        Signal::AcceptDrop(facts) => {
            facts.somaxconn = Some(128);
            event.owner = owner;
        }
        _ => event.owner = owner,
    }
    event
}
