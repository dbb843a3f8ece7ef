//! HTTP/1.1 with keep-alive, Signature Version 4, and the few control-plane calls a run needs.

mod aws;
mod caller;
mod connection;
mod control;
mod endpoint;
mod wire;

pub(crate) use aws::{
    CreatedCluster, CreatedHsm, DescribedKey, Encrypted, KeyMetadata, KeyStore, KeyStoreEdit,
    KeyStores, ListPage, ListedBackups, ListedCluster, ListedClusters, ListedKeys,
};
pub(crate) use caller::{AwsService, Prepared, SigningCaller};
pub(crate) use connection::{ApiConnection, Broken, HttpAnswer};
pub(crate) use control::{CallError, ControlClient};
pub(crate) use endpoint::{CallEndpoints, Endpoint};
pub(crate) use wire::{decode_plaintext, exception_name, read_sealed};
