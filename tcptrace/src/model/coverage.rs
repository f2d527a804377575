//! How much a kernel shows of what was asked for, in one sentence.

use std::fmt;

use super::Tier;

/// How many facts were asked for, and which of them this kernel does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Facts of the kinds asked for.
    pub facts: usize,
    /// Those that nothing reports.
    pub hidden: Vec<&'static str>,
    /// Those that counters report: how often, without the connection.
    pub counted: Vec<&'static str>,
}

impl Coverage {
    /// Of facts, each with what serves it: the kind of hook, `None` where nothing does.
    pub fn of(facts: impl IntoIterator<Item = (&'static str, Option<Tier>)>) -> Self {
        let mut coverage = Self::default();
        for (fact, tier) in facts {
            coverage.facts += 1;
            match tier {
                None => coverage.hidden.push(fact),
                Some(Tier::Counting) => coverage.counted.push(fact),
                Some(_) => {}
            }
        }
        coverage
    }

    /// Whether every fact can be observed.
    pub fn is_complete(&self) -> bool {
        self.hidden.is_empty() && self.counted.is_empty()
    }
}

/// One sentence, without its full stop.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_are = |count: usize| if count == 1 { "is" } else { "are" };
        let (all, hidden, counted) = (self.facts, self.hidden.len(), self.counted.len());
        if self.is_complete() {
            return write!(f, "All {all} facts are visible on this kernel");
        }
        if hidden > 0 {
            let names = self.hidden.join(", ");
            let verb = is_are(hidden);
            write!(
                f,
                "{hidden} of {all} facts {verb} not visible on this kernel: {names}"
            )?;
        }
        if counted > 0 {
            let (names, verb) = (self.counted.join(", "), is_are(counted));
            match hidden {
                0 => write!(
                    f,
                    "{counted} of {all} facts {verb} only counted on this kernel"
                )?,
                _ => write!(f, "; {counted} {verb} only counted")?,
            }
            write!(f, ": {names}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_view_is_one_short_sentence() {
        let coverage = Coverage::of([("a", Some(Tier::Fentry)), ("b", Some(Tier::Tracepoint))]);
        assert!(coverage.is_complete());
        let text = coverage.to_string();
        assert_eq!(text, "All 2 facts are visible on this kernel");
    }

    #[test]
    fn what_is_missing_is_named() {
        let hidden = [("RSTs to handshakes", None), ("SYN-ACKs given up", None)];
        let rest = [("a", Some(Tier::Counting)), ("b", Some(Tier::Kprobe))];
        let text = Coverage::of(hidden.into_iter().chain(rest)).to_string();
        assert_eq!(
            text,
            "2 of 4 facts are not visible on this kernel: RSTs to handshakes, SYN-ACKs given up; \
             1 is only counted: a"
        );
        let text = Coverage::of(rest).to_string();
        assert_eq!(text, "1 of 2 facts is only counted on this kernel: a");
        let text = Coverage::of([hidden[0], rest[1]]).to_string();
        assert_eq!(
            text,
            "1 of 2 facts is not visible on this kernel: RSTs to handshakes"
        );
    }
}
