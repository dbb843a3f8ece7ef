//! The operator: disconnects the store, edits it, connects it again, and repairs it at the end.

use std::sync::Arc;

use portcullis_api::SecretText;
use portcullis_api::kms::UpdateCustomKeyStoreRequest;
use portcullis_hsm::{Role, Secret};

use super::build::{KMSUSER, cluster_id};
use super::{EditKind, OPERATOR, Plan, World, wait};
use crate::history::{Answer, Context, Edit, Event};

/// How often the operator looks or tries again, in milliseconds.
const LOOK_EVERY: u64 = 5;
const TRY_EVERY: u64 = 100;

/// For how many looks the operator waits for a state: ten seconds.
const LOOKS_MAX: u64 = 2_000;

/// How often a step that a fault prevents is tried.
const TRIES_MAX: usize = 30;

const NEW_PASSWORD: &str = "newPassword1";

impl World {
    /// One disconnect, edit and reconnect, among whatever faults there are.
    pub(super) async fn operate(self: &Arc<Self>, plan: &Plan) {
        let substitute = match plan.edit {
            EditKind::Cluster => {
                wait(plan.edit_at / 2).await;
                self.prepare_substitute().await
            }
            EditKind::Name | EditKind::Password => {
                wait(plan.edit_at / 2).await;
                false
            }
        };
        wait(plan.edit_at.div_ceil(2)).await;
        self.disconnect().await;
        if !self.until("DISCONNECTED").await {
            return;
        }
        self.try_unrelated().await;
        match plan.edit {
            EditKind::Name => self.rename().await,
            EditKind::Password => self.known.lock().resets_password = true,
            EditKind::Cluster if substitute => self.substitute().await,
            EditKind::Cluster => self.rename().await,
        }
        self.become_connected().await;
    }

    /// A cluster with all that the first one has now.
    async fn prepare_substitute(&self) -> bool {
        for _ in 0..TRIES_MAX {
            if let Ok(backup) = self.cloud.back_up(&self.scope, &self.first).await
                && let Ok(cluster) = cluster_id("clone")
            {
                let restored = self.restore_cluster(&cluster, backup).await;
                self.recorder
                    .note(format_args!("restored {cluster}: {restored:?}"));
                return restored.is_ok();
            }
            wait(TRY_EVERY).await;
        }
        false
    }

    /// The rule must refuse it; and if it did not, the wire would.
    async fn try_unrelated(&self) {
        let edit = Edit::Cluster {
            to: self.unrelated.clone(),
            related: false,
        };
        let input = UpdateCustomKeyStoreRequest {
            cloud_hsm_cluster_id: Some(self.unrelated.to_string()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        if self.update(edit, input).await {
            self.known.lock().substitute(&self.unrelated);
        }
    }

    async fn rename(&self) {
        let input = UpdateCustomKeyStoreRequest {
            new_custom_key_store_name: Some("renamed".to_owned()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        self.update(Edit::Name, input).await;
    }

    async fn substitute(&self) {
        let Ok(cluster) = cluster_id("clone") else {
            return;
        };
        let edit = Edit::Cluster {
            to: cluster.clone(),
            related: true,
        };
        let input = UpdateCustomKeyStoreRequest {
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        if self.update(edit, input).await {
            self.known.lock().substitute(&cluster);
        }
    }

    /// An admin changes the password of `kmsuser` on every HSM, and KMS is told. What a fault
    /// prevents is tried again the next time the store is DISCONNECTED.
    async fn reset_password(&self) {
        if self.change_password().await {
            let input = UpdateCustomKeyStoreRequest {
                key_store_password: Some(SecretText::new(NEW_PASSWORD)),
                ..UpdateCustomKeyStoreRequest::default()
            };
            let told = self.update(Edit::Password, input).await;
            self.known.lock().resets_password = !told;
        }
    }

    async fn change_password(&self) -> bool {
        let Ok(token) = self.log_in_admin(&self.first).await else {
            return false;
        };
        let password = Secret::new(NEW_PASSWORD);
        let changed = self
            .cloud
            .change_password(&token, KMSUSER, Role::CryptoUser, password)
            .await;
        self.recorder
            .note(format_args!("an admin changes the password: {changed:?}"));
        let _best_effort = self.cloud.logout(&token).await;
        changed.is_ok()
    }

    /// Looks until the store is in `state`.
    async fn until(&self, state: &str) -> bool {
        for _ in 0..LOOKS_MAX {
            if self.see().await == state {
                return true;
            }
            wait(LOOK_EVERY).await;
        }
        false
    }

    /// Looks until the store is connected, after a password reset if one is due; a store that
    /// failed is disconnected and connected again.
    pub(super) async fn become_connected(self: &Arc<Self>) -> bool {
        for _ in 0..LOOKS_MAX {
            match self.see().await.as_str() {
                "CONNECTED" => return true,
                "FAILED" => {
                    self.disconnect().await;
                    wait(TRY_EVERY).await;
                }
                "DISCONNECTED" => {
                    if self.known.lock().resets_password {
                        self.reset_password().await;
                    }
                    self.connect().await;
                }
                _ => (),
            }
            wait(LOOK_EVERY).await;
        }
        false
    }

    /// After the last fault: connects, and tries every kind of operation under every key that
    /// the connected cluster has, until all succeed.
    pub(super) async fn recover(self: &Arc<Self>) {
        if !self.become_connected().await {
            return;
        }
        for _ in 0..LOOKS_MAX / 10 {
            if self.everything_works().await {
                self.recorder.tell(|at| Event::Well { at });
                self.recorder.tell(|at| Event::Calm { at });
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
                works &= again.is_some() && matches!(opened, Some(Answer::Plaintext(_)));
            }
        }
        works
    }
}
