//! Injecting faults and undoing them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use portcullis_admin::{Fault, FaultOrder};
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::{Clusters, HsmState, KMSUSER, NetworkTrouble};
use portcullis_fleet::{CryptoUser, FleetError};
use portcullis_hsm::Secret;
use portcullis_seam::draw;

use super::controls::FaultError;
use crate::CloudHsm;
use crate::chaos::{
    Active, Dates, Effect, HsmEffect, HsmUndo, NetworkEffect, Place, Registry, Undo, hsms, lasts,
    read,
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
    ) -> Result<Fault, FaultError> {
        let (effect, place) = read(order, scope.clone()).map_err(FaultError::BadOrder)?;
        let undo = self.foresee(effect, &place).await?;
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
        if let Some(duration) = lasts(order) {
            self.undo_after(number, duration);
        }
        let views = self.clusters();
        let report = self.faults.lock().report(number, &views);
        report.ok_or_else(|| FaultError::NoSuchFault(Registry::id(number)))
    }

    /// Every fault that was injected and not undone, in the order of injection.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
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

    pub(crate) async fn undo(&self, number: u64) -> Result<(), FaultError> {
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

    pub(crate) fn undo_after(self: &Arc<Self>, number: u64, duration: Duration) {
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
    pub(crate) fn apply_faults(&self) {
        let faults = self.faults.lock();
        let views = self.clusters();
        if let Some(links) = self.transport.faults() {
            links.set(faults.rules(&views));
        }
        self.fleet
            .set_behaviours(faults.behaviours(&views).into_iter());
    }

    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// What will undo a fault, while everything is as it was.
    async fn foresee(&self, effect: Effect, place: &Place) -> Result<Undo, FaultError> {
        match effect {
            Effect::DeleteCluster => {
                self.check_cluster(place)?;
                Ok(Undo::Never)
            }
            Effect::Network(_) => {
                self.check_cluster(place)?;
                Ok(Undo::MendNetwork)
            }
            Effect::Link(..) if self.transport.faults().is_none() => {
                let why = "the links are not made to be broken";
                Err(FaultError::Failed(why.into()))
            }
            Effect::Link(..) | Effect::Behaviour(_) => {
                self.hsms_at(place)?;
                Ok(Undo::Strike)
            }
            Effect::EachHsm(effect) => {
                let mut undos = Vec::new();
                for hsm in self.hsms_at(place)? {
                    let undo = self.foresee_hsm(&hsm, effect).await?;
                    undos.push((hsm, undo));
                }
                Ok(Undo::Hsms(undos))
            }
        }
    }

    fn check_cluster(&self, place: &Place) -> Result<(), FaultError> {
        match &place.cluster {
            Some(cluster) if self.cluster(&place.scope, cluster).is_none() => {
                Err(FaultError::NoSuchCluster(cluster.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The HSMs at a place, of which there must be one.
    fn hsms_at(&self, place: &Place) -> Result<Vec<HsmId>, FaultError> {
        let found = hsms(place, &self.clusters());
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
                let reached = self.fleet.within_reach(hsm, "its disk cannot be damaged");
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
            (Effect::DeleteCluster, Some(cluster), _) => {
                let destroyed = self.destroy_cluster(&place.scope, cluster).await;
                destroyed.map_err(|error| (0, error))
            }
            (Effect::Network(effect), Some(cluster), _) => {
                let broken = self.break_network(&place.scope, cluster, effect).await;
                broken.map_err(|error| (0, error))
            }
            (Effect::EachHsm(effect), _, Undo::Hsms(undos)) => {
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
        self.fleet.crypto_user(hsm, KMSUSER).map_err(failed)
    }

    /// What a fault does to one HSM at once.
    async fn break_hsm(&self, hsm: &HsmId, effect: HsmEffect) -> Result<(), FaultError> {
        match effect {
            HsmEffect::Crash => self.crash(hsm),
            HsmEffect::Degrade => self.set_hsm_state(hsm, HsmState::Degraded).await,
            HsmEffect::CorruptDisk => {
                let _one_at_a_time = self.control.lock().await;
                self.fleet.corrupt(hsm).await.map_err(failed)
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
        let bits: [u8; 16] = draw(&*self.entropy);
        Secret::new(HEXLOWER.encode(&bits))
    }

    async fn break_network(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        effect: NetworkEffect,
    ) -> Result<(), FaultError> {
        let view = self.cluster(scope, cluster);
        let subnet = view.and_then(|view| view.subnets.values().next().cloned());
        let subnet = subnet.ok_or_else(|| FaultError::NoSuchCluster(cluster.clone()))?;
        let trouble = match effect {
            NetworkEffect::DeleteSubnet => NetworkTrouble::SubnetNotFound(subnet),
            NetworkEffect::FillSubnet => NetworkTrouble::NoFreeAddress(subnet),
            NetworkEffect::CloseSecurityGroup => NetworkTrouble::SecurityGroupChanged,
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
            Undo::Hsms(undos) => {
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
                first.map_or(Ok(()), |error| Err((Undo::Hsms(rest), error)))
            }
        }
    }

    async fn mend_hsm(&self, hsm: &HsmId, undo: &HsmUndo) -> Result<(), FaultError> {
        let (_, cluster) = self.owner(hsm)?;
        let forsaken = cluster.hsms.get(hsm).is_some_and(HsmRecord::is_forsaken);
        match undo {
            // Rule HOST-13: it stays DEGRADED.
            HsmUndo::ShowActive if forsaken => Ok(()),
            HsmUndo::Restart if self.fleet.is_up(hsm) => Ok(()),
            HsmUndo::Restart => self.start_again(hsm).await,
            HsmUndo::ShowActive => self.set_hsm_state(hsm, HsmState::Active).await,
            HsmUndo::RepairDisk => {
                {
                    let _one_at_a_time = self.control.lock().await;
                    self.fleet.repair(hsm).await.map_err(failed)?;
                }
                self.start_again(hsm).await
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
