//! The finding families, one file each. A new family is a file here and its name in the list below.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::damage;
use super::fold::{Tallies, Tally};
use super::merge::merged;
use super::weight::weighed;
use crate::interpret::advice;
use crate::model::Kind;
use crate::model::Owner;
use crate::model::finding::{Change, Finding, Proof, Severity, Topic, topic_name};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey, WayIn};

/// Declares the families: the module of each, and its place in [`FAMILIES`].
macro_rules! families {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// In the order in which findings of equal weight are shown.
        const FAMILIES: &[&[Family]] = &[$($name::FAMILIES,)*];
    };
}

families! {
    accept_queue,
    deferred,
    syn_queue,
    syn_acks,
    ports,
    linger_zero,
    unread_data,
    late_data,
    resets_sent,
    resets_received,
    idle,
    connections_lost,
    closes_block,
    time_wait,
    close_wait,
    unanswered,
    stalled,
    retransmits,
    paws,
    orphans,
    memory,
}

/// One stable id, the incidents it explains, and the rule that finds it.
struct Family {
    id: &'static str,
    /// Kinds and causes whose incidents this finding covers; each belongs to one family.
    topics: &'static [Topic],
    find: fn(&Family, &Case<'_>) -> Vec<Finding>,
}

/// What a family judges.
struct Case<'a> {
    survey: &'a Survey,
    tallies: &'a Tallies,
}

/// Processes named in a finding.
const NAMED: usize = 3;
/// A queue of this length is enough for what is no overload.
const ROOM: u64 = 1024;
/// From this part of a limit on it is nearly used up, in percent.
const NEAR_PERCENT: u64 = 90;

/// What clients and peers notice of other findings: behind their causes where both are as bad.
const EFFECTS: &[&str] = &[
    "connects_unanswered",
    "connects_abandoned",
    "reset_by_peer",
    "connections_refused",
    "no_socket_resets",
    "late_segments",
    "connects_failed",
];

/// Everything that is wrong, the worst first.
#[must_use]
pub fn findings(survey: &Survey, tallies: &Tallies) -> Vec<Finding> {
    let case = Case { survey, tallies };
    let found = FAMILIES.iter().copied().flatten();
    let found = found.flat_map(|family| (family.find)(family, &case));
    let mut found = merged(found.filter(|one| !one.evidence.is_empty()).collect());
    found.sort_by_key(|finding| {
        let is_effect = EFFECTS.contains(&finding.id);
        (finding.severity, is_effect, Reverse(finding.count))
    });
    found
}

/// Whether something is wrong at this moment: what `doctor --fail` asks.
#[must_use]
pub fn is_wrong_now(findings: &[Finding]) -> bool {
    findings.iter().any(Finding::is_wrong_now)
}

/// Every id there is.
pub fn ids() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().flatten().map(|family| family.id)
}

/// The id of a finding and the kinds and causes that it covers; `None`: no such id.
#[must_use]
pub fn topics_of(id: &str) -> Option<(&'static str, &'static [Topic])> {
    let mut families = FAMILIES.iter().copied().flatten();
    let family = families.find(|family| family.id == id)?;
    Some((family.id, family.topics))
}

/// The id of the finding that covers a kind and cause; `None`: incidents of it are ordinary.
#[must_use]
pub fn of_topic(topic: Topic) -> Option<&'static str> {
    FAMILIES
        .iter()
        .copied()
        .flatten()
        .find(|family| family.topics.contains(&topic))
        .map(|family| family.id)
}

/// A listener for a sentence: `payments (123) at 10.0.0.1:80`.
#[must_use]
pub fn whose(row: &ListenerRow) -> String {
    match &row.owner {
        None => format!("the listener {}", row.local),
        Some(owner) => {
            let more = match row.pids.len() {
                0 | 1 => String::new(),
                holders => format!(" +{}", holders - 1),
            };
            format!(
                "{} ({}{more}) at {}",
                owner.process.display_name(),
                owner.process.pid,
                row.local
            )
        }
    }
}

/// Listeners that are full, or dropped something.
pub fn hurt(space: &Space) -> impl Iterator<Item = &ListenerRow> {
    let is_hurt = |row: &&ListenerRow| row.is_full() || row.drops.is_some_and(|drops| drops > 0);
    space.listeners.iter().filter(is_hurt)
}

impl Family {
    /// A finding of this family to be filled in; without evidence it is dropped.
    fn finding(&self, severity: Severity, title: String) -> Finding {
        Finding {
            id: self.id,
            severity,
            title,
            netns: None,
            who: Vec::new(),
            since_ns: None,
            rate_per_s: None,
            count: 0,
            evidence: Vec::new(),
            why: String::new(),
            do_first: String::new(),
            do_then: None,
            explain: self.topics.first().copied(),
            topics: self.topics.to_vec(),
        }
    }

