//! Aliases: other names of keys.

mod decide;
mod record;

pub(crate) use record::{AliasRecord, RESERVED};

use std::sync::Arc;

use portcullis_api::kms::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesRequest,
    ListAliasesResponse, UpdateAliasRequest,
};
use portcullis_api::{Code, EpochSeconds, Exception, Operation, Scope};
use portcullis_seam::Timestamp;
use portcullis_store::{Expect, Transaction};

use crate::catalogue::Partition;
use crate::key::{KeySnapshot, find};
use crate::paging::{PageRequest, page};
use crate::records::{Records, encode};
use decide::{check_name, check_new_name, check_not_reserved, check_target, created, moved};

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

/// The name of the predefined alias of a service.
pub(crate) fn alias_of(service: &str) -> String {
    format!("{RESERVED}{service}")
}

/// Where an alias's record stands.
pub(crate) fn alias_key(scope: &Scope, name: &str) -> String {
    format!("kms/{}/{}/alias/{name}", scope.account, scope.region)
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
fn others(partition: &Partition, key: &KeySnapshot, name: &str) -> usize {
    let others = partition.aliases.iter();
    let others = others.filter(|it| *it.value() == key.record.id && it.key() != name);
    others.count()
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
        check_new_name(&input.alias_name)?;
        check_target(&input.target_key_id)?;
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
        check_name(&input.alias_name)?;
        check_not_reserved(&input.alias_name)?;
        check_target(&input.target_key_id)?;
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
        check_name(&input.alias_name)?;
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
        let asked = PageRequest {
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
