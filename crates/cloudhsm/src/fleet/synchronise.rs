//! Keeping the keys of a cluster's HSMs in step, as the appliance user does.
//!
//! Each pass first spreads deletions, then copies what is missing. Whatever the order in which
//! creations, copies, deletions, crashes and restarts meet, all HSMs end with the same keys: ids
//! are random and never used again, so a key is either noted as deleted on some HSM, and then
//! ends on none, or on no HSM, and then ends on all. Of a key whose attributes were changed or
//! that was shared while an HSM was away, the later state ends on all.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::HsmId;
use portcullis_hsm::HsmKeyId;
use portcullis_seam::plant::{Bug, planted};

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
            .filter(|(_, node)| !node.keeps_apart())
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

/// Rule CL-12: a key that one HSM has and another lacks, or has in an earlier state, is copied.
async fn copy_missing(nodes: &[(&HsmId, Node)]) -> Result<usize, FleetError> {
    let Some(((_, first), others)) = nodes.split_first() else {
        return Ok(0);
    };
    let same = |(_, node): &(&HsmId, Node)| node.fingerprint() == first.fingerprint();
    if others.iter().all(same) || planted(Bug::CopiesForgotten) {
        return Ok(0);
    }
    let mut copied = 0;
    for (id, receiver) in nodes {
        let mut present: BTreeMap<HsmKeyId, u64> = receiver.key_revisions().into_iter().collect();
        for (_, giver) in nodes {
            let mut missing = Vec::new();
            for (id, revision) in giver.key_revisions() {
                if present.get(&id).is_none_or(|present| *present < revision) {
                    present.insert(id, revision);
                    missing.push(id);
                }
            }
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