    /// What incidents show, then what settings and counters of each namespace show.
    fn by_space(
        &self,
        case: &Case<'_>,
        severity: Severity,
        of_space: impl Fn(&Space) -> Option<Finding>,
    ) -> Vec<Finding> {
        let seen = self.of_incidents(case, severity).into_iter();
        seen.chain(case.survey.spaces.iter().filter_map(of_space))
            .collect()
    }

    /// A finding on a counter of a namespace that only rises when something breaks; `now` and `before`
    /// say what. `None` where it is 0.
    fn of_counter(
        &self,
        survey: &Survey,
        space: &Space,
        name: &str,
        (now, before): (String, String),
    ) -> Option<Finding> {
        let (evidence, rose) = (counter(survey, space, name)?, space.rose(name));
        let (severity, title) = match rose {
            0 => (Severity::Risk, before),
            _ => (Severity::Broken, now),
        };
        Some(Finding {
            netns: Some(space.netns),
            rate_per_s: rate(survey, rose),
            count: rose.max(1),
            evidence: vec![evidence],
            ..self.finding(severity, title)
        })
    }

    /// The finding that the incidents of this family make, with the texts of `explain`; `None`
    /// without any.
    fn of_incidents(&self, case: &Case<'_>, severity: Severity) -> Option<Finding> {
        let mut tallies: Vec<(Topic, &Tally)> = self
            .topics
            .iter()
            .filter_map(|topic| Some((*topic, case.tallies.of(*topic)?)))
            .collect();
        // The RST and the end of a connection that was given up are reported too: it died once.
        if tallies.iter().any(|((kind, _), _)| *kind == Kind::TimedOut) {
            tallies.retain(|((kind, _), _)| *kind == Kind::TimedOut);
        }
        let (main, _) = tallies.iter().max_by_key(|(_, tally)| tally.count)?;
        let known = advice::find(main.0, main.1).or_else(|| advice::find(main.0, None))?;
        let count = tallies
            .iter()
            .fold(0, |sum: u64, (_, tally)| sum.saturating_add(tally.count));
        let first_ns = tallies.iter().map(|(_, tally)| tally.first_ns).min()?;
        let last_ns = tallies.iter().map(|(_, tally)| tally.last_ns).max()?;
        let seconds = last_ns.saturating_sub(first_ns) as f64 / 1e9;
        let netns = tallies.first().and_then(|(_, tally)| tally.netns());
        let is_one = tallies.iter().all(|(_, tally)| tally.netns() == netns);
        let who = most_concerned(&tallies);
        let severity = weighed(severity, case.survey, *main, &tallies);
        Some(Finding {
            netns: netns.filter(|_| is_one),
            who,
            since_ns: Some(first_ns),
            rate_per_s: (seconds >= 1.0).then(|| count as f64 / seconds),
            count,
            evidence: tallies
                .iter()
                .flat_map(|(topic, tally)| proofs(*topic, tally))
                .collect(),
            why: known.meaning.to_owned(),
            do_first: first_fix(*main),
            explain: Some(*main),
            topics: tallies.iter().map(|(topic, _)| *topic).collect(),
            ..self.finding(severity, known.line.to_owned())
        })
    }
}

/// A rule for families that only incidents can show: how bad they are is given.
macro_rules! only_incidents {
    ($severity:expr) => {
        |family, case| family.of_incidents(case, $severity).into_iter().collect()
    };
}
use only_incidents;

fn most_concerned(tallies: &[(Topic, &Tally)]) -> Vec<Owner> {
    let mut counts: BTreeMap<(u32, Option<u64>), (&Owner, u64)> = BTreeMap::new();
    for (owner, count) in tallies.iter().flat_map(|(_, tally)| tally.owners()) {
        let identity = (owner.process.pid, owner.process.start_ticks);
        let known = counts.entry(identity).or_insert((owner, 0));
        known.1 = known.1.saturating_add(count);
    }
    let mut owners: Vec<(&Owner, u64)> = counts.into_values().collect();
    owners.sort_by_key(|(owner, count)| (Reverse(*count), owner.process.pid));
    let named = owners.into_iter().take(NAMED);
    named.map(|(owner, _)| owner.clone()).collect()
}

/// Processes for the beginning of a sentence: `api (123) and 2 other processes`.
fn named(who: &[Owner]) -> Option<String> {
    let (first, others) = who.split_first()?;
    let first = format!("{} ({})", first.process.display_name(), first.process.pid);
    Some(match others.len() {
        0 => first,
        1 => format!("{first} and another process"),
        // More than `NAMED` may be concerned.
        more => format!("{first} and at least {more} other processes"),
    })
}

/// The port that most incidents of some topics were about.
fn main_port(case: &Case<'_>, topics: &[Topic]) -> Option<u16> {
    let services = topics
        .iter()
        .filter_map(|topic| case.tallies.of(*topic)?.main_service());
    services.max_by_key(|(_, count)| *count)?.0.port()
}

