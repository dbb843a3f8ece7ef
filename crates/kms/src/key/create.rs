use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::kms::{CreateKeyRequest, CreateKeyResponse, KeySpec, KeyUsageType};
use portcullis_api::{ClusterId, Code, Exception, HsmId, KeyId, Scope};
use portcullis_clusters::HsmState;
use portcullis_hsm::{HsmKeyId, Refusal};
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::{Expect, Transaction};

use super::custom::{self, Chosen, Fixed};
use super::keys::{KEYS_MAX, Keys};
use super::policy::check_policy;
use super::record::{MultiRegion, bound_name};
use super::tags::tags;
use super::{Home, KeyRecord, Materials, Requested, Rotation, Snapshot, metadata, spec};
use crate::catalogue::Partition;
use crate::gate::Passage;
use crate::key_store::KeyStores;
use crate::key_store::{self, Connection, Failure, KeyStore, NewKey};
use crate::records::Records;
use crate::records::overtaken;
use crate::records::{encode, unsupported};
use crate::shared::ATTEMPTS_MAX;
use crate::translate;

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

/// The service does not document this answer; LimitExceededException is one that CreateKey
/// declares.
const CLUSTER_FULL: &str = "The CloudHSM cluster takes no more keys: it holds as many as its quota \
                            permits, or the disk of an HSM is full. Delete keys that are no longer \
                            needed, then try again.";

/// Rule KEY-11: Origin AWS_CLOUDHSM and CustomKeyStoreId come together.
fn check(input: &CreateKeyRequest) -> Result<(), Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let in_store = input.custom_key_store_id.is_some();
    match input.origin.as_deref().unwrap_or("AWS_KMS") {
        "AWS_CLOUDHSM" if !in_store => {
            return invalid("Origin AWS_CLOUDHSM needs CustomKeyStoreId. Add it.");
        }
        "AWS_KMS" | "EXTERNAL" if in_store => {
            return invalid("CustomKeyStoreId needs Origin AWS_CLOUDHSM. Add it.");
        }
        "AWS_CLOUDHSM" | "AWS_KMS" | "EXTERNAL" => {}
        other => {
            let text = format!("Portcullis does not build keys of origin {other}.");
            return Err(unsupported(&text));
        }
    }
    for (given, what) in [
        (
            input.multi_region == Some(true) && in_store,
            "multi-Region keys in a custom key store",
        ),
        (input.xks_key_id.is_some(), "XksKeyId"),
    ] {
        if given {
            return Err(unsupported(&format!(
                "Portcullis does not build {what}. Leave it out."
            )));
        }
    }
    Ok(())
}

/// Rule LIFE-24: the ID of a multi-Region key begins with `mrk-`, and no other does.
fn check_id(id: &KeyId, input: &CreateKeyRequest) -> Result<(), Exception> {
    if id.is_multi_region() == (input.multi_region == Some(true)) {
        return Ok(());
    }
    let text = format!("{id}: an ID that begins with mrk- is that of a multi-Region key.");
    Err(Exception::new(Code::Validation, text))
}

/// A new multi-Region key is a primary without replicas.
fn multi_region(id: &KeyId, scope: &Scope) -> Option<MultiRegion> {
    id.is_multi_region().then(|| MultiRegion {
        primary: scope.region.clone(),
        replicas: BTreeSet::new(),
    })
}

/// What the key shall be, and be used for.
///
/// Rule KEY-12: a key of a key store is a symmetric encryption key. Rule CRY-03: the usage must be
/// one of the spec's, and may be left out for symmetric encryption keys only. Rule CRY-04: SM2 is
/// refused, as everywhere outside the China Regions.
fn kind(input: &CreateKeyRequest) -> Result<(KeySpec, KeyUsageType), Exception> {
    let invalid = |text: String| Err(Exception::new(Code::Validation, text));
    let named = match (&input.key_spec, &input.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            let text = "KeySpec and CustomerMasterKeySpec name the same thing. Give KeySpec only.";
            return invalid(text.to_owned());
        }
        (named, older) => named.as_deref().or(older.as_deref()),
    };
    let spec = match named.map(str::parse) {
        None => KeySpec::SymmetricDefault,
        Some(Ok(spec)) => spec,
        Some(Err(())) => return invalid("KeySpec is not one of the service's.".to_owned()),
    };
    let usages = spec::usages(spec);
    let Some(first) = usages.first() else {
        return Err(unsupported(&format!(
            "KeySpec {} exists in the China Regions only. Use another one.",
            spec.as_str()
        )));
    };
    let usage = match input.key_usage.as_deref().map(str::parse) {
        Some(Ok(usage)) => usage,
        Some(Err(())) => return invalid("KeyUsage is not one of the service's.".to_owned()),
        None if spec == KeySpec::SymmetricDefault => first.usage(),
        None => {
            return invalid(
                "You must specify a KeyUsage value for all KMS keys except for symmetric \
                 encryption keys."
                    .to_owned(),
            );
        }
    };
    if spec::algorithms(spec, usage).is_none() {
        let usages: Vec<_> = usages.iter().map(|one| one.usage().as_str()).collect();
        return invalid(format!(
            "KeyUsage {} is not compatible with KeySpec {}. Use {}.",
            usage.as_str(),
            spec.as_str(),
            usages.join(" or ")
        ));
    }
    if input.custom_key_store_id.is_some() && spec != KeySpec::SymmetricDefault {
        return Err(unsupported(
            "A custom key store has symmetric encryption keys only. Leave KeySpec and KeyUsage \
             out, or make the key without CustomKeyStoreId.",
        ));
    }
    Ok((spec, usage))
}

