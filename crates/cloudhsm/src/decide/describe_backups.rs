use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{AccountId, Exception};

use super::describe_clusters::names;
use super::{ListPage, PageRequest, PagedList, refuse};
use crate::policy::{DESCRIBE_BACKUPS, Policy};
use crate::record::{Backup, ScopeRecords};

/// DescribeBackups.
#[derive(Debug, Default)]
pub(crate) struct DescribeBackups {
    pub(crate) filters: BackupFilters,
    /// `Shared`: those of other accounts instead of one's own.
    pub(crate) shared: Option<AccountId>,
    pub(crate) oldest_first: bool,
    pub(crate) page: PageRequest,
}

/// The filters of DescribeBackups. A backup is shown when each filter given names it.
#[derive(Debug, Default)]
pub(crate) struct BackupFilters {
    ids: Option<Vec<String>>,
    sources: Option<Vec<String>>,
    clusters: Option<Vec<String>>,
    states: Option<Vec<String>>,
    never_expires: Option<Vec<String>>,
}

/// `MaxResults` of the service model.
const RESULTS_MAX: usize = 50;

impl BackupFilters {
    /// Parses the filters as they stand in the request.
    ///
    /// # Errors
    /// When there is no such filter.
    pub(crate) fn parse(filters: BTreeMap<String, Vec<String>>) -> Result<Self, Exception> {
        let mut parsed = Self::default();
        for (name, values) in filters {
            let slot = match name.as_str() {
                "backupIds" => &mut parsed.ids,
                "sourceBackupIds" => &mut parsed.sources,
                "clusterIds" => &mut parsed.clusters,
                "states" => &mut parsed.states,
                "neverExpires" => &mut parsed.never_expires,
                _ => {
                    return Err(refuse(format!(
                        "There is no filter {name:?}. Give Filters backupIds, sourceBackupIds, \
                         clusterIds, states or neverExpires."
                    )));
                }
            };
            *slot = Some(values);
        }
        Ok(parsed)
    }

    fn shows(&self, backup: &Backup) -> bool {
        let source = backup.source.as_ref().map_or("", |one| one.backup.as_str());
        names(&self.sources, source)
            && names(&self.ids, backup.id.as_str())
            && names(&self.clusters, backup.cluster.as_str())
            && names(&self.states, backup.state.name())
            && names(&self.never_expires, &backup.never_expires.to_string())
    }
}

impl DescribeBackups {
    /// Rule BK-04: the newest backup comes first, unless SortAscending is given.
    pub(crate) fn decide(self, state: &ScopeRecords) -> Result<ListPage<Backup>, Exception> {
        let mut shown: Vec<Backup> = self
            .candidates(state)
            .into_iter()
            .filter(|backup| self.filters.shows(backup))
            .cloned()
            .collect();
        if self.oldest_first {
            shown.sort_by_key(mark);
            let list = list("backups-oldest-first");
            self.page.cut(shown, list, mark, |one, other| one < other)
        } else {
            shown.sort_by_key(|backup| Reverse(mark(backup)));
            let list = list("backups");
            self.page.cut(shown, list, mark, |one, other| one > other)
        }
    }
}

impl DescribeBackups {
    /// Rule BK-17: `Shared` lists the backups of other accounts whose policy permits this one
    /// cloudhsm:DescribeBackups, and none of its own.
    fn candidates<'a>(&self, state: &'a ScopeRecords) -> Vec<&'a Backup> {
        let Some(account) = &self.shared else {
            return state.backups.values().map(Arc::as_ref).collect();
        };
        let foreign = state.shared.values().map(|one| one.backup.as_ref());
        let permitted = |backup: &&Backup| {
            Policy::of(backup).is_some_and(|policy| policy.permits(account, DESCRIBE_BACKUPS))
        };
        foreign.filter(permitted).collect()
    }
}

const fn list(name: &'static str) -> PagedList {
    PagedList {
        name,
        most: RESULTS_MAX,
    }
}

/// Sorts like the date of creation, then the id.
fn mark(backup: &Backup) -> String {
    format!("{:016x}-{}", backup.created, backup.id)
}
