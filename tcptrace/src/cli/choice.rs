//! Which of the recorded incidents to show, whatever shows them.

use super::args::filter::FilterArgs;
use super::args::groups::SelectionArgs;
use super::plan::{self, PlanError};
use crate::interpret::filter::Filter;
use crate::model::{Kind, KindSet};
use crate::session::plan::NetnsSpec;

/// What to show of a recording.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The kinds that were chosen; `None`: all that were recorded.
    kinds: Option<KindSet>,
    /// Those named by `--only`: it is an error when they were not recorded.
    asked_by_name: KindSet,
    filter: Filter,
}

impl Choice {
    /// `Err` for what only the recorded machine could answer.
    pub(super) fn new(selection: &SelectionArgs, filter: FilterArgs) -> Result<Self, PlanError> {
        if filter.children {
            return Err(PlanError::OnlyLive("--children"));
        }
        let mut namespaces = Vec::new();
        for spec in &filter.netns {
            match spec {
                NetnsSpec::Inode(inode) => {
                    namespaces.extend(u32::try_from(*inode).ok());
                }
                NetnsSpec::Pid(_) | NetnsSpec::Name(_) => {
                    return Err(PlanError::OnlyLive("--netns other than inode:N"));
                }
            }
        }
        let is_chosen = selection.all || !selection.only.is_empty();
        let excepted: KindSet = selection.except.iter().copied().collect();
        let kinds = if is_chosen {
            Some(plan::kinds(selection)?)
        } else {
            (!excepted.is_empty()).then(|| {
                let all = KindSet::ALL.iter();
                all.filter(|kind| !excepted.contains(*kind)).collect()
            })
        };
        let mut filter = plan::filter(KindSet::ALL, filter);
        filter.netns = namespaces;
        Ok(Self {
            kinds,
            asked_by_name: selection.only.iter().copied().collect(),
            filter,
        })
    }

    /// The filter for a recording of these kinds. `Err`: a kind that was named is not in it.
    pub(super) fn filter(&self, recorded: KindSet) -> Result<Filter, String> {
        let missing = self
            .asked_by_name
            .iter()
            .find(|kind| !recorded.contains(*kind));
        if let Some(missing) = missing {
            let names: Vec<&str> = recorded.iter().map(Kind::name).collect();
            return Err(format!(
                "{missing} was not recorded; the recording holds {}",
                names.join(" ")
            ));
        }
        let chosen = self.kinds.unwrap_or(KindSet::ALL);
        let kinds = recorded.iter().filter(|kind| chosen.contains(*kind));
        let mut filter = self.filter.clone();
        filter.kinds = kinds.collect();
        Ok(filter)
    }
}
