//! An HSM as the others of its cluster see it when they are brought in step: in this process, or
//! on another host.

use std::collections::BTreeSet;
use std::fmt::Debug;

use portcullis_hsm::{Fingerprint, HsmKeyId, MaskedKey};
use portcullis_link::BoxFuture;

use crate::local::node::Node;
use crate::remote::Tally;

/// What a peer answers, or why it cannot.
pub(crate) type PeerReply<'a, T> = BoxFuture<'a, Result<T, String>>;

/// One of several HSMs that shall have the same keys.
pub(crate) trait PeerHsm: Send + Sync + Debug {
    /// Which keys it has and notes as deleted, as numbers.
    fn tally(&self) -> PeerReply<'_, Tally>;

    /// The keys it notes as deleted.
    fn deleted(&self) -> PeerReply<'_, BTreeSet<HsmKeyId>>;

    /// Deletes these keys, and notes them as deleted.
    fn delete_keys<'a>(&'a self, deleted: &'a [HsmKeyId]) -> PeerReply<'a, ()>;

    /// Its keys, and how often each was changed.
    fn revisions(&self) -> PeerReply<'_, Vec<(HsmKeyId, u64)>>;

    /// Those of these keys that it has.
    fn export<'a>(&'a self, ids: &'a [HsmKeyId]) -> PeerReply<'a, Vec<MaskedKey>>;

    /// Takes over these keys.
    fn take_over<'a>(&'a self, keys: &'a [MaskedKey]) -> PeerReply<'a, ()>;
}

impl PeerHsm for Node {
    fn tally(&self) -> PeerReply<'_, Tally> {
        Box::pin(async move {
            Ok(Tally {
                keys: self.fingerprint(),
                deleted: fingerprint_of(&self.notes().await.deleted),
            })
        })
    }

    fn deleted(&self) -> PeerReply<'_, BTreeSet<HsmKeyId>> {
        Box::pin(async move { Ok(self.notes().await.deleted) })
    }

    fn delete_keys<'a>(&'a self, deleted: &'a [HsmKeyId]) -> PeerReply<'a, ()> {
        Box::pin(async move {
            let done = Self::delete_keys(self, deleted).await;
            done.map_err(|refusal| format!("keys cannot be deleted: {refusal}"))
        })
    }

    fn revisions(&self) -> PeerReply<'_, Vec<(HsmKeyId, u64)>> {
        Box::pin(async move { Ok(self.key_revisions()) })
    }

    fn export<'a>(&'a self, ids: &'a [HsmKeyId]) -> PeerReply<'a, Vec<MaskedKey>> {
        Box::pin(async move {
            Ok(ids
                .iter()
                .filter_map(|id| Self::export(self, *id))
                .collect())
        })
    }

    fn take_over<'a>(&'a self, keys: &'a [MaskedKey]) -> PeerReply<'a, ()> {
        Box::pin(async move {
            let taken = Self::take_over(self, keys).await;
            taken.map_err(|refusal| format!("keys cannot be copied: {refusal}"))
        })
    }
}

fn fingerprint_of(deleted: &BTreeSet<HsmKeyId>) -> Fingerprint {
    deleted.iter().copied().collect()
}
