//! KMS: custom key stores and the gate in front of them, keys, aliases, cryptographic operations.
//!
//! Two planes meet here. The control plane (`key_store`, `key`, `alias`) decides by pure functions
//! over records and commits what it decided. The data plane (`crypto`, `gate`) has no rule beyond
//! which key, in which state, is the gate open. They meet in two types: the gate word, and the
//! immutable snapshot of a key.
//!
//! This crate sees clusters through `Clusters` and HSMs through the link, and knows no HTTP.
//! Start reading at [`Kms`], then `key_store::lifecycle` and `gate`.
//!
//! ```
//! use portcullis_kms::{Connection, ConnectionEvent, next};
//!
//! let (state, _actions) = next(Connection::Connected, ConnectionEvent::DisconnectRequested).unwrap();
//! assert_eq!(state, Connection::Disconnecting);
//! ```

mod access;
mod alias;
mod answers;
mod catalogue;
mod config;
mod crypto;
mod events;
mod fleet;
mod gate;
mod grant;
mod key;
mod key_store;
mod kms;
mod load;
mod operation;
mod paging;
mod quota;
mod records;
mod shared;
mod state_change;
mod subject;
mod translate;
mod work;

pub use access::{
    Concern, Concerns, Names, Principal, RequestOrigin, policy_findings, policy_findings_of,
};
pub use answers::Answers;
pub use config::{KmsConfig, OpenError};
pub use crypto::describe_recipient;
pub use events::{EVENTS_MAX, EventListener, EventLog, EventRecord, Events};
pub use gate::{Gate, Passage};
pub use key::check_key_material;
pub use key_store::{
    Action, Connection, ConnectionError, ConnectionEvent, ConnectionKind, KeyStoreStatus,
    TRANSITIONS, Transition, next,
};
pub use kms::Kms;
pub use portcullis_attest::Trust as AttestationTrust;
pub use subject::Subject;
