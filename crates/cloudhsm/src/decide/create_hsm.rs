use std::net::Ipv4Addr;

use portcullis_api::{ClusterId, Exception, HsmId, Region};
use portcullis_clusters::{ClusterState, HsmState};

use super::{busy, existing, refuse};
use crate::network::AddressRefusal;
use crate::record::{Cluster, HsmRecord, ScopeRecords};

/// CreateHsm.
#[derive(Debug)]
pub(crate) struct CreateHsm {
    pub(crate) cluster: ClusterId,
    pub(crate) zone: String,
    pub(crate) ip: Option<Ipv4Addr>,
}

/// What the new HSM and its network interface are to be called.
#[derive(Debug)]
pub(crate) struct FreshHsm {
    pub(crate) id: HsmId,
    pub(crate) eni: String,
}

/// HSMs of a cluster (CloudHSM User Guide, "Quotas").
const HSMS_MAX: usize = 28;

impl CreateHsm {
    /// Decides: the cluster, its state, its size, the zone, then the address.
    pub(crate) fn decide(
        &self,
        state: &ScopeRecords,
        region: &Region,
        fresh: &FreshHsm,
    ) -> Result<Cluster, Exception> {
        let cluster = existing(state, &self.cluster)?;
        let next = check_state(cluster)?;
        check_content(state, cluster)?;
        check_size(cluster)?;
        let Some(subnet) = cluster.subnets.get(&self.zone) else {
            return Err(unknown_zone(cluster, &self.zone));
        };
        let ip = address(state, region, subnet, self)?;
        if cluster.hsms.contains_key(&fresh.id) {
            return Err(refuse(format!(
                "The cluster has an HSM {} already. Choose another ID.",
                fresh.id
            )));
        }
        let hsm = HsmRecord {
            state: HsmState::CreateInProgress,
            subnet: subnet.clone(),
            zone: self.zone.clone(),
            eni: fresh.eni.clone(),
            ip,
            hsm_type: None,
            host: None,
            lost_host: None,
        };
        let mut cluster = cluster.clone();
        cluster.state = next;
        cluster.hsms.insert(fresh.id.clone(), hsm);
        Ok(cluster)
    }
}

/// Rule CL-03: the first HSM is made in an UNINITIALIZED cluster or one made from a backup; every
/// further one needs an ACTIVE cluster.
///
/// Gives the state in which the cluster stays while the HSM is made.
fn check_state(cluster: &Cluster) -> Result<ClusterState, Exception> {
    let id = &cluster.id;
    match cluster.state {
        ClusterState::Active => Ok(ClusterState::UpdateInProgress),
        ClusterState::Degraded => Ok(ClusterState::Degraded),
        ClusterState::Uninitialized | ClusterState::Initialized if !cluster.hsms.is_empty() => {
            Err(refuse(format!(
                "The cluster {id} has an HSM already but is not fully activated, and only an \
                 ACTIVE cluster can have more than one. Initialise and activate it (`cluster \
                 activate` of the CloudHSM CLI), then try again."
            )))
        }
        ClusterState::Uninitialized => Ok(ClusterState::Uninitialized),
        ClusterState::Initialized if cluster.source_backup.is_some() => {
            Ok(ClusterState::Initialized)
        }
        ClusterState::Initialized => Err(refuse(format!(
            "The cluster {id} lost its only HSM before it was activated, and with it the key \
             pair of its certificate; there is no backup. Delete it and create another cluster."
        ))),
        ClusterState::CreateInProgress
        | ClusterState::InitializeInProgress
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::DeleteInProgress
        | ClusterState::Deleted => Err(busy(cluster)),
    }
}

/// Rule BK-18: the first HSM of a cluster that was initialised is filled from a backup, so there
/// must be one: of the cluster itself, or the one it was made from.
fn check_content(state: &ScopeRecords, cluster: &Cluster) -> Result<(), Exception> {
    let own = || state.newest_restorable(&cluster.id, &cluster.hsm_type);
    if cluster.issued().is_none() || !cluster.hsms.is_empty() || own().is_some() {
        return Ok(());
    }
    let source = cluster.source_backup.as_ref().and_then(|id| {
        let shared = || state.shared.get(id).map(|shared| &shared.backup);
        state.backups.get(id).or_else(shared)
    });
    if source.is_some_and(|backup| backup.is_ready()) {
        return Ok(());
    }
    Err(refuse(format!(
        "The cluster {} has no HSM and no READY backup, so that a new HSM would have neither its \
         users nor its keys. Run RestoreBackup for a backup that is PENDING_DELETION, then try \
         again.",
        cluster.id
    )))
}

/// Rule CL-11: a cluster has at most 28 HSMs.
fn check_size(cluster: &Cluster) -> Result<(), Exception> {
    if cluster.hsms.len() < HSMS_MAX {
        return Ok(());
    }
    Err(refuse(format!(
        "The cluster {} has {HSMS_MAX} HSMs, which is the most a cluster can have. Delete one \
         first.",
        cluster.id
    )))
}

fn unknown_zone(cluster: &Cluster, zone: &str) -> Exception {
    let zones: Vec<_> = cluster.subnets.keys().map(String::as_str).collect();
    refuse(format!(
        "The cluster {} has no subnet in {zone:?}. Give AvailabilityZone as one of {}.",
        cluster.id,
        zones.join(", ")
    ))
}

/// Rule CL-04: the address is free and inside the subnet of the zone. Clusters share the subnets
/// of the VPC, so the HSMs of all clusters count.
fn address(
    state: &ScopeRecords,
    region: &Region,
    subnet: &str,
    command: &CreateHsm,
) -> Result<Ipv4Addr, Exception> {
    let hsms = state.hsm_addresses();
    let zone = &command.zone;
    let network = state.network(region);
    let assigned = network.assign(subnet, command.ip, &hsms);
    assigned.map_err(|refusal| match refusal {
        AddressRefusal::NoSubnet => refuse(format!(
            "The subnet {subnet}, in which the cluster lies in {zone}, was deleted. Choose another \
             zone, or make another cluster from a backup."
        )),
        AddressRefusal::Outside { first, last } => refuse(format!(
            "IpAddress does not lie in the subnet of {zone}. Give an address from {first} to \
             {last}, or none."
        )),
        AddressRefusal::Taken => refuse(
            "Another HSM, or something else in the VPC, has the IpAddress. Give a free one, or \
             none to have one chosen.",
        ),
        AddressRefusal::Exhausted => refuse(format!(
            "The subnet of {zone} has no free address. Free some there, or choose another zone."
        )),
    })
}
