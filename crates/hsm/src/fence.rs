use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Epoch, Fence, Refusal};

/// A cluster backs one key store at a time; a few scopes remain from key stores deleted since.
const SCOPES_MAX: usize = 64;

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
    /// The height for `scope`, made at zero when it is new.
    pub(crate) fn of(&mut self, scope: [u8; 16]) -> Result<Arc<Height>, Refusal> {
        if let Some(height) = self.0.get(&scope) {
            return Ok(Arc::clone(height));
        }
        if self.0.len() >= SCOPES_MAX {
            return Err(Refusal::Full);
        }
        let height = Arc::new(Height(AtomicU64::new(0)));
        self.0.insert(scope, Arc::clone(&height));
        Ok(height)
    }

    /// Takes a fence over from disk.
    pub(crate) fn restore(&mut self, fence: Fence) {
        if let Ok(height) = self.of(fence.scope) {
            height.raise(fence.epoch);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fence> {
        self.0.iter().map(|(scope, height)| Fence {
            scope: *scope,
            epoch: height.get(),
        })
    }
}
