//! The scenarios, a module for each family.

pub(crate) mod kit;

mod accept_queue;
mod addresses;
mod caller;
mod confined;
mod crowd;
mod deaths;
mod doctor;
mod doctor_live;
mod filters;
mod folding;
mod full_maps;
mod holders;
mod judging;
mod late;
mod linger;
mod mptcp;
mod ownership;
mod paws;
mod privileges;
mod queries;
mod queries_live;
mod recording;
mod report_live;
mod reset;
mod reset_received;
mod retransmit;
mod robustness;
mod signals;
mod stalled;
mod syn_queue;
mod text;
mod time_wait;
pub(crate) mod top;

use kit::Family;

/// Names each family after its module.
macro_rules! families {
    ($($(#[$mark:ident])? $name:ident),* $(,)?) => {
        vec![$(Family::new(stringify!($name), $name::scenarios())$(.$mark())?),*]
    };
}

/// Every family, in the order they run.
pub(crate) fn families() -> Vec<Family> {
    families![
        judging,
        reset,
        reset_received,
        linger,
        mptcp,
        accept_queue,
        syn_queue,
        time_wait,
        retransmit,
        deaths,
        paws,
        ownership,
        holders,
        addresses,
        #[own]
        filters,
        #[own]
        queries,
        #[own]
        queries_live,
        #[own]
        stalled,
        #[own]
        recording,
        report_live,
        #[own]
        doctor,
        #[own]
        doctor_live,
        #[own]
        late,
        #[own]
        text,
        #[own]
        folding,
        full_maps,
        #[own]
        robustness,
        #[own]
        signals,
        #[own]
        privileges,
        #[own]
        caller,
        #[own]
        confined,
        #[own]
        crowd,
        #[own]
        top,
    ]
}
