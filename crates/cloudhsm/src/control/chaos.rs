//! Injecting faults and undoing them.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_hsm::Secret;
use portcullis_seam::draw;
use tokio::time::Instant;

use super::CloudHsm;
use super::faults::FaultError;
use crate::chaos::{
    Active, Breakage, BrokenNetwork, FaultOrder, FaultReport, Place, Registry, Remedy, Undo, hsms,
};
use crate::fleet::FleetError;
use crate::{Clusters, HsmState, NetworkTrouble};

impl CloudHsm {
    /// Breaks what `order` says, and undoes it by itself when the order's time is over.
    ///
    /// Rule FT-02: what is broken is listed until it is undone.
    ///
    /// # Errors
    /// When the order makes no sense, names nothing that there is, or cannot be carried out; then
    /// nothing is broken.
    pub async fn inject(
        self: &Arc<Self>,
        scope: Scope,
        order: &FaultOrder,
    ) -> Result<FaultReport, FaultError> {
        let (breakage, place, duration) = order.read(scope).map_err(FaultError::BadOrder)?;
        let undo = self.carry_out(breakage, &place).await?;
        let active = Active {
            kind: order.kind,
            breakage,
            place,
            since_ms: self.clock.now().millis(),
            ends: duration.map(|it| Instant::now() + it),
            undo,
        };
        let number = self.faults.lock().add(active);
        self.apply_faults();
        tracing::warn!(
            fault = Registry::id(number),
            kind = order.kind.name(),
            "broken on purpose"
        );
        if let Some(duration) = duration {
            self.undo_after(number, duration);
        }
        let views = self.clusters();
        let report = self.faults.lock().report(number, &views);
        report.ok_or_else(|| FaultError::NoSuchFault(Registry::id(number)))
    }

