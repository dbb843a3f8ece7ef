use std::collections::BTreeMap;

use portcullis_api::{AccountId, BackupId, ClusterId, Code, Exception, Scope};
use portcullis_clusters::ClusterState;

use super::tags::check_tags;
use super::{no_backup, ready, refuse};
use crate::network::{Network, hex_id};
use crate::policy::{CREATE_CLUSTER, Policy};
use crate::record::{
    Backup, Cluster, ClusterCertificates, HSM1, HSM2M, ScopeRecords, SharedBackup,
};

/// CreateCluster.
#[derive(Debug)]
pub(crate) struct CreateCluster {
    pub(crate) hsm_type: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) source_backup: Option<BackupId>,
    /// Whose the source backup is, when it was given by its ARN.
    pub(crate) source_owner: Option<AccountId>,
    pub(crate) retention_days: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) network_type: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
}

/// What DescribeClusters says of a cluster whose request named no retention (User Guide,
/// "Backup retention": 90 days, and 7 to 379 may be chosen).
const RETENTION_DAYS_DEFAULT: u16 = 90;
const RETENTION_DAYS: std::ops::RangeInclusive<u16> = 7..=379;

/// `SubnetIds` of the service model.
const SUBNETS_MAX: usize = 10;

impl CreateCluster {
    /// Decides: the form of each member first, in the order of the API Reference, then what the
    /// members refer to.
    pub(crate) fn decide(
        &self,
        state: &ScopeRecords,
        scope: &Scope,
        now: u64,
        id: ClusterId,
    ) -> Result<Cluster, Exception> {
        check_hsm_type(&self.hsm_type)?;
        let retention_days = retention(self.retention_days.as_deref())?;
        let mode = mode(self.mode.as_deref(), &self.hsm_type)?;
        let network_type = network_type(self.network_type.as_deref())?;
        let tags = check_tags(&self.tags)?;
        let (vpc, subnets) = subnets(&self.subnets, &state.network(&scope.region))?;
        let source = self
            .source_backup
            .as_ref()
            .map(|backup| self.source(state, &scope.account, backup))
            .transpose()?;
        if state.clusters.contains_key(&id) {
            return Err(refuse(format!(
                "There is a cluster {id} already. Choose another ID, or delete that cluster."
            )));
        }
        Ok(Cluster {
            state: ClusterState::CreateInProgress,
            created: now,
            hsm_type: self.hsm_type.clone(),
            mode,
            network_type,
            retention_days,
            subnets,
            vpc,
            security_group: hex_id("sg", id.as_str()),
            // Rule CL-02: a cluster made from a backup has the backup's certificate at once.
            certificates: source.map_or(ClusterCertificates::Nothing, |backup| {
                ClusterCertificates::Issued {
                    cluster: backup.certificate.clone(),
                    trust_anchor: backup.trust_anchor.clone(),
                }
            }),
            source_backup: source.map(|backup| backup.id.clone()),
            source_owner: self
                .source_owner
                .clone()
                .filter(|owner| source.is_some() && *owner != scope.account),
            tags,
            hsms: BTreeMap::new(),
            rollback: None,
            id,
        })
    }
}

impl CreateCluster {
    /// Rule BK-16: a backup of another account is given by its ARN, and its policy must permit
    /// cloudhsm:CreateCluster.
    fn source<'a>(
        &self,
        state: &'a ScopeRecords,
        own: &AccountId,
        id: &BackupId,
    ) -> Result<&'a Backup, Exception> {
        let backup = match (state.backups.get(id), state.shared.get(id)) {
            (Some(backup), _) => backup.as_ref(),
            (None, Some(shared)) if self.source_owner.as_ref() == Some(&shared.owner) => {
                permitted(shared, own)?
            }
            (None, _) => return Err(no_backup(id)),
        };
        let backup = ready(backup)?;
        if !backup.fits(&self.hsm_type) {
            return Err(refuse(format!(
                "The backup {id} was taken from {HSM2M}, which {HSM1} cannot restore. Give \
                 HsmType as {HSM2M}."
            )));
        }
        Ok(backup)
    }
}

