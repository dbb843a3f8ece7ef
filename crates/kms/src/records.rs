use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_api::{Code, Exception, Scope};
use portcullis_hsm::{Secret, Unsealable};
use portcullis_seam::draw;
use portcullis_store::{Expect, StoreError, Transaction};
use serde::Serialize;

use crate::catalogue::{Catalogue, Partition};
use crate::config::KmsConfig;
use crate::events::{EventLog, EventRecord, event_id};
use crate::quota::RequestQuotas;
use crate::translate;

/// What every part of KMS works on: the records as they were last committed, in memory and in the store,
/// and the one way to commit more.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) config: KmsConfig,
    pub(crate) catalogue: Catalogue,
    pub(crate) events: EventLog,
    pub(crate) quotas: RequestQuotas,
    /// A random number that the other facades over the same store do not have; 0 where there are none.
    pub(crate) holder: u64,
}

impl Records {
    /// With nothing in the catalogue yet.
    pub(crate) fn new(config: KmsConfig) -> Self {
        let holder = if config.store.is_replica() {
            u64::from_le_bytes(draw(&*config.entropy))
        } else {
            0
        };
        Self {
            holder,
            config,
            catalogue: Catalogue::default(),
            events: EventLog::default(),
            quotas: RequestQuotas::default(),
        }
    }

    /// Why nothing can be stored at present, in the words of the exception that refuses it.
    pub(crate) fn storage_trouble(&self) -> Option<Exception> {
        let _looked_at_the_disk = self.config.store.health();
        let refused = self.config.store.check_writable().err();
        refused.map(translate::store)
    }

    /// Keeps the service's quotas from here on.
    pub(crate) fn keep_quotas(&self) {
        self.quotas.keep();
    }

    /// Whether the service's quotas are kept.
    #[must_use]
    pub(crate) fn keeps_quotas(&self) -> bool {
        self.quotas.are_kept()
    }

    /// The service's date, in milliseconds since 1970.
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

    /// Rule ST-24: refuses a change before any part of it is done, when it could not be stored.
    pub(crate) fn check_storage(&self) -> Result<(), Exception> {
        let writable = self.config.store.check_writable();
        writable.map_err(translate::store)
    }

    pub(crate) fn partition(&self, scope: &Scope) -> Arc<Partition> {
        self.catalogue.of(scope)
    }

    /// Whether other facades commit to the same store.
    pub(crate) const fn shares_store(&self) -> bool {
        self.config.store.is_replica()
    }

    /// Commits.
    ///
    /// Rule SHARE-03: on top of everything in the accounts and Regions that it touches: each has a
    /// record that every commit writes, so that of two that decided on the same only one succeeds.
    pub(crate) async fn try_commit(&self, mut transaction: Transaction) -> Result<u64, StoreError> {
        if !self.shares_store() {
            return self.config.store.commit(transaction).await;
        }
        let scopes: BTreeSet<Scope> = transaction.keys().filter_map(scope_of).collect();
        let touched: Vec<Arc<Partition>> =
            scopes.iter().map(|scope| self.partition(scope)).collect();
        for partition in &touched {
            let name = turn_key(&partition.scope);
            let expect = match partition.turn.load(Ordering::Acquire) {
                0 => Expect::Absent,
                revision => Expect::Revision(revision),
            };
            transaction = transaction.expect(&*name, expect).put(name, Vec::new());
        }
        let revision = self.config.store.commit(transaction).await?;
        for partition in &touched {
            partition.turn.fetch_max(revision, Ordering::AcqRel);
        }
        Ok(revision)
    }

    /// As [`try_commit`](Self::try_commit), in the words of the service.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<u64, Exception> {
        self.try_commit(transaction).await.map_err(|error| {
            if self.shares_store() && error.conflict().is_some() {
                overtaken()
            } else {
                translate::store(error)
            }
        })
    }

    /// Rule SHARE-06: keys that are in no key store live in the memory of one process, and so only in
    /// one that has its store to itself.
    pub(crate) fn check_has_fleet(&self) -> Result<(), Exception> {
        if self.shares_store() {
            let text = "A facade that shares its store makes keys in custom key stores only. Give \
                        CustomKeyStoreId.";
            return Err(unsupported(text));
        }
        Ok(())
    }

    /// Records an event: what KMS did with a key without a call.
    pub(crate) fn record_event(
        &self,
        (scope, key_arn): (&Scope, &str),
        name: &'static str,
        additional: Vec<(&'static str, String)>,
    ) {
        self.events.record(EventRecord {
            id: event_id(&*self.config.entropy),
            at: self.config.clock.now(),
            scope: scope.clone(),
            name,
            key_arn: key_arn.to_owned(),
            additional,
        });
    }
}

/// The record that every commit in an account and Region writes.
fn turn_key(scope: &Scope) -> String {
    format!("kms/{}/{}/turn", scope.account, scope.region)
}

const PASSWORD: &str = "kmsuser-password";

/// Whose a record is.
pub(crate) fn scope_of(name: &str) -> Option<Scope> {
    let mut parts = name.strip_prefix("kms/")?.split('/');
    let (account, region) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Scope { account, region })
}

/// A record as it stands in the store.
#[expect(
    clippy::expect_used,
    reason = "records are plain structures with text keys"
)]
pub(crate) fn encode(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("plain structures serialise")
}

/// Does `job` with `owner` for as long as that exists, with a rest before each time: of `real`,
/// or until the services' clock has gone on by `simulated` if that is sooner.
pub(crate) fn keep_doing<T, F>(
    owner: &Arc<T>,
    config: &KmsConfig,
    (real, simulated): (Duration, Duration),
    job: impl Fn(Arc<T>) -> F + Send + 'static,
) where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let owner = Arc::downgrade(owner);
    let pacing = Arc::clone(&config.pacing);
    let clock = Arc::clone(&config.clock);
    tokio::spawn(async move {
        loop {
            pacing.pause(&*clock, real, simulated).await;
            let Some(owner) = owner.upgrade() else { return };
            job(owner).await;
        }
    });
}

/// A parameter that is not built, or not valid for what it is given with.
pub(crate) fn unsupported(what: &str) -> Exception {
    Exception::new(Code::UnsupportedOperation, what)
}

/// Another facade has committed first.
pub(crate) fn overtaken() -> Exception {
    let text = "Other facades change the same keys and key stores at the same time. Try again.";
    Exception::new(Code::KmsInternal, text).overtaken()
}
