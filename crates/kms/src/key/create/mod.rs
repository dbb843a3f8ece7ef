mod refusal;
mod wanted;

use std::sync::Arc;

use portcullis_api::kms::{CreateKeyRequest, CreateKeyResponse, KeySpec};
use portcullis_api::{Exception, HsmId, KeyId, Scope};
use portcullis_clusters::HsmState;
use portcullis_hsm::HsmKeyId;
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::{Expect, Transaction};

use super::custom::{self, Chosen};
use super::keys::Keys;
use super::record::bound_name;
use super::{Home, KeyRecord, KeySnapshot, metadata, spec};
use crate::catalogue::Partition;
use crate::gate::Passage;
use crate::key_store::KeyStores;
use crate::key_store::{self, Failure, KeyStore, NewKey};
use crate::records::Records;
use crate::records::encode;
use crate::records::overtaken;
use crate::shared::ATTEMPTS_MAX;
use crate::translate;
use refusal::{not_connected, not_made};
use wanted::{check_number, check_store, wanted};

/// Makes keys.
#[derive(Debug)]
pub(crate) struct KeyCreation {
    pub(super) records: Arc<Records>,
    pub(super) keys: Arc<Keys>,
    pub(super) stores: Arc<KeyStores>,
}

impl KeyCreation {
    pub(crate) fn new(
        records: &Arc<Records>,
        keys: &Arc<Keys>,
        stores: &Arc<KeyStores>,
    ) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
            stores: Arc::clone(stores),
        })
    }
}

/// Why the record of a new key is not there.
enum NotPut {
    /// Something else was committed first. Deciding again may help.
    Overtaken,
    /// The key store was disconnected meanwhile.
    Disconnected(Exception),
    Failed(Exception),
}

impl KeyCreation {
    /// CreateKey.
    ///
    /// # Errors
    /// As the operation declares; UnsupportedOperationException for what is not built.
    pub(crate) async fn create_key(
        &self,
        scope: &Scope,
        mut input: CreateKeyRequest,
    ) -> Result<CreateKeyResponse, Exception> {
        let is_multi_region = input.multi_region == Some(true);
        let bits = draw(&*self.records.config.entropy);
        let id = match custom::take_id(&mut input.tags)? {
            Some(id) if id.is_multi_region() != is_multi_region => {
                return Err(custom::other_kind(&id));
            }
            Some(id) if self.records.partition(scope).keys.get(&id).is_some() => {
                return Err(custom::taken(&id));
            }
            Some(id) => id,
            None if is_multi_region => KeyId::multi_region_from_random(bits),
            None => KeyId::from_random(bits),
        };
        self.create_key_as(scope, id, input).await
    }

    /// CreateKey with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateKey.
    pub(crate) async fn create_key_as(
        &self,
        scope: &Scope,
        id: KeyId,
        mut input: CreateKeyRequest,
    ) -> Result<CreateKeyResponse, Exception> {
        let mut wanted = wanted(scope, &id, &mut input)?;
        if input.custom_key_store_id.is_none() {
            self.records.check_has_fleet()?;
        }
        let partition = self.records.partition(scope);
        if self.records.keeps_quotas() {
            check_number(partition.keys.len())?;
        }
        let chosen = wanted.chosen.take();
        // Two keys of one ID and one material are one key in the HSMs: the call that comes second must
        // not find that out by taking its own away again.
        let alone = chosen.as_ref().map(|_| Arc::clone(&partition.control));
        let _alone = match alone {
            Some(control) => Some(control.lock_owned().await),
            None => None,
        };
        if chosen.is_some() && partition.keys.get(&id).is_some() {
            return Err(custom::taken(&id));
        }
        let new = self.new_key(&id, scope.key_arn(&id), chosen.as_ref());
        let store = match &input.custom_key_store_id {
            // Rule LIFE-30: the material comes later, from the caller.
            None if wanted.imported => None,
            None => {
                self.create_in_fleet(wanted.spec, &new, chosen).await?;
                None
            }
            Some(store) => Some(self.create_in_store(&partition, store, &new).await?),
        };
        let home = store.as_ref().map(|(store, _passage)| store.id.clone());
        let home = home.map_or(Home::Fleet, Home::Store);
        let record = wanted.record(scope, (id, new.id), home, self.records.now_ms());
        let key = self.put_new_key(&partition, record, store).await?;
        Ok(CreateKeyResponse {
            key_metadata: Some(metadata(scope, &key)),
        })
    }

    /// The key that the HSMs shall have.
    fn new_key(&self, id: &KeyId, label: String, chosen: Option<&Chosen>) -> NewKey {
        let drawn = || HsmKeyId(draw(&*self.records.config.entropy));
        let named = |chosen: &Chosen| chosen.hsm_key(&bound_name(id, &label));
        NewKey {
            id: chosen.map_or_else(drawn, named),
            label,
        }
    }

