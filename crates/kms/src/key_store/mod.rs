//! Custom key stores: their records, their lifecycle, and the six operations on them.

mod align;
mod connect;
mod connection;
mod create;
mod delete;
mod describe;
mod disconnect;
mod driver;
mod establish;
mod lifecycle;
mod login;
mod operations;
mod pace;
mod record;
mod requirement;
mod transition;
mod update;

pub use describe::KeyStoreStatus;
pub use lifecycle::{
    Action, Connection, ConnectionError, ConnectionEvent, ConnectionKind, TRANSITIONS, Transition,
    next,
};

use std::fmt;
use std::sync::{Arc, Weak};

use crate::records::Records;

pub(crate) use connection::{Failure, NewKey};
pub(crate) use driver::{KeyStore, StoredKeyStore, Watched};
pub(crate) use operations::find;
pub(crate) use pace::end_due;
pub(crate) use record::KeyStoreRecord;
pub(crate) use requirement::{found, two_zones};

/// The key stores: their records, their connections, and what other facades do with them.
pub(crate) struct KeyStores {
    pub(crate) records: Arc<Records>,
    /// Held while changes of others are taken in.
    pub(crate) following: tokio::sync::Mutex<()>,
    /// For what goes on when a call has returned.
    itself: Weak<Self>,
}

impl KeyStores {
    pub(crate) fn new(records: Arc<Records>) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            records,
            following: tokio::sync::Mutex::default(),
            itself: Weak::clone(itself),
        })
    }
}

impl fmt::Debug for KeyStores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyStores({})", self.statuses().len())
    }
}
