//! Injecting faults and undoing them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::{Clusters, HsmState, KMSUSER, NetworkTrouble};
use portcullis_fleet::{CryptoUser, FleetError};
use portcullis_hsm::Secret;
use portcullis_seam::draw;

use super::CloudHsm;
use super::faults::FaultError;
use crate::chaos::{
    Active, Breakage, BrokenNetwork, Dates, FaultOrder, FaultReport, Place, Registry, Remedy, Undo,
    hsms,
};
use crate::record::HsmRecord;

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
        let (breakage, place) = order.read(scope.clone()).map_err(FaultError::BadOrder)?;
        let undo = self.foresee(breakage, &place).await?;
        let now = Dates {
            services: self.clock.now(),
            machine: self.clock.real_now(),
        };
        let active = Active::begin(order, scope, now, undo).map_err(FaultError::BadOrder)?;
        let number = self.faults.lock().fresh_number();
        self.keep_new_fault(number, &active).await?;
        if let Err((done, error)) = self.carry_out(&active).await {
            if let Err((_, failed)) = self.mend(&active.place, active.kept.undo.first(done)).await {
                tracing::error!(%failed, "a fault stays half made");
            }
            self.forget_fault(number).await?;
            return Err(error);
        }
        self.faults.lock().list(number, active);
        self.apply_faults();
        tracing::warn!(
            fault = Registry::id(number),
            kind = order.kind.name(),
            "broken on purpose"
        );
        if let Some(duration) = order.lasts() {
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
                Err(FaultError::Final(_)) => {
                    drop(self.faults.lock().take(number));
                    failed.extend(self.forget_fault(number).await.err());
                }
                Err(error) => failed.push(error),
            }
        }
        (undone, failed)
    }

    pub(super) async fn undo(&self, number: u64) -> Result<(), FaultError> {
        let taken = self.faults.lock().take(number);
        let Some(mut active) = taken else {
            return Err(FaultError::NoSuchFault(Registry::id(number)));
        };
        self.apply_faults();
        let undo = std::mem::replace(&mut active.kept.undo, Undo::Strike);
        match self.mend(&active.place, undo).await {
            Ok(()) => {
                tracing::info!(fault = Registry::id(number), "undone");
                self.forget_fault(number).await
            }
            Err((rest, error)) => {
                active.kept.undo = rest;
                // What is broken stays listed, also when that cannot be written.
                let kept = self.keep_fault(number, &active).await;
                self.faults.lock().list(number, active);
                self.apply_faults();
                kept.and(Err(error))
            }
        }
    }

    pub(super) fn undo_after(self: &Arc<Self>, number: u64, duration: Duration) {
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
        self.fleet.set_ailments(faults.ailments(&views).into_iter());
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// What will undo a breakage, while everything is as it was.
    async fn foresee(&self, breakage: Breakage, place: &Place) -> Result<Undo, FaultError> {
        if let Some(cluster) = &place.cluster
            && matches!(breakage, Breakage::DeleteCluster | Breakage::Network(_))
        {
            if self.cluster(&place.scope, cluster).is_none() {
                return Err(FaultError::NoSuchCluster(cluster.clone()));
            }
            return Ok(if breakage == Breakage::DeleteCluster {
                Undo::Never
            } else {
                Undo::MendNetwork
            });
        }
        if breakage.of_links().is_some() && self.transport.faults().is_none() {
            let why = "the links are not made to be broken";
            return Err(FaultError::Failed(why.into()));
        }
        let befallen = hsms(place, &self.clusters());
        if befallen.is_empty() {
            return Err(FaultError::Nowhere(place.to_string()));
        }
        let mut remedies = Vec::new();
        for hsm in befallen {
            if let Some(remedy) = self.remedy(&hsm, breakage).await? {
                remedies.push((hsm, remedy));
            }
        }
        Ok(if remedies.is_empty() {
            Undo::Strike
        } else {
            Undo::Hsms(remedies)
        })
    }

    /// What will mend one HSM; none when its breakage is all in the list of faults.
    async fn remedy(&self, hsm: &HsmId, breakage: Breakage) -> Result<Option<Remedy>, FaultError> {
        Ok(match breakage {
            Breakage::Crash => Some(Remedy::Restart),
            Breakage::Degrade => Some(Remedy::ShowActive),
            Breakage::CorruptDisk => {
                let reached = self.fleet.within_reach(hsm, "its disk cannot be damaged");
                reached.map_err(failed)?;
                Some(Remedy::RepairDisk)
            }
            Breakage::LockKmsuser | Breakage::ChangeKmsuserPassword | Breakage::RemoveKmsuser => {
                Some(Remedy::RestoreUser(self.kmsuser_of(hsm)?.state().await))
            }
            Breakage::Hang
            | Breakage::Slow(_)
            | Breakage::FillDisk
            | Breakage::Link(..)
            | Breakage::DeleteCluster
            | Breakage::Network(_) => None,
        })
    }

    /// Breaks it. An error comes with the number of HSMs that were broken before it.
    async fn carry_out(&self, active: &Active) -> Result<(), (usize, FaultError)> {
        let place = &active.place;
        match (active.breakage, &place.cluster) {
            (Breakage::DeleteCluster, Some(cluster)) => {
                let destroyed = self.destroy_cluster(&place.scope, cluster).await;
                return destroyed.map_err(|error| (0, error));
            }
            (Breakage::Network(network), Some(cluster)) => {
                let broken = self.break_network(&place.scope, cluster, network).await;
                return broken.map_err(|error| (0, error));
            }
            _ => {}
        }
        if let Undo::Hsms(remedies) = &active.kept.undo {
            for (done, (hsm, _)) in remedies.iter().enumerate() {
                let broken = self.break_hsm(hsm, active.breakage).await;
                broken.map_err(|error| (done, error))?;
            }
        }
        Ok(())
    }

    /// What a breakage does to one HSM at once.
    fn kmsuser_of(&self, hsm: &HsmId) -> Result<CryptoUser, FaultError> {
        self.fleet.crypto_user(hsm, KMSUSER).map_err(failed)
    }

    async fn break_hsm(&self, hsm: &HsmId, breakage: Breakage) -> Result<(), FaultError> {
        match breakage {
            Breakage::Crash => self.crash(hsm),
            Breakage::Degrade => self.set_hsm_state(hsm, HsmState::Degraded).await,
            Breakage::CorruptDisk => {
                let _one_at_a_time = self.control.lock().await;
                self.fleet.corrupt(hsm).await.map_err(failed)
            }
            Breakage::LockKmsuser => self.kmsuser_of(hsm)?.lock_out().await.map_err(failed),
            Breakage::ChangeKmsuserPassword => {
                let password = self.random_password();
                let kmsuser = self.kmsuser_of(hsm)?;
                kmsuser.change_password(&password).await.map_err(failed)
            }
            Breakage::RemoveKmsuser => self.kmsuser_of(hsm)?.remove().await.map_err(failed),
            Breakage::Hang
            | Breakage::Slow(_)
            | Breakage::FillDisk
            | Breakage::Link(..)
            | Breakage::DeleteCluster
            | Breakage::Network(_) => Ok(()),
        }
    }

    fn random_password(&self) -> Secret {
        let bits: [u8; 16] = draw(&*self.entropy);
        Secret::new(HEXLOWER.encode(&bits))
    }

    async fn break_network(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        network: BrokenNetwork,
    ) -> Result<(), FaultError> {
        let view = self.cluster(scope, cluster);
        let subnet = view.and_then(|view| view.subnets.values().next().cloned());
        let subnet = subnet.ok_or_else(|| FaultError::NoSuchCluster(cluster.clone()))?;
        let trouble = match network {
            BrokenNetwork::SubnetDeleted => NetworkTrouble::SubnetNotFound(subnet),
            BrokenNetwork::SubnetFull => NetworkTrouble::NoFreeAddress(subnet),
            BrokenNetwork::SecurityGroupClosed => NetworkTrouble::SecurityGroupChanged,
        };
        self.set_network_trouble(scope, cluster, Some(trouble))
            .await
    }

    /// Undoes what is broken at a place. What fails is given back with the first reason.
    async fn mend(&self, place: &Place, undo: Undo) -> Result<(), (Undo, FaultError)> {
        match undo {
            Undo::Strike => Ok(()),
            Undo::Never => Err((
                Undo::Never,
                FaultError::Final("the cluster and its HSMs are gone".to_owned()),
            )),
            Undo::MendNetwork => {
                let Some(cluster) = &place.cluster else {
                    return Ok(());
                };
                match self.set_network_trouble(&place.scope, cluster, None).await {
                    Ok(()) | Err(FaultError::NoSuchCluster(_)) => Ok(()),
                    Err(error) => Err((Undo::MendNetwork, error)),
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
        let (_, cluster) = self.owner(hsm)?;
        let forsaken = cluster.hsms.get(hsm).is_some_and(HsmRecord::is_forsaken);
        match remedy {
            // Rule HOST-13: it stays DEGRADED.
            Remedy::ShowActive if forsaken => Ok(()),
            Remedy::Restart if self.fleet.is_up(hsm) => Ok(()),
            Remedy::Restart => self.start_again(hsm).await,
            Remedy::ShowActive => self.set_hsm_state(hsm, HsmState::Active).await,
            Remedy::RepairDisk => {
                {
                    let _one_at_a_time = self.control.lock().await;
                    self.fleet.repair(hsm).await.map_err(failed)?;
                }
                self.start_again(hsm).await
            }
            Remedy::RestoreUser(tampered) => {
                let kmsuser = self.kmsuser_of(hsm)?;
                kmsuser.restore(tampered).await.map_err(failed)
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn failed(error: FleetError) -> FaultError {
    FaultError::Failed(error.to_string())
}