    async fn create_in_fleet(
        &self,
        spec: KeySpec,
        new: &NewKey,
        chosen: Option<Chosen>,
    ) -> Result<(), Exception> {
        if let Some(Chosen { material, .. }) = chosen {
            return self.keys.keep_material(new.id, &new.label, material).await;
        }
        let (config, label) = (&self.records.config, new.label.clone());
        let made = match spec::kind(spec) {
            None => self.keys.fleet.create_key(config, new.id, label).await,
            Some(kind) => {
                self.keys
                    .fleet
                    .create_secret_key(config, new.id, kind)
                    .await
            }
        };
        made.map_err(|failure| translate::fleet(&failure))
    }

    /// Makes the key in the HSMs of the store, under the rules of CreateKey for key stores.
    async fn create_in_store(
        &self,
        partition: &Partition,
        store: &str,
        new: &NewKey,
    ) -> Result<(Arc<KeyStore>, Passage), Exception> {
        let store = key_store::find(partition, store)?;
        let record = store.record();
        let Some(passage) = store.gate.enter() else {
            return Err(not_connected(&store.turned_away()));
        };
        let cluster = self
            .records
            .config
            .clusters
            .cluster(&store.scope, &record.cluster);
        check_store(&record, cluster.as_ref())?;
        let Some(live) = store.live.load_full() else {
            return Err(not_connected(&store.turned_away()));
        };
        // Rule ST-24: before the HSMs have a key whose record cannot be written.
        self.records.check_storage()?;
        let is_member = |hsm: &HsmId| {
            let cluster = self
                .records
                .config
                .clusters
                .cluster(&store.scope, &record.cluster);
            let hsms = cluster.iter().flat_map(|cluster| &cluster.hsms);
            let mut stay = hsms.filter(|one| one.state != HsmState::DeleteInProgress);
            stay.any(|one| one.id == *hsm)
        };
        match live.create_key(new, is_member).await {
            Ok(()) => Ok((store, passage)),
            // Rule KEY-27: a disconnect that passed meanwhile is why, whatever the HSMs said.
            Err(Failure::Disconnected) => Err(not_connected(&store.turned_away())),
            Err(_) if !store.gate.leave(passage) => Err(not_connected(&store.turned_away())),
            Err(failure) => Err(not_made(&failure, &record.cluster)),
        }
    }

    /// Commits the record of a key whose material exists; deletes the material if that fails.
    async fn put_new_key(
        &self,
        partition: &Partition,
        record: KeyRecord,
        home: Option<(Arc<KeyStore>, Passage)>,
    ) -> Result<Arc<KeySnapshot>, Exception> {
        let store = home.as_ref().map(|(store, _passage)| Arc::clone(store));
        let key = KeySnapshot::new(&partition.scope, record, 0, store);
        for _ in 0..ATTEMPTS_MAX {
            match self.try_new_key(partition, &key, home.as_ref()).await {
                Ok(key) => return Ok(key),
                Err(NotPut::Overtaken) => self.stores.keep_up().await?,
                // Where the store is elsewhere it is not known whether the key is there. Rule SHARE-07.
                Err(NotPut::Failed(exception)) if self.records.shares_store() => {
                    return Err(exception);
                }
                Err(NotPut::Failed(exception) | NotPut::Disconnected(exception)) => {
                    self.keys.delete_material(&key).await;
                    return Err(exception);
                }
            }
        }
        self.keys.delete_material(&key).await;
        Err(overtaken())
    }

    /// Rule KEY-26: the record of a key of a key store is committed only on top of the record under
    /// which the store was still CONNECTED, so that no key is left in a store that was deleted.
    async fn try_new_key(
        &self,
        partition: &Partition,
        key: &KeySnapshot,
        home: Option<&(Arc<KeyStore>, Passage)>,
    ) -> Result<Arc<KeySnapshot>, NotPut> {
        let _changing = if self.records.shares_store() {
            Some(partition.control.lock().await)
        } else {
            None
        };
        let name = KeySnapshot::record_key(&partition.scope, &key.record.id);
        let mut put = Transaction::new()
            .expect(&*name, Expect::Absent)
            .put(&*name, encode(&key.record));
        if let Some((store, passage)) = home {
            let revision = store.revision();
            // After its revision was read: a disconnect closes the gate before it is recorded.
            if !store.gate.leave(*passage) {
                return Err(NotPut::Disconnected(not_connected(&store.turned_away())));
            }
            let of_store = KeyStore::record_key(&store.scope, &store.id);
            put = put.expect(of_store, Expect::Revision(revision));
        }
        if planted(Bug::KeyAcknowledgedBeforeCommit) {
            put = Transaction::new();
        }
        let revision = self.records.try_commit(put).await.map_err(|error| {
            // By another facade, or by a change of the key store that leaves it CONNECTED: its name.
            if error.conflict().is_some_and(|record| record != name) {
                NotPut::Overtaken
            } else {
                NotPut::Failed(translate::store(error))
            }
        })?;
        let made = Arc::new(key.changed(key.record.clone(), revision));
        partition.keys.insert(made.record.id, Arc::clone(&made));
        Ok(made)
    }
}