    /// Every fault that was injected and not undone, in the order of injection.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultReport> {
        let views = self.clusters();
        self.faults.lock().reports(&views)
    }

    /// Undoes a fault.
    ///
    /// # Errors
    /// When there is no such fault, it cannot be undone, or a part of it cannot be at present: it
    /// stays in the list with that part.
    pub async fn undo_fault(&self, id: &str) -> Result<(), FaultError> {
        let unknown = || FaultError::NoSuchFault(id.to_owned());
        let number = Registry::number(id).ok_or_else(unknown)?;
        self.undo(number).await
    }

    /// Undoes every fault, the latest first, and strikes off what cannot be undone. Gives how many
    /// it undid and what failed.
    pub async fn clear_faults(&self) -> (usize, Vec<FaultError>) {
        let (mut undone, mut failed) = (0, Vec::new());
        let numbers = self.faults.lock().latest_first();
        for number in numbers {
            match self.undo(number).await {
                Ok(()) => undone += 1,
                Err(FaultError::Final(_)) => drop(self.faults.lock().take(number)),
                Err(error) => failed.push(error),
            }
        }
        (undone, failed)
    }

    async fn undo(&self, number: u64) -> Result<(), FaultError> {
        let taken = self.faults.lock().take(number);
        let Some(mut active) = taken else {
            return Err(FaultError::NoSuchFault(Registry::id(number)));
        };
        self.apply_faults();
        let undo = std::mem::replace(&mut active.undo, Undo::Strike);
        let Err((rest, error)) = self.mend(undo).await else {
            tracing::info!(fault = Registry::id(number), "undone");
            return Ok(());
        };
        active.undo = rest;
        self.faults.lock().put_back(number, active);
        self.apply_faults();
        Err(error)
    }

    fn undo_after(self: &Arc<Self>, number: u64, duration: Duration) {
        let cloud = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            let Some(cloud) = cloud.upgrade() else {
                return;
            };
            match cloud.undo(number).await {
                Ok(()) | Err(FaultError::NoSuchFault(_)) => {}
                Err(error) => tracing::error!(%error, "a fault stays although its time is over"),
            }
        });
    }

    /// Brings the state of links and HSMs in line with the list of faults.
    ///
    /// Rule FT-07: also when an HSM comes into a place that is broken.
    pub(super) fn apply_faults(&self) {
        let faults = self.faults.lock();
        let views = self.clusters();
        if let Some(links) = self.transport.faults() {
            links.set(faults.rules(&views));
        }
        self.fleet.ail(faults.ailments(&views).into_iter());
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// Breaks it, and says what undoes it. What was broken before an error is mended.
    async fn carry_out(&self, breakage: Breakage, place: &Place) -> Result<Undo, FaultError> {
        match (breakage, &place.cluster) {
            (Breakage::DeleteCluster, Some(cluster)) => {
                self.destroy_cluster(&place.scope, cluster).await?;
                return Ok(Undo::Never);
            }
            (Breakage::Network(network), Some(cluster)) => {
                return self.break_network(&place.scope, cluster, network).await;
            }
            (Breakage::Link(..), _) if self.transport.faults().is_none() => {
                return Err(FaultError::Failed(
                    "the links are not made to be broken".into(),
                ));
            }
            _ => {}
        }
        let befallen = hsms(place, &self.clusters());
        if befallen.is_empty() {
            return Err(FaultError::Nowhere(place.to_string()));
        }
        let mut remedies = Vec::new();
        for hsm in befallen {
            match self.break_hsm(&hsm, breakage).await {
                Ok(Some(remedy)) => remedies.push((hsm, remedy)),
                Ok(None) => {}
                Err(error) => {
                    if let Err((_, failed)) = self.mend(Undo::Hsms(remedies)).await {
                        tracing::error!(%failed, "a fault stays half made");
                    }
                    return Err(error);
                }
            }
        }
        Ok(if remedies.is_empty() {
            Undo::Strike
        } else {
            Undo::Hsms(remedies)
        })
    }

    /// What a breakage does to one HSM at once; none when it is all in the list of faults.
    async fn break_hsm(
        &self,
        hsm: &HsmId,
        breakage: Breakage,
    ) -> Result<Option<Remedy>, FaultError> {
        let remedy = match breakage {
            Breakage::Crash => {
                self.crash(hsm)?;
                Remedy::Restart
            }
            Breakage::Degrade => {
                self.set_hsm_state(hsm, HsmState::Degraded).await?;
                Remedy::ShowActive
            }
            Breakage::CorruptDisk => {
                let _one_at_a_time = self.control.lock().await;
                Remedy::RepairDisk(self.fleet.corrupt(hsm).await.map_err(failed)?)
            }
            Breakage::LockKmsuser => {
                Remedy::RestoreUser(self.fleet.lock_kmsuser(hsm).await.map_err(failed)?)
            }
            Breakage::ChangeKmsuserPassword => {
                let password = self.random_password();
                let changed = self.fleet.change_kmsuser(hsm, &password).await;
                Remedy::RestoreUser(changed.map_err(failed)?)
            }
            Breakage::RemoveKmsuser => {
                Remedy::RestoreUser(self.fleet.remove_kmsuser(hsm).await.map_err(failed)?)
            }
            Breakage::Hang
            | Breakage::Slow(_)
            | Breakage::FillDisk
            | Breakage::Link(..)
            | Breakage::DeleteCluster
            | Breakage::Network(_) => return Ok(None),
        };
        Ok(Some(remedy))
    }

    fn random_password(&self) -> Secret {
        let bits: [u8; 16] = draw(&*self.entropy);
        let hex: Vec<String> = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        Secret::new(hex.concat())
    }

    async fn break_network(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        network: BrokenNetwork,
    ) -> Result<Undo, FaultError> {
        let view = self.cluster(scope, cluster);
        let subnet = view.and_then(|view| view.subnets.values().next().cloned());
        let subnet = subnet.ok_or_else(|| FaultError::NoSuchCluster(cluster.clone()))?;
        let trouble = match network {
            BrokenNetwork::SubnetDeleted => NetworkTrouble::SubnetNotFound(subnet),
            BrokenNetwork::SubnetFull => NetworkTrouble::NoFreeAddress(subnet),
            BrokenNetwork::SecurityGroupClosed => NetworkTrouble::SecurityGroupChanged,
        };
        self.set_network_trouble(scope, cluster, Some(trouble))
            .await?;
        Ok(Undo::MendNetwork(scope.clone(), cluster.clone()))
    }

    /// Undoes. What fails is given back with the first reason.
    async fn mend(&self, undo: Undo) -> Result<(), (Undo, FaultError)> {
        match undo {
            Undo::Strike => Ok(()),
            Undo::Never => Err((
                Undo::Never,
                FaultError::Final("the cluster and its HSMs are gone".to_owned()),
            )),
            Undo::MendNetwork(scope, cluster) => {
                match self.set_network_trouble(&scope, &cluster, None).await {
                    Ok(()) | Err(FaultError::NoSuchCluster(_)) => Ok(()),
                    Err(error) => Err((Undo::MendNetwork(scope, cluster), error)),
                }
            }
            Undo::Hsms(remedies) => {
                let (mut rest, mut first) = (Vec::new(), None);
                for (hsm, remedy) in remedies {
                    match self.mend_hsm(&hsm, &remedy).await {
                        // An HSM that is gone needs no remedy.
                        Ok(()) | Err(FaultError::NoSuchHsm(_)) => {}
                        Err(error) => {
                            rest.push((hsm, remedy));
                            first.get_or_insert(error);
                        }
                    }
                }
                first.map_or(Ok(()), |error| Err((Undo::Hsms(rest), error)))
            }
        }
    }

    async fn mend_hsm(&self, hsm: &HsmId, remedy: &Remedy) -> Result<(), FaultError> {
        self.owner(hsm)?;
        match remedy {
            Remedy::Restart if self.fleet.is_up(hsm) => Ok(()),
            Remedy::Restart => self.restart(hsm).await,
            Remedy::ShowActive => self.set_hsm_state(hsm, HsmState::Active).await,
            Remedy::RepairDisk(saved) => {
                {
                    let _one_at_a_time = self.control.lock().await;
                    self.fleet.repair(hsm, saved).await.map_err(failed)?;
                }
                self.restart(hsm).await
            }
            Remedy::RestoreUser(tampered) => {
                let restored = self.fleet.restore_kmsuser(hsm, tampered).await;
                restored.map_err(failed)
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn failed(error: FleetError) -> FaultError {
    FaultError::Failed(error.to_string())
}
