//! Keys of AWS services: each has a predefined alias, and exists from the first use of that on.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::kms::{KeySpec, KeyUsageType};
use portcullis_api::{Exception, KeyId, Scope};
use portcullis_hsm::HsmKeyId;
use portcullis_seam::draw;
use portcullis_store::{Expect, Transaction};
use serde_json::json;

use super::create::KeyCreation;
use super::record::Automatic;
use super::{Home, KeyRecord, KeySnapshot, Materials, Requested, Rotation};
use crate::alias::{AliasRecord, RESERVED, SERVICES, alias_key, alias_of};
use crate::catalogue::Partition;
use crate::records::encode;
use crate::translate;

/// Days between the rotations of an AWS managed key (API, GetKeyRotationStatus).
const PERIOD_DAYS: u32 = 365;

/// The service whose predefined alias `name` is, if it is one's of this scope.
fn service_of(scope: &Scope, name: &str) -> Option<&'static str> {
    let (_, service) = name.split_once(RESERVED)?;
    let known = SERVICES.into_iter().find(|known| *known == service)?;
    let alias = alias_of(known);
    (name == alias || name == scope.alias_arn(&alias)).then_some(known)
}

impl KeyCreation {
    /// Makes the AWS managed key of a service when its predefined alias is used for the first time.
    /// Costs a comparison for every other name.
    ///
    /// Rule LIFE-40: such a key is found by every operation that takes an alias.
    pub(crate) async fn make_managed_key(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<(), Exception> {
        match service_of(scope, name) {
            // Apart, so that an Encrypt does not carry room for it.
            Some(service) => Box::pin(self.make_key_of(scope, service)).await,
            None => Ok(()),
        }
    }

    async fn make_key_of(&self, scope: &Scope, service: &str) -> Result<(), Exception> {
        let partition = self.records.partition(scope);
        let alias = alias_of(service);
        if partition.aliases.contains_key(&alias) {
            return Ok(());
        }
        self.records.check_has_fleet()?;
        let _changing = partition.control.lock().await;
        if partition.aliases.contains_key(&alias) {
            return Ok(());
        }
        let material = HsmKeyId(draw(&*self.records.config.entropy));
        let id = KeyId::from_random(draw(&*self.records.config.entropy));
        let arn = scope.key_arn(&id);
        let made = self
            .keys
            .fleet
            .create_key(&self.records.config, material, arn.clone());
        made.await.map_err(|failure| translate::fleet(&failure))?;
        let record = managed(scope, service, id, material, self.records.now_ms());
        let put = self.put_managed(&partition, &alias, record).await;
        if put.is_err() {
            let _orphan = self
                .keys
                .fleet
                .delete_key(&self.records.config, material)
                .await;
        }
        put
    }

    /// Key and alias in one commit.
    async fn put_managed(
        &self,
        partition: &Partition,
        alias: &str,
        record: KeyRecord,
    ) -> Result<(), Exception> {
        let id = record.id;
        let named = AliasRecord::new(alias.to_owned(), id, record.created_ms);
        let key_name = KeySnapshot::record_key(&partition.scope, &id);
        let alias_name = alias_key(&partition.scope, alias);
        let put = Transaction::new()
            .expect(&*key_name, Expect::Absent)
            .put(&*key_name, encode(&record))
            .expect(&*alias_name, Expect::Absent)
            .put(&*alias_name, encode(&named));
        let revision = self.records.commit(put).await?;
        let key = KeySnapshot::new(&partition.scope, record, revision, None);
        partition.keys.insert(id, Arc::new(key));
        partition.aliases.insert(named.name, id);
        Ok(())
    }
}

fn managed(
    scope: &Scope,
    service: &str,
    id: KeyId,
    material: HsmKeyId,
    created_ms: u64,
) -> KeyRecord {
    KeyRecord {
        id,
        created_ms,
        description: format!(
            "Default key that protects my {} data when no other key is defined",
            service.to_ascii_uppercase()
        ),
        requested: Requested::Enabled,
        home: Home::Fleet,
        materials: Materials::generated(material, created_ms),
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsageType::EncryptDecrypt,
        imported: false,
        policy: Some(policy(scope, service)),
        tags: BTreeMap::new(),
        rotation: Rotation {
            automatic: Some(Automatic {
                period_days: PERIOD_DAYS,
                from_ms: created_ms,
            }),
            on_demand: 0,
        },
        multi_region: None,
        changing: None,
        aws_service: Some(service.to_owned()),
    }
}

/// The account's principals use the key through the service, and look at it directly (Guide, AWS
/// managed keys).
fn policy(scope: &Scope, service: &str) -> String {
    let Scope { account, region } = scope;
    let through = if service == "ebs" { "ec2" } else { service };
    let policy = json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-1"),
        "Statement": [
            {
                "Sid": format!("Allow access through {service} to all principals in the account"),
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
                    "kms:CreateGrant", "kms:DescribeKey"
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": account.as_str(),
                    "kms:ViaService": format!("{through}.{region}.amazonaws.com"),
                }},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": scope.root_arn(account)},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    });
    format!("{policy:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LIFE-40.
    #[test]
    fn only_a_predefined_alias_of_the_scope_names_a_service() {
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let arn = scope.alias_arn("alias/aws/ebs");
        assert_eq!(service_of(&scope, "alias/aws/ebs"), Some("ebs"));
        assert_eq!(service_of(&scope, &arn), Some("ebs"));
        let foreign = arn.replace("eu-west-1", "us-east-1");
        for name in ["alias/ebs", "alias/aws/nothing", "xalias/aws/ebs", &foreign] {
            assert_eq!(service_of(&scope, name), None, "{name}");
        }
        assert!(SERVICES.is_sorted());
    }
}
