use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use portcullis_api::{KeyStoreId, Scope};
use portcullis_hsm::{Epoch, Fence};
use portcullis_time::Turn;
use tokio::time::Instant;

use super::connection::LiveConnection;
use super::lifecycle::Connection;
use super::record::KeyStoreRecord;
use crate::gate::Gate;

/// A key store at run time: its gate, its record as last committed, its connection.
pub(crate) struct KeyStore {
    pub(crate) scope: Scope,
    pub(crate) id: KeyStoreId,
    pub(crate) gate: Gate,
    pub(crate) live: ArcSwapOption<LiveConnection>,
    stored: ArcSwap<StoredKeyStore>,
    /// The connect or disconnect that is under way.
    turn: Mutex<Option<Arc<Turn>>>,
    /// Held while sessions are begun under the epoch of another facade.
    pub(crate) adoption: Arc<tokio::sync::Mutex<()>>,
    /// The epoch of the connect or disconnect that this facade drives, of several.
    pub(crate) driven: Mutex<Option<Epoch>>,
    /// The connect or disconnect that another facade drives; none while no other one does.
    pub(crate) watched: Mutex<Option<Watched>>,
}

/// The record and the revision under which it was committed. Calls read it while it is replaced.
#[derive(Debug)]
pub(crate) struct StoredKeyStore {
    pub(crate) record: KeyStoreRecord,
    revision: u64,
}

/// A connect or disconnect that another facade drives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// The epoch of the connect or disconnect.
    pub(crate) epoch: Epoch,
    /// The revision under which its lease was last renewed.
    pub(crate) renewed: u64,
    /// When that revision was first seen.
    pub(crate) since: Instant,
}

impl KeyStore {
    pub(crate) fn new(scope: Scope, record: KeyStoreRecord, revision: u64) -> Self {
        Self {
            scope,
            id: record.id.clone(),
            gate: Gate::default(),
            live: ArcSwapOption::empty(),
            stored: ArcSwap::from_pointee(StoredKeyStore { record, revision }),
            turn: Mutex::default(),
            adoption: Arc::default(),
            driven: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    pub(crate) fn record(&self) -> KeyStoreRecord {
        self.stored.load().record.clone()
    }

    /// The record as a call shows it that found the gate closed: a disconnect closes the gate before it
    /// is recorded.
    pub(crate) fn turned_away(&self) -> KeyStoreRecord {
        let mut record = self.record();
        if record.connection == Connection::Connected {
            record.connection = Connection::Disconnecting;
        }
        record
    }

    /// The record as it is at present, shared with the caller: nothing is copied.
    pub(crate) fn stored(&self) -> Arc<StoredKeyStore> {
        self.stored.load_full()
    }

    /// Where it stands between DISCONNECTED and CONNECTED, without the rest of its record.
    pub(crate) fn connection(&self) -> Connection {
        self.stored.load().record.connection
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.stored.load().record.epoch
    }

    pub(crate) fn revision(&self) -> u64 {
        self.stored.load().revision
    }

    pub(crate) fn committed(&self, record: KeyStoreRecord, revision: u64) {
        self.stored
            .store(Arc::new(StoredKeyStore { record, revision }));
    }

    /// The connect or disconnect that is under way.
    pub(crate) fn turn(&self) -> Option<Arc<Turn>> {
        self.turn.lock().clone()
    }

    /// Another connect or disconnect begins; the one before, if it still waits, is over.
    pub(crate) fn begin(&self, turn: &Arc<Turn>) {
        if let Some(before) = self.turn.lock().replace(Arc::clone(turn)) {
            before.finish();
        }
    }

    /// The store's scope on the fences of its HSMs: its ID's characters, folded to 16 bytes, and
    /// different from the same ID in another account.
    pub(crate) fn fence(&self, epoch: Epoch) -> Fence {
        let name = format!("{}/{}/{}", self.id, self.scope.account, self.scope.region);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        let mut scope = [0; 16];
        for (slot, byte) in scope.iter_mut().zip(digest.as_ref()) {
            *slot = *byte;
        }
        Fence { scope, epoch }
    }

    /// Where its record stands.
    pub(crate) fn record_key(scope: &Scope, id: &KeyStoreId) -> String {
        format!("kms/{}/{}/store/{id}", scope.account, scope.region)
    }

    /// Lets nothing pass and gives up the connection, whose HSM sessions the caller ends.
    pub(crate) fn take_down(&self, epoch: Epoch) -> Option<Arc<LiveConnection>> {
        self.gate.close(epoch);
        let live = self.live.swap(None);
        if let Some(live) = &live {
            live.stop();
        }
        live
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "KeyStore({}, {})",
            self.id,
            self.connection().name()
        )
    }
}
