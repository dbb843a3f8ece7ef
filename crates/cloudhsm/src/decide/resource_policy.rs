use portcullis_api::{AccountId, BackupId, Code, Exception, Region, Scope};

use super::{existing_backup, no_backup, ready};
use crate::policy::Policy;
use crate::record::{Backup, ScopeRecords};

/// `ResourceArn` of the policy operations: a backup, and whose it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupArn {
    pub(crate) text: String,
    pub(crate) owner: AccountId,
    pub(crate) region: Region,
    pub(crate) backup: BackupId,
}

/// PutResourcePolicy.
#[derive(Debug)]
pub(crate) struct PutPolicy {
    pub(crate) resource: BackupArn,
    pub(crate) policy: String,
}

/// DeleteResourcePolicy.
#[derive(Debug)]
pub(crate) struct DeletePolicy {
    pub(crate) resource: BackupArn,
}

/// GetResourcePolicy.
#[derive(Debug)]
pub(crate) struct GetPolicy {
    pub(crate) resource: BackupArn,
}

impl PutPolicy {
    /// Decides: whose the backup is, that it is READY, then the policy.
    ///
    /// Rule BK-14: only its owner shares a backup, and only while it is READY.
    pub(crate) fn decide(&self, state: &ScopeRecords, own: &Scope) -> Result<Backup, Exception> {
        let backup = ready(self.resource.find(state, own)?)?;
        Policy::parse(&self.policy, &self.resource.text)?;
        Ok(Backup {
            policy: Some(self.policy.clone()),
            ..backup.clone()
        })
    }
}

impl DeletePolicy {
    /// Also gives the policy that was there. Deleting none is no error.
    pub(crate) fn decide(
        &self,
        state: &ScopeRecords,
        own: &Scope,
    ) -> Result<(Backup, Option<String>), Exception> {
        let mut backup = self.resource.find(state, own)?.clone();
        let removed = backup.policy.take();
        Ok((backup, removed))
    }
}

impl GetPolicy {
    pub(crate) fn decide(
        &self,
        state: &ScopeRecords,
        own: &Scope,
    ) -> Result<Option<String>, Exception> {
        let backup = self.resource.find(state, own)?;
        Ok(backup.policy.clone())
    }
}

impl BackupArn {
    fn find<'a>(&self, state: &'a ScopeRecords, own: &Scope) -> Result<&'a Backup, Exception> {
        if self.owner != own.account {
            return Err(Exception::new(
                Code::CloudHsmAccessDenied,
                format!(
                    "The backup {} belongs to the account {}, and only its owner may see or \
                     change its policy. Call with the owner's credentials.",
                    self.backup, self.owner
                ),
            ));
        }
        let backup = existing_backup(state, &self.backup)?;
        // The same ID in the ARN of another Region names another backup.
        if self.region == own.region {
            return Ok(backup);
        }
        Err(no_backup(&self.backup))
    }
}
