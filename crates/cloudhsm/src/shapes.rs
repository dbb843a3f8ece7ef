//! Between the shapes of the API and what they mean here.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use portcullis_api::cloudhsm::{
    self, BackupRetentionPolicy, CopyBackupToRegionRequest, CreateClusterRequest, CreateHsmRequest,
    DeleteHsmRequest, DestinationBackup, ModifyClusterRequest, Tag,
};
use portcullis_api::{
    AccountId, BackupId, ClusterId, EpochSeconds, Exception, HsmId, InvalidId, Region, Scope,
};
use portcullis_clusters::HsmState;
use portcullis_seam::Timestamp;

use crate::decide::{
    BackupArn, CopyBackup, CreateCluster, CreateHsm, DeleteHsm, HsmSelector, ModifyCluster,
    Resource, refuse,
};
use crate::record::{Backup, BackupState, Cluster, ClusterCertificates, HsmRecord};

pub(crate) fn cluster_id(text: &str) -> Result<ClusterId, Exception> {
    text.parse()
        .map_err(|error| malformed("ClusterId", text, &error))
}

fn malformed(member: &str, text: &str, error: &InvalidId) -> Exception {
    refuse(format!("{member} {text:?} is {error}."))
}

fn address(member: &str, text: &str) -> Result<Ipv4Addr, Exception> {
    text.parse().map_err(|_error| {
        refuse(format!(
            "{member} {text:?} is not an IPv4 address such as 172.31.0.10."
        ))
    })
}

impl CreateCluster {
    pub(crate) fn parse(request: CreateClusterRequest) -> Result<Self, Exception> {
        let source_backup = request.source_backup_id.as_deref();
        Ok(Self {
            hsm_type: request.hsm_type,
            subnets: request.subnet_ids,
            source_owner: source_backup
                .and_then(place_in_arn)
                .map(|(_, account)| account),
            source_backup: source_backup
                .map(|text| backup_id("SourceBackupId", text))
                .transpose()?,
            retention_days: retention_days(request.backup_retention_policy)?,
            mode: request.mode,
            network_type: request.network_type,
            tags: pairs(request.tag_list.unwrap_or_default()),
        })
    }
}

/// Rule CL-31: a retention policy that lacks its value is refused, not taken as the default one.
fn retention_days(policy: Option<BackupRetentionPolicy>) -> Result<Option<String>, Exception> {
    let Some(BackupRetentionPolicy { r#type, value }) = policy else {
        return Ok(None);
    };
    if r#type.is_some() && value.is_some() {
        return Ok(value);
    }
    Err(refuse(
        "BackupRetentionPolicy needs both of its members. Give Type as DAYS, and Value from 7 to \
         379.",
    ))
}

/// Tags as they stand in a request.
pub(crate) fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// A backup by its ID or its ARN.
pub(crate) fn backup_id(member: &str, text: &str) -> Result<BackupId, Exception> {
    let id = match text.rsplit_once(":backup/") {
        Some((arn, id)) if arn.starts_with("arn:") => id,
        Some(_) | None => text,
    };
    id.parse().map_err(|error| malformed(member, text, &error))
}

/// The Region and the account in `arn:aws:cloudhsm:<region>:<account>:backup/<id>`.
fn place_in_arn(text: &str) -> Option<(Region, AccountId)> {
    let (arn, _) = text.rsplit_once(":backup/")?;
    let mut parts = arn.rsplit(':');
    let account = parts.next()?.parse().ok()?;
    let region = parts.next()?.parse().ok()?;
    Some((region, account))
}

impl BackupArn {
    /// `ResourceArn`, of which the policy operations take that of a backup only.
    pub(crate) fn parse(text: Option<String>) -> Result<Self, Exception> {
        let text = text.unwrap_or_default();
        let Some((region, owner)) = place_in_arn(&text) else {
            return Err(refuse(format!(
                "ResourceArn {text:?} is not the ARN of a backup, and only backups have resource \
                 policies. Give the BackupArn of DescribeBackups."
            )));
        };
        let backup = backup_id("ResourceArn", &text)?;
        Ok(Self {
            text,
            owner,
            region,
            backup,
        })
    }
}

