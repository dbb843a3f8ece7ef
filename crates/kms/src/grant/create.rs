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
use crate::key::{KeySnapshot, find};
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
        let key = find(Operation::CreateGrant, &asking, &input.key_id)?;
        let terms = terms(&input, key.record.spec, key.record.usage)?;
        let home = self.records.partition(&key.scope);
        let _changing = home.control.lock().await;
        // The key may have changed while this waited. Rule GRANT-08: by its row it shows Enabled,
        // Unavailable or Updating.
        let key = find(Operation::CreateGrant, &asking, &key.arn)?;
        let same = existing(&home, &key, input.name.as_deref(), &terms);
        let count = home.grants.count(&key.record.id);
        let grant = match decide(&key, same, count, input.dry_run)? {
            Some(same) => same,
            None => {
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

/// The grant that CreateGrant gives again; none if it makes a further one, on a key that has so many.
fn decide(
    key: &KeySnapshot,
    same: Option<GrantRecord>,
    count: usize,
    dry_run: Option<bool>,
) -> Result<Option<GrantRecord>, Exception> {
    if same.is_none() && count >= GRANTS_A_KEY_MAX {
        let text = format!(
            "{} has {GRANTS_A_KEY_MAX} grants already. Retire or revoke some.",
            key.arn
        );
        return Err(Exception::new(Code::LimitExceeded, text));
    }
    stop_dry_run(dry_run)?;
    Ok(same)
}

/// Rule GRANT-06: asking again with the same name and the same terms gives the grant that there is,
/// with another token; without a name every request makes a grant.
fn existing(
    home: &Partition,
    key: &KeySnapshot,
    name: Option<&str>,
    terms: &Terms,
) -> Option<GrantRecord> {
    let same = home.grants.named(&key.record.id, name?);
    let mut same = same.into_iter().filter(|grant| grant.terms == *terms);
    same.next().map(|grant| (*grant).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::fixtures::{key, record};

    fn grant() -> GrantRecord {
        let grant = serde_json::json!({
            "id": "a", "key": record().id, "created_ms": 1, "issuing_account": "111122223333",
            "grantee": {"Service": "rds.amazonaws.com"}, "operations": ["Encrypt"],
        });
        serde_json::from_value(grant).unwrap()
    }

    /// Rules GRANT-06 and CR-04.
    #[test]
    fn a_grant_that_is_there_is_given_again_also_when_there_is_no_room() {
        let code = |same, count, dry_run| {
            let outcome = decide(&key(record()), same, count, dry_run);
            outcome.map_err(|refusal| refusal.code)
        };
        assert_eq!(code(None, GRANTS_A_KEY_MAX - 1, None), Ok(None));
        let again = code(Some(grant()), GRANTS_A_KEY_MAX, None);
        assert_eq!(again, Ok(Some(grant())));
        for dry_run in [None, Some(true)] {
            let full = code(None, GRANTS_A_KEY_MAX, dry_run);
            assert_eq!(full, Err(Code::LimitExceeded));
        }
        for same in [None, Some(grant())] {
            let dry = code(same, 0, Some(true));
            assert_eq!(dry, Err(Code::DryRunOperation));
        }
    }
}
