//! The operator: disconnects the store, edits it, connects it again, and repairs it at the end.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_api::kms::UpdateCustomKeyStoreRequest;
use portcullis_api::{BackupId, HsmId, SecretText};
use portcullis_hsm::{Fence, Role, Secret};
use tokio::time::Instant;

use super::faults::FaultInjector;
use super::names::{KMSUSER, NEW_PASSWORD, cluster_id};
use super::wait::wait;
use super::{EditKind, OPERATOR, World, WorldPlan};
use crate::history::{Context, HistoryEvent, RecordedAnswer, RecordedEdit};

/// How often the operator looks or tries again, in milliseconds.
const LOOK_EVERY: u64 = 5;
const TRY_EVERY: u64 = 100;

/// For how many looks the operator waits for a state: ten seconds.
const LOOKS_MAX: u64 = 2_000;

/// How long the operator tries to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a step that a fault prevents is tried.
const TRIES_MAX: usize = 30;

/// What a connect FAILED with that has to do with `kmsuser`.
const ABOUT_KMSUSER: [&str; 3] = ["INVALID_CREDENTIALS", "USER_LOCKED_OUT", "USER_NOT_FOUND"];

/// The operator of the key store.
pub(super) struct KeyStoreOperator(pub(super) Arc<World>);

impl Deref for KeyStoreOperator {
    type Target = Arc<World>;

    fn deref(&self) -> &Arc<World> {
        &self.0
    }
}

impl KeyStoreOperator {
    /// One disconnect, edit and reconnect, among whatever faults there are.
    pub(super) async fn operate(&self, plan: &WorldPlan) {
        let early = match plan.edit {
            EditKind::OlderBackup => self.back_up().await,
            EditKind::Name | EditKind::Password | EditKind::Desynchronised | EditKind::Cluster => {
                None
            }
        };
        wait(plan.edit_at / 2).await;
        let substitute = match plan.edit {
            EditKind::Cluster => {
                let backup = self.back_up().await;
                self.prepare_substitute(backup).await
            }
            EditKind::OlderBackup => self.prepare_substitute(early).await,
            EditKind::Name | EditKind::Password | EditKind::Desynchronised => false,
        };
        wait(plan.edit_at.div_ceil(2)).await;
        let before = self.fences();
        // A connect under way has not told KMS of all its sessions, and they end by themselves:
        // only a connection that stands is ended on every HSM.
        let stands = self.see().await.state == "CONNECTED";
        let calm = stands && !self.disturbed.load(Ordering::Relaxed);
        let disconnected = self.disconnect(OPERATOR).await;
        if !self.until("DISCONNECTED").await {
            return;
        }
        if disconnected && calm && !self.disturbed.load(Ordering::Relaxed) {
            self.probe(before).await;
        }
        self.try_unrelated().await;
        match plan.edit {
            EditKind::Password => self.known.lock().resets_password = true,
            EditKind::Desynchronised => FaultInjector(Arc::clone(self)).desynchronise().await,
            EditKind::Cluster | EditKind::OlderBackup if substitute => self.substitute().await,
            EditKind::Name | EditKind::Cluster | EditKind::OlderBackup => {
                self.rename(OPERATOR, "renamed".to_owned()).await;
            }
        }
        self.become_connected().await;
    }

    /// The connection that each HSM of the store's cluster accepted last.
    fn fences(&self) -> Vec<(HsmId, Fence)> {
        let fence = |hsm: HsmId| Some((hsm.clone(), self.network.last_fence(hsm.as_str())?));
        self.hsms().into_keys().filter_map(fence).collect()
    }

    /// Every HSM has heard of the disconnect, so none takes the connection of before.
    async fn probe(&self, before: Vec<(HsmId, Fence)>) {
        for (hsm, fence) in before {
            if let Some(fenced) = FaultInjector(Arc::clone(self))
                .log_in_late(&hsm, fence)
                .await
            {
                self.recorder
                    .tell(|at| HistoryEvent::Probed { at, hsm, fenced });
            }
        }
    }

    async fn back_up(&self) -> Option<BackupId> {
        for _ in 0..TRIES_MAX {
            if let Some(cloud) = self.cloud()
                && let Ok(backup) = cloud.back_up(&self.scope, &self.first).await
            {
                return Some(backup);
            }
            wait(TRY_EVERY).await;
        }
        None
    }

    /// A cluster with all that the backup has.
    async fn prepare_substitute(&self, backup: Option<BackupId>) -> bool {
        let (Some(backup), Ok(cluster)) = (backup, cluster_id("clone")) else {
            return false;
        };
        let restored = self.restore_cluster(&cluster, backup).await;
        self.recorder
            .note(format_args!("restored {cluster}: {restored:?}"));
        restored.is_ok()
    }

