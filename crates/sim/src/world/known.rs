use std::collections::BTreeSet;

use portcullis_api::{ClusterId, HsmId, KeyId};

use crate::history::Context;

/// What clients and operators have got so far.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownResults {
    pub(super) uses: Option<ClusterId>,
    pub(super) keys: Vec<KeyId>,
    pub(super) ciphertexts: Vec<(Vec<u8>, Context)>,
    pub(super) down: BTreeSet<HsmId>,
    /// The operator is to reset the password of `kmsuser` and has not managed to.
    pub(super) resets_password: bool,
    /// A client has touched `kmsuser`: the store may FAIL for that.
    pub(super) touched: bool,
    /// An HSM was added while another was down, and may have been filled from a backup of before
    /// there was a `kmsuser`.
    pub(super) may_lack_kmsuser: bool,
}

impl KnownResults {
    pub(super) fn substitute(&mut self, cluster: &ClusterId) {
        self.uses = Some(cluster.clone());
    }
}
