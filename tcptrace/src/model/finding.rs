//! What is wrong with TCP, who is concerned, on what evidence, and what to do about it.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::owner::{self, OwnerObject};
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Proof {
    /// What was found, in words.
    pub text: String,
    /// The number; null: it is none.
    pub value: Option<u64>,
    /// Where it comes from: a counter, a setting, `sock_diag`, or `kind/cause` of incidents.
    pub source: String,
}

/// A command that changes something, and what that risks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Change {
    /// For a shell, as root.
    pub command: String,
    /// What it costs, and what it does not cure.
    pub risk: String,
}

/// A kind of incident, and a cause of it.
pub type Topic = (Kind, Option<&'static str>);

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "finding")]
pub struct Finding {
    /// Stable name, such as `accept_queue_full`: see docs/findings.md.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Inode number of the network namespace; null: the whole host, or several.
    pub netns: Option<u32>,
    /// The processes concerned, most concerned first; empty: not known.
    #[serde(serialize_with = "owner::write_all")]
    #[schemars(with = "Vec<OwnerObject>")]
    pub who: Vec<Owner>,
    /// Since when, RFC 3339; null: it began before anybody looked.
    #[serde(rename = "since", serialize_with = "write_moment")]
    #[schemars(with = "Option<String>")]
    pub since_ns: Option<i64>,
    /// How often now; null: not measured.
    pub rate_per_s: Option<f64>,
    /// How many refusals, connections or sockets it stands for.
    pub count: u64,
    /// What it rests on; never empty.
    pub evidence: Vec<Proof>,
    /// The cause, and what users notice.
    pub why: String,
    /// What to do before any setting is changed.
    pub do_first: String,
    /// What would change a setting; null: no setting cures this.
    pub do_then: Option<Change>,
    /// For `tcptrace explain`; null: nothing more.
    #[serde(serialize_with = "write_topic")]
    #[schemars(with = "Option<String>")]
    pub explain: Option<Topic>,
    /// The incidents it covers, by kind and cause.
    #[serde(skip)]
    pub topics: Vec<Topic>,
}

impl Finding {
    /// Whether it is wrong at this moment: what makes `doctor --fail` return 5.
    #[must_use]
    pub fn is_wrong_now(&self) -> bool {
        self.severity <= Severity::Degraded
    }
}

/// The name of a topic for `tcptrace explain`: `rst_sent/linger_zero`.
#[must_use]
pub fn topic_name((kind, cause): Topic) -> String {
    match cause {
        Some(cause) => format!("{kind}/{cause}"),
        None => kind.to_string(),
    }
}

fn write_topic<S: Serializer>(topic: &Option<Topic>, to: S) -> Result<S::Ok, S::Error> {
    topic.map(topic_name).serialize(to)
}

/// Nanoseconds on the wall clock; those that no date has are null.
fn write_moment<S: Serializer>(wall_ns: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    let moment = wall_ns.and_then(|ns| jiff::Timestamp::from_nanosecond(ns.into()).ok());
    moment.map(|moment| format!("{moment:.9}")).serialize(to)
}
