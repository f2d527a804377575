//! `tcptrace explain`: from a topic to its text, with what follows from the settings of this host.

mod finding;
mod text;

use clap::error::ErrorKind;

use super::args::ExplainArgs;
use super::exit::Exit;
use crate::diagnose::retries;
use crate::interpret::advice::{self, Advice};
use crate::kernel::sysctl;
use crate::model::Kind;
use crate::model::survey::Values;

use text::{causes, list, text, topic, wrap};

/// Prints one topic, or the list of all.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    match &args.topic {
        None => super::print(list().as_bytes()),
        Some(topic) => match printed(topic) {
            Ok(text) => super::print(text.as_bytes()),
            Err(why) => {
                let error = super::usage_error("explain", ErrorKind::InvalidValue, &why);
                Ok(super::parse_failed(&error))
            }
        },
    }
}

/// A kind, a cause of it, or the id of a finding.
fn printed(topic: &str) -> Result<String, String> {
    match finding::find(&topic.replace('-', "_")) {
        Some(found) => {
            let schedule = found.advice().map_or_else(String::new, schedule);
            Ok(format!("{}{schedule}", found.text()))
        }
        None => find(topic).map(|advice| format!("{}{}", text(advice), schedule(advice))),
    }
}

fn find(topic: &str) -> Result<&'static Advice, String> {
    let normal = topic.replace('-', "_");
    let (kind_name, cause) = match normal.split_once('/') {
        Some((kind, cause)) => (kind, Some(cause)),
        None => (normal.as_str(), None),
    };
    let Some(kind) = Kind::from_name(kind_name) else {
        return Err(unknown_kind(kind_name));
    };
    advice::find(kind, cause).ok_or_else(|| {
        let causes = causes(kind).collect::<Vec<_>>().join(", ");
        let causes = if causes.is_empty() {
            "none".to_owned()
        } else {
            causes
        };
        format!(
            "{kind} has no cause `{}`; it has: {causes}",
            cause.unwrap_or_default()
        )
    })
}

fn unknown_kind(name: &str) -> String {
    let kinds = Kind::ALL
        .iter()
        .map(|kind| kind.name())
        .collect::<Vec<_>>()
        .join(", ");
    let bearing = advice::all()
        .filter(|advice| advice.cause == Some(name))
        .map(topic);
    let bearing = bearing.collect::<Vec<_>>();
    if bearing.is_empty() {
        format!(
            "`{name}` is neither a kind of incident nor a finding; the kinds are: {kinds}; the \
             findings are those that tcptrace doctor prints in [brackets]"
        )
    } else {
        format!(
            "`{name}` is a cause; write its kind too: {}",
            bearing.join(" or ")
        )
    }
}

/// How long this kernel tries, where the topic is about that; else nothing.
fn schedule(advice: &Advice) -> String {
    let mut values = Values::default();
    for name in retries::NAMES {
        if let Ok(Some(text)) = sysctl::text(name) {
            values.insert(name, &text);
        }
    }
    let mut out = String::new();
    if let Some(says) = retries::of_topic(&values, (advice.kind, advice.cause)) {
        out.push_str("\nOn this host\n");
        wrap(&mut out, "  ", "  ", &says);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_in_the_list_can_be_asked_for() {
        for advice in advice::all() {
            assert!(find(&topic(advice)).is_ok(), "{}", topic(advice));
        }
        assert!(find("rst-sent/linger-zero").is_ok());
    }

    #[test]
    fn no_finding_hides_a_kind_and_both_are_printed() {
        for kind in Kind::ALL {
            assert!(finding::find(kind.name()).is_none(), "{kind}");
        }
        let text = printed("accept-queue-full").unwrap();
        assert!(text.starts_with("accept_queue_full\n"), "{text}");
        assert!(printed("rst_sent/linger_zero").is_ok());
        assert!(printed("nonsense").is_err());
    }

    #[test]
    fn an_unknown_topic_is_answered_by_what_there_is() {
        assert!(
            find("linger_zero")
                .unwrap_err()
                .contains("rst_sent/linger_zero")
        );
        assert!(find("nonsense").unwrap_err().contains("accept_drop"));
        assert!(
            find("rst_sent/nonsense")
                .unwrap_err()
                .contains("keepalive_timeout")
        );
        assert!(find("state/x").unwrap_err().contains("none"));
        assert!(find("rst_sent/").unwrap_err().contains("no cause"));
    }
}
