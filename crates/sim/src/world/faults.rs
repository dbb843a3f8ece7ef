//! What befalls a world, and how it is repaired.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, Epoch, Fence, Refusal, Reply, Role, Secret};
use portcullis_link::{CallError, Channel, Target, Transport, pem_to_der};
use tokio::time::Instant;

use super::names::{ADMIN, ADMIN_PASSWORD, KMSUSER, ODD_PASSWORD};
use super::wait::wait;
use super::{
    Crash, FullDisk, Members, NetworkPartition, PasswordGuesses, Storm, World, WorldError,
};
use crate::history::HistoryEvent;
use crate::{Way, Weather};

/// Breaks parts of a world, and repairs them.
pub(super) struct FaultInjector(pub(super) Arc<World>);

impl Deref for FaultInjector {
    type Target = Arc<World>;

    fn deref(&self) -> &Arc<World> {
        &self.0
    }
}

impl FaultInjector {
    /// Cuts the power of one HSM of the first cluster, and restores it.
    pub(super) async fn crash(&self, crash: Crash) {
        wait(crash.at).await;
        let Some(hsm) = self.hsms_of(&self.first).into_keys().nth(crash.hsm) else {
            return;
        };
        self.fault("power cut");
        if let Some(writes) = crash.mid_write {
            self.known.lock().down.insert(hsm.clone());
            self.disks.cut_power_after(&hsm, writes);
            wait(crash.down / 2).await;
        }
        self.disks.cut_power(&hsm);
        self.known.lock().down.insert(hsm.clone());
        // The process may be starting, or be down as well.
        let crashed = self.cloud().map(|cloud| cloud.controls().crash(&hsm));
        self.recorder
            .note(format_args!("{hsm} is down: {crashed:?}"));
        wait(crash.down).await;
        if self.restart(&hsm).await {
            self.haunt(&hsm).await;
        }
    }

    async fn restart(&self, hsm: &HsmId) -> bool {
        let Some(cloud) = self.cloud() else {
            return false;
        };
        let restarted = cloud.controls().restart(hsm).await;
        self.recorder
            .note(format_args!("{hsm} restarts: {restarted:?}"));
        if restarted.is_ok() {
            self.known.lock().down.remove(hsm);
        }
        restarted.is_ok()
    }

    /// A facade that was suspended during an earlier connection wakes up and logs in to an HSM
    /// that has restarted meanwhile.
    async fn haunt(&self, hsm: &HsmId) {
        if let Some(Fence { scope, epoch }) = self.network.last_fence(hsm.as_str()) {
            let epoch = Epoch(epoch.0.saturating_sub(1));
            let _recorded = self.log_in_late(hsm, Fence { scope, epoch }).await;
        }
    }

    /// Logs in under a connection of before. Whether the HSM said that it is out of date; none
    /// when it said nothing.
    pub(super) async fn log_in_late(&self, hsm: &HsmId, fence: Fence) -> Option<bool> {
        let channel = self.dial(hsm)?;
        let login = Command::Login {
            username: KMSUSER.to_owned(),
            role: Role::CryptoUser,
            password: Secret::new("passwordOfThen"),
            fence: Some(fence),
            exclusive: false,
            holder: 0,
        };
        let answer = channel.manage(login, soon()).await;
        self.recorder
            .note(format_args!("a facade of earlier: {answer:?}"));
        match answer {
            Err(CallError::Link(_)) => None,
            other => Some(other == Err(CallError::Refused(Refusal::Fenced))),
        }
    }

    /// Tries wrong passwords for `kmsuser` until the HSM says that the user is locked out.
    pub(super) async fn guess(&self, guesses: PasswordGuesses) {
        wait(guesses.at).await;
        let Some(hsm) = self.hsms_of(&self.first).into_keys().nth(guesses.hsm) else {
            return;
        };
        let Some(channel) = self.dial(&hsm) else {
            return;
        };
        self.fault("wrong passwords");
        self.distrust_kmsuser();
        let mut wrong = 0;
        while wrong < GUESSES_MAX {
            let login = Command::Login {
                username: KMSUSER.to_owned(),
                role: Role::CryptoUser,
                password: Secret::new("notThePassword"),
                fence: None,
                exclusive: false,
                holder: 0,
            };
            match channel.manage(login, soon()).await {
                Err(CallError::Refused(Refusal::WrongPassword)) => wrong += 1,
                Err(CallError::Refused(Refusal::LockedOut)) => break,
                // No HSM there, or no answer: no lockout either.
                _ => return,
            }
        }
        let locked = wrong < GUESSES_MAX;
        // An operator may have reset the password while the guesses went on.
        self.distrust_kmsuser();
        self.recorder.tell(|at| HistoryEvent::Guessed {
            at,
            hsm,
            wrong,
            locked,
        });
    }

    /// An admin will have to reset the password.
    fn distrust_kmsuser(&self) {
        let mut known = self.known.lock();
        known.touched = true;
        known.resets_password = true;
    }

