//! Aliases: other names of keys.

use std::sync::Arc;

use portcullis_api::kms::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesRequest,
    ListAliasesResponse, UpdateAliasRequest,
};
use portcullis_api::{Code, EpochSeconds, Exception, KeyId, Operation, Scope};
use portcullis_seam::Timestamp;
use portcullis_store::{Expect, Transaction};
use serde::{Deserialize, Serialize};

use crate::catalogue::Partition;
use crate::key::{Snapshot, find, spec};
use crate::paging::{Asked, page};
use crate::records::Records;
use crate::records::encode;

/// The aliases of keys.
#[derive(Debug)]
pub(crate) struct Aliases {
    records: Arc<Records>,
}

impl Aliases {
    pub(crate) fn new(records: &Arc<Records>) -> Self {
        Self {
            records: Arc::clone(records),
        }
    }
}

/// The services whose predefined aliases an account has (an assumption: the documentation has no
/// full list), in order.
pub(crate) const SERVICES: [&str; 15] = [
    "acm",
    "backup",
    "dynamodb",
    "ebs",
    "elasticfilesystem",
    "es",
    "glue",
    "kinesisvideo",
    "lambda",
    "rds",
    "redshift",
    "s3",
    "secretsmanager",
    "ssm",
    "xray",
];

/// What the aliases of AWS services begin with.
pub(crate) const RESERVED: &str = "alias/aws/";

/// The name of the predefined alias of a service.
pub(crate) fn alias_of(service: &str) -> String {
    format!("{RESERVED}{service}")
}

/// Aliases of one key (KMS resource quotas).
const ALIASES_A_KEY_MAX: usize = 50;

/// An alias as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    /// The alias's name, which begins with `alias/`.
    pub(crate) name: String,
    pub(crate) target: KeyId,
    created_ms: u64,
    updated_ms: u64,
}

