//! What is known of keys, aliases and key stores, by account and Region.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Bound;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use dashmap::mapref::one::Ref;
use parking_lot::RwLock;
use portcullis_api::{AccountId, KeyId, KeyStoreId, Scope};
use tokio::sync::Mutex;

use crate::grant::GrantLedger;
use crate::key::KeySnapshot;
use crate::key_store::KeyStore;

/// A key ID is random, so its own bits are its hash: half the cost of hashing it again.
#[derive(Debug, Default)]
pub(crate) struct IdBits(u64);

impl Hasher for IdBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            if let Some(start) = word.get_mut(..chunk.len()) {
                start.copy_from_slice(chunk);
            }
            self.0 = self.0.rotate_left(32) ^ u64::from_le_bytes(word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

const SHARDS: usize = 128;

/// Keys by their IDs, and the IDs in their order.
#[derive(Debug)]
pub(crate) struct KeyMap {
    by_id: DashMap<KeyId, Arc<KeySnapshot>, BuildHasherDefault<IdBits>>,
    /// Touched only when a key comes or goes, and by lists: a page then does not sort them all.
    ordered: RwLock<BTreeSet<KeyId>>,
}

impl Default for KeyMap {
    fn default() -> Self {
        Self {
            by_id: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            ordered: RwLock::default(),
        }
    }
}

impl KeyMap {
    pub(crate) fn insert(&self, id: KeyId, key: Arc<KeySnapshot>) {
        if self.by_id.insert(id, key).is_none() {
            self.ordered.write().insert(id);
        }
    }

    pub(crate) fn remove(&self, id: &KeyId) {
        if self.by_id.remove(id).is_some() {
            self.ordered.write().remove(id);
        }
    }

    pub(crate) fn get(&self, id: &KeyId) -> Option<Ref<'_, KeyId, Arc<KeySnapshot>>> {
        self.by_id.get(id)
    }

    pub(crate) fn contains_key(&self, id: &KeyId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Every key, in no order.
    pub(crate) fn iter(
        &self,
    ) -> dashmap::iter::Iter<'_, KeyId, Arc<KeySnapshot>, BuildHasherDefault<IdBits>> {
        self.by_id.iter()
    }

    /// The first so many IDs, or those after one.
    pub(crate) fn ids_after(&self, after: Option<&KeyId>, most: usize) -> Vec<KeyId> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        let ordered = self.ordered.read();
        ordered
            .range((from, Bound::Unbounded))
            .take(most)
            .copied()
            .collect()
    }
}

/// Everything of one account in one Region.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Shared with every key in it.
    pub(crate) scope: Arc<Scope>,
    /// Held by every change of the control plane, so that each decides on what the last one left.
    pub(crate) control: Arc<Mutex<()>>,
    pub(crate) stores: RwLock<BTreeMap<KeyStoreId, Arc<KeyStore>>>,
    pub(crate) keys: KeyMap,
    /// The key that each alias has, by the alias's name, which begins with `alias/`.
    pub(crate) aliases: DashMap<String, KeyId>,
    pub(crate) grants: GrantLedger,
    /// Where several facades share the store: the revision of the latest commit here that is in all
    /// of the above.
    pub(crate) turn: AtomicU64,
    /// Weak, because all partitions hold this one.
    neighbours: Weak<Partitions>,
}

type Partitions = DashMap<Scope, Arc<Partition>>;

impl Partition {
    fn new(scope: Scope, neighbours: Weak<Partitions>) -> Self {
        Self {
            scope: Arc::new(scope),
            control: Arc::default(),
            stores: RwLock::default(),
            keys: KeyMap::default(),
            aliases: DashMap::new(),
            grants: GrantLedger::default(),
            turn: AtomicU64::new(0),
            neighbours,
        }
    }

    /// What another account has in the same Region, if it has anything.
    pub(crate) fn of_account(&self, account: &AccountId) -> Option<Arc<Self>> {
        let scope = Scope {
            account: account.clone(),
            region: self.scope.region.clone(),
        };
        let partitions = self.neighbours.upgrade()?;
        partitions.get(&scope).map(|found| Arc::clone(&found))
    }

    /// What the other accounts have in the same Region, ordered.
    pub(crate) fn other_accounts(&self) -> Vec<Arc<Self>> {
        let all = self.neighbours.upgrade().map(|all| ordered(&all));
        let mut all = all.unwrap_or_default();
        all.retain(|other| {
            other.scope.region == self.scope.region && other.scope.account != self.scope.account
        });
        all
    }

    pub(crate) fn store(&self, id: &str) -> Option<Arc<KeyStore>> {
        let id: KeyStoreId = id.parse().ok()?;
        self.stores.read().get(&id).cloned()
    }
}

/// All partitions.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Arc<Partitions>);

impl Catalogue {
    /// The partition of `scope`, made when it is new.
    pub(crate) fn of(&self, scope: &Scope) -> Arc<Partition> {
        if let Some(partition) = self.0.get(scope) {
            return Arc::clone(&partition);
        }
        let neighbours = Arc::downgrade(&self.0);
        let fresh = || Arc::new(Partition::new(scope.clone(), neighbours));
        Arc::clone(&self.0.entry(scope.clone()).or_insert_with(fresh))
    }

    /// The partition of `scope`, if anything was ever asked of it.
    pub(crate) fn existing(&self, scope: &Scope) -> Option<Arc<Partition>> {
        self.0.get(scope).map(|partition| Arc::clone(&partition))
    }

    /// Every partition, ordered.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        ordered(&self.0)
    }
}

fn ordered(partitions: &Partitions) -> Vec<Arc<Partition>> {
    let mut all: Vec<_> = partitions
        .iter()
        .map(|entry| Arc::clone(entry.value()))
        .collect();
    all.sort_by(|one, other| one.scope.cmp(&other.scope));
    all
}
