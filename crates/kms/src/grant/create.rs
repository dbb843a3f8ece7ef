use data_encoding::HEXLOWER;
use portcullis_api::kms::{CreateGrantRequest, CreateGrantResponse};
use portcullis_api::{Code, Exception, Operation, Scope};
use portcullis_seam::draw;
use portcullis_store::{Expect, Transaction};

use super::Grants;
use super::record::{GrantRecord, Terms};
use super::terms::terms;
use super::token::token;
use crate::catalogue::Partition;
use crate::crypto::stop_dry_run;
use crate::key::{Snapshot, find, find_shared};
use crate::records::encode;

/// Grants of one key (KMS resource quotas).
const GRANTS_A_KEY_MAX: usize = 50_000;

impl Grants {
    /// CreateGrant. The grant is in force when it is acknowledged.
    ///
    /// # Errors
    /// As the operation declares; ValidationException.
    pub(crate) async fn create_grant(
        &self,
        scope: &Scope,
        input: CreateGrantRequest,
    ) -> Result<CreateGrantResponse, Exception> {
        let asking = self.records.partition(scope);
        let key = find_shared(&asking, &input.key_id)?;
        let terms = terms(&input, key.record.spec, key.record.usage)?;
        let home = self.records.partition(&key.scope);
        let _changing = home.control.lock().await;
        // The key may have changed while this waited. Rule GRANT-08: by its row it shows Enabled,
        // Unavailable or Updating.
        let key = find(Operation::CreateGrant, &asking, &key.arn)?;
        let name = input.name.as_deref();
        let grant = match existing(&home, &key, name, &terms) {
            Some(grant) => {
                stop_dry_run(input.dry_run)?;
                grant
            }
            None => {
                if home.grants.count(&key.record.id) >= GRANTS_A_KEY_MAX {
                    let text = format!(
                        "{} has {GRANTS_A_KEY_MAX} grants already. Retire or revoke some.",
                        key.arn
                    );
                    return Err(Exception::new(Code::LimitExceeded, text));
                }
                stop_dry_run(input.dry_run)?;
                let id: [u8; 32] = draw(&*self.records.config.entropy);
                let grant = GrantRecord {
                    id: HEXLOWER.encode(&id),
                    key: key.record.id,
                    created_ms: self.records.now_ms(),
                    name: input.name,
                    issuing_account: scope.account.clone(),
                    terms,
                };
                self.put_grant(&home, &grant).await?;
                grant
            }
        };
        let config = &self.records.config;
        let account = &key.scope.account;
        Ok(CreateGrantResponse {
            grant_token: Some(token(account, &grant, &config.device_key, &*config.entropy)),
            grant_id: Some(grant.id),
        })
    }

    async fn put_grant(&self, home: &Partition, grant: &GrantRecord) -> Result<(), Exception> {
        let name = GrantRecord::record_key(&home.scope, &grant.key, &grant.id);
        let put = Transaction::new()
            .expect(&*name, Expect::Absent)
            .put(&*name, encode(grant));
        self.records.commit(put).await?;
        home.grants.insert(grant.clone());
        Ok(())
    }
}

/// Rule GRANT-06: asking again with the same name and the same terms gives the grant that there is,
/// with another token; without a name every request makes a grant.
fn existing(
    home: &Partition,
    key: &Snapshot,
    name: Option<&str>,
    terms: &Terms,
) -> Option<GrantRecord> {
    let same = home.grants.named(&key.record.id, name?);
    let mut same = same.into_iter().filter(|grant| grant.terms == *terms);
    same.next().map(|grant| (*grant).clone())
}
