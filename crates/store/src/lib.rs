//! Versioned records with compare-and-put, watch and transactions.
//!
//! A [`Store`] keeps opaque values under text keys. A [`Transaction`] checks what it has read and
//! writes several records together or not at all; when its commit returns, they are on disk. It
//! knows nothing of what a record means, and no other crate knows which engine keeps them.
//!
//! Several processes may share one: each has a replica, which reads here and commits where the
//! store is ([`Authority`]).
//!
//! Start reading at [`Store`]; `disk` is the redb side, `state` the pure side.
//!
//! ```
//! use portcullis_store::{Expect, Store, StoreError, Transaction};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = Store::memory();
//! let put = |value: &[u8]| Transaction::new().expect("a", Expect::Absent).put("a", value.to_vec());
//! store.commit(put(b"first")).await?;
//! assert!(matches!(store.commit(put(b"second")).await, Err(StoreError::Conflict { .. })));
//! assert_eq!(&*store.get("a").unwrap().value, b"first");
//! # Ok::<(), StoreError>(())
//! # }).unwrap();
//! ```

mod committer;
mod contents;
mod disk;
mod error;
mod guard;
mod log;
mod replica;
mod room;
mod shared;
mod state;
mod storage;
mod store;
mod transaction;
pub mod versioned;
mod watched_storage;

pub use committer::Closing;
pub use contents::Contents;
pub use error::StoreError;
pub use replica::Authority;
pub use room::Room;
pub use shared::StoreHealth;
pub use state::{Changed, Record};
pub use storage::Storage;
pub use store::Store;
pub use transaction::{Expect, KEY_BYTES_MAX, Transaction, VALUE_BYTES_MAX};
pub use watched_storage::StorageLocation;