/// What a request asks for, as far as its parts fit together.
struct WantedKey {
    spec: KeySpec,
    usage: KeyUsageType,
    tags: BTreeMap<String, String>,
    /// Material that comes with the request.
    chosen: Option<Chosen>,
}

fn wanted(scope: &Scope, id: &KeyId, input: &mut CreateKeyRequest) -> Result<WantedKey, Exception> {
    let fixed = Fixed::take(&mut input.tags);
    check(input)?;
    let (spec, usage) = kind(input)?;
    let chosen = fixed.map(|fixed| fixed.read(input.origin.as_deref(), spec));
    check_id(id, input)?;
    if let Some(policy) = &input.policy {
        let bypass = input.bypass_policy_lockout_safety_check;
        check_policy(scope, id, policy, bypass)?;
    }
    Ok(WantedKey {
        spec,
        usage,
        tags: tags(input.tags.as_deref().unwrap_or_default())?,
        chosen: chosen.transpose()?,
    })
}

/// Rule KEY-13: a key is created in a key store only while that is CONNECTED.
fn not_connected(store: &KeyStore) -> Exception {
    store.turned_away().wrong_state(
        "a key can be created in it only while it is CONNECTED",
        "Run ConnectCustomKeyStore and wait until it is CONNECTED, then try again.",
    )
}

