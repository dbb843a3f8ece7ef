//! The grants of an account and Region, as operations look for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::RwLock;
use portcullis_api::KeyId;

use super::record::GrantRecord;

/// All grants, by key. One lock for all: only management and `--auth enforce` look here, and hold it
/// for a few look-ups.
#[derive(Debug, Default)]
pub(crate) struct GrantLedger(RwLock<BTreeMap<KeyId, OfKey>>);

/// The grants of one key. The indexes hold the IDs of 50,000 grants without a scan at each use.
#[derive(Debug, Default)]
struct OfKey {
    by_id: BTreeMap<String, Arc<GrantRecord>>,
    /// IDs by the ARN or service name of the grantee.
    by_grantee: BTreeMap<String, BTreeSet<String>>,
    /// IDs by the name given to the grant.
    by_name: BTreeMap<String, BTreeSet<String>>,
}

impl OfKey {
    fn insert(&mut self, grant: Arc<GrantRecord>) {
        let grantee = grant.terms.grantee.as_str().to_owned();
        let ids = self.by_grantee.entry(grantee).or_default();
        ids.insert(grant.id.clone());
        if let Some(name) = &grant.name {
            let ids = self.by_name.entry(name.clone()).or_default();
            ids.insert(grant.id.clone());
        }
        self.by_id.insert(grant.id.clone(), grant);
    }

    fn remove(&mut self, id: &str) {
        let Some(grant) = self.by_id.remove(id) else {
            return;
        };
        take(&mut self.by_grantee, grant.terms.grantee.as_str(), id);
        if let Some(name) = &grant.name {
            take(&mut self.by_name, name, id);
        }
    }

    fn grants<'a>(
        &'a self,
        ids: Option<&'a BTreeSet<String>>,
    ) -> impl Iterator<Item = Arc<GrantRecord>> + 'a {
        let ids = ids.into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id).map(Arc::clone))
    }
}

fn take(index: &mut BTreeMap<String, BTreeSet<String>>, under: &str, id: &str) {
    if let Some(ids) = index.get_mut(under) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(under);
        }
    }
}

impl GrantLedger {
    pub(crate) fn insert(&self, grant: GrantRecord) {
        let mut all = self.0.write();
        all.entry(grant.key).or_default().insert(Arc::new(grant));
    }

    pub(crate) fn remove(&self, key: &KeyId, id: &str) {
        if let Some(of_key) = self.0.write().get_mut(key) {
            of_key.remove(id);
        }
    }

    /// Forgets every grant of a key.
    pub(crate) fn remove_key(&self, key: &KeyId) {
        self.0.write().remove(key);
    }

    pub(crate) fn get(&self, key: &KeyId, id: &str) -> Option<Arc<GrantRecord>> {
        self.0.read().get(key)?.by_id.get(id).map(Arc::clone)
    }

    pub(crate) fn count(&self, key: &KeyId) -> usize {
        self.0
            .read()
            .get(key)
            .map_or(0, |of_key| of_key.by_id.len())
    }

    /// The grants of a key, in the order of their IDs.
    pub(crate) fn of_key(&self, key: &KeyId) -> Vec<Arc<GrantRecord>> {
        let all = self.0.read();
        let grants = all.get(key).into_iter().flat_map(|it| it.by_id.values());
        grants.map(Arc::clone).collect()
    }

    /// The grants of a key to one grantee, by ARN or service name.
    pub(crate) fn of_grantee(&self, key: &KeyId, grantee: &str) -> Vec<Arc<GrantRecord>> {
        let all = self.0.read();
        let of_key = all.get(key);
        of_key.map_or_else(Vec::new, |it| {
            it.grants(it.by_grantee.get(grantee)).collect()
        })
    }

    /// The grants of a key that were given this name.
    pub(crate) fn named(&self, key: &KeyId, name: &str) -> Vec<Arc<GrantRecord>> {
        let all = self.0.read();
        let of_key = all.get(key);
        of_key.map_or_else(Vec::new, |it| it.grants(it.by_name.get(name)).collect())
    }

    /// The grants that one party may retire, by ARN or service name.
    pub(crate) fn retirable(&self, party: &str) -> Vec<Arc<GrantRecord>> {
        let all = self.0.read();
        let grants = all.values().flat_map(|of_key| of_key.by_id.values());
        let retires = |grant: &&Arc<GrantRecord>| {
            let retiring = grant.terms.retiring.as_ref();
            retiring.is_some_and(|retiring| retiring.as_str() == party)
        };
        grants.filter(retires).map(Arc::clone).collect()
    }
}
