//! Keeping the keys of a cluster's HSMs in step, as the appliance user does.
//!
//! Each pass first spreads deletions, then copies what is missing. Whatever the order in which
//! creations, copies, deletions, crashes and restarts meet, all HSMs end with the same keys: ids
//! are random and never used again, so a key is either noted as deleted on some HSM, and then
//! ends on none, or on no HSM, and then ends on all. Of a key whose attributes were changed or
//! that was shared while an HSM was away, the later state ends on all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::HsmKeyId;
use portcullis_seam::plant::{Bug, planted};

use crate::FleetError;
use crate::peer::PeerHsm;
use crate::remote::Tally;

/// Keys copied in one commit of the receiving HSM's disk: a few hundred kilobytes.
const COPIED_AT_ONCE: usize = 1024;

/// An HSM that is up, and what it has.
struct PresentHsm {
    id: HsmId,
    peer: Arc<dyn PeerHsm>,
    tally: Tally,
}

impl PresentHsm {
    fn failed(&self, why: impl std::fmt::Display) -> FleetError {
        FleetError::of(&self.id, "it is not brought in step", why)
    }
}

/// Brings these HSMs, which are up, in step, and says how many keys it copied.
pub(crate) async fn synchronise(
    peers: impl Iterator<Item = (HsmId, Arc<dyn PeerHsm>)> + Send,
) -> Result<usize, FleetError> {
    let mut present = Vec::new();
    for (id, peer) in peers {
        // One whose host went away a moment ago is left out, like one that is down.
        match peer.tally().await {
            Ok(tally) => present.push(PresentHsm { id, peer, tally }),
            Err(error) => tracing::debug!(hsm = %id, error, "not brought in step"),
        }
    }
    spread_deletions(&mut present).await?;
    copy_missing(&present).await
}

/// Rule CL-13: delete wins.
async fn spread_deletions(present: &mut [PresentHsm]) -> Result<(), FleetError> {
    let same = |pair: &[PresentHsm]| match pair {
        [one, two] => one.tally.deleted == two.tally.deleted,
        _ => true,
    };
    if present.windows(2).all(same) {
        return Ok(());
    }
    let mut deleted = BTreeSet::new();
    for one in &*present {
        deleted.extend(one.peer.deleted().await.map_err(|why| one.failed(why))?);
    }
    let deleted: Vec<HsmKeyId> = deleted.into_iter().collect();
    for one in present {
        one.peer
            .delete_keys(&deleted)
            .await
            .map_err(|why| one.failed(why))?;
        one.tally = one.peer.tally().await.map_err(|why| one.failed(why))?;
    }
    Ok(())
}

/// Rule CL-12: a key that one HSM has and another lacks, or has in an earlier state, is copied.
async fn copy_missing(present: &[PresentHsm]) -> Result<usize, FleetError> {
    let Some((first, others)) = present.split_first() else {
        return Ok(0);
    };
    let same = |other: &PresentHsm| other.tally.keys == first.tally.keys;
    if others.iter().all(same) || planted(Bug::CopiesForgotten) {
        return Ok(0);
    }
    let mut copied = 0;
    for receiver in present {
        let revisions = receiver.peer.revisions().await;
        let revisions = revisions.map_err(|why| receiver.failed(why))?;
        let mut has: BTreeMap<HsmKeyId, u64> = revisions.into_iter().collect();
        for giver in present {
            let revisions = giver.peer.revisions().await;
            let mut missing = Vec::new();
            for (id, revision) in revisions.map_err(|why| giver.failed(why))? {
                if has.get(&id).is_none_or(|known| *known < revision) {
                    has.insert(id, revision);
                    missing.push(id);
                }
            }
            for chunk in missing.chunks(COPIED_AT_ONCE) {
                let keys = giver.peer.export(chunk).await;
                let keys = keys.map_err(|why| giver.failed(why))?;
                let taken = receiver.peer.take_over(&keys).await;
                taken.map_err(|why| receiver.failed(why))?;
                copied += keys.len();
            }
        }
    }
    Ok(copied)
}