/// Why a connected key store has not made a key.
///
/// Rule KEY-28: what CreateKey needs of the cluster is active HSMs in two Availability Zones, on which
/// KMS is logged in. Where HSMs did not answer in time, trying again may help. Rule QUO-05: a full
/// cluster is told apart from one that is in trouble.
fn not_made(failure: &Failure, cluster: &ClusterId) -> Exception {
    let unfit = |why: &str, repair: &str| {
        let text = format!(
            "The key is not there: it needs active HSMs of the cluster {cluster} in two Availability \
             Zones, and {why}. {repair}"
        );
        Exception::new(Code::CloudHsmClusterInvalidConfiguration, text)
    };
    let unfit = match failure {
        Failure::Refused(Refusal::Full) => {
            return Exception::new(Code::LimitExceeded, CLUSTER_FULL);
        }
        Failure::NoAnswer(_) => Exception::new(
            Code::DependencyTimeout,
            format!(
                "The system timed out while trying to fulfill the request: HSMs of the cluster \
                 {cluster} in two Availability Zones must have the key, and not all of them answered. \
                 It is not there. Try again; if that persists, restart or replace the HSM that does \
                 not answer."
            ),
        ),
        Failure::LockedOut => unfit(
            "its crypto user kmsuser is locked out after too many failed logins",
            "Disconnect the custom key store, let an admin change the password of kmsuser, set \
             KeyStorePassword to it, and connect.",
        ),
        Failure::NoHsm | Failure::Unreachable(_) => unfit(
            "KMS reaches such HSMs, as the crypto user kmsuser, in fewer",
            "Restart or replace the HSMs that are down, or add one in another Availability Zone with \
             CreateHsm; if kmsuser is missing there, create it and connect the custom key store again. \
             Then try again.",
        ),
        Failure::Refused(refusal) => unfit(
            &format!("an HSM refused to keep it ({refusal})"),
            "Check kmsuser and the keys of the cluster, then try again.",
        ),
        Failure::NoMaterial => unfit("an HSM has lost it again", "Try again."),
        // Those of calls with a key, in their words.
        Failure::Disconnected
        | Failure::Unconfirmed(_)
        | Failure::Busy
        | Failure::OverQuota
        | Failure::NotStored(_)
        | Failure::NotDone { .. }
        | Failure::NoSessionFree => return translate::operation(failure, cluster.as_str()),
    };
    unfit.because(format!("{failure:?}"))
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
        let WantedKey {
            spec,
            usage,
            tags,
            chosen,
        } = wanted(scope, &id, &mut input)?;
        if input.custom_key_store_id.is_none() {
            self.records.check_has_fleet()?;
        }
        let partition = self.records.partition(scope);
        if self.records.keeps_quotas() && partition.keys.len() >= KEYS_MAX {
            let text = format!("There are {KEYS_MAX} keys already. Delete some, then try again.");
            return Err(Exception::new(Code::LimitExceeded, text));
        }
        let imported = input.origin.as_deref() == Some("EXTERNAL");
        // Two keys of one ID and one material are one key in the HSMs: whoever comes second must not
        // find that out by taking its own away again.
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
            None if imported => None,
            None => {
                self.create_in_fleet(spec, &new, chosen).await?;
                None
            }
            Some(store) => Some(self.create_in_store(&partition, store, &new).await?),
        };
        let home = store.as_ref().map(|(store, _passage)| store.id.clone());
        let created_ms = self.records.now_ms();
        let record = KeyRecord {
            id,
            created_ms,
            description: input.description.unwrap_or_default(),
            requested: Requested::Enabled,
            home: home.map_or(Home::Fleet, Home::Store),
            materials: if imported {
                Materials::default()
            } else {
                Materials::generated(new.id, created_ms)
            },
            spec,
            usage,
            imported,
            policy: input.policy,
            tags,
            rotation: Rotation::default(),
            multi_region: multi_region(&id, scope),
            changing: None,
            aws_service: None,
        };
        let key = self.put_new_key(&partition, record, store).await?;
        Ok(CreateKeyResponse {
            key_metadata: Some(metadata(scope, &key)),
        })
    }

    /// The key that the HSMs shall have.
    fn new_key(&self, id: &KeyId, label: String, chosen: Option<&Chosen>) -> NewKey {
        let drawn = || HsmKeyId(draw(&*self.records.config.entropy));
        let named = |chosen: &Chosen| chosen.hsm_key(bound_name(id, &label));
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
            return Err(not_connected(&store));
        };
        if record.connection != Connection::Connected {
            return Err(not_connected(&store));
        }
        // Rule KEY-14: the cluster has two active HSMs in different Availability Zones.
        let cluster = self
            .records
            .config
            .clusters
            .cluster(&store.scope, &record.cluster);
        let cluster =
            key_store::found(&record.cluster, cluster.as_ref()).map_err(|missing| Exception {
                code: Code::CloudHsmClusterInvalidConfiguration,
                ..missing
            })?;
        key_store::two_zones(&cluster)?;
        let Some(live) = store.live.load_full() else {
            return Err(not_connected(&store));
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
            Err(Failure::Disconnected) => Err(not_connected(&store)),
            Err(_) if !store.gate.leave(passage) => Err(not_connected(&store)),
            Err(failure) => Err(not_made(&failure, &record.cluster)),
        }
    }

    /// Commits the record of a key whose material exists; deletes the material if that fails.
    async fn put_new_key(
        &self,
        partition: &Partition,
        record: KeyRecord,
        home: Option<(Arc<KeyStore>, Passage)>,
    ) -> Result<Arc<Snapshot>, Exception> {
        let store = home.as_ref().map(|(store, _passage)| Arc::clone(store));
        let key = Snapshot::new(&partition.scope, record, 0, store);
        for _ in 0..ATTEMPTS_MAX {
            match self.try_new_key(partition, &key, home.as_ref()).await {
                Ok(key) => return Ok(key),
                Err(NotPut::Overtaken) => self.stores.keep_up().await?,
                // Where the store is elsewhere nobody knows whether the key is there. Rule SHARE-07.
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
        key: &Snapshot,
        home: Option<&(Arc<KeyStore>, Passage)>,
    ) -> Result<Arc<Snapshot>, NotPut> {
        let _changing = if self.records.shares_store() {
            Some(partition.control.lock().await)
        } else {
            None
        };
        let name = Snapshot::record_key(&partition.scope, &key.record.id);
        let mut put = Transaction::new()
            .expect(&*name, Expect::Absent)
            .put(&*name, encode(&key.record));
        if let Some((store, passage)) = home {
            let revision = store.revision();
            // After its revision was read: a disconnect closes the gate before it is recorded.
            if !store.gate.leave(*passage) {
                return Err(NotPut::Disconnected(not_connected(store)));
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
