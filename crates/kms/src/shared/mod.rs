//! Several facades over one store: each keeps up with what the others have committed, and commits
//! only on top of all of it.
//!
//! ```text
//!  call ──► catch up ──► decide ──► commit, if the Region's records have not changed meanwhile
//!             ▲                        │ otherwise
//!             └────────────────────────┘
//! ```
//!
//! With a store of its own a facade skips all of this: no other facade changes anything.

mod follow;
mod lease;

pub(crate) use lease::{drive, start_following};

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{Code, Exception, Scope};
use tokio::time::timeout;

use crate::gate::Passage;
use crate::key_store::KeyStores;
use crate::key_store::{Failure, KeyStore};
use crate::records::overtaken;

/// One of two commits always comes first and succeeds; a call gives up behind so many others.
pub(crate) const ATTEMPTS_MAX: usize = 16;

/// How long a call waits for sessions on the HSMs of a store that another facade has connected.
const ADOPTION_PATIENCE: Duration = Duration::from_secs(3);

impl KeyStores {
    /// Runs an operation on everything that was committed before, by whichever facade; and again
    /// when another facade commits first. A server over a shared store calls every operation
    /// through this.
    ///
    /// Rule SHARE-01: an operation sees every change that was acknowledged, by any facade, before it
    /// was called.
    ///
    /// # Errors
    /// Those of the operation; KMSInternalException when the store cannot be reached.
    pub(crate) async fn up_to_date<T, F>(
        &self,
        scope: &Scope,
        operation: impl Fn() -> F,
    ) -> Result<T, Exception>
    where
        F: Future<Output = Result<T, Exception>>,
    {
        if !self.records.shares_store() {
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
        if self.records.shares_store() {
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
        if !self.records.shares_store() {
            return Ok(());
        }
        self.records
            .config
            .store
            .catch_up()
            .await
            .map_err(|error| {
                let text = "The store that the facades share cannot be reached. Try again.";
                Exception::new(Code::KmsInternal, text).because(error)
            })?;
        follow::follow(self).await;
        Ok(())
    }

    /// Waits for the sessions of key stores that others have connected.
    async fn await_adoptions(&self, scope: &Scope) {
        let Some(partition) = self.records.catalogue.existing(scope) else {
            return;
        };
        let stores: Vec<Arc<KeyStore>> = partition.stores.read().values().cloned().collect();
        for store in stores {
            if store.adoption.try_lock().is_err() {
                let _too_long = timeout(ADOPTION_PATIENCE, store.adoption.lock()).await;
            }
        }
    }
}