fn permitted<'a>(shared: &'a SharedBackup, account: &AccountId) -> Result<&'a Backup, Exception> {
    let backup = shared.backup.as_ref();
    if Policy::of(backup).is_some_and(|policy| policy.permits(account, CREATE_CLUSTER)) {
        return Ok(backup);
    }
    Err(Exception::new(
        Code::CloudHsmAccessDenied,
        format!(
            "The account {} shares the backup {} without {CREATE_CLUSTER}. Ask it to permit that \
             in the backup's resource policy.",
            shared.owner, backup.id
        ),
    ))
}

pub(super) fn check_hsm_type(hsm_type: &str) -> Result<(), Exception> {
    if matches!(hsm_type, HSM1 | HSM2M) {
        return Ok(());
    }
    Err(refuse(format!(
        "There is no HSM type {hsm_type:?} here. Give HsmType as {HSM1} or {HSM2M}."
    )))
}

pub(super) fn retention(days: Option<&str>) -> Result<u16, Exception> {
    let Some(text) = days else {
        return Ok(RETENTION_DAYS_DEFAULT);
    };
    text.parse()
        .ok()
        .filter(|days| RETENTION_DAYS.contains(days))
        .ok_or_else(|| {
            refuse(format!(
                "Backups cannot be kept for {text:?} days. Give BackupRetentionPolicy a Value \
                 from {} to {}.",
                RETENTION_DAYS.start(),
                RETENTION_DAYS.end()
            ))
        })
}

fn mode(mode: Option<&str>, hsm_type: &str) -> Result<String, Exception> {
    match mode.unwrap_or("FIPS") {
        "NON_FIPS" if hsm_type == HSM1 => Err(refuse(format!(
            "{HSM1} has the mode FIPS only. Give Mode as FIPS, or HsmType as {HSM2M}."
        ))),
        known @ ("FIPS" | "NON_FIPS") => Ok(known.to_owned()),
        other => Err(refuse(format!(
            "There is no mode {other:?}. Give Mode as FIPS or NON_FIPS."
        ))),
    }
}

fn network_type(network_type: Option<&str>) -> Result<String, Exception> {
    match network_type.unwrap_or("IPV4") {
        known @ ("IPV4" | "DUALSTACK") => Ok(known.to_owned()),
        other => Err(refuse(format!(
            "There is no network type {other:?}. Give NetworkType as IPV4 or DUALSTACK."
        ))),
    }
}

/// Rule CL-01: 1 to 10 subnets that exist, at most one in each Availability Zone.
///
/// Rule VPC-02: they all lie in one VPC, which is also given.
fn subnets(
    wanted: &[String],
    network: &Network,
) -> Result<(String, BTreeMap<String, String>), Exception> {
    if wanted.is_empty() || wanted.len() > SUBNETS_MAX {
        return Err(refuse(format!(
            "A cluster has 1 to {SUBNETS_MAX} subnets, and the request names {}. Give SubnetIds \
             one subnet for each Availability Zone.",
            wanted.len()
        )));
    }
    let mut chosen = BTreeMap::new();
    let mut vpc = None;
    for id in wanted {
        let Some(subnet) = network.subnet(id) else {
            return Err(no_subnet(network, id));
        };
        if *vpc.get_or_insert(&subnet.vpc) != &subnet.vpc {
            return Err(refuse(format!(
                "The subnet {id} lies in {}, and another one does not. Give subnets of one VPC.",
                subnet.vpc
            )));
        }
        if chosen.insert(subnet.zone.clone(), id.clone()).is_some() {
            return Err(refuse(format!(
                "Two of the subnets lie in {}. Give at most one for each Availability Zone.",
                subnet.zone
            )));
        }
    }
    Ok((vpc.cloned().unwrap_or_default(), chosen))
}

fn no_subnet(network: &Network, id: &str) -> Exception {
    let known = network.subnets.iter().filter(|(_, subnet)| !subnet.deleted);
    let known: Vec<_> = known.map(|(id, _)| id.as_str()).collect();
    refuse(format!(
        "There is no subnet {id:?} in this account and Region. There are: {}.",
        known.join(", ")
    ))
}
