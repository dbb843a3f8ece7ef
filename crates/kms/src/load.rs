//! Reading everything that the store has, at the start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;

use crate::alias::AliasRecord;
use crate::catalogue::Partition;
use crate::config::OpenError;
use crate::key::{KeyRecord, KeySnapshot, load_last_uses};
use crate::key_store::{KeyStore, KeyStoreRecord};
use crate::records::{Records, scope_of};

/// Records of one kind are read in pages of this many.
const PAGE: usize = 1000;

/// Reads key stores before keys, which refer to them.
pub(crate) fn load(records: &Records) -> Result<(), OpenError> {
    each_record(records, "store", |partition, name, value, revision| {
        let record: KeyStoreRecord = decode(name, value)?;
        let id = record.id.clone();
        let store = KeyStore::new((*partition.scope).clone(), record, revision);
        partition.stores.write().insert(id, Arc::new(store));
        Ok(())
    })?;
    each_record(records, "key", |partition, name, value, revision| {
        let record: KeyRecord = decode(name, value)?;
        let store = record.store_id().map(|id| partition.store(id.as_str()));
        let store = match store {
            Some(None) => return Err(OpenError::new(format!("{name}: its key store is gone"))),
            other => other.flatten(),
        };
        let snapshot = KeySnapshot::new(&partition.scope, record, revision, store);
        partition
            .keys
            .insert(snapshot.record.id, Arc::new(snapshot));
        Ok(())
    })?;
    for partition in records.catalogue.all() {
        load_last_uses(&records.config.store, &partition)?;
    }
    each_record(records, "alias", |partition, name, value, _revision| {
        let record: AliasRecord = decode(name, value)?;
        partition.aliases.insert(record.name, record.target);
        Ok(())
    })?;
    each_record(records, "grant", |partition, name, value, _revision| {
        partition.grants.insert(decode(name, value)?);
        Ok(())
    })?;
    each_record(records, "turn", |partition, _name, _value, revision| {
        partition.turn.store(revision, Ordering::Release);
        Ok(())
    })
}

/// Calls `take` for every record of `kind`, in the order of their keys:
/// `kms/<account>/<region>/<kind>/<name>`.
fn each_record(
    of: &Records,
    kind: &str,
    take: impl Fn(&Partition, &str, &[u8], u64) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let mut after: Option<String> = None;
    loop {
        let records = of.config.store.scan("kms/", after.as_deref(), PAGE);
        for (name, record) in &records {
            // A name may have any of the words in it too: alias/key/orders.
            if name.split('/').nth(3) != Some(kind) {
                continue;
            }
            let scope = scope_of(name)
                .ok_or_else(|| OpenError::new(format!("{name}: not a record of KMS")))?;
            take(
                &of.catalogue.of(&scope),
                name,
                &record.value,
                record.revision,
            )?;
        }
        match records.last() {
            Some((name, _)) if records.len() == PAGE => after = Some(name.clone()),
            _ => return Ok(()),
        }
    }
}

fn decode<T: DeserializeOwned>(name: &str, value: &[u8]) -> Result<T, OpenError> {
    serde_json::from_slice(value).map_err(|error| OpenError::new(format!("{name}: {error}")))
}
