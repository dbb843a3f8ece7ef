use portcullis_api::{BackupId, Exception, Region};

use super::tags::check_tags;
use super::{existing_backup, ready, refuse};
use crate::record::{Backup, BackupState, ScopeRecords, Source};

/// CopyBackupToRegion.
#[derive(Debug)]
pub(crate) struct CopyBackup {
    pub(crate) backup: BackupId,
    pub(crate) destination: Region,
    pub(crate) tags: Option<Vec<(String, String)>>,
}

impl CopyBackup {
    /// Decides: the tags and the Region, then the backup and its state. Gives the copy as it is
    /// in the destination Region before its image is there.
    ///
    /// Rule BK-12: a copy keeps the date of its source, has the source's tags unless others are
    /// given, and is READY when its image is there.
    pub(crate) fn decide(
        &self,
        state: &ScopeRecords,
        own: &Region,
        now: u64,
        id: BackupId,
    ) -> Result<Backup, Exception> {
        let tags = self.tags.as_deref().map(check_tags).transpose()?;
        if self.destination == *own {
            return Err(refuse(format!(
                "The backup {} is in {own} already. Give another DestinationRegion.",
                self.backup
            )));
        }
        let source = ready(existing_backup(state, &self.backup)?)?;
        Ok(Backup {
            id,
            state: BackupState::CreateInProgress,
            never_expires: false,
            tags: tags.unwrap_or_else(|| source.tags.clone()),
            source: Some(Source {
                region: own.clone(),
                backup: source.id.clone(),
                copied: now,
            }),
            policy: None,
            ..source.clone()
        })
    }
}
