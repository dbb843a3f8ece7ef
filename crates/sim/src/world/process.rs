//! The process that everything of the product runs in.

use std::sync::Arc;

use portcullis_cloudhsm::CloudHsm;
use portcullis_store::Store;

use super::facade::{Facade, Life, Relay};
use crate::network::ProcessNetwork;

/// The host of the product: facades, CloudHSM and, within it, every HSM.
pub(super) struct Process {
    /// By their numbers; none for one that is down.
    pub(super) facades: Vec<Option<Facade>>,
    pub(super) parts: FacadeParts,
}

/// What facades are started over.
#[derive(Clone)]
pub(super) struct FacadeParts {
    pub(super) store: Store,
    pub(super) cloud: Arc<CloudHsm>,
    pub(super) network: ProcessNetwork,
    /// Of the process.
    pub(super) life: Arc<Life>,
    pub(super) relay: Relay,
}

impl FacadeParts {
    /// Whether they are of the same start of the process.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cloud, &other.cloud)
    }
}

impl Process {
    pub(super) fn end_facades(&self) {
        self.parts.life.end();
        self.facades
            .iter()
            .flatten()
            .for_each(|facade| facade.life.end());
    }
}
