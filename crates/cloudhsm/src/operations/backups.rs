//! The operations on backups.
//!
//! All that change a record hold the control lock: what the calendar does to backups is decided
//! and written under the same lock, so that neither undoes the other.

use portcullis_api::cloudhsm::{
    CopyBackupToRegionRequest, CopyBackupToRegionResponse, DeleteBackupRequest,
    DeleteBackupResponse, DescribeBackupsRequest, DescribeBackupsResponse,
    ModifyBackupAttributesRequest, ModifyBackupAttributesResponse, RestoreBackupRequest,
    RestoreBackupResponse,
};
use portcullis_api::{BackupId, Exception, Scope};
use portcullis_seam::draw;

use crate::CloudHsm;
use crate::control::TurnSubject;
use crate::decide::{
    BackupFilters, CopyBackup, DeleteBackup, DescribeBackups, ModifyBackup, PageRequest,
    RestoreBackup,
};
use crate::record::{Backup, ScopeRecords};
use crate::shapes;

impl CloudHsm {
    /// DescribeBackups, the newest first unless asked otherwise.
    ///
    /// # Errors
    /// CloudHsmInvalidRequestException for an unknown filter or page size.
    pub async fn describe_backups(
        &self,
        scope: &Scope,
        request: DescribeBackupsRequest,
    ) -> Result<DescribeBackupsResponse, Exception> {
        let shared = request.shared.unwrap_or(false);
        let command = DescribeBackups {
            filters: BackupFilters::parse(request.filters.unwrap_or_default())?,
            shared: shared.then(|| scope.account.clone()),
            oldest_first: request.sort_ascending.unwrap_or(false),
            page: PageRequest {
                max_results: request.max_results.map(i64::from),
                next_token: request.next_token,
            },
        };
        self.reconciler.end_what_was_described(scope).await;
        let state = if shared {
            self.core.ledger.state_with_shared(scope)?
        } else {
            self.core.ledger.state(scope)?
        };
        let page = command.decide(&state)?;
        self.core.turns.describe(scope, passing(&page.items));
        let shape = |backup: &Backup| match state.shared.get(&backup.id) {
            Some(foreign) => {
                let account = foreign.owner.clone();
                let region = scope.region.clone();
                shapes::backup(&Scope { account, region }, backup)
            }
            None => shapes::backup(scope, backup),
        };
        Ok(DescribeBackupsResponse {
            backups: Some(page.items.iter().map(shape).collect()),
            next_token: page.next_token,
        })
    }

    /// CopyBackupToRegion.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException for a backup that is not
    /// READY or a Region in which it is already; CloudHsmTagException.
    pub async fn copy_backup_to_region(
        &self,
        scope: &Scope,
        request: CopyBackupToRegionRequest,
    ) -> Result<CopyBackupToRegionResponse, Exception> {
        let command = CopyBackup::parse(request)?;
        let _one_at_a_time = self.core.control.lock().await;
        let id = BackupId::from_random(draw(&*self.core.entropy));
        let now = self.core.clock.now().millis();
        let state = self.core.ledger.state(scope)?;
        let copy = command.decide(&state, &scope.region, now, id)?;
        let destination = Scope {
            account: scope.account.clone(),
            region: command.destination,
        };
        self.core.ledger.put_backup(&destination, &copy).await?;
        let told = shapes::destination(&copy);
        // The copy is accepted. When its image does not come now, a later round brings it.
        if let Err(error) = self.backups.end_backup(&destination, copy).await {
            tracing::warn!(cause = error.cause, "a copy waits for the next round");
        }
        Ok(CopyBackupToRegionResponse {
            destination_backup: Some(told),
        })
    }

    /// DeleteBackup.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException unless it is READY.
    pub async fn delete_backup(
        &self,
        scope: &Scope,
        request: DeleteBackupRequest,
    ) -> Result<DeleteBackupResponse, Exception> {
        let command = DeleteBackup {
            backup: shapes::backup_id("BackupId", &request.backup_id)?,
        };
        let now = self.core.clock.now().millis();
        let decide = |state: &ScopeRecords| command.decide(state, now);
        let backup = self.backups.change_backup(scope, decide).await?;
        Ok(DeleteBackupResponse {
            backup: Some(shapes::backup(scope, &backup)),
        })
    }

    /// RestoreBackup.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException unless it is
    /// PENDING_DELETION.
    pub async fn restore_backup(
        &self,
        scope: &Scope,
        request: RestoreBackupRequest,
    ) -> Result<RestoreBackupResponse, Exception> {
        let command = RestoreBackup {
            backup: shapes::backup_id("BackupId", &request.backup_id)?,
        };
        let now = self.core.clock.now().millis();
        let decide = |state: &ScopeRecords| command.decide(state, now);
        let backup = self.backups.change_backup(scope, decide).await?;
        Ok(RestoreBackupResponse {
            backup: Some(shapes::backup(scope, &backup)),
        })
    }

    /// ModifyBackupAttributes.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException unless it is READY.
    pub async fn modify_backup_attributes(
        &self,
        scope: &Scope,
        request: ModifyBackupAttributesRequest,
    ) -> Result<ModifyBackupAttributesResponse, Exception> {
        let command = ModifyBackup {
            backup: shapes::backup_id("BackupId", &request.backup_id)?,
            never_expires: request.never_expires.unwrap_or(false),
        };
        let decide = |state: &ScopeRecords| command.decide(state);
        let backup = self.backups.change_backup(scope, decide).await?;
        Ok(ModifyBackupAttributesResponse {
            backup: Some(shapes::backup(scope, &backup)),
        })
    }
}

/// Whose passing state a description of `backups` shows: that of the backup, or of the cluster whose
/// change the backup belongs to.
fn passing(backups: &[Backup]) -> impl Iterator<Item = TurnSubject> {
    let begun = backups.iter().filter(|backup| backup.is_begun());
    begun.flat_map(|backup| {
        [
            TurnSubject::Backup(backup.id.clone()),
            TurnSubject::Cluster(backup.cluster.clone()),
        ]
    })
}
