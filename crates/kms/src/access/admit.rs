//! The quota of requests, asked before an operation begins.

use portcullis_api::{Exception, Operation, Scope, Service};

use super::concern::Concern;
use super::guard::AccessGuard;
use crate::quota::{counted, throttled};

impl AccessGuard {
    /// Counts a call of KMS against the quota of its account.
    ///
    /// # Errors
    /// ThrottlingException.
    pub(crate) fn admit(
        &self,
        scope: &Scope,
        operation: Operation,
        concern: &Concern<'_>,
    ) -> Result<(), Exception> {
        if !self.records.keeps_quotas() || operation.service() != Service::Kms {
            return Ok(());
        }
        let key = concern.key_named();
        let subject = key.and_then(|name| self.records.key_subject(scope, name));
        let spec = subject.and_then(|subject| subject.spec());
        let Some(counted) = counted(operation, spec, concern.data_key_pair()) else {
            return Ok(());
        };
        let now = self.records.config.clock.now();
        if self.records.quotas.account_permits(scope, counted, now) {
            Ok(())
        } else {
            Err(throttled())
        }
    }
}
