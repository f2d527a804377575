//! Folded lines as text: when there are any, their ends and their details.

use super::fold::{Folded, MOST_PEERS};
use crate::model::{Endpoint, named};

named! {
    /// When lines that say the same are folded.
    FoldChoice {
        /// On a terminal.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

impl FoldChoice {
    /// Whether the lines for such a stream are folded.
    pub const fn folds(self, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The ends of folded lines, as far as they are the same.
pub(super) fn flow(folded: &Folded) -> String {
    let (flow, varies) = (&folded.first.flow, folded.varies);
    let end = |end: Option<Endpoint>, port_varies: bool| match end {
        Some(end) if port_varies => {
            let text = end.to_string();
            let addr = text.rsplit_once(':').map_or(&*text, |(addr, _)| addr);
            format!("{addr}:*")
        }
        Some(end) => end.to_string(),
        None => "*".to_owned(),
    };
    let local = match flow.local {
        Some(_) if varies.local_addr && varies.local_port => "*".to_owned(),
        Some(local) if varies.local_addr => format!("*:{}", local.port),
        local => end(local, varies.local_port),
    };
    let remote = match folded.peers {
        0 | 1 => end(flow.remote, varies.remote_port),
        peers if peers >= MOST_PEERS => format!("{MOST_PEERS}+ peers"),
        peers => format!("{peers} peers"),
    };
    format!("{local} > {remote}")
}

/// How many, and their details as one.
pub(super) fn detail(folded: &Folded) -> String {
    let more = if folded.has_shown { " more" } else { "" };
    format!("×{}{more} {}", folded.count, folded.spread)
}