/// What the incidents of a kind and cause prove.
fn proofs(topic: Topic, tally: &Tally) -> Vec<Proof> {
    let source = topic_name(topic);
    let mut proofs = vec![proof(
        format!("{} × {source}", tally.count),
        tally.count,
        source.clone(),
    )];
    if let Some((service, count)) = tally.main_service()
        && service.is_known()
    {
        let total = tally.count;
        let text = if count == total {
            format!("all {service}")
        } else {
            format!("{count} of {total} {service}")
        };
        proofs.push(proof(text, count, source.clone()));
    }
    let lost = tally.discarded;
    let parts = [
        (lost.unsent, "bytes were written and never sent"),
        (lost.unacked, "bytes were sent and not acknowledged"),
        (lost.unread, "bytes were received and never read"),
        (
            lost.remaining,
            "bytes were not acknowledged when close() returned",
        ),
    ];
    for (bytes, what) in parts {
        if bytes > 0 {
            proofs.push(proof(format!("{bytes} {what}"), bytes, source.clone()));
        }
    }
    if topic.0 == Kind::RstSent && lost.reported_by > 0 && lost.total() == 0 {
        proofs.push(proof("no byte was discarded".to_owned(), 0, source.clone()));
    }
    if let Some(queue) = tally.queue {
        proofs.push(proof(
            format!(
                "the queue held {} with a limit of {}",
                queue.length, queue.limit
            ),
            queue.length.into(),
            source.clone(),
        ));
    }
    if tally.gave_up > 0 {
        let text = format!("{} were given up", tally.gave_up);
        proofs.push(proof(text, tally.gave_up, source.clone()));
    }
    if let Some(blocked_ms) = tally.blocked_ms {
        let text = format!("close() blocked for up to {blocked_ms} ms");
        proofs.push(proof(text, blocked_ms, source));
    }
    proofs
}

fn proof(text: String, value: u64, source: impl Into<String>) -> Proof {
    Proof {
        text,
        value: Some(value),
        source: source.into(),
    }
}

/// The SYN queue of a listener as evidence.
fn half_open(row: &ListenerRow) -> Proof {
    let queue = row.syn_queue;
    let text = format!(
        "{}: {} handshakes are half open, the limit is {}",
        whose(row),
        queue.length,
        queue.limit
    );
    proof(text, queue.length.into(), "sock_diag")
}

/// A counter of a namespace as evidence: what it counts, and whether it rises.
fn counter(survey: &Survey, space: &Space, name: &str) -> Option<Proof> {
    let count = space.count(name).filter(|count| count.total > 0)?;
    let says = damage::all(space)
        .into_iter()
        .find(|damage| damage.counter == name)
        .map_or(name, |damage| damage.says);
    let rising = match count.rose {
        Some(rose) if rose > 0 => format!(", +{rose} in {}", looked(survey)),
        _ => String::new(),
    };
    Some(proof(
        format!("{} {says}{rising}", count.total),
        count.total,
        name,
    ))
}

/// How often TCP came under memory pressure, in all namespaces.
fn pressures(survey: &Survey) -> Proof {
    const PRESSURES: &str = "TcpExt.TCPMemoryPressures";
    let count = survey
        .spaces
        .iter()
        .map(|space| space.total(PRESSURES))
        .sum();
    let text = format!("TCP came under memory pressure {count} times");
    proof(text, count, PRESSURES)
}

/// How long the survey looked: `1.1 s`.
fn looked(survey: &Survey) -> String {
    format!("{:.1} s", survey.looked_ms as f64 / 1000.0)
}

/// Per second of the survey; `None`: nothing rose.
fn rate(survey: &Survey, rose: u64) -> Option<f64> {
    (rose > 0 && survey.looked_ms > 0).then(|| rose as f64 * 1000.0 / survey.looked_ms as f64)
}

/// Where in a sentence: nothing for the own namespace.
fn place(space: &Space) -> String {
    if space.is_own() {
        String::new()
    } else {
        format!(" in netns {}", space.netns)
    }
}

/// The first thing that `explain` says to do.
fn first_fix((kind, cause): Topic) -> String {
    let of = |cause| advice::find(kind, cause).and_then(|advice| advice.fix.first());
    match of(cause).or_else(|| of(None)) {
        Some(fix) => (*fix).to_owned(),
        None => format!(
            "For more, run tcptrace explain {}.",
            topic_name((kind, cause))
        ),
    }
}

fn is_near(used: u64, most: u64) -> bool {
    used > 0 && used.saturating_mul(100) >= most.saturating_mul(NEAR_PERCENT)
}

/// `sysctl -w`, in the namespace where it acts.
fn command(way_in: &WayIn, name: &str, value: &str) -> String {
    let value = if value.contains(' ') {
        format!("'{value}'")
    } else {
        value.to_owned()
    };
    let set = format!("sysctl -w {name}={value}");
    match way_in {
        WayIn::Own => set,
        WayIn::Pid(pid) => format!("nsenter -t {pid} -n {set}"),
        WayIn::Named(path) => format!("nsenter --net={} {set}", quoted(path)),
    }
}

fn change(way_in: &WayIn, name: &str, value: &str, risk: &str) -> Change {
    Change {
        command: command(way_in, name, value),
        risk: risk.to_owned(),
    }
}

/// For a shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}
