//! HTTP/1.1 with keep-alive, Signature Version 4, and the few control-plane calls a run needs.

mod aws;
mod caller;
mod connection;
mod control;
mod endpoint;
mod wire;

pub(crate) use aws::{
    Backups, Cluster, Clusters, CreatedCluster, CreatedHsm, DescribedKey, Encrypted, KeyMetadata,
    KeyStore, KeyStoreEdit, KeyStores, Keys, Page,
};
pub(crate) use caller::{Caller, Prepared, Service};
pub(crate) use connection::{Answer, Broken, Line};
pub(crate) use control::{CallError, Control};
pub(crate) use endpoint::{Endpoint, Places};
pub(crate) use wire::{decode_plaintext, exception_name, read_sealed};
