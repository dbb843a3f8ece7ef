use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_api::{Code, Exception, Scope};
use portcullis_attest::Trust as AttestationTrust;
use portcullis_clusters::Clusters;
use portcullis_hsm::{DeviceKey, Secret, Settings, Unsealable};
use portcullis_link::Transport;
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{Entropy, WallClock, WorkPool, draw};
use portcullis_store::{Expect, Store, StoreError, Transaction};
use portcullis_time::Pacing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalogue::{Catalogue, Partition};
use crate::events::{EventListener, EventLog, Events};
use crate::fleet::Fleet;
use crate::key::{KeyRecord, Snapshot};
use crate::key_store::{KeyStore, KeyStoreRecord, KeyStoreStatus};
use crate::quota::RequestQuotas;
use crate::translate;

/// What KMS is put together from.
#[derive(Debug)]
pub struct KmsConfig {
    /// Where its records are.
    pub store: Store,
    /// The clusters that key stores may have.
    pub clusters: Arc<dyn Clusters>,
    /// The way to their HSMs.
    pub transport: Arc<dyn Transport>,
    /// For ids, passwords and the built-in fleet's keys.
    pub entropy: Arc<dyn Entropy>,
    /// For dates.
    pub clock: Arc<dyn WallClock>,
    /// Under which passwords and the built-in fleet's keys lie in the store.
    pub device_key: Arc<DeviceKey>,
    /// Of the built-in fleet.
    pub hsm_settings: Settings,
    /// For work of the built-in fleet that takes long: RSA.
    pub pool: Arc<dyn WorkPool>,
    /// Permit renaming a CONNECTED key store, as today's API does.
    pub rename_while_connected: bool,
    /// How long a connect and a disconnect take.
    pub pacing: Arc<Pacing>,
    /// Whose attestation documents are believed.
    pub attestation: AttestationTrust,
    /// How long a cryptographic operation may take in all.
    pub operation_deadline: Duration,
}

/// Why KMS cannot start.
#[derive(Debug)]
pub struct OpenError(String);

impl OpenError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

/// KMS: one method an operation.
///
/// Inputs have passed `portcullis_api::validate`; what remains are the rules of the service.
pub struct Kms {
    pub(crate) config: KmsConfig,
    pub(crate) catalogue: Catalogue,
    pub(crate) fleet: Fleet,
    pub(crate) events: EventLog,
    pub(crate) quotas: RequestQuotas,
    /// Told apart from the other facades that share the store; 0 where there are none.
    pub(crate) holder: u64,
    /// Held while changes of others are taken in.
    pub(crate) following: tokio::sync::Mutex<()>,
    /// For what goes on when a call has returned.
    pub(crate) itself: Weak<Self>,
}

/// Records of one kind are read in pages of this many.
const PAGE: usize = 1000;

impl Kms {
    /// Reads the records and takes connections up again.
    ///
    /// # Errors
    /// When a record cannot be read or was sealed under another device key.
    pub async fn open(config: KmsConfig) -> Result<Arc<Self>, OpenError> {
        let fleet = Fleet::open(&config).await?;
        let holder = if config.store.is_replica() {
            u64::from_le_bytes(draw(&*config.entropy))
        } else {
            0
        };
        let kms = Arc::new_cyclic(|itself| Self {
            holder,
            following: tokio::sync::Mutex::default(),
            itself: Weak::clone(itself),
            config,
            catalogue: Catalogue::default(),
            fleet,
            events: EventLog::default(),
            quotas: RequestQuotas::default(),
        });
        kms.load()?;
        kms.resume().await;
        kms.start_sweeping();
        kms.start_following();
        Ok(kms)
    }

    /// Why nothing can be stored at present, in the words of the exception that refuses it.
    #[must_use]
    pub fn storage_trouble(&self) -> Option<Exception> {
        let _looked_at_the_disk = self.config.store.health();
        let refused = self.config.store.check_writable().err();
        refused.map(translate::store)
    }

