//! From a script that shows a deviation to a smaller one that shows it too.

use std::time::{Duration, Instant};

use super::lane::Lane;
use super::script::Step;
use super::verdict::{Class, Deviation};

/// How long to try.
const PATIENCE: Duration = Duration::from_secs(60);

fn shows(lane: &mut Lane, script: &[Step], class: Class) -> Option<Deviation> {
    let round = lane.repeat(script);
    round
        .deviations
        .into_iter()
        .find(|deviation| deviation.class == class)
}

/// The smallest script found, and the deviation as it shows there; None when the script alone does
/// not show it again.
pub(super) fn shrink(
    lane: &mut Lane,
    script: &[Step],
    class: Class,
) -> Option<(Vec<Step>, Deviation)> {
    let started = Instant::now();
    let mut shown = (0..3).find_map(|_| shows(lane, script, class))?;
    let mut smallest = script.to_vec();
    let mut piece = smallest.len() / 2;
    while piece > 0 && started.elapsed() < PATIENCE {
        let mut from = 0;
        let mut has_shrunk = false;
        while from < smallest.len() && started.elapsed() < PATIENCE {
            let to = (from + piece).min(smallest.len());
            let rest: Vec<Step> = [&smallest[..from], &smallest[to..]].concat();
            match shows(lane, &rest, class) {
                Some(deviation) => {
                    smallest = rest;
                    shown = deviation;
                    has_shrunk = true;
                }
                None => from = to,
            }
        }
        if !has_shrunk || piece > smallest.len() {
            piece = if piece == 1 { 0 } else { (piece / 2).max(1) };
        }
    }
    Some((smallest, shown))
}