impl Resource {
    /// `ResourceId`: a cluster or a backup.
    pub(crate) fn parse(text: &str) -> Result<Self, Exception> {
        if text.starts_with("backup-") {
            return backup_id("ResourceId", text).map(Self::Backup);
        }
        let id = text.parse();
        id.map(Self::Cluster)
            .map_err(|error| malformed("ResourceId", text, &error))
    }
}

impl CopyBackup {
    pub(crate) fn parse(request: CopyBackupToRegionRequest) -> Result<Self, Exception> {
        let region = &request.destination_region;
        Ok(Self {
            backup: backup_id("BackupId", &request.backup_id)?,
            destination: region
                .parse()
                .map_err(|error| malformed("DestinationRegion", region, &error))?,
            tags: request.tag_list.map(pairs),
        })
    }
}

impl ModifyCluster {
    pub(crate) fn parse(request: ModifyClusterRequest) -> Result<Self, Exception> {
        Ok(Self {
            cluster: cluster_id(&request.cluster_id)?,
            hsm_type: request.hsm_type,
            retention_days: retention_days(request.backup_retention_policy)?,
        })
    }
}

impl CreateHsm {
    pub(crate) fn parse(request: CreateHsmRequest) -> Result<Self, Exception> {
        Ok(Self {
            cluster: cluster_id(&request.cluster_id)?,
            zone: request.availability_zone,
            ip: request
                .ip_address
                .map(|text| address("IpAddress", &text))
                .transpose()?,
        })
    }
}

impl DeleteHsm {
    pub(crate) fn parse(request: DeleteHsmRequest) -> Result<Self, Exception> {
        let id = |text: String| -> Result<HsmId, Exception> {
            text.parse()
                .map_err(|error| malformed("HsmId", &text, &error))
        };
        Ok(Self {
            cluster: cluster_id(&request.cluster_id)?,
            hsm: HsmSelector {
                id: request.hsm_id.map(id).transpose()?,
                eni: request.eni_id,
                ip: request
                    .eni_ip
                    .map(|text| address("EniIp", &text))
                    .transpose()?,
            },
        })
    }
}

fn date(millis: u64) -> EpochSeconds {
    EpochSeconds(Timestamp::from_millis(millis).seconds())
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    tags.iter().map(tag).collect()
}

pub(crate) fn cluster(cluster: &Cluster) -> cloudhsm::Cluster {
    cloudhsm::Cluster {
        backup_policy: Some("DEFAULT".to_owned()),
        backup_retention_policy: Some(BackupRetentionPolicy {
            r#type: Some("DAYS".to_owned()),
            value: Some(cluster.retention_days.to_string()),
        }),
        cluster_id: Some(cluster.id.to_string()),
        create_timestamp: Some(date(cluster.created)),
        hsms: Some(
            cluster
                .hsms
                .iter()
                .map(|(id, one)| hsm(cluster, id, one))
                .collect(),
        ),
        hsm_type: Some(cluster.hsm_type.clone()),
        hsm_type_rollback_expiration: cluster.rollback.as_ref().map(|one| date(one.until)),
        security_group: Some(cluster.security_group.clone()),
        source_backup_id: cluster.source_backup.as_ref().map(ToString::to_string),
        state: Some(cluster.state.name().to_owned()),
        subnet_mapping: Some(cluster.subnets.clone()),
        vpc_id: Some(cluster.vpc.clone()),
        network_type: Some(cluster.network_type.clone()),
        certificates: Some(certificates(&cluster.certificates)),
        tag_list: Some(tags(&cluster.tags)),
        mode: Some(cluster.mode.clone()),
        ..cloudhsm::Cluster::default()
    }
}

