use std::sync::Arc;

use portcullis_api::kms::{RetireGrantRequest, RevokeGrantRequest};
use portcullis_api::{Code, Exception, KeyId, Operation, Scope};
use portcullis_store::{Expect, Transaction};

use super::Grants;
use super::record::{GrantRecord, check_id, not_found};
use super::token::TokenParts;
use crate::catalogue::Partition;
use crate::crypto::stop_dry_run;
use crate::key::find;

impl Grants {
    /// RevokeGrant: the key's side ends a grant. Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException, InvalidArnException, InvalidGrantIdException, DryRunOperationException.
    pub(crate) async fn revoke_grant(
        &self,
        scope: &Scope,
        input: RevokeGrantRequest,
    ) -> Result<(), Exception> {
        let key = find(
            Operation::RevokeGrant,
            &self.records.partition(scope),
            &input.key_id,
        )?;
        check_id(&input.grant_id)?;
        let home = self.records.partition(&key.scope);
        let place = (key.record.id, input.grant_id.as_str());
        self.end_grant(&home, place, input.dry_run).await
    }

    /// RetireGrant: the grant's side ends it, by its token or by the key's ARN and the grant's ID.
    /// Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException, InvalidArnException, InvalidGrantIdException, InvalidGrantTokenException,
    /// DryRunOperationException.
    pub(crate) async fn retire_grant(
        &self,
        scope: &Scope,
        input: RetireGrantRequest,
    ) -> Result<(), Exception> {
        let (home, key, grant) = self.find_retired(&self.records.partition(scope), &input)?;
        self.end_grant(&home, (key, &grant), input.dry_run).await
    }

    /// Rule GRANT-07: a grant is retired by its token, or by the key's ARN and the grant's ID, and
    /// not by both.
    pub(crate) fn find_retired(
        &self,
        asking: &Arc<Partition>,
        input: &RetireGrantRequest,
    ) -> Result<(Arc<Partition>, KeyId, String), Exception> {
        match (&input.grant_token, &input.key_id, &input.grant_id) {
            (Some(token), None, None) => {
                let TokenParts {
                    account,
                    key,
                    grant,
                } = self.read_token(token)?;
                let home = if account == asking.scope.account {
                    Some(Arc::clone(asking))
                } else {
                    asking.of_account(&account)
                };
                let arn = || asking.scope.key_arn(&key);
                let home = home.ok_or_else(|| not_found(&grant, &arn()))?;
                Ok((home, key, grant))
            }
            (None, Some(key), Some(grant)) => {
                check_id(grant)?;
                let key = find(Operation::RetireGrant, asking, key)?;
                Ok((
                    self.records.partition(&key.scope),
                    key.record.id,
                    grant.clone(),
                ))
            }
            (None | Some(_), _, _) => Err(Exception::new(
                Code::Validation,
                "Give either GrantToken, or both KeyId and GrantId.",
            )),
        }
    }

    async fn end_grant(
        &self,
        home: &Partition,
        (key, grant): (KeyId, &str),
        dry_run: Option<bool>,
    ) -> Result<(), Exception> {
        let _changing = home.control.lock().await;
        let missing = || not_found(grant, &home.scope.key_arn(&key));
        home.grants.get(&key, grant).ok_or_else(missing)?;
        let name = GrantRecord::record_key(&home.scope, &key, grant);
        let record = self.records.config.store.get(&name).ok_or_else(missing)?;
        stop_dry_run(dry_run)?;
        let expect = Expect::Revision(record.revision);
        let delete = Transaction::new().expect(&*name, expect).delete(&*name);
        self.records.commit(delete).await?;
        home.grants.remove(&key, grant);
        Ok(())
    }
}
