//! Which differences last from one look to the next. While we watch, events are on their way and
//! counters move between two readings, so a difference that is new says nothing yet.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::summary::{Reconciled, Verdict};

/// Differences at the last look, by counter: the kernel's count less ours.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct PersistentDifferences {
    before: HashMap<Cow<'static, str>, i128>,
}

impl PersistentDifferences {
    /// Keeps `differs` for what differed at the last look too, on the same side.
    pub(in crate::pipeline) fn settle(&mut self, mut rows: Vec<Reconciled>) -> Vec<Reconciled> {
        let mut now = HashMap::new();
        for row in rows
            .iter_mut()
            .filter(|row| row.verdict == Verdict::Differs)
        {
            let difference = i128::from(row.kernel) - i128::from(row.ours);
            let before = self.before.get(&row.counter).copied().unwrap_or(0);
            now.insert(row.counter.clone(), difference);
            if before.signum() != difference.signum() {
                row.verdict = Verdict::Explained;
                row.note = Some("new at this look: events may be on their way".to_owned());
            }
        }
        self.before = now;
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(persistent: &mut PersistentDifferences, kernel: u64, ours: u64) -> Verdict {
        let row = Reconciled {
            counter: "Test.Counter".into(),
            kernel,
            ours,
            verdict: if kernel == ours {
                Verdict::Exact
            } else {
                Verdict::Differs
            },
            note: None,
        };
        persistent.settle(vec![row])[0].verdict
    }

    #[test]
    fn only_a_difference_that_lasts_differs() {
        let mut persistent = PersistentDifferences::default();
        assert_eq!(look(&mut persistent, 5, 4), Verdict::Explained);
        assert_eq!(look(&mut persistent, 9, 9), Verdict::Exact);
        assert_eq!(look(&mut persistent, 9, 8), Verdict::Explained, "new again");
        assert_eq!(look(&mut persistent, 12, 10), Verdict::Differs);
        assert_eq!(
            look(&mut persistent, 12, 13),
            Verdict::Explained,
            "the other side"
        );
    }
}
