//! Aliases: other names of keys.

use std::sync::Arc;

use portcullis_api::kms::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesRequest,
    ListAliasesResponse, UpdateAliasRequest,
};
use portcullis_api::{Code, EpochSeconds, Exception, KeyId, Scope};
use portcullis_seam::Timestamp;
use portcullis_store::{Expect, Transaction};
use serde::{Deserialize, Serialize};

use crate::catalogue::Partition;
use crate::key::find_for_management;
use crate::kms::{Kms, encode};
use crate::paging::{Asked, page};

/// Aliases of one key (KMS resource quotas).
const ALIASES_A_KEY_MAX: usize = 50;

/// An alias as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    /// `alias/` included.
    pub(crate) name: String,
    pub(crate) target: KeyId,
    created_ms: u64,
    updated_ms: u64,
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

impl Kms {
    /// CreateAlias. Rule KEY-22: a name is unique in account and Region.
    ///
    /// # Errors
    /// AlreadyExistsException, InvalidAliasNameException, LimitExceededException, NotFoundException,
    /// KMSInvalidStateException for a key that is pending deletion.
    pub async fn create_alias(
        &self,
        scope: &Scope,
        input: CreateAliasRequest,
    ) -> Result<(), Exception> {
        check_name(&input.alias_name)?;
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        if partition.aliases.contains_key(&input.alias_name) {
            let arn = scope.alias_arn(&input.alias_name);
            let text = format!("An alias with the name {arn} already exists. Use UpdateAlias.");
            return Err(Exception::new(Code::AlreadyExists, text));
        }
        let target = target(&partition, &input.target_key_id)?;
        let now = self.now_ms();
        let record = AliasRecord {
            name: input.alias_name,
            target,
            created_ms: now,
            updated_ms: now,
        };
        self.put_alias(&partition, record, Expect::Absent).await
    }

    /// UpdateAlias.
    ///
    /// # Errors
    /// NotFoundException, LimitExceededException, KMSInvalidStateException.
    pub async fn update_alias(
        &self,
        scope: &Scope,
        input: UpdateAliasRequest,
    ) -> Result<(), Exception> {
        check_name(&input.alias_name)?;
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let (mut record, revision) = self.alias(scope, &input.alias_name)?;
        record.target = target(&partition, &input.target_key_id)?;
        record.updated_ms = self.now_ms();
        self.put_alias(&partition, record, Expect::Revision(revision))
            .await
    }

    /// DeleteAlias. Works in every state of its key.
    ///
    /// # Errors
    /// NotFoundException.
    pub async fn delete_alias(
        &self,
        scope: &Scope,
        input: DeleteAliasRequest,
    ) -> Result<(), Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let (record, revision) = self.alias(scope, &input.alias_name)?;
        let name = alias_key(scope, &record.name);
        let expect = Expect::Revision(revision);
        self.commit(Transaction::new().expect(&*name, expect).delete(&*name))
            .await?;
        partition.aliases.remove(&record.name);
        Ok(())
    }

    /// ListAliases, all or of one key, in the order of their names.
    ///
    /// # Errors
    /// NotFoundException, InvalidMarkerException.
    pub async fn list_aliases(
        &self,
        scope: &Scope,
        input: ListAliasesRequest,
    ) -> Result<ListAliasesResponse, Exception> {
        let partition = self.partition(scope);
        let of = input
            .key_id
            .as_deref()
            .map(|key| find_for_management(&partition, key));
        let of = of.transpose()?.map(|key| key.record.id);
        let mut names: Vec<String> = partition
            .aliases
            .iter()
            .filter(|alias| of.is_none_or(|key| *alias.value() == key))
            .map(|alias| alias.key().clone())
            .collect();
        names.sort();
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 50,
            max: 100,
        };
        let page = page(names, asked, Clone::clone)?;
        let entries = page
            .items
            .iter()
            .filter_map(|name| self.alias(scope, name).ok());
        Ok(ListAliasesResponse {
            aliases: Some(entries.map(|(record, _)| entry(scope, record)).collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    fn alias(&self, scope: &Scope, name: &str) -> Result<(AliasRecord, u64), Exception> {
        let stored = self.config.store.get(&alias_key(scope, name));
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
        let others = partition.aliases.iter();
        let others = others.filter(|it| *it.value() == record.target && *it.key() != record.name);
        if others.count() >= ALIASES_A_KEY_MAX {
            let text = format!("The key has {ALIASES_A_KEY_MAX} aliases already. Delete one.");
            return Err(Exception::new(Code::LimitExceeded, text));
        }
        let name = alias_key(&partition.scope, &record.name);
        self.commit(
            Transaction::new()
                .expect(&*name, expect)
                .put(&*name, encode(&record)),
        )
        .await?;
        partition.aliases.insert(record.name, record.target);
        Ok(())
    }
}

/// Rule KEY-23: an alias is pointed at a key that is not pending deletion.
fn target(partition: &Arc<Partition>, key_id: &str) -> Result<KeyId, Exception> {
    let key = find_for_management(partition, key_id)?;
    if key.record.is_pending_deletion() {
        let text = format!("{} is pending deletion. Choose another key.", key.arn);
        return Err(Exception::new(Code::KmsInvalidState, text));
    }
    Ok(key.record.id)
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