impl AliasRecord {
    pub(crate) const fn new(name: String, target: KeyId, now_ms: u64) -> Self {
        Self {
            name,
            target,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}

/// Where an alias's record stands.
pub(crate) fn alias_key(scope: &Scope, name: &str) -> String {
    format!("kms/{}/{}/alias/{name}", scope.account, scope.region)
}

/// Rule KEY-21: an alias begins with `alias/`, and those under `alias/aws/` are the service's.
fn check_name(name: &str) -> Result<(), Exception> {
    let invalid = |text: String| Err(Exception::new(Code::InvalidAliasName, text));
    match name.strip_prefix("alias/") {
        None | Some("") => invalid(format!("{name:?} does not begin with alias/. Add it.")),
        Some(rest) if rest.starts_with("aws/") => {
            invalid("Names under alias/aws/ are reserved for AWS. Choose another.".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// Rule LIFE-42: the aliases of AWS services are not changed by an account.
fn check_not_reserved(name: &str) -> Result<(), Exception> {
    if !name.starts_with(RESERVED) {
        return Ok(());
    }
    let text = format!("{name} is the alias of an AWS service, which only AWS changes.");
    Err(Exception::new(Code::AccessDenied, text))
}

/// Rule LIFE-43: an alias moves between keys of one type (symmetric encryption, HMAC, asymmetric) and
/// usage, so that a moved alias does not break those who use it.
fn check_alike(present: Option<&Snapshot>, target: &Snapshot) -> Result<(), Exception> {
    let kind = |key: &Snapshot| {
        let is_asymmetric = spec::is_asymmetric(key.record.spec);
        (is_asymmetric, key.record.usage.as_str())
    };
    if present.is_none_or(|present| kind(present) == kind(target)) {
        return Ok(());
    }
    let text = format!(
        "{} is of another type or usage than the key that the alias has. Delete the alias and create \
         it for that key.",
        target.arn
    );
    Err(Exception::new(Code::Validation, text))
}

/// Rule KEY-22: a name is unique in account and Region.
fn check_free(partition: &Partition, name: &str) -> Result<(), Exception> {
    if !partition.aliases.contains_key(name) {
        return Ok(());
    }
    let arn = partition.scope.alias_arn(name);
    let text = format!("An alias with the name {arn} already exists. Use UpdateAlias.");
    Err(Exception::new(Code::AlreadyExists, text))
}

/// How many aliases a key has beside one.
fn others(partition: &Partition, key: &Snapshot, name: &str) -> usize {
    let others = partition.aliases.iter();
    let others = others.filter(|it| *it.value() == key.record.id && it.key() != name);
    others.count()
}

fn check_number(others: usize) -> Result<(), Exception> {
    if others < ALIASES_A_KEY_MAX {
        return Ok(());
    }
    let text = format!("The key has {ALIASES_A_KEY_MAX} aliases already. Delete one.");
    Err(Exception::new(Code::LimitExceeded, text))
}

/// The record that CreateAlias leaves, of a key with so many other aliases.
fn created(
    name: String,
    target: &Snapshot,
    others: usize,
    now_ms: u64,
) -> Result<AliasRecord, Exception> {
    check_number(others)?;
    Ok(AliasRecord::new(name, target.record.id, now_ms))
}

/// The record that UpdateAlias leaves: of the keys, the first is the one that the alias has at present,
/// and the second, which has so many other aliases, the one that it shall have.
fn moved(
    record: &AliasRecord,
    (present, target): (Option<&Snapshot>, &Snapshot),
    others: usize,
    now_ms: u64,
) -> Result<AliasRecord, Exception> {
    check_alike(present, target)?;
    check_number(others)?;
    Ok(AliasRecord {
        target: target.record.id,
        updated_ms: now_ms,
        ..record.clone()
    })
}

impl Aliases {
    /// CreateAlias.
    ///
    /// # Errors
    /// AlreadyExistsException, InvalidAliasNameException, LimitExceededException, NotFoundException,
    /// KMSInvalidStateException for a key that is pending deletion.
    pub(crate) async fn create_alias(
        &self,
        scope: &Scope,
        input: CreateAliasRequest,
    ) -> Result<(), Exception> {
        check_name(&input.alias_name)?;
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        check_free(&partition, &input.alias_name)?;
        let target = find(Operation::CreateAlias, &partition, &input.target_key_id)?;
        let others = others(&partition, &target, &input.alias_name);
        let record = created(input.alias_name, &target, others, self.records.now_ms())?;
        self.put_alias(&partition, record, Expect::Absent).await
    }

    /// UpdateAlias.
    ///
    /// # Errors
    /// NotFoundException, LimitExceededException, KMSInvalidStateException.
    pub(crate) async fn update_alias(
        &self,
        scope: &Scope,
        input: UpdateAliasRequest,
    ) -> Result<(), Exception> {
        check_not_reserved(&input.alias_name)?;
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let (record, revision) = self.alias(scope, &input.alias_name)?;
        let target = find(Operation::UpdateAlias, &partition, &input.target_key_id)?;
        let present = partition.keys.get(&record.target);
        let present = present.map(|key| Arc::clone(&key));
        let keys = (present.as_deref(), &*target);
        let others = others(&partition, &target, &record.name);
        let record = moved(&record, keys, others, self.records.now_ms())?;
        self.put_alias(&partition, record, Expect::Revision(revision))
            .await
    }

    /// DeleteAlias. Works in every state of its key.
    ///
    /// # Errors
    /// NotFoundException.
    pub(crate) async fn delete_alias(
        &self,
        scope: &Scope,
        input: DeleteAliasRequest,
    ) -> Result<(), Exception> {
        check_not_reserved(&input.alias_name)?;
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let (record, revision) = self.alias(scope, &input.alias_name)?;
        let name = alias_key(scope, &record.name);
        let expect = Expect::Revision(revision);
        self.records
            .commit(Transaction::new().expect(&*name, expect).delete(&*name))
            .await?;
        partition.aliases.remove(&record.name);
        Ok(())
    }

    /// ListAliases, all or of one key, in the order of their names.
    ///
    /// # Errors
    /// NotFoundException, InvalidMarkerException.
    pub(crate) async fn list_aliases(
        &self,
        scope: &Scope,
        input: ListAliasesRequest,
    ) -> Result<ListAliasesResponse, Exception> {
        let partition = self.records.partition(scope);
        let of = input
            .key_id
            .as_deref()
            .map(|key| find(Operation::ListAliases, &partition, key));
        let of = of.transpose()?.map(|key| key.record.id);
        let mut names: Vec<String> = partition
            .aliases
            .iter()
            .filter(|alias| of.is_none_or(|key| *alias.value() == key))
            .map(|alias| alias.key().clone())
            .collect();
        if of.is_none() {
            // The predefined aliases are listed before their keys exist.
            names.extend(SERVICES.map(alias_of));
        }
        names.sort();
        names.dedup();
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 50,
            max: 100,
        };
        let page = page(names, asked, Clone::clone)?;
        let entries = page.items.iter().map(|name| match self.alias(scope, name) {
            Ok((record, _)) => entry(scope, record),
            Err(_) => predefined(scope, name),
        });
        Ok(ListAliasesResponse {
            aliases: Some(entries.collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    fn alias(&self, scope: &Scope, name: &str) -> Result<(AliasRecord, u64), Exception> {
        let stored = self.records.config.store.get(&alias_key(scope, name));
        let read = |record: portcullis_store::Record| {
            let alias = serde_json::from_slice(&record.value).ok()?;
            Some((alias, record.revision))
        };
        stored.and_then(read).ok_or_else(|| {
            let text = format!("Alias {} is not found.", scope.alias_arn(name));
            Exception::new(Code::NotFound, text)
        })
    }

    async fn put_alias(
        &self,
        partition: &Partition,
        record: AliasRecord,
        expect: Expect,
    ) -> Result<(), Exception> {
        let name = alias_key(&partition.scope, &record.name);
        self.records
            .commit(
                Transaction::new()
                    .expect(&*name, expect)
                    .put(&*name, encode(&record)),
            )
            .await?;
        partition.aliases.insert(record.name, record.target);
        Ok(())
    }
}

/// Rule LIFE-42: the alias of an AWS service has no target before it is used.
fn predefined(scope: &Scope, name: &str) -> AliasListEntry {
    AliasListEntry {
        alias_arn: Some(scope.alias_arn(name)),
        alias_name: Some(name.to_owned()),
        ..AliasListEntry::default()
    }
}

fn entry(scope: &Scope, record: AliasRecord) -> AliasListEntry {
    let date = |millis| Some(EpochSeconds(Timestamp::from_millis(millis).seconds()));
    AliasListEntry {
        alias_arn: Some(scope.alias_arn(&record.name)),
        alias_name: Some(record.name),
        target_key_id: Some(record.target.to_string()),
        creation_date: date(record.created_ms),
        last_updated_date: date(record.updated_ms),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::kms::{KeySpec, KeyUsageType};

    use super::*;
    use crate::key::KeyRecord;
    use crate::key::fixtures::{key, record};

    fn other(spec: KeySpec, usage: KeyUsageType) -> Snapshot {
        key(KeyRecord {
            id: KeyId::from_bytes([2; 16]),
            spec,
            usage,
            ..record()
        })
    }

    /// Rules KEY-21 and LIFE-42.
    #[test]
    fn names_of_aws_are_reserved_and_every_name_has_its_prefix() {
        for (name, permitted) in [
            ("alias/a", true),
            ("alias/", false),
            ("a", false),
            ("alias/aws/s3", false),
        ] {
            assert_eq!(check_name(name).is_ok(), permitted, "{name}");
        }
        assert!(check_not_reserved("alias/a").is_ok());
        let refusal = check_not_reserved("alias/aws/s3").unwrap_err();
        assert_eq!(refusal.code, Code::AccessDenied);
    }

    /// Rule LIFE-43.
    #[test]
    fn an_alias_moves_to_a_key_of_its_type_and_usage() {
        let symmetric = key(record());
        let alias = created("alias/a".to_owned(), &symmetric, 0, 1).unwrap();
        let same = other(KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt);
        let after = moved(&alias, (Some(&symmetric), &same), 0, 5).unwrap();
        assert_eq!((after.target, after.updated_ms), (same.record.id, 5));
        assert_eq!((&after.name, after.created_ms), (&alias.name, 1));
        for (spec, usage) in [
            (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
            (KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac),
        ] {
            let unlike = other(spec, usage);
            let refusal = moved(&alias, (Some(&symmetric), &unlike), 0, 5).unwrap_err();
            assert_eq!(refusal.code, Code::Validation);
            // The key that the alias had may be gone.
            assert!(moved(&alias, (None, &unlike), 0, 5).is_ok());
        }
    }

    #[test]
    fn a_key_has_at_most_fifty_aliases() {
        let target = key(record());
        for (others, permitted) in [(49, true), (50, false)] {
            let outcome = created("alias/a".to_owned(), &target, others, 1);
            assert_eq!(outcome.is_ok(), permitted);
            let code = outcome.err().map(|refusal| refusal.code);
            assert_eq!(code, (!permitted).then_some(Code::LimitExceeded));
        }
    }
}
