//! Every rule of the control plane, one operation a file: pure functions over the records of a
//! scope. Ids, dates and addresses to choose from are arguments; nothing here reads a clock,
//! draws a random number or touches an HSM.
//!
//! A decision gives the cluster as it shall be at once, in one of the states that end in
//! `_IN_PROGRESS`; `fleet::progress` carries it on from there.

mod create_cluster;
mod create_hsm;
mod delete_cluster;
mod delete_hsm;
mod describe_backups;
mod describe_clusters;
mod initialize_cluster;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use create_cluster::CreateCluster;
pub(crate) use create_hsm::{CreateHsm, FreshHsm};
pub(crate) use delete_cluster::DeleteCluster;
pub(crate) use delete_hsm::{DeleteHsm, HsmSelector};
pub(crate) use describe_backups::{BackupFilters, DescribeBackups};
pub(crate) use describe_clusters::{ClusterFilters, DescribeClusters};
pub(crate) use initialize_cluster::InitializeCluster;
pub(crate) use page::{Page, PageRequest};

use portcullis_api::{ClusterId, Code, Exception};

use crate::record::{Cluster, State};

/// The request does not fit: its form, or the state it meets.
pub(crate) fn refuse(message: impl Into<String>) -> Exception {
    Exception::new(Code::CloudHsmInvalidRequest, message)
}

pub(crate) fn not_found(message: impl Into<String>) -> Exception {
    Exception::new(Code::CloudHsmResourceNotFound, message)
}

/// The cluster, or the exception that every operation answers with when there is none.
fn existing<'a>(state: &'a State, id: &ClusterId) -> Result<&'a Cluster, Exception> {
    state.clusters.get(id).ok_or_else(|| {
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
