//! What happens to backups by the calendar alone: pure functions of the records and the date.

use std::time::Duration;

use portcullis_api::{BackupId, ClusterId};

use super::delete_backup::pending;
use crate::record::{Backup, BackupState, ScopeRecords};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a DELETED backup is still shown. Our choice: long enough for a test to see it, so
/// that records do not pile up.
const DELETED_SHOWN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Rule BK-07: every cluster in service is backed up at least once a day.
pub(crate) fn backup_is_due(state: &ScopeRecords, cluster: &ClusterId, now: u64) -> bool {
    let newest = state.newest_backup(cluster);
    newest.is_none_or(|backup| since(backup.created, now) >= DAY)
}

/// What the calendar does to one backup.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScheduledChange {
    /// Its retention period is over.
    Purge(Backup),
    /// Its restore window is over: the image goes.
    Delete(Backup),
    /// It was shown as DELETED long enough.
    Forget(BackupId),
}

/// Everything the calendar asks for at `now`.
pub(crate) fn changes_due(state: &ScopeRecords, now: u64) -> Vec<ScheduledChange> {
    let backups = state.backups.values();
    backups
        .filter_map(|backup| change_due(state, backup, now))
        .collect()
}

fn change_due(state: &ScopeRecords, backup: &Backup, now: u64) -> Option<ScheduledChange> {
    let into = |state| Backup {
        state,
        ..backup.clone()
    };
    match backup.state {
        BackupState::CreateInProgress => None,
        BackupState::Ready => {
            is_expired(state, backup, now).then(|| ScheduledChange::Purge(into(pending(now))))
        }
        // Rule BK-11: after the seven days it is DELETED, and its image is gone.
        BackupState::PendingDeletion { until } => (until <= now)
            .then(|| ScheduledChange::Delete(into(BackupState::Deleted { since: now }))),
        BackupState::Deleted { since: from } => {
            (since(from, now) >= DELETED_SHOWN).then(|| ScheduledChange::Forget(backup.id.clone()))
        }
    }
}

/// Rule BK-05: a backup is kept for its cluster's retention period; the last one of a cluster is
/// kept for ever, and so are copies, the backups of clusters that are gone, and those that others
/// are to be restored from.
fn is_expired(state: &ScopeRecords, backup: &Backup, now: u64) -> bool {
    let over = state.clusters.get(&backup.cluster).is_some_and(|cluster| {
        since(backup.created, now) > DAY * u32::from(cluster.retention_days)
    });
    let is_source = || {
        let mut clusters = state.clusters.values();
        clusters.any(|one| one.source_backup.as_ref() == Some(&backup.id))
    };
    over && backup.source.is_none()
        && !backup.never_expires
        && !is_last(state, backup)
        && !is_source()
}

/// Whether its cluster has no newer backup that is READY.
fn is_last(state: &ScopeRecords, backup: &Backup) -> bool {
    let mut others = state.backups.values();
    !others.any(|one| {
        one.source.is_none()
            && one.is_ready()
            && one.cluster == backup.cluster
            && one.created > backup.created
    })
}

const fn since(date: u64, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(date))
}
