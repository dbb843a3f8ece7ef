use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use portcullis_api::{AccountId, BackupId, ClusterId, Region};

use super::{Backup, Cluster};
use crate::Network;

/// The records of one account in one Region: what a decision may look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScopeRecords {
    pub(crate) clusters: BTreeMap<ClusterId, Arc<Cluster>>,
    pub(crate) backups: BTreeMap<BackupId, Arc<Backup>>,
    /// Backups of other accounts in the Region whose policy permits this account something.
    /// Empty unless the ledger was asked for them.
    pub(crate) shared: BTreeMap<BackupId, SharedBackup>,
    /// The network, once it was changed.
    pub(crate) network: Option<Network>,
}

/// A backup of another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedBackup {
    pub(crate) owner: AccountId,
    pub(crate) backup: Arc<Backup>,
}

impl ScopeRecords {
    /// The network that clusters lie in.
    pub(crate) fn network(&self, region: &Region) -> Cow<'_, Network> {
        match &self.network {
            Some(network) => Cow::Borrowed(network),
            None => Cow::Owned(Network::new(region)),
        }
    }

    /// The addresses of all HSMs. Clusters share subnets.
    pub(crate) fn hsm_addresses(&self) -> BTreeSet<Ipv4Addr> {
        let hsms = self.clusters.values().flat_map(|one| one.hsms.values());
        hsms.map(|hsm| hsm.ip).collect()
    }

    /// The newest backup that was taken of a cluster, whatever has become of it.
    pub(crate) fn newest_backup(&self, cluster: &ClusterId) -> Option<&Backup> {
        self.taken_of(cluster).max_by_key(|one| one.created)
    }

    /// The backup of a cluster that is CREATE_IN_PROGRESS; there is one at the most.
    pub(crate) fn begun_backup(&self, cluster: &ClusterId) -> Option<&Backup> {
        self.taken_of(cluster).find(|one| one.is_begun())
    }

    /// The newest backup of a cluster from which an HSM of the given type can be filled. That one is
    /// not READY yet does not matter to the service itself: it has its image.
    pub(crate) fn newest_restorable(&self, cluster: &ClusterId, hsm_type: &str) -> Option<&Backup> {
        let complete = |one: &&Backup| one.is_ready() || one.is_begun();
        let complete = self.taken_of(cluster).filter(complete);
        complete
            .filter(|one| one.fits(hsm_type))
            .max_by_key(|one| one.created)
    }

    /// Copies are no backups of the cluster: they came from another Region.
    fn taken_of<'a, 'b>(
        &'a self,
        cluster: &'b ClusterId,
    ) -> impl Iterator<Item = &'a Backup> + use<'a, 'b> {
        let all = self.backups.values().map(Arc::as_ref);
        let taken = all.filter(|one| one.source.is_none());
        taken.filter(move |one| one.cluster == *cluster)
    }
}
