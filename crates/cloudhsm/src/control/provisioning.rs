//! HSMs are made and removed.

use std::sync::Arc;

use portcullis_api::{Exception, HsmId, Scope};
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_fleet::{FleetError, KeptIdentity};
use portcullis_seam::plant::{Bug, planted};

use super::backups::Backups;
use super::devices::Devices;
use super::step::source_of_last_backup;
use crate::certificate::{Makers, give_birth};
use crate::hosts::HostLines;
use crate::record::{Cluster, ClusterCertificates, internal};
use crate::service_core::{ServiceCore, failed};

/// Makes the HSMs that records ask for, here or on hosts, and removes them.
pub(crate) struct Provisioning {
    pub(crate) core: Arc<ServiceCore>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) lines: Arc<HostLines>,
    pub(crate) makers: Makers,
}

impl Provisioning {
    /// Every HSM in service, after all disks of its cluster are open: they catch up from each
    /// other.
    pub(crate) async fn start_hsms(&self) {
        for (scope, id) in self.core.ledger.clusters() {
            let Ok(Some(cluster)) = self.core.ledger.cluster(&scope, &id) else {
                continue;
            };
            let hsms: Vec<_> = cluster
                .hsms
                .iter()
                .filter(|(_, hsm)| hsm.state != HsmState::CreateInProgress)
                .map(|(id, _)| id.clone())
                .collect();
            self.place_hsms(&cluster);
            for hsm in hsms.iter().filter(|hsm| !self.core.fleet.is_placed(hsm)) {
                // What fails here fails again when it is started, and is logged then.
                let _peers_read_it = self.core.fleet.attach(hsm);
            }
            for hsm in &hsms {
                self.devices.equip(&scope, &cluster, hsm);
                if self.core.fleet.is_placed(hsm) || self.core.faults.keeps_down(hsm) {
                    // It starts when its host calls; or when the fault is undone.
                    continue;
                }
                let Err(error) = self.core.fleet.start(hsm, &hsms).await else {
                    continue;
                };
                let found = cluster.hsms.get(hsm);
                if found.is_some_and(|found| found.state == HsmState::DeleteInProgress) {
                    // Rule ST-23: its disk may be gone already, and the rest of it goes now.
                    tracing::debug!(%error, "an HSM that is being deleted does not start");
                } else {
                    tracing::error!(%error, "an HSM stays down");
                }
            }
        }
    }

    /// Lets the fleet know which HSMs of a cluster are on other hosts.
    pub(crate) fn place_hsms(&self, cluster: &Cluster) {
        for (id, hsm) in &cluster.hsms {
            if let Some(number) = hsm.host {
                self.core
                    .fleet
                    .place(id, self.lines.line_to(number, &hsm.zone));
            }
        }
    }

    pub(crate) async fn install(&self, scope: &Scope, cluster: &Cluster) -> Result<(), Exception> {
        if let Some((certificate, _)) = cluster.issued() {
            for hsm in cluster.hsms_in(HsmState::Active) {
                self.core
                    .fleet
                    .install(hsm, certificate)
                    .await
                    .map_err(failed)?;
            }
        }
        let initialized = |one: &mut Cluster| one.state = ClusterState::Initialized;
        self.core
            .ledger
            .amend(scope, &cluster.id, initialized)
            .await
    }

