//! What the kernel had counted before the run, namespace by namespace.

use crate::kernel::attach::Baselines;
use crate::source::netns;
use crate::survey::{namespaces, number};

/// Reads the counters of these namespaces on every CPU; `watched` empty: of every namespace. Those
/// that could not be entered.
///
/// # Errors
/// When the namespaces cannot be listed, or the kernel does not run the program that reads.
pub(super) fn read(baselines: &Baselines<'_>, watched: &[u32]) -> anyhow::Result<Vec<u32>> {
    let all = namespaces(watched)?;
    let mut older = all.listed;
    for found in &all.found {
        match netns::with(found, || baselines.read()) {
            Ok(answer) => {
                answer?;
                if let Some(number) = number(found) {
                    older.remove(&number);
                }
            }
            Err(error) => log::info!(target: "attach", "counters of before: {error}"),
        }
    }
    Ok(older.into_iter().collect())
}
