//! What is wrong with TCP, who is concerned, on what evidence, and what to do about it.

use super::{Kind, Owner, named};

named! {
    /// How bad it is; the worst first.
    Severity {
        /// Connections are refused or killed, or data is lost.
        Broken = "broken",
        /// Everybody is still served, but worse, or a limit is nearly used up.
        Degraded = "degraded",
        /// It happened before, or it will happen under more load.
        Risk = "risk",
        /// Worth knowing, usually harmless.
        Note = "note",
    }
}

/// One fact that a finding rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// What was found, in words.
    pub text: String,
    /// The number; `None` where it is no number.
    pub value: Option<u64>,
    /// Where it comes from: a counter, a setting, `sock_diag`, or `kind/cause` of incidents.
    pub source: String,
}

/// A command that changes something, and what that risks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For a shell, as root.
    pub command: String,
    /// What it costs, and what it does not cure.
    pub risk: String,
}

/// A kind of incident, and a cause of it.
pub type Topic = (Kind, Option<&'static str>);

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable name, such as `accept_queue_full`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Network namespace; `None`: the whole host, or several.
    pub netns: Option<u32>,
    /// The processes concerned, most concerned first; empty: not known.
    pub who: Vec<Owner>,
    /// Since when, on the wall clock, ns; `None`: it began before anybody looked.
    pub since_ns: Option<i64>,
    /// How often now; `None`: not measured.
    pub rate_per_s: Option<f64>,
    /// How many refusals, connections or sockets it stands for.
    pub count: u64,
    /// What it rests on; never empty.
    pub evidence: Vec<Proof>,
    /// The cause, and what users notice.
    pub why: String,
    /// What to do before any setting is changed.
    pub do_first: String,
    /// What would change a setting; `None` where no setting cures this.
    pub do_then: Option<Change>,
    /// What `tcptrace explain` says more about; `None`: nothing.
    pub explain: Option<Topic>,
    /// The incidents it covers, by kind and cause.
    pub topics: Vec<Topic>,
}

/// The name of a topic for `tcptrace explain`: `rst_sent/linger_zero`.
#[must_use]
pub fn topic_name((kind, cause): Topic) -> String {
    match cause {
        Some(cause) => format!("{kind}/{cause}"),
        None => kind.to_string(),
    }
}
