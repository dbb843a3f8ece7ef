//! What a cluster must have before a key store may be associated with it (Developer Guide, create
//! a CloudHSM key store).

use std::sync::Arc;

use portcullis_api::{ClusterId, Code, Exception};
use portcullis_cloudhsm::{ClusterState, ClusterView, NetworkTrouble};

/// A key needs two HSMs to be safe, so associating a cluster does too.
const ZONES_MIN: usize = 2;

/// Rule KS-10: the cluster exists in this account and Region.
pub(crate) fn found(
    id: &ClusterId,
    cluster: Option<&Arc<ClusterView>>,
) -> Result<Arc<ClusterView>, Exception> {
    cluster.map(Arc::clone).ok_or_else(|| {
        Exception::new(
            Code::CloudHsmClusterNotFound,
            format!(
                "There is no cluster {id} in this account and Region. Use DescribeClusters to find \
                 the cluster's ID, and check the account and Region of the request."
            ),
        )
    })
}

/// Rule KS-11: the cluster is ACTIVE.
pub(crate) fn active(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.state == ClusterState::Active {
        return Ok(());
    }
    Err(Exception::new(
        Code::CloudHsmClusterNotActive,
        format!(
            "The cluster {} is {}, and a key store needs an ACTIVE one. Initialise and activate \
             it (a cluster made from a backup needs an HSM instead), then try again.",
            cluster.id,
            cluster.state.name()
        ),
    ))
}

/// Rule KS-12: the cluster has two active HSMs in different Availability Zones, and subnets in two.
pub(crate) fn two_zones(cluster: &ClusterView) -> Result<(), Exception> {
    let zones = cluster.active_zones();
    if zones < ZONES_MIN {
        let why = format!(
            "has active HSMs in {zones} Availability Zone(s), and at least two in different \
             Availability Zones are needed. Add an HSM in another Availability Zone with CreateHsm"
        );
        return Err(invalid(cluster, &why));
    }
    network(cluster)
}

/// Rule KS-13: connecting needs one active HSM, and the network as it was made.
pub(crate) fn one_hsm(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.active_hsms().next().is_none() {
        return Err(invalid(
            cluster,
            "has no active HSM. Add one with CreateHsm",
        ));
    }
    network(cluster)
}

fn network(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.subnets.len() < ZONES_MIN {
        let why = "has subnets in fewer than two Availability Zones. Make a cluster over two from \
                   a backup and substitute it";
        return Err(invalid(cluster, why));
    }
    if cluster.network_trouble == Some(NetworkTrouble::SecurityGroupChanged) {
        let why = "has lost rules of its security group. Restore those for TCP 2223-2225 from and \
                   to the group itself";
        return Err(invalid(cluster, why));
    }
    Ok(())
}

fn invalid(cluster: &ClusterView, why: &str) -> Exception {
    let text = format!("The cluster {} {why}, then try again.", cluster.id);
    Exception::new(Code::CloudHsmClusterInvalidConfiguration, text)
}
