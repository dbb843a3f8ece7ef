use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Epoch, Fence, Refusal};

/// A cluster backs one key store at a time, but every key store that ever logged in leaves its
/// scope behind, and forgetting one would let an old connection back in: room for years of them in
/// 24 KiB of disk.
pub(crate) const SCOPES_MAX: usize = 1024;

/// The highest epoch seen for one scope, shared with every session of that scope.
#[derive(Debug)]
pub(crate) struct Height(AtomicU64);

impl Height {
    pub(crate) fn get(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn raise(&self, epoch: Epoch) {
        self.0.fetch_max(epoch.0, Ordering::AcqRel);
    }
}

/// All fences of an HSM.
#[derive(Debug, Default)]
pub(crate) struct Fences(BTreeMap<[u8; 16], Arc<Height>>);

impl Fences {
    /// Rule HSM-06: refuses an epoch that is lower than one seen before.
    pub(crate) fn check(&self, fence: Fence) -> Result<(), Refusal> {
        match self.0.get(&fence.scope) {
            Some(height) if height.get() > fence.epoch => Err(Refusal::Fenced),
            _ => Ok(()),
        }
    }

    /// The height for `scope`, made at zero when it is new. For who has logged in only: others
    /// would use the scopes up.
    pub(crate) fn of(&mut self, scope: [u8; 16]) -> Result<Arc<Height>, Refusal> {
        if self.0.len() >= SCOPES_MAX && !self.0.contains_key(&scope) {
            return Err(Refusal::Full);
        }
        Ok(self.make(scope))
    }

    /// Takes a fence over from disk, where there may be more of them than a login may add.
    pub(crate) fn restore(&mut self, fence: Fence) {
        self.make(fence.scope).raise(fence.epoch);
    }

    fn make(&mut self, scope: [u8; 16]) -> Arc<Height> {
        let height = self.0.entry(scope);
        Arc::clone(height.or_insert_with(|| Arc::new(Height(AtomicU64::new(0)))))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fence> {
        self.0.iter().map(|(scope, height)| Fence {
            scope: *scope,
            epoch: height.get(),
        })
    }
}
