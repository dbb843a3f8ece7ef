//! A store that several processes share: each has a replica of it, reads there, and commits where
//! the store is.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_seam::BoxFuture;
use tokio::sync::Mutex;

use crate::shared::SharedStore;
use crate::state::Changed;
use crate::{StoreError, Transaction};

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

    /// Rule ST-15: a read serves those who asked before it began: a caller that comes while one is under
    /// way waits for the next, together with all others who do.
    pub(crate) async fn catch_up(&self, replica: &SharedStore) -> Result<(), StoreError> {
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut served = self.served.lock().await;
        if *served >= number {
            return Ok(());
        }
        let serves = self.asked.load(Ordering::Acquire);
        let changed = self.authority.changed_after(replica.revision()).await?;
        replica.take_over(changed);
        *served = serves;
        Ok(())
    }
}
