//! Keeping the keys of a cluster's HSMs in step, as the appliance user does.
//!
//! Each pass first spreads deletions, then copies what is missing. Whatever the order in which
//! creations, copies, deletions, crashes and restarts meet, all HSMs end with the same keys: ids
//! are random and never used again, so a key is either noted as deleted on some HSM, and then
//! ends on none, or on no HSM, and then ends on all.

use std::collections::BTreeSet;

use portcullis_api::HsmId;
use portcullis_hsm::HsmKeyId;

use super::node::Node;
use super::{Fleet, FleetError};

/// Keys copied in one commit of the receiving HSM's disk: a few hundred kilobytes.
const COPIED_AT_ONCE: usize = 1024;

impl Fleet {
    /// Brings the HSMs among `hsms` that are up in step, and says how many keys it copied.
    ///
    /// Cheap when they are in step: it compares two numbers of each.
    pub(crate) async fn synchronise(&self, hsms: &[HsmId]) -> Result<usize, FleetError> {
        let nodes: Vec<(&HsmId, Node)> = hsms
            .iter()
            .filter_map(|id| self.node(id).map(|node| (id, node)))
            .collect();
        spread_deletions(&nodes).await?;
        copy_missing(&nodes).await
    }
}

/// Rule CL-13: delete wins.
async fn spread_deletions(nodes: &[(&HsmId, Node)]) -> Result<(), FleetError> {
    let mut deleted = BTreeSet::new();
    let mut counts = BTreeSet::new();
    for (_, node) in nodes {
        let notes = node.notes().await;
        counts.insert(notes.deleted.len());
        deleted.extend(notes.deleted);
    }
    if counts.len() <= 1 && counts.contains(&deleted.len()) {
        return Ok(());
    }
    let deleted: Vec<HsmKeyId> = deleted.into_iter().collect();
    for (id, node) in nodes {
        node.bury(&deleted)
            .await
            .map_err(|refusal| FleetError::of(id, "keys cannot be deleted", refusal))?;
    }
    Ok(())
}

/// Rule CL-12: a key that one HSM has and another lacks is copied.
async fn copy_missing(nodes: &[(&HsmId, Node)]) -> Result<usize, FleetError> {
    let Some(((_, first), others)) = nodes.split_first() else {
        return Ok(0);
    };
    let same = |(_, node): &(&HsmId, Node)| node.fingerprint() == first.fingerprint();
    if others.iter().all(same) {
        return Ok(0);
    }
    let mut copied = 0;
    for (id, receiver) in nodes {
        let mut present: BTreeSet<HsmKeyId> = receiver.key_ids().into_iter().collect();
        for (_, giver) in nodes {
            let ids = giver.key_ids().into_iter();
            let missing: Vec<HsmKeyId> = ids.filter(|id| present.insert(*id)).collect();
            for chunk in missing.chunks(COPIED_AT_ONCE) {
                let keys: Vec<_> = chunk.iter().filter_map(|id| giver.export(*id)).collect();
                receiver
                    .take_over(&keys)
                    .await
                    .map_err(|refusal| FleetError::of(id, "keys cannot be copied", refusal))?;
                copied += keys.len();
            }
        }
    }
    Ok(copied)
}
