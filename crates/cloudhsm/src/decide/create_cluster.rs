use std::collections::BTreeMap;

use portcullis_api::{BackupId, ClusterId, Exception, Region};

use super::{not_found, refuse};
use crate::ClusterState;
use crate::network::{default_subnets, default_vpc, hex_id};
use crate::record::{Backup, Certificates, Cluster, State};

/// CreateCluster.
#[derive(Debug)]
pub(crate) struct CreateCluster {
    pub(crate) hsm_type: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) source_backup: Option<BackupId>,
    pub(crate) retention_days: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) network_type: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What DescribeClusters says of a cluster whose request named no retention (User Guide,
/// "Backup retention": 90 days, and 7 to 379 may be chosen).
const RETENTION_DAYS_DEFAULT: u16 = 90;
const RETENTION_DAYS: std::ops::RangeInclusive<u16> = 7..=379;

/// `SubnetIds` of the service model.
const SUBNETS_MAX: usize = 10;

const HSM1: &str = "hsm1.medium";
const HSM2M: &str = "hsm2m.medium";

impl CreateCluster {
    /// Decides: the form of each member first, in the order of the API Reference, then what the
    /// members refer to.
    pub(crate) fn decide(
        &self,
        state: &State,
        region: &Region,
        now: u64,
        id: ClusterId,
    ) -> Result<Cluster, Exception> {
        check_hsm_type(&self.hsm_type)?;
        let retention_days = retention(self.retention_days.as_deref())?;
        let mode = mode(self.mode.as_deref(), &self.hsm_type)?;
        let network_type = network_type(self.network_type.as_deref())?;
        let subnets = subnets(&self.subnets, region)?;
        let source = self
            .source_backup
            .as_ref()
            .map(|backup| source(state, backup, &self.hsm_type))
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
            vpc: default_vpc(region),
            security_group: hex_id("sg", id.as_str()),
            // Rule CL-02: a cluster made from a backup has the backup's certificate at once.
            certificates: source.map_or(Certificates::Nothing, |backup| Certificates::Issued {
                cluster: backup.certificate.clone(),
                trust_anchor: backup.trust_anchor.clone(),
            }),
            source_backup: source.map(|backup| backup.id.clone()),
            tags: self.tags.clone(),
            hsms: BTreeMap::new(),
            network_trouble: None,
            id,
        })
    }
}

fn check_hsm_type(hsm_type: &str) -> Result<(), Exception> {
    if matches!(hsm_type, HSM1 | HSM2M) {
        return Ok(());
    }
    Err(refuse(format!(
        "There is no HSM type {hsm_type:?} here. Give HsmType as {HSM1} or {HSM2M}."
    )))
}

fn retention(days: Option<&str>) -> Result<u16, Exception> {
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
fn subnets(wanted: &[String], region: &Region) -> Result<BTreeMap<String, String>, Exception> {
    if wanted.is_empty() || wanted.len() > SUBNETS_MAX {
        return Err(refuse(format!(
            "A cluster has 1 to {SUBNETS_MAX} subnets, and the request names {}. Give SubnetIds \
             one subnet for each Availability Zone.",
            wanted.len()
        )));
    }
    let known = default_subnets(region);
    let mut chosen = BTreeMap::new();
    for subnet in wanted {
        let Some((zone, _)) = known.iter().find(|(_, id)| *id == subnet) else {
            let listed: Vec<_> = known.values().map(String::as_str).collect();
            return Err(refuse(format!(
                "There is no subnet {subnet:?} in {region}. The default VPC has {}.",
                listed.join(", ")
            )));
        };
        if chosen.insert(zone.clone(), subnet.clone()).is_some() {
            return Err(refuse(format!(
                "Two of the subnets lie in {zone}. Give at most one for each Availability Zone."
            )));
        }
    }
    Ok(chosen)
}

fn source<'a>(state: &'a State, id: &BackupId, hsm_type: &str) -> Result<&'a Backup, Exception> {
    let backup = state.backups.get(id).ok_or_else(|| {
        not_found(format!(
            "There is no backup {id} in this account and Region. Run DescribeBackups to see \
             which there are."
        ))
    })?;
    // A hsm1.medium backup can seed a hsm2m.medium cluster, not the reverse (User Guide, "HSM
    // type migration").
    if backup.hsm_type == HSM2M && hsm_type == HSM1 {
        return Err(refuse(format!(
            "The backup {id} was taken from {HSM2M}, which {HSM1} cannot restore. Give HsmType \
             as {HSM2M}."
        )));
    }
    Ok(backup)
}
