//! Every rule of the control plane, one operation a file: pure functions over the records of a
//! scope. Ids, dates and addresses to choose from are arguments; nothing here reads a clock,
//! draws a random number or touches an HSM.
//!
//! A decision gives the cluster as it shall be at once, in one of the states that end in
//! `_IN_PROGRESS`; `control::progress` carries it on from there.

#[cfg(test)]
mod backup_tests;
mod copy_backup;
mod create_cluster;
mod create_hsm;
mod delete_backup;
mod delete_cluster;
mod delete_hsm;
mod describe_backups;
mod describe_clusters;
mod initialize_cluster;
mod modify_backup;
mod modify_cluster;
mod page;
mod placement;
mod resource_policy;
mod schedule;
mod tags;
#[cfg(test)]
mod tests;

pub(crate) use copy_backup::CopyBackup;
pub(crate) use create_cluster::CreateCluster;
pub(crate) use create_hsm::{CreateHsm, FreshHsm};
pub(crate) use delete_backup::{DeleteBackup, RestoreBackup};
pub(crate) use delete_cluster::DeleteCluster;
pub(crate) use delete_hsm::{DeleteHsm, HsmSelector};
pub(crate) use describe_backups::{BackupFilters, DescribeBackups};
pub(crate) use describe_clusters::{ClusterFilters, DescribeClusters};
pub(crate) use initialize_cluster::InitializeCluster;
pub(crate) use modify_backup::ModifyBackup;
pub(crate) use modify_cluster::ModifyCluster;
use page::PagedList;
pub(crate) use page::{ListPage, PageRequest};
pub(crate) use placement::{HsmPlacement, PLACEMENT_TAG};
pub use placement::{HsmsOn, InvalidPlacement};
pub(crate) use resource_policy::{BackupArn, DeletePolicy, GetPolicy, PutPolicy};
pub(crate) use schedule::{ScheduledChange, backup_is_due, changes_due};
pub(crate) use tags::{ListTags, Resource, TagChange};

use std::sync::Arc;

use portcullis_api::{BackupId, ClusterId, Code, Exception};

use crate::record::{Backup, Cluster, ScopeRecords};

/// The request does not fit: its form, or the state it meets.
pub(crate) fn refuse(message: impl Into<String>) -> Exception {
    Exception::new(Code::CloudHsmInvalidRequest, message)
}

pub(crate) fn not_found(message: impl Into<String>) -> Exception {
    Exception::new(Code::CloudHsmResourceNotFound, message)
}

/// The cluster, or the exception that every operation answers with when there is none.
fn existing<'a>(state: &'a ScopeRecords, id: &ClusterId) -> Result<&'a Cluster, Exception> {
    let found = state.clusters.get(id).map(Arc::as_ref);
    found.ok_or_else(|| {
        not_found(format!(
            "There is no cluster {id} in this account and Region. Run DescribeClusters to see \
             which there are."
        ))
    })
}

/// A cluster in a state that passes by itself.
fn busy(cluster: &Cluster) -> Exception {
    refuse(format!(
        "The cluster {} is {}, and accepts no change before that is done. Run DescribeClusters \
         until its state has changed, then try again.",
        cluster.id,
        cluster.state.name()
    ))
}

/// The backup, if it is this account's own.
fn existing_backup<'a>(state: &'a ScopeRecords, id: &BackupId) -> Result<&'a Backup, Exception> {
    let found = state.backups.get(id).map(Arc::as_ref);
    found.ok_or_else(|| no_backup(id))
}

fn no_backup(id: &BackupId) -> Exception {
    not_found(format!(
        "There is no backup {id} in this account and Region. Run DescribeBackups to see which \
         there are."
    ))
}

/// The backup, if it is READY: what most operations on one need.
fn ready(backup: &Backup) -> Result<&Backup, Exception> {
    if backup.is_ready() {
        return Ok(backup);
    }
    Err(refuse(format!(
        "The backup {} is {}, and this needs a READY one. Run RestoreBackup while it is \
         PENDING_DELETION, or choose another backup.",
        backup.id,
        backup.state.name()
    )))
}
