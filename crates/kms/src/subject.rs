//! What a call was about, for its event: a key, with its key store; or a key store.

use std::sync::Arc;

use portcullis_api::kms::KeySpec;
use portcullis_api::{AccountId, KeyId, Region, Scope};

use crate::key::KeySnapshot;
use crate::key_store::{KeyStore, StoredKeyStore};
use crate::records::Records;

/// A key or a key store that a call was about, as it was at that instant.
#[derive(Debug, Clone)]
pub struct Subject(About);

#[derive(Debug, Clone)]
enum About {
    Key {
        key: Arc<KeySnapshot>,
        /// The key store that it is in.
        store: Option<Arc<StoredKeyStore>>,
    },
    KeyStore(Arc<StoredKeyStore>),
}

impl Subject {
    /// The key's ARN; nothing for a key store, which has none.
    #[must_use]
    pub fn key_arn(&self) -> Option<&str> {
        match &self.0 {
            About::Key { key, .. } => Some(&key.arn),
            About::KeyStore(_) => None,
        }
    }

    /// The key's spec.
    pub(crate) fn spec(&self) -> Option<KeySpec> {
        match &self.0 {
            About::Key { key, .. } => Some(key.record.spec),
            About::KeyStore(_) => None,
        }
    }

    /// `additionalEventData`: names and texts, in this order.
    ///
    /// Rule EV-04: the event of a key of a key store names the store, its cluster and the backing
    /// key, whose ID is the `id` of the key in the cluster; that of a key store its name and its
    /// cluster.
    #[must_use]
    pub fn additional(&self) -> Vec<(&'static str, String)> {
        match &self.0 {
            About::Key { key, store } => {
                let (Some(store), Ok(material)) = (store, key.material()) else {
                    return Vec::new();
                };
                let backing = format!("{{\"backingKeyId\":\"{material}\"}}");
                vec![
                    ("customKeyStoreId", store.record.id.to_string()),
                    ("clusterId", store.record.cluster.to_string()),
                    ("backingKey", backing),
                ]
            }
            About::KeyStore(store) => vec![
                ("customKeyStoreName", store.record.name.clone()),
                ("clusterId", store.record.cluster.to_string()),
            ],
        }
    }
}

impl Records {
    /// The key that `name` names: a key ID, a key ARN, an alias or its ARN. Nothing when there is
    /// no such key. An ARN is looked up where it says, for every caller: this is for events, which
    /// decide nothing.
    #[must_use]
    pub(crate) fn key_subject(&self, scope: &Scope, name: &str) -> Option<Subject> {
        let arn = name
            .strip_prefix("arn:")
            .and_then(|it| it.split_once(":kms:"));
        let key = match arn.map(|(_partition, rest)| rest) {
            None => self.key_in(scope, name),
            Some(rest) => {
                let mut parts = rest.splitn(3, ':');
                let (region, account) = (parts.next()?, parts.next()?);
                let resource = parts.next()?;
                let resource = resource.strip_prefix("key/").unwrap_or(resource);
                // Nearly always it is the caller's own scope, which need not be made again.
                if region == scope.region.as_str() && account == scope.account.as_str() {
                    self.key_in(scope, resource)
                } else {
                    let region: Region = region.parse().ok()?;
                    let account: AccountId = account.parse().ok()?;
                    self.key_in(&Scope { account, region }, resource)
                }
            }
        }?;
        let store = key.store.as_ref().map(|store| store.stored());
        Some(Subject(About::Key { key, store }))
    }

    fn key_in(&self, scope: &Scope, name: &str) -> Option<Arc<KeySnapshot>> {
        let partition = self.catalogue.existing(scope)?;
        let id: KeyId = if name.starts_with("alias/") {
            partition.aliases.get(name).map(|target| *target)?
        } else {
            name.parse().ok()?
        };
        partition.keys.get(&id).map(|key| Arc::clone(&key))
    }

    /// The key store with this ID.
    #[must_use]
    pub(crate) fn key_store_subject(&self, scope: &Scope, id: &str) -> Option<Subject> {
        let store: Arc<KeyStore> = self.catalogue.existing(scope)?.store(id)?;
        Some(Subject(About::KeyStore(store.stored())))
    }
}
