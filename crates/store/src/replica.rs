//! A store that several processes share: each has a replica of it, reads there, and commits where
//! the store is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_seam::BoxFuture;
use tokio::sync::Mutex;

use crate::state::Changes;
use crate::{Record, Store, StoreError, Transaction};

/// What was written after a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The revision that the store has with these changes.
    pub revision: u64,
    /// Whether these are all records that there are, so that what is not among them is gone.
    pub whole: bool,
    /// Each record as it is now, in the order of their keys; none for one that was deleted.
    pub records: Vec<(String, Option<Record>)>,
}

/// Where a shared store is: a service that every replica reaches in its own way.
pub trait Authority: Debug + Send + Sync {
    /// Commits on top of what everybody has committed so far.
    ///
    /// An error other than [`StoreError::Conflict`] and [`StoreError::TooLarge`] leaves open
    /// whether the commit happened.
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What was written after `revision`. Linearizable: every commit that was acknowledged to
    /// anybody before this was called is in it.
    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>>;
}

/// A store of this process, for the others that share it.
impl Authority for Store {
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(Self::commit(self, transaction))
    }

    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(std::future::ready(Ok(self
            .shared
            .state
            .read()
            .changed_after(revision))))
    }
}

/// How a replica keeps up.
#[derive(Debug)]
pub(crate) struct Link {
    authority: Arc<dyn Authority>,
    /// How many have asked to catch up so far.
    asked: AtomicU64,
    /// Those who had asked when the latest read that has succeeded was begun. Held while reading.
    served: Mutex<u64>,
}

impl Link {
    pub(crate) fn to(authority: Arc<dyn Authority>) -> Self {
        Self {
            authority,
            asked: AtomicU64::new(0),
            served: Mutex::default(),
        }
    }

    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<u64, StoreError> {
        self.authority.commit(transaction).await
    }

    /// Rule ST-15: a read serves those who asked before it began: whoever comes while one is under
    /// way waits for the next, together with all others who do.
    pub(crate) async fn catch_up(&self, store: &Store) -> Result<(), StoreError> {
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut served = self.served.lock().await;
        if *served >= number {
            return Ok(());
        }
        let serves = self.asked.load(Ordering::Acquire);
        let changed = self.authority.changed_after(store.revision()).await?;
        store.shared.take_over(changed);
        *served = serves;
        Ok(())
    }
}

impl Changed {
    /// As what a replica that has `present` must change.
    pub(crate) fn against(self, present: &BTreeMap<String, Record>) -> Changes {
        let mut writes: BTreeMap<_, _> = self.records.into_iter().collect();
        if self.whole {
            for key in present.keys() {
                writes.entry(key.clone()).or_insert(None);
            }
        }
        writes.retain(|key, record| present.get(key) != record.as_ref());
        Changes {
            pressing: false,
            writes,
            revision: self.revision,
        }
    }
}