    /// The rule must refuse it; and if it did not, the wire would.
    async fn try_unrelated(&self) {
        let edit = RecordedEdit::Cluster {
            to: self.unrelated.clone(),
            related: false,
        };
        let input = UpdateCustomKeyStoreRequest {
            cloud_hsm_cluster_id: Some(self.unrelated.to_string()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        if self.update(OPERATOR, edit, input).await {
            self.known.lock().substitute(&self.unrelated);
        }
    }

    async fn substitute(&self) {
        let Ok(cluster) = cluster_id("clone") else {
            return;
        };
        let edit = RecordedEdit::Cluster {
            to: cluster.clone(),
            related: true,
        };
        let input = UpdateCustomKeyStoreRequest {
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        if self.update(OPERATOR, edit, input).await {
            self.known.lock().substitute(&cluster);
        }
        // The backup may be older than the last rotation.
        self.known.lock().touched = true;
    }

    /// An admin changes the password of `kmsuser` on every HSM, and KMS is told. What a fault
    /// prevents is tried again the next time the store is DISCONNECTED.
    async fn reset_password(&self) {
        self.known.lock().touched = true;
        if self.change_password().await {
            let input = UpdateCustomKeyStoreRequest {
                key_store_password: Some(SecretText::new(NEW_PASSWORD)),
                ..UpdateCustomKeyStoreRequest::default()
            };
            let told = self.update(OPERATOR, RecordedEdit::Password, input).await;
            self.known.lock().resets_password = !told;
        }
    }

    async fn change_password(&self) -> bool {
        let (cloud, uses) = (self.cloud(), self.known.lock().uses.clone());
        let (Some(cloud), Some(cluster)) = (cloud, uses) else {
            return false;
        };
        let Ok(token) = self.log_in_admin(&cloud, &cluster).await else {
            return false;
        };
        let password = Secret::new(NEW_PASSWORD);
        let mut changed = cloud
            .users()
            .change_password(&token, KMSUSER, Role::CryptoUser, password)
            .await;
        let may_lack = self.known.lock().may_lack_kmsuser;
        if changed.is_err() && may_lack {
            // Where there is one, this changes nothing.
            let of = || (KMSUSER, Role::CryptoUser, Secret::new(NEW_PASSWORD));
            let (name, role, password) = of();
            let _there_already = cloud.users().create(&token, name, role, password).await;
            let (name, role, password) = of();
            changed = cloud
                .users()
                .change_password(&token, name, role, password)
                .await;
        }
        self.recorder
            .note(format_args!("an admin changes the password: {changed:?}"));
        let _best_effort = cloud.users().logout(&token).await;
        changed.is_ok()
    }

    /// Looks until the store is in `state`.
    async fn until(&self, state: &str) -> bool {
        for _ in 0..LOOKS_MAX {
            if self.see().await.state == state {
                return true;
            }
            wait(LOOK_EVERY).await;
        }
        false
    }

    /// Looks until the store is connected, after a password reset if one is due; a store that
    /// failed is disconnected and connected again.
    pub(super) async fn become_connected(&self) -> bool {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            let store = self.see().await;
            match store.state.as_str() {
                "CONNECTED" => return true,
                "FAILED" => {
                    self.find_out(store.error.unwrap_or_default());
                    self.disconnect(OPERATOR).await;
                    wait(TRY_EVERY).await;
                }
                "DISCONNECTED" => {
                    if self.known.lock().resets_password {
                        self.reset_password().await;
                    }
                    self.connect(OPERATOR).await;
                }
                _ => (),
            }
            wait(LOOK_EVERY).await;
        }
        false
    }

    /// Why the store FAILED: a reset of the password helps, or it is not known.
    fn find_out(&self, code: String) {
        if !ABOUT_KMSUSER.contains(&code.as_str()) {
            return;
        }
        let mut known = self.known.lock();
        let touched = known.touched;
        known.resets_password |= touched;
        drop(known);
        if !touched {
            self.recorder.tell(|at| HistoryEvent::Baffled { at, code });
        }
    }

    /// After the last fault: connects, and tries every kind of operation under every key that
    /// the connected cluster has, until all succeed.
    pub(super) async fn recover(&self) {
        self.see().await;
        if self.known.lock().resets_password {
            self.disconnect(OPERATOR).await;
        }
        if !self.become_connected().await {
            return;
        }
        for _ in 0..LOOKS_MAX / 10 {
            if self.everything_works().await {
                self.recorder.tell(|at| HistoryEvent::Well { at });
                self.recorder.tell(|at| HistoryEvent::Calm { at });
                return;
            }
            wait(LOOK_EVERY).await;
        }
    }

    async fn everything_works(&self) -> bool {
        let keys = self.known.lock().keys.clone();
        let present = self.materials_present();
        let mut works = true;
        for key in keys
            .into_iter()
            .filter(|key| self.is_present(*key, &present))
        {
            let context = Context::from([("after".to_owned(), key.to_string())]);
            let before = self.known.lock().ciphertexts.len();
            self.encrypt(OPERATOR, key, context.clone(), b"after".to_vec())
                .await;
            self.generate_data_key(OPERATOR, key, context).await;
            let made = self
                .known
                .lock()
                .ciphertexts
                .get(before..)
                .map(<[_]>::to_vec);
            let made = made.unwrap_or_default();
            works &= made.len() == 2;
            for (ciphertext, context) in made {
                let source = (ciphertext.clone(), context.clone());
                let again = self
                    .re_encrypt(OPERATOR, source, key, context.clone())
                    .await;
                let opened = self.decrypt(OPERATOR, ciphertext, context).await;
                works &= again.is_some() && matches!(opened, Some(RecordedAnswer::Plaintext(_)));
            }
        }
        works
    }
}