/// Rule CL-06: before the first HSM nothing; then the request and what proves the HSM genuine;
/// then the cluster certificate alone. The trust anchor is never shown.
fn certificates(certificates: &ClusterCertificates) -> cloudhsm::Certificates {
    match certificates {
        ClusterCertificates::Nothing => cloudhsm::Certificates::default(),
        ClusterCertificates::Requested {
            request,
            hsm,
            aws_hardware,
            manufacturer_hardware,
        } => cloudhsm::Certificates {
            cluster_csr: Some(request.clone()),
            hsm_certificate: Some(hsm.clone()),
            aws_hardware_certificate: Some(aws_hardware.clone()),
            manufacturer_hardware_certificate: Some(manufacturer_hardware.clone()),
            cluster_certificate: None,
        },
        ClusterCertificates::Issued { cluster, .. } => cloudhsm::Certificates {
            cluster_certificate: Some(cluster.clone()),
            ..cloudhsm::Certificates::default()
        },
    }
}

pub(crate) fn hsm(cluster: &Cluster, id: &HsmId, hsm: &HsmRecord) -> cloudhsm::Hsm {
    cloudhsm::Hsm {
        availability_zone: Some(hsm.zone.clone()),
        cluster_id: Some(cluster.id.to_string()),
        subnet_id: Some(hsm.subnet.clone()),
        eni_id: Some(hsm.eni.clone()),
        eni_ip: Some(hsm.ip.to_string()),
        hsm_id: Some(id.to_string()),
        hsm_type: Some(cluster.type_of(hsm).to_owned()),
        state: Some(hsm.state.name().to_owned()),
        state_message: state_message(hsm),
        ..cloudhsm::Hsm::default()
    }
}

/// Rules HOST-05, HOST-08 and HOST-13: where an HSM is, if that is or was to be another host.
fn state_message(hsm: &HsmRecord) -> Option<String> {
    if let Some(host) = hsm.host
        && hsm.is_forsaken()
    {
        return Some(format!(
            "Host {host}, on which it ran, was revoked. Delete this HSM and create another one."
        ));
    }
    (hsm.state == HsmState::Active).then(|| match (hsm.host, hsm.lost_host) {
        (Some(host), _) => format!("HSM created on host {host}."),
        (None, Some(lost)) => format!(
            "HSM created in the process of the control plane: host {lost} was lost before it was \
             made there."
        ),
        (None, None) => "HSM created.".to_owned(),
    })
}

pub(crate) fn backup(scope: &Scope, backup: &Backup) -> cloudhsm::Backup {
    let source = backup.source.as_ref();
    cloudhsm::Backup {
        backup_id: Some(backup.id.to_string()),
        backup_arn: Some(scope.backup_arn(&backup.id)),
        backup_state: Some(backup.state.name().to_owned()),
        cluster_id: Some(backup.cluster.to_string()),
        create_timestamp: Some(date(backup.created)),
        copy_timestamp: source.map(|one| date(one.copied)),
        never_expires: Some(backup.never_expires),
        source_region: source.map(|one| one.region.to_string()),
        source_backup: source.map(|one| one.backup.to_string()),
        source_cluster: source.map(|_| backup.cluster.to_string()),
        delete_timestamp: match backup.state {
            BackupState::PendingDeletion { until } => Some(date(until)),
            BackupState::Deleted { since } => Some(date(since)),
            BackupState::CreateInProgress | BackupState::Ready => None,
        },
        tag_list: Some(tags(&backup.tags)),
        hsm_type: Some(backup.hsm_type.clone()),
        mode: Some(backup.mode.clone()),
    }
}

/// What CopyBackupToRegion tells of the copy: everything but its ID, which DescribeBackups in the
/// destination Region shows.
pub(crate) fn destination(backup: &Backup) -> DestinationBackup {
    let source = backup.source.as_ref();
    DestinationBackup {
        create_timestamp: Some(date(backup.created)),
        source_region: source.map(|one| one.region.to_string()),
        source_backup: source.map(|one| one.backup.to_string()),
        source_cluster: Some(backup.cluster.to_string()),
    }
}

pub(crate) fn tag((key, value): (String, String)) -> Tag {
    Tag { key, value }
}
