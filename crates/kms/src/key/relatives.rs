//! Multi-Region keys as one: what is changed together, and under which locks.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::{Exception, KeyId, Operation, Region, Scope};
use portcullis_hsm::HsmKeyId;
use portcullis_store::{Expect, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::keys::Keys;
use super::material::MaterialId;
use super::permission::check_permitted;
use super::{KeyRecord, KeySnapshot, Materials, find_for_management};
use crate::catalogue::Partition;
use crate::records::encode;

/// A key that is locked against every other change, and the same key in other Regions.
pub(super) struct HeldKey {
    pub(super) partition: Arc<Partition>,
    pub(super) key: Arc<KeySnapshot>,
    _locks: Vec<OwnedMutexGuard<()>>,
}

/// A key in a Region and the record that it shall have.
pub(super) struct KeyChange {
    pub(super) partition: Arc<Partition>,
    /// None for a key that is new there.
    pub(super) key: Option<Arc<KeySnapshot>>,
    pub(super) record: KeyRecord,
}

impl Keys {
    /// Finds the key that a call names and keeps every other change away from it, in each Region in
    /// which it is, for as long as the result lives. Then the operation's row is asked whether it
    /// permits the call with the key as it is by now.
    pub(super) async fn hold_for(
        &self,
        operation: Operation,
        scope: &Scope,
        key_id: &str,
    ) -> Result<HeldKey, Exception> {
        let held = self.hold(scope, key_id, None).await?;
        check_permitted(operation, &held.key)?;
        Ok(held)
    }

    /// As [`hold_for`](Self::hold_for), in a Region too in which the key is not yet.
    pub(super) async fn hold_with_region(
        &self,
        operation: Operation,
        scope: &Scope,
        key_id: &str,
        region: &Region,
    ) -> Result<HeldKey, Exception> {
        let held = self.hold(scope, key_id, Some(region)).await?;
        check_permitted(operation, &held.key)?;
        Ok(held)
    }

    /// As [`hold_for`](Self::hold_for), for what KMS does without a call.
    pub(super) async fn hold_for_upkeep(
        &self,
        scope: &Scope,
        key_id: &str,
    ) -> Result<HeldKey, Exception> {
        self.hold(scope, key_id, None).await
    }

    /// Locks are taken in the order of the Regions.
    async fn hold(
        &self,
        scope: &Scope,
        key_id: &str,
        region: Option<&Region>,
    ) -> Result<HeldKey, Exception> {
        let partition = self.records.partition(scope);
        loop {
            let found = find_for_management(&partition, key_id)?;
            let mut wanted = regions(&found);
            wanted.extend(region.cloned());
            let mut locks = Vec::with_capacity(wanted.len());
            for region in &wanted {
                let place = self.in_region(scope, region);
                locks.push(Arc::clone(&place.control).lock_owned().await);
            }
            // While this one waited for its locks the key may have got another relative.
            let key = find_for_management(&partition, key_id)?;
            if regions(&key).is_subset(&wanted) {
                return Ok(HeldKey {
                    partition,
                    key,
                    _locks: locks,
                });
            }
        }
    }

    pub(super) fn in_region(&self, scope: &Scope, region: &Region) -> Arc<Partition> {
        self.records.partition(&Scope {
            account: scope.account.clone(),
            region: region.clone(),
        })
    }

    /// The same key in the other Regions.
    pub(super) fn relatives(&self, key: &KeySnapshot) -> Vec<(Arc<Partition>, Arc<KeySnapshot>)> {
        let others = regions(key).into_iter();
        let others = others.filter(|region| *region != key.scope.region);
        others
            .filter_map(|region| {
                let partition = self.in_region(&key.scope, &region);
                let found = partition.keys.get(&key.record.id).map(|it| Arc::clone(&it));
                Some((partition, found?))
            })
            .collect()
    }

    /// Commits the record that the key has from now on; its relatives get the same rotation, the
    /// same list of Regions and the same materials, though imported ones are there in each Region apart.
    ///
    /// Rule LIFE-20: all of them in one transaction.
    pub(super) async fn put_with_relatives(
        &self,
        held: &HeldKey,
        record: KeyRecord,
    ) -> Result<Arc<KeySnapshot>, Exception> {
        let id = record.id.to_string();
        self.put_all(self.with_relatives(&held.key, record)).await?;
        find_for_management(&held.partition, &id)
    }

    /// The materials of a key in the order in which its primary has them, as far as they were
    /// imported here. Rule LIFE-36: which materials there are is the primary's to say.
    pub(super) fn listed_by_primary(&self, key: &KeySnapshot, own: &Materials) -> Materials {
        let primary = primary_elsewhere(key).and_then(|region| {
            let keys = &self.in_region(&key.scope, region).keys;
            keys.get(&key.record.id).map(|primary| Arc::clone(&primary))
        });
        match primary {
            Some(primary) if key.record.imported => primary.record.materials.imported_as(own),
            Some(_) | None => own.clone(),
        }
    }

    /// The Regions in which this material of a key has yet to be imported.
    pub(super) fn lacking(&self, key: &KeySnapshot, id: MaterialId) -> Vec<String> {
        let lacks = |key: &KeySnapshot| {
            let mut versions = key.record.materials.all().iter();
            !versions.any(|it| it.id == id && it.is_present())
        };
        let relatives = self.relatives(key);
        let lacking = relatives.iter().filter(|(_, relative)| lacks(relative));
        lacking
            .map(|(partition, _)| partition.scope.region.to_string())
            .collect()
    }

    /// The record that a key shall have, and what its relatives share of it.
    pub(super) fn with_relatives(
        &self,
        key: &Arc<KeySnapshot>,
        record: KeyRecord,
    ) -> Vec<KeyChange> {
        let relatives = self.relatives(key).into_iter();
        let mut changes: Vec<KeyChange> = relatives
            .map(|(partition, key)| KeyChange {
                partition,
                record: sharing(&key.record, &record),
                key: Some(key),
            })
            .collect();
        changes.push(KeyChange {
            partition: self.in_region(&key.scope, &key.scope.region),
            key: Some(Arc::clone(key)),
            record,
        });
        changes
    }

    /// Commits several records in one transaction and makes them visible.
    pub(super) async fn put_all(&self, changes: Vec<KeyChange>) -> Result<(), Exception> {
        self.commit_with(Transaction::new(), changes).await
    }

    /// As [`put_all`](Self::put_all), with what else is committed together with them.
    pub(super) async fn commit_with(
        &self,
        mut put: Transaction,
        changes: Vec<KeyChange>,
    ) -> Result<(), Exception> {
        for change in &changes {
            let name = KeySnapshot::record_key(&change.partition.scope, &change.record.id);
            let expect = match &change.key {
                None => Expect::Absent,
                Some(key) => Expect::Revision(key.revision),
            };
            put = put.expect(&*name, expect).put(name, encode(&change.record));
        }
        let revision = self.records.commit(put).await?;
        for KeyChange {
            partition,
            key,
            record,
        } in changes
        {
            let id = record.id;
            let changed = match key {
                Some(key) => key.changed(record, revision),
                None => KeySnapshot::new(&partition.scope, record, revision, None),
            };
            partition.keys.insert(id, Arc::new(changed));
        }
        Ok(())
    }

    /// Whether the key in another Region still has this material.
    pub(super) fn is_shared(&self, scope: &Scope, id: &KeyId, hsm_key: HsmKeyId) -> bool {
        id.is_multi_region()
            && self.records.catalogue.all().iter().any(|partition| {
                partition.scope.account == scope.account
                    && partition.scope.region != scope.region
                    && partition.keys.get(id).is_some_and(|key| {
                        let version = key.record.materials.of_hsm_key(hsm_key);
                        version.is_some_and(super::material::MaterialVersion::is_present)
                    })
            })
    }
}

/// The record of a relative of a key that has `changed`. What they share are rotation, the list of
/// Regions and the materials, though imported ones are there in each Region apart.
fn sharing(relative: &KeyRecord, changed: &KeyRecord) -> KeyRecord {
    KeyRecord {
        rotation: changed.rotation,
        multi_region: changed.multi_region.clone(),
        materials: if changed.imported {
            changed.materials.imported_as(&relative.materials)
        } else {
            changed.materials.clone()
        },
        ..relative.clone()
    }
}

/// Where the primary is, of a replica.
pub(super) fn primary_elsewhere(key: &KeySnapshot) -> Option<&Region> {
    let relatives = key.record.multi_region.as_ref()?;
    Some(&relatives.primary).filter(|primary| **primary != key.scope.region)
}

/// Every Region in which the key is, its own among them.
fn regions(key: &KeySnapshot) -> BTreeSet<Region> {
    let mut regions = BTreeSet::from([key.scope.region.clone()]);
    if let Some(relatives) = &key.record.multi_region {
        regions.insert(relatives.primary.clone());
        regions.extend(relatives.replicas.iter().cloned());
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::super::Requested;
    use super::super::fixtures::{key, multi_region, region};
    use super::*;

    /// Rule LIFE-20.
    #[test]
    fn relatives_share_rotation_regions_and_materials_and_nothing_else() {
        let relative = KeyRecord {
            description: "a replica".to_owned(),
            requested: Requested::Disabled,
            ..multi_region("us-east-1", &["eu-west-1"])
        };
        let mut changed = multi_region("us-east-1", &["eu-west-1", "us-west-2"]);
        changed.rotation.on_demand = 3;
        changed.materials = Materials::generated(HsmKeyId([9; 16]), 9);
        let shared = sharing(&relative, &changed);
        let expected = KeyRecord {
            description: relative.description.clone(),
            requested: relative.requested,
            ..changed.clone()
        };
        assert_eq!(shared, expected);
        changed.imported = true;
        let imported = sharing(&relative, &changed);
        assert_eq!(imported.materials, relative.materials);
    }

    #[test]
    fn a_key_is_in_its_own_region_and_in_those_of_its_relatives() {
        let key = key(multi_region("eu-west-1", &["us-east-1", "us-west-2"]));
        let names = ["eu-west-1", "us-east-1", "us-west-2"].map(region);
        assert_eq!(regions(&key), BTreeSet::from(names));
        assert_eq!(primary_elsewhere(&key), Some(&region("eu-west-1")));
    }
}
