use std::time::Duration;

use portcullis_api::{BackupId, Exception};

use super::{existing_backup, ready, refuse};
use crate::record::{Backup, BackupState, ScopeRecords};

/// DeleteBackup.
#[derive(Debug)]
pub(crate) struct DeleteBackup {
    pub(crate) backup: BackupId,
}

/// RestoreBackup.
#[derive(Debug)]
pub(crate) struct RestoreBackup {
    pub(crate) backup: BackupId,
}

/// How long RestoreBackup can undo a deletion (API DeleteBackup).
pub(crate) const RESTORE_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl DeleteBackup {
    /// Rule BK-08: a READY backup becomes PENDING_DELETION, for seven days. The last backup of a
    /// cluster can be deleted too: only retention spares it.
    pub(crate) fn decide(&self, state: &ScopeRecords, now: u64) -> Result<Backup, Exception> {
        let backup = ready(existing_backup(state, &self.backup)?)?;
        Ok(Backup {
            state: pending(now),
            ..backup.clone()
        })
    }
}

/// The state of a backup that is deleted at `now`.
pub(super) fn pending(now: u64) -> BackupState {
    let window = u64::try_from(RESTORE_WINDOW.as_millis()).unwrap_or(u64::MAX);
    BackupState::PendingDeletion {
        until: now.saturating_add(window),
    }
}

impl RestoreBackup {
    /// Rule BK-09: only a backup that is PENDING_DELETION is restored, and becomes READY.
    pub(crate) fn decide(&self, state: &ScopeRecords, now: u64) -> Result<Backup, Exception> {
        let backup = existing_backup(state, &self.backup)?;
        match backup.state {
            // One that is over the time but not yet tended is gone all the same.
            BackupState::PendingDeletion { until } if now < until => Ok(Backup {
                state: BackupState::Ready,
                ..backup.clone()
            }),
            BackupState::PendingDeletion { .. } | BackupState::Deleted { .. } => {
                Err(refuse(format!(
                    "The backup {} was deleted for good: a deletion can be undone for seven days \
                     only. Use another backup; DescribeBackups shows which there are.",
                    backup.id
                )))
            }
            BackupState::CreateInProgress | BackupState::Ready => Err(refuse(format!(
                "The backup {} is {}, and RestoreBackup undoes DeleteBackup only. To make a \
                 cluster from a backup, run CreateCluster with SourceBackupId.",
                backup.id,
                backup.state.name()
            ))),
        }
    }
}
