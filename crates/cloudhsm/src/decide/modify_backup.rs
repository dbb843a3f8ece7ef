use portcullis_api::{BackupId, Exception};

use super::{existing_backup, ready};
use crate::record::{Backup, ScopeRecords};

/// ModifyBackupAttributes.
#[derive(Debug)]
pub(crate) struct ModifyBackup {
    pub(crate) backup: BackupId,
    pub(crate) never_expires: bool,
}

impl ModifyBackup {
    /// Rule BK-10: a backup that never expires is exempt from retention, not from DeleteBackup.
    pub(crate) fn decide(&self, state: &ScopeRecords) -> Result<Backup, Exception> {
        let backup = ready(existing_backup(state, &self.backup)?)?;
        Ok(Backup {
            never_expires: self.never_expires,
            ..backup.clone()
        })
    }
}
