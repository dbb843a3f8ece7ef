//! What other facades have committed, taken into the catalogue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_api::{KeyId, Scope};
use portcullis_store::Record;
use serde::de::DeserializeOwned;

use crate::alias::AliasRecord;
use crate::catalogue::Partition;
use crate::grant::GrantRecord;
use crate::key::{KeyRecord, KeySnapshot};
use crate::key_store::KeyStores;
use crate::key_store::{KeyStore, KeyStoreRecord};
use crate::records::scope_of;

/// A record that has changed: its kind and the rest of its name, and what it is now.
struct RecordChange {
    kind: RecordKind,
    name: String,
    record: Option<Record>,
}

/// In the order in which they refer to each other. Where every change before it has been taken in,
/// the turn follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RecordKind {
    Store,
    Key,
    Alias,
    Grant,
    Turn,
}

/// Takes in what the replica has seen since. One at a time, so that who returns has everything
/// that was there when it was called.
pub(super) async fn follow(stores: &KeyStores) {
    let _one_at_a_time = stores.following.lock().await;
    let mut changes: BTreeMap<Scope, Vec<RecordChange>> = BTreeMap::new();
    for (key, record) in stores.records.config.store.take_changed() {
        if let (Some(scope), Some((kind, name))) = (scope_of(&key), kind(&key)) {
            let name = name.to_owned();
            let change = RecordChange { kind, name, record };
            changes.entry(scope).or_default().push(change);
        }
    }
    for (scope, mut changes) in changes {
        changes.sort_by_key(|change| change.kind);
        let partition = stores.records.partition(&scope);
        let _changing = partition.control.lock().await;
        for change in &changes {
            take_change(stores, &partition, change);
        }
    }
}

fn take_change(stores: &KeyStores, partition: &Arc<Partition>, change: &RecordChange) {
    let (name, record) = (&*change.name, change.record.as_ref());
    match (change.kind, record) {
        (RecordKind::Store, Some(record)) => take_store(stores, partition, name, record),
        (RecordKind::Store, None) => {
            let id = partition.store(name).map(|store| store.id.clone());
            let gone = id.and_then(|id| partition.stores.write().remove(&id));
            if let Some(store) = gone {
                let _live = store.take_down(store.record().epoch);
            }
        }
        (RecordKind::Key, Some(record)) => take_key(partition, name, record),
        (RecordKind::Key, None) => {
            if let Ok(id) = name.parse::<KeyId>() {
                partition.keys.remove(&id);
                partition.grants.remove_key(&id);
            }
        }
        (RecordKind::Alias, Some(record)) => {
            if let Some(alias) = read::<AliasRecord>(name, record) {
                partition.aliases.insert(alias.name, alias.target);
            }
        }
        (RecordKind::Alias, None) => drop(partition.aliases.remove(name)),
        (RecordKind::Grant, Some(record)) => {
            if let Some(grant) = read::<GrantRecord>(name, record) {
                partition.grants.remove(&grant.key, &grant.id);
                partition.grants.insert(grant);
            }
        }
        (RecordKind::Grant, None) => {
            if let Some((key, id)) = name.split_once('/')
                && let Ok(key) = key.parse()
            {
                partition.grants.remove(&key, id);
            }
        }
        (RecordKind::Turn, record) => {
            let revision = record.map_or(0, |record| record.revision);
            partition.turn.fetch_max(revision, Ordering::AcqRel);
        }
    }
}

fn take_store(stores: &KeyStores, partition: &Arc<Partition>, name: &str, stored: &Record) {
    let Some(record) = read::<KeyStoreRecord>(name, stored) else {
        return;
    };
    let store = partition.store(name);
    let store = store.unwrap_or_else(|| {
        let id = record.id.clone();
        let scope = (*partition.scope).clone();
        let store = Arc::new(KeyStore::new(scope, record.clone(), stored.revision));
        partition.stores.write().insert(id, Arc::clone(&store));
        store
    });
    if store.revision() < stored.revision {
        store.committed(record, stored.revision);
    }
    stores.align(&store);
}

fn take_key(partition: &Arc<Partition>, name: &str, stored: &Record) {
    let Some(record) = read::<KeyRecord>(name, stored) else {
        return;
    };
    let id = record.id;
    let known = partition.keys.get(&id).map(|key| Arc::clone(&key));
    let snapshot = match known {
        Some(known) if known.revision >= stored.revision => return,
        Some(known) => known.changed(record, stored.revision),
        None => {
            let store = record
                .store_id()
                .and_then(|id| partition.store(id.as_str()));
            KeySnapshot::new(&partition.scope, record, stored.revision, store)
        }
    };
    partition.keys.insert(id, Arc::new(snapshot));
}

fn kind(key: &str) -> Option<(RecordKind, &str)> {
    // kms/<account>/<region>/<kind>/<name>
    let rest = key.splitn(4, '/').nth(3)?;
    let (kind, name) = rest.split_once('/').unwrap_or((rest, ""));
    let kind = match kind {
        "store" => RecordKind::Store,
        "key" => RecordKind::Key,
        "alias" => RecordKind::Alias,
        "grant" => RecordKind::Grant,
        "turn" => RecordKind::Turn,
        _ => return None,
    };
    Some((kind, name))
}

/// A record that this version cannot read was written by another one: it is left alone.
fn read<T: DeserializeOwned>(name: &str, record: &Record) -> Option<T> {
    let read = serde_json::from_slice(&record.value);
    read.inspect_err(|error| tracing::error!(name, %error, "a record cannot be read"))
        .ok()
}
