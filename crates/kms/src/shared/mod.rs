//! Several facades over one store: each keeps up with what the others have committed, and commits
//! only on top of all of it.
//!
//! ```text
//!  call ──► catch up ──► decide ──► commit, if nobody has changed the Region's records meanwhile
//!             ▲                        │ otherwise
//!             └────────────────────────┘
//! ```
//!
//! With a store of its own a facade skips all of this: nobody else changes anything.

mod follow;
mod lease;

pub(crate) use lease::Watched;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_api::{Code, Exception, Scope};
use portcullis_store::{Expect, StoreError, Transaction};
use tokio::time::timeout;

use crate::catalogue::Partition;
use crate::gate::Passage;
use crate::key_store::{Failure, KeyStore};
use crate::kms::{Kms, scope_of};
use crate::translate;

/// Somebody always comes first, so one of two succeeds; a call gives up behind so many others.
pub(crate) const ATTEMPTS_MAX: usize = 16;

/// How long a call waits for sessions on the HSMs of a store that another facade has connected.
const ADOPTION_PATIENCE: Duration = Duration::from_secs(3);

impl Kms {
    /// Whether other facades commit to the same store.
    pub(crate) const fn shares_store(&self) -> bool {
        self.config.store.is_replica()
    }

    /// Runs an operation on everything that was committed before, by whichever facade; and again
    /// when another facade commits first. Whoever serves a shared store calls every operation
    /// through this.
    ///
    /// Rule SHARE-01: an operation sees every change that was acknowledged, by any facade, before it
    /// was called.
    ///
    /// # Errors
    /// Those of the operation; KMSInternalException when the store cannot be reached.
    pub async fn up_to_date<T, F>(
        &self,
        scope: &Scope,
        operation: impl Fn() -> F,
    ) -> Result<T, Exception>
    where
        F: Future<Output = Result<T, Exception>>,
    {
        if !self.shares_store() {
            return operation().await;
        }
        for _ in 0..ATTEMPTS_MAX {
            self.keep_up().await?;
            self.await_adoptions(scope).await;
            match operation().await {
                Err(exception) if exception.overtaken => {}
                outcome => return outcome,
            }
        }
        Err(overtaken())
    }

    /// Rule GATE-02: lets an output out only if the key store has stayed CONNECTED at the same epoch.
    ///
    /// Rule SHARE-02: also if it was another facade that disconnected it; when that cannot be known,
    /// nothing leaves.
    pub(crate) async fn leave(&self, store: &KeyStore, passage: Passage) -> Result<(), Failure> {
        if self.shares_store() {
            let seen = self.keep_up().await;
            seen.map_err(|error| Failure::Unconfirmed(error.to_string()))?;
        }
        if store.gate.leave(passage) {
            Ok(())
        } else {
            Err(Failure::Disconnected)
        }
    }

    /// Sees what the others have committed so far. Not while a partition's control lock is held.
    pub(crate) async fn keep_up(&self) -> Result<(), Exception> {
        if !self.shares_store() {
            return Ok(());
        }
        self.config.store.catch_up().await.map_err(|error| {
            let text = "The store that the facades share cannot be reached. Try again.";
            Exception::new(Code::KmsInternal, text).because(error)
        })?;
        self.follow().await;
        Ok(())
    }

    /// Waits for the sessions of key stores that others have connected.
    async fn await_adoptions(&self, scope: &Scope) {
        let Some(partition) = self.catalogue.existing(scope) else {
            return;
        };
        let stores: Vec<Arc<KeyStore>> = partition.stores.read().values().cloned().collect();
        for store in stores {
            if store.adoption.try_lock().is_err() {
                let _too_long = timeout(ADOPTION_PATIENCE, store.adoption.lock()).await;
            }
        }
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
            return Err(crate::kms::unsupported(text));
        }
        Ok(())
    }
}

/// The record that every commit in an account and Region writes.
fn turn_key(scope: &Scope) -> String {
    format!("kms/{}/{}/turn", scope.account, scope.region)
}

/// Another facade has committed first.
pub(crate) fn overtaken() -> Exception {
    let text = "Other facades change the same keys and key stores at the same time. Try again.";
    Exception::new(Code::KmsInternal, text).overtaken()
}
