//! Injecting faults and undoing them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use portcullis_admin::{Fault, FaultOrder};
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::{HsmState, KMSUSER, NetworkTrouble};
use portcullis_fleet::{CryptoUser, FleetError};
use portcullis_hsm::Secret;
use portcullis_seam::draw;
use tokio::time::Instant;

use super::{Controls, FaultError};
use crate::chaos::{
    Active, BrokenPlace, Dates, FaultEffect, FaultUndo, HsmEffect, HsmUndo, NetworkEffect,
    Registry, hsms, lasts, read,
};
use crate::record::HsmRecord;
use crate::service_core::ServiceCore;

/// Breaks things on purpose, keeps a list of what is broken, and undoes it.
#[derive(Debug)]
pub struct Faults {
    core: Arc<ServiceCore>,
    controls: Arc<Controls>,
}

impl Faults {
    pub(crate) const fn new(core: Arc<ServiceCore>, controls: Arc<Controls>) -> Self {
        Self { core, controls }
    }

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
    ) -> Result<Fault, FaultError> {
        let (effect, place) = read(order, scope.clone()).map_err(FaultError::BadOrder)?;
        let undo = self.foresee(effect, &place).await?;
        let now = Dates {
            services: self.core.clock.now(),
            machine: self.core.clock.real_now(),
        };
        let active = Active::begin(order, scope, now, undo).map_err(FaultError::BadOrder)?;
        let number = self.core.faults.registry().fresh_number();
        self.core.faults.keep_new(number, &active).await?;
        if let Err((done, error)) = self.carry_out(&active).await {
            if let Err((_, failed)) = self.mend(&active.place, active.kept.undo.first(done)).await {
                tracing::error!(%failed, "a fault stays half made");
            }
            self.core.faults.forget(number).await?;
            return Err(error);
        }
        self.core.faults.registry().list(number, active);
        self.core.apply_faults();
        tracing::warn!(
            fault = Registry::id(number),
            kind = order.kind.name(),
            "broken on purpose"
        );
        if let Some(duration) = lasts(order) {
            self.undo_after(number, duration);
        }
        let views = self.core.clusters();
        let report = self.core.faults.registry().report(number, &views);
        report.ok_or_else(|| FaultError::NoSuchFault(Registry::id(number)))
    }

    /// Every fault that was injected and not undone, in the order of injection.
    #[must_use]
    pub fn list(&self) -> Vec<Fault> {
        let views = self.core.clusters();
        self.core.faults.registry().reports(&views)
    }

    /// Undoes a fault.
    ///
    /// # Errors
    /// When there is no such fault, it cannot be undone, or a part of it cannot be at present: it
    /// stays in the list with that part.
    pub async fn undo(&self, id: &str) -> Result<(), FaultError> {
        let unknown = || FaultError::NoSuchFault(id.to_owned());
        let number = Registry::number(id).ok_or_else(unknown)?;
        self.undo_number(number).await
    }

    /// Undoes every fault, the latest first, and strikes off what cannot be undone. Gives how many
    /// it undid and what failed.
    pub async fn clear(&self) -> (usize, Vec<FaultError>) {
        let (mut undone, mut failed) = (0, Vec::new());
        let numbers = self.core.faults.registry().latest_first();
        for number in numbers {
            match self.undo_number(number).await {
                Ok(()) => undone += 1,
                Err(FaultError::Final(_)) => {
                    drop(self.core.faults.registry().take(number));
                    failed.extend(self.core.faults.forget(number).await.err());
                }
                Err(error) => failed.push(error),
            }
        }
        (undone, failed)
    }

    pub(crate) async fn undo_number(&self, number: u64) -> Result<(), FaultError> {
        let taken = self.core.faults.registry().take(number);
        let Some(mut active) = taken else {
            return Err(FaultError::NoSuchFault(Registry::id(number)));
        };
        self.core.apply_faults();
        let undo = std::mem::replace(&mut active.kept.undo, FaultUndo::Strike);
        match self.mend(&active.place, undo).await {
            Ok(()) => {
                tracing::info!(fault = Registry::id(number), "undone");
                self.core.faults.forget(number).await
            }
            Err((rest, error)) => {
                active.kept.undo = rest;
                // What is broken stays listed, also when that cannot be written.
                let kept = self.core.faults.keep(number, &active).await;
                self.core.faults.registry().list(number, active);
                self.core.apply_faults();
                kept.and(Err(error))
            }
        }
    }

    pub(crate) fn undo_after(self: &Arc<Self>, number: u64, duration: Duration) {
        let faults = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            let Some(faults) = faults.upgrade() else {
                return;
            };
            match faults.undo_number(number).await {
                Ok(()) | Err(FaultError::NoSuchFault(_)) => {}
                Err(error) => tracing::error!(%error, "a fault stays although its time is over"),
            }
        });
    }

    /// Undoes the faults whose time went by while nothing ran, and waits for the ends of the others.
    pub(crate) async fn resume_faults(self: &Arc<Self>) {
        let ends = self.core.faults.registry().ends();
        for (number, ends) in ends {
            let left = ends.saturating_duration_since(Instant::now());
            if left > Duration::ZERO {
                self.undo_after(number, left);
            } else if let Err(error) = self.undo_number(number).await {
                tracing::error!(%error, "a fault stays although its time is over");
            }
        }
    }

    /// What will undo a fault, while everything is as it was.
    async fn foresee(
        &self,
        effect: FaultEffect,
        place: &BrokenPlace,
    ) -> Result<FaultUndo, FaultError> {
        match effect {
            FaultEffect::DeleteCluster => {
                self.check_cluster(place)?;
                Ok(FaultUndo::Never)
            }
            FaultEffect::Network(_) => {
                self.check_cluster(place)?;
                Ok(FaultUndo::MendNetwork)
            }
            FaultEffect::Link(..) if self.core.transport.faults().is_none() => {
                let why = "the links are not made to be broken";
                Err(FaultError::Failed(why.into()))
            }
            FaultEffect::Link(..) | FaultEffect::Behaviour(_) => {
                self.hsms_at(place)?;
                Ok(FaultUndo::Strike)
            }
            FaultEffect::EachHsm(effect) => {
                let mut undos = Vec::new();
                for hsm in self.hsms_at(place)? {
                    let undo = self.foresee_hsm(&hsm, effect).await?;
                    undos.push((hsm, undo));
                }
                Ok(FaultUndo::Hsms(undos))
            }
        }
    }

    fn check_cluster(&self, place: &BrokenPlace) -> Result<(), FaultError> {
        match &place.cluster {
            Some(cluster) if self.core.cluster(&place.scope, cluster).is_none() => {
                Err(FaultError::NoSuchCluster(cluster.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The HSMs at a place, of which there must be one.
    fn hsms_at(&self, place: &BrokenPlace) -> Result<Vec<HsmId>, FaultError> {
        let found = hsms(place, &self.core.clusters());
        if found.is_empty() {
            return Err(FaultError::Nowhere(place.to_string()));
        }
        Ok(found)
    }

    /// What will undo what happens to one HSM.
    async fn foresee_hsm(&self, hsm: &HsmId, effect: HsmEffect) -> Result<HsmUndo, FaultError> {
        Ok(match effect {
            HsmEffect::Crash => HsmUndo::Restart,
            HsmEffect::Degrade => HsmUndo::ShowActive,
            HsmEffect::CorruptDisk => {
                let reached = self
                    .core
                    .fleet
                    .within_reach(hsm, "its disk cannot be damaged");
                reached.map_err(failed)?;
                HsmUndo::RepairDisk
            }
            HsmEffect::LockKmsuser
            | HsmEffect::ChangeKmsuserPassword
            | HsmEffect::RemoveKmsuser => HsmUndo::RestoreUser(self.kmsuser_of(hsm)?.state().await),
        })
    }

    /// Does what a fault does at once. An error comes with the number of HSMs that were broken before
    /// it.
    async fn carry_out(&self, active: &Active) -> Result<(), (usize, FaultError)> {
        let place = &active.place;
        match (active.effect, &place.cluster, &active.kept.undo) {
            (FaultEffect::DeleteCluster, Some(cluster), _) => {
                let destroyed = self.controls.destroy_cluster(&place.scope, cluster).await;
                destroyed.map_err(|error| (0, error))
            }
            (FaultEffect::Network(effect), Some(cluster), _) => {
                let broken = self.break_network(&place.scope, cluster, effect).await;
                broken.map_err(|error| (0, error))
            }
            (FaultEffect::EachHsm(effect), _, FaultUndo::Hsms(undos)) => {
                for (done, (hsm, _)) in undos.iter().enumerate() {
                    let broken = self.break_hsm(hsm, effect).await;
                    broken.map_err(|error| (done, error))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn kmsuser_of(&self, hsm: &HsmId) -> Result<CryptoUser, FaultError> {
        self.core.fleet.crypto_user(hsm, KMSUSER).map_err(failed)
    }

    /// What a fault does to one HSM at once.
    async fn break_hsm(&self, hsm: &HsmId, effect: HsmEffect) -> Result<(), FaultError> {
        match effect {
            HsmEffect::Crash => self.controls.crash(hsm),
            HsmEffect::Degrade => self.controls.set_hsm_state(hsm, HsmState::Degraded).await,
            HsmEffect::CorruptDisk => {
                let _one_at_a_time = self.core.control.lock().await;
                self.core.fleet.corrupt(hsm).await.map_err(failed)
            }
            HsmEffect::LockKmsuser => self.kmsuser_of(hsm)?.lock_out().await.map_err(failed),
            HsmEffect::ChangeKmsuserPassword => {
                let password = self.random_password();
                let kmsuser = self.kmsuser_of(hsm)?;
                kmsuser.change_password(&password).await.map_err(failed)
            }
            HsmEffect::RemoveKmsuser => self.kmsuser_of(hsm)?.remove().await.map_err(failed),
        }
    }

    fn random_password(&self) -> Secret {
        let bits: [u8; 16] = draw(&*self.core.entropy);
        Secret::new(HEXLOWER.encode(&bits))
    }

    async fn break_network(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        effect: NetworkEffect,
    ) -> Result<(), FaultError> {
        let view = self.core.cluster(scope, cluster);
        let subnet = view.and_then(|view| view.subnets.values().next().cloned());
        let subnet = subnet.ok_or_else(|| FaultError::NoSuchCluster(cluster.clone()))?;
        let trouble = match effect {
            NetworkEffect::DeleteSubnet => NetworkTrouble::SubnetNotFound(subnet),
            NetworkEffect::FillSubnet => NetworkTrouble::NoFreeAddress(subnet),
            NetworkEffect::CloseSecurityGroup => NetworkTrouble::SecurityGroupChanged,
        };
        self.controls
            .set_network_trouble(scope, cluster, Some(trouble))
            .await
    }

    /// Undoes what is broken at a place. What fails is given back with the first reason.
    async fn mend(
        &self,
        place: &BrokenPlace,
        undo: FaultUndo,
    ) -> Result<(), (FaultUndo, FaultError)> {
        match undo {
            FaultUndo::Strike => Ok(()),
            FaultUndo::Never => Err((
                FaultUndo::Never,
                FaultError::Final("the cluster and its HSMs are gone".to_owned()),
            )),
            FaultUndo::MendNetwork => {
                let Some(cluster) = &place.cluster else {
                    return Ok(());
                };
                match self
                    .controls
                    .set_network_trouble(&place.scope, cluster, None)
                    .await
                {
                    Ok(()) | Err(FaultError::NoSuchCluster(_)) => Ok(()),
                    Err(error) => Err((FaultUndo::MendNetwork, error)),
                }
            }
            FaultUndo::Hsms(undos) => {
                let (mut rest, mut first) = (Vec::new(), None);
                for (hsm, undo) in undos {
                    match self.mend_hsm(&hsm, &undo).await {
                        // An HSM that is gone needs nothing.
                        Ok(()) | Err(FaultError::NoSuchHsm(_)) => {}
                        Err(error) => {
                            rest.push((hsm, undo));
                            first.get_or_insert(error);
                        }
                    }
                }
                first.map_or(Ok(()), |error| Err((FaultUndo::Hsms(rest), error)))
            }
        }
    }

    async fn mend_hsm(&self, hsm: &HsmId, undo: &HsmUndo) -> Result<(), FaultError> {
        let (_, cluster) = self.core.owner(hsm)?;
        let forsaken = cluster.hsms.get(hsm).is_some_and(HsmRecord::is_forsaken);
        match undo {
            // Rule HOST-13: it stays DEGRADED.
            HsmUndo::ShowActive if forsaken => Ok(()),
            HsmUndo::Restart if self.core.fleet.is_up(hsm) => Ok(()),
            HsmUndo::Restart => self.controls.start_again(hsm).await,
            HsmUndo::ShowActive => self.controls.set_hsm_state(hsm, HsmState::Active).await,
            HsmUndo::RepairDisk => {
                {
                    let _one_at_a_time = self.core.control.lock().await;
                    self.core.fleet.repair(hsm).await.map_err(failed)?;
                }
                self.controls.start_again(hsm).await
            }
            HsmUndo::RestoreUser(tampered) => {
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