    /// An admin changes the password of `kmsuser` on one HSM and forgets the others.
    pub(super) async fn desynchronise(&self) {
        self.known.lock().touched = true;
        let Some(hsm) = self.hsms().into_keys().next() else {
            return;
        };
        let Some(channel) = self.dial(&hsm) else {
            return;
        };
        let login = Command::Login {
            username: ADMIN.to_owned(),
            role: Role::Admin,
            password: Secret::new(ADMIN_PASSWORD),
            fence: None,
            exclusive: false,
            holder: 0,
        };
        let Ok(Reply::Session(session)) = channel.manage(login, soon()).await else {
            return;
        };
        let change = Command::ChangePassword {
            session,
            username: KMSUSER.to_owned(),
            role: Role::CryptoUser,
            password: Secret::new(ODD_PASSWORD),
        };
        let changed = channel.manage(change, soon()).await;
        self.recorder
            .note(format_args!("one HSM has another password: {changed:?}"));
        let _best_effort = channel.manage(Command::Logout { session }, soon()).await;
    }

    /// Adds an HSM to the first cluster, and removes it or an older one of its zone.
    pub(super) async fn change_members(&self, members: Members) {
        wait(members.at).await;
        let before = self.hsms_of(&self.first);
        let Some((older, zone)) = before.into_iter().nth(members.zone) else {
            return;
        };
        self.disturb("HSM added");
        self.may_lack_kmsuser();
        let Ok(Some(added)) = self.create_hsm(&self.first, Some(zone)).await else {
            return;
        };
        let Some(after) = members.removes_after else {
            return;
        };
        wait(after).await;
        let goes = if members.removes_older { older } else { added };
        self.disturb("HSM removed");
        self.disks.note_removal(&goes);
        let removed = self.delete_hsm(&self.first, &goes).await;
        self.recorder
            .note(format_args!("{goes} is removed: {removed:?}"));
        self.known.lock().down.remove(&goes);
    }

    /// Rule BK-03: an HSM that is added while no other is up gets what the newest backup has.
    fn may_lack_kmsuser(&self) {
        let mut known = self.known.lock();
        if !known.down.is_empty() {
            known.touched = true;
            known.may_lack_kmsuser = true;
        }
    }

    /// A channel of its own to an HSM of any cluster.
    fn dial(&self, hsm: &HsmId) -> Option<Arc<dyn Channel>> {
        Some(self.network.of_process().dial(self.target(hsm)?))
    }

    fn target(&self, hsm: &HsmId) -> Option<Target> {
        let clusters = self.cloud()?.clusters();
        let (view, address) = clusters.iter().find_map(|(_, view)| {
            let found = view.hsms.iter().find(|one| one.id == *hsm)?;
            Some((view, found.address?))
        })?;
        Some(Target {
            name: hsm.to_string(),
            address,
            trust_anchor: pem_to_der(view.trust_anchor.as_deref()?).ok()?,
            cluster_certificate: pem_to_der(view.certificate.as_deref()?).ok()?,
        })
    }

    /// Cuts a zone, or one HSM, off the facade.
    pub(super) async fn partition(&self, partition: NetworkPartition) {
        wait(partition.at).await;
        self.fault("partition");
        for hsm in self.behind(partition) {
            for way in [Way::ToHsm, Way::FromHsm] {
                if partition.way.is_none_or(|only| only == way) {
                    self.network.cut(hsm.as_str(), way);
                }
            }
        }
        wait(partition.lasts).await;
        self.network.mend();
    }

    fn behind(&self, partition: NetworkPartition) -> Vec<HsmId> {
        let first = self.hsms_of(&self.first);
        let Some((hsm, zone)) = first.iter().nth(partition.which) else {
            return Vec::new();
        };
        if !partition.whole_zone {
            return vec![hsm.clone()];
        }
        let everywhere = self.cloud().map(|cloud| cloud.clusters());
        let everywhere = everywhere.unwrap_or_default();
        let hsms = everywhere.iter().flat_map(|(_, view)| &view.hsms);
        hsms.filter(|one| one.availability_zone == *zone)
            .map(|one| one.id.clone())
            .collect()
    }

    /// The control plane's disk has no room for a while. Cryptographic operations notice nothing.
    pub(super) async fn fill_disk(&self, full: FullDisk) {
        wait(full.at).await;
        self.disturb("disk full");
        self.control.set_full(true);
        wait(full.lasts).await;
        self.control.set_full(false);
        self.disturb("room on the disk");
    }

    pub(super) async fn storm(&self, storm: &Storm) {
        wait(storm.at).await;
        self.fault("storm");
        self.network.set_weather(storm.weather.clone());
        wait(storm.lasts).await;
        self.network.set_weather(Weather::fair());
    }

    /// Ends every fault.
    pub(super) async fn heal(&self) -> Result<(), WorldError> {
        self.network.mend();
        self.network.set_weather(Weather::fair());
        self.control.set_full(false);
        let down = self.known.lock().down.clone();
        let present: Vec<HsmId> = self
            .cloud()
            .map(|cloud| cloud.clusters())
            .unwrap_or_default()
            .iter()
            .flat_map(|(_, view)| view.hsms.iter().map(|hsm| hsm.id.clone()))
            .collect();
        for hsm in down.into_iter().filter(|hsm| present.contains(hsm)) {
            if !self.restart(&hsm).await {
                return Err(WorldError::of("an HSM does not come back", hsm));
            }
        }
        self.recorder.tell(|at| HistoryEvent::Healed { at });
        Ok(())
    }
}

/// The fifth wrong password locks out, unless there was a right one in between.
const GUESSES_MAX: u8 = 30;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}