    pub(crate) async fn make_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        let host = cluster.hsms.get(hsm).and_then(|record| record.host);
        if let Some(number) = host {
            if !self.lines.is_host_there(number) {
                return self.make_here(scope, cluster, hsm, number).await;
            }
            self.place_hsms(cluster);
        }
        let mut certificates = None;
        let made = if cluster.issued().is_none() {
            let (fresh, made) = self.make_first_hsm(hsm).await?;
            certificates = Some(fresh);
            made
        } else {
            let capture = self.backups.content_for_new_hsm(scope, cluster).await?;
            self.core.fleet.create_from(hsm, capture).await
        };
        match (made, host) {
            (Ok(()), _) => {}
            (Err(error), Some(number)) => {
                tracing::warn!(%error, "an HSM is not made on its host");
                return self.make_here(scope, cluster, hsm, number).await;
            }
            (Err(error), None) => return Err(failed(error)),
        }
        self.devices.equip(scope, cluster, hsm);
        let made = |one: &mut Cluster| {
            if let Some(record) = one.hsms.get_mut(hsm) {
                record.state = HsmState::Active;
            }
            if let Some(certificates) = &certificates {
                one.certificates = certificates.clone();
            }
        };
        self.core.ledger.amend(scope, &cluster.id, made).await?;
        // What the others got while this one was being filled.
        self.core.synchronise(cluster, Some(hsm)).await
    }

    /// An HSM that was to be made on a host that is lost will be made in this process.
    ///
    /// Rule HOST-08: the loss of a host leaves no HSM that is never made. The host wipes what it has
    /// of it when it comes back.
    async fn make_here(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
        lost: u64,
    ) -> Result<(), Exception> {
        tracing::warn!(%hsm, host = lost, "an HSM is made here, since its host is lost");
        if self.core.fleet.is_placed(hsm) {
            let _gone_or_wiped_later = self.core.fleet.remove(hsm).await;
            self.core.fleet.displace(hsm);
        }
        let here = |one: &mut Cluster| {
            if let Some(record) = one.hsms.get_mut(hsm) {
                record.host = None;
                record.lost_host = Some(lost);
            }
        };
        self.core.ledger.amend(scope, &cluster.id, here).await
    }

    /// The first HSM makes the cluster's key pair and asks for a certificate. Gives the certificates,
    /// and whether the HSM was made.
    async fn make_first_hsm(
        &self,
        hsm: &HsmId,
    ) -> Result<(ClusterCertificates, Result<(), FleetError>), Exception> {
        let now = self.core.clock.now();
        let birth = give_birth(&self.makers, hsm, &*self.core.entropy, now).map_err(|error| {
            internal("The HSM's certificates could not be made.").because(error)
        })?;
        let identity = KeptIdentity::unsigned(birth.key.pkcs8().clone());
        let made = self.core.fleet.create_blank(hsm, &identity).await;
        let certificates = ClusterCertificates::Requested {
            request: birth.request,
            hsm: birth.hsm,
            aws_hardware: birth.aws_hardware,
            manufacturer_hardware: birth.manufacturer_hardware,
        };
        Ok((certificates, made))
    }

    pub(crate) async fn remove_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        // An attempt that was cut short after it had destroyed the HSM has taken the backup.
        let repeats = planted(Bug::RemovalNotRepeatable);
        let is_there = repeats || self.core.fleet.capture(hsm).await.is_ok();
        if cluster.migrating() {
            // What came to the old one while its replacement was filled.
            self.core.synchronise(cluster, Some(hsm)).await?;
        } else if cluster.in_service() && is_there {
            // This also brings the HSMs in step: the keys that only this one has must survive it.
            self.take_last_backup(scope, cluster, hsm).await?;
        }
        self.core.fleet.remove(hsm).await.map_err(failed)?;
        let removed = |one: &mut Cluster| {
            one.hsms.remove(hsm);
            // The private key of the request went with the HSM.
            if one.state == ClusterState::Uninitialized {
                one.certificates = ClusterCertificates::Nothing;
            }
        };
        self.core.ledger.amend(scope, &cluster.id, removed).await
    }

    /// A backup of an HSM that is about to go: when its disk cannot be read, one of another HSM,
    /// and when there is no other, none. A broken HSM can always be removed.
    async fn take_last_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        match source_of_last_backup(&self.core.fleet, cluster, hsm) {
            Some(source) => self
                .backups
                .take_backup(scope, cluster, source)
                .await
                .map(drop),
            None => Ok(()),
        }
    }
}