    /// Does `job` for as long as somebody holds KMS, with a rest before each time: of `real`, or
    /// until the services' clock has gone on by `simulated` if that is sooner.
    pub(crate) fn keep_doing<F>(
        self: &Arc<Self>,
        (real, simulated): (Duration, Duration),
        job: impl Fn(Arc<Self>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let kms = Arc::downgrade(self);
        let pacing = Arc::clone(&self.config.pacing);
        let clock = Arc::clone(&self.config.clock);
        tokio::spawn(async move {
            loop {
                pacing.pause(&*clock, real, simulated).await;
                let Some(kms) = kms.upgrade() else { return };
                job(kms).await;
            }
        });
    }

    /// Reads key stores before keys, which refer to them.
    fn load(&self) -> Result<(), OpenError> {
        self.each_record("store", |partition, name, value, revision| {
            let record: KeyStoreRecord = decode(name, value)?;
            let id = record.id.clone();
            let store = KeyStore::new((*partition.scope).clone(), record, revision);
            partition.stores.write().insert(id, Arc::new(store));
            Ok(())
        })?;
        self.each_record("key", |partition, name, value, revision| {
            let record: KeyRecord = decode(name, value)?;
            let store = record.store_id().map(|id| partition.store(id.as_str()));
            let store = match store {
                Some(None) => return Err(OpenError::new(format!("{name}: its key store is gone"))),
                other => other.flatten(),
            };
            let snapshot = Snapshot::new(&partition.scope, record, revision, store);
            partition
                .keys
                .insert(snapshot.record.id, Arc::new(snapshot));
            Ok(())
        })?;
        for partition in self.catalogue.all() {
            self.load_last_uses(&partition)?;
        }
        self.each_record("alias", |partition, name, value, _revision| {
            let record: crate::alias::AliasRecord = decode(name, value)?;
            partition.aliases.insert(record.name, record.target);
            Ok(())
        })?;
        self.each_record("grant", |partition, name, value, _revision| {
            partition.grants.insert(decode(name, value)?);
            Ok(())
        })?;
        self.each_record("turn", |partition, _name, _value, revision| {
            partition.turn.store(revision, Ordering::Release);
            Ok(())
        })
    }

    /// Calls `take` for every record of `kind`, in the order of their keys:
    /// `kms/<account>/<region>/<kind>/<name>`.
    fn each_record(
        &self,
        kind: &str,
        take: impl Fn(&Partition, &str, &[u8], u64) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut after: Option<String> = None;
        loop {
            let records = self.config.store.scan("kms/", after.as_deref(), PAGE);
            for (name, record) in &records {
                // A name may have any of the words in it too: alias/key/orders.
                if name.split('/').nth(3) != Some(kind) {
                    continue;
                }
                let scope = scope_of(name)
                    .ok_or_else(|| OpenError::new(format!("{name}: not a record of KMS")))?;
                take(
                    &self.catalogue.of(&scope),
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

    pub(crate) fn now_ms(&self) -> u64 {
        self.config.clock.now().millis()
    }

    /// Seals a password for the store.
    pub(crate) fn seal(&self, password: &str) -> Vec<u8> {
        self.config
            .device_key
            .seal(PASSWORD, password.as_bytes(), &*self.config.entropy)
    }

    pub(crate) fn unseal(&self, sealed: &[u8]) -> Result<Secret, Unsealable> {
        let opened = self.config.device_key.open(PASSWORD, sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| Unsealable)?;
        Ok(Secret::new(text))
    }

    /// Commits a key store's record over the one that it had.
    pub(crate) async fn put_store(
        &self,
        store: &KeyStore,
        record: KeyStoreRecord,
    ) -> Result<(), Exception> {
        let key = KeyStore::record_key(&store.scope, &store.id);
        let expect = Expect::Revision(store.revision());
        let put = Transaction::new().put(&*key, encode(&record));
        let put = if planted(Bug::RevisionNotCompared) {
            put
        } else {
            put.expect(&*key, expect)
        };
        // Operations look for room before; what was begun and what a restart takes up is carried on.
        let revision = self.commit(put.pressing()).await?;
        store.committed(record, revision);
        Ok(())
    }

    /// Rule ST-24: refuses a change before any part of it is done, when it could not be stored.
    pub(crate) fn check_storage(&self) -> Result<(), Exception> {
        let writable = self.config.store.check_writable();
        writable.map_err(translate::store)
    }

    /// Every key store, for a status page.
    #[must_use]
    pub fn key_stores(&self) -> Vec<KeyStoreStatus> {
        let partitions = self.catalogue.all();
        let stores = partitions.iter().flat_map(|partition| {
            partition
                .stores
                .read()
                .values()
                .cloned()
                .collect::<Vec<_>>()
        });
        stores
            .map(|store| {
                let record = store.record();
                KeyStoreStatus {
                    scope: store.scope.clone(),
                    id: record.id.to_string(),
                    name: record.name,
                    cluster: record.cluster.to_string(),
                    connection: record.connection,
                }
            })
            .collect()
    }

    /// What KMS did by itself, as CloudTrail would tell it.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.events()
    }

    /// Has `listener` hear of every event from here on, and first of those that are kept. Only the
    /// first listener is heard; a second one is not added.
    pub fn listen_to_events(&self, listener: EventListener) {
        self.events.listen(listener);
    }

    pub(crate) fn partition(&self, scope: &Scope) -> Arc<Partition> {
        self.catalogue.of(scope)
    }
}

const PASSWORD: &str = "kmsuser-password";

/// Whose a record is.
pub(crate) fn scope_of(name: &str) -> Option<Scope> {
    let mut parts = name.strip_prefix("kms/")?.split('/');
    let (account, region) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Scope { account, region })
}

fn decode<T: DeserializeOwned>(name: &str, value: &[u8]) -> Result<T, OpenError> {
    serde_json::from_slice(value).map_err(|error| OpenError::new(format!("{name}: {error}")))
}

/// A record as it stands in the store.
#[expect(
    clippy::expect_used,
    reason = "records are plain structures with text keys"
)]
pub(crate) fn encode(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("plain structures serialise")
}

/// A parameter that is not built, or not valid for what it is given with.
pub(crate) fn unsupported(what: &str) -> Exception {
    Exception::new(Code::UnsupportedOperation, what)
}

impl fmt::Debug for Kms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kms({} key stores)", self.key_stores().len())
    }
}
