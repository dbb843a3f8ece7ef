//! What a key of a key store answers in each situation of its store, its cluster and itself: one row a
//! situation, with the state that DescribeKey reports meanwhile (Developer Guide, key states and
//! troubleshooting a custom key store).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portcullis_admin::FaultOrder;
use portcullis_api::kms::*;
use portcullis_api::{Blob, ClusterId, Code, Exception, SecretBlob};
use portcullis_clusters::Clusters;
use portcullis_fleet::{Latency, Profile};
use portcullis_hsm::{Role, Secret};
use portcullis_kms::Connection;
use serde_json::json;

use world::*;

/// The situation, the reported state, the exception, and what its text says.
const SITUATIONS: [(&str, &str, Code, &str); 16] = [
    (
        "DISCONNECTED",
        "Unavailable",
        Code::KmsInvalidState,
        "is unavailable",
    ),
    (
        "FAILED",
        "Unavailable",
        Code::KmsInvalidState,
        "is unavailable",
    ),
    (
        "CONNECTING",
        "Unavailable",
        Code::KmsInvalidState,
        "is unavailable",
    ),
    (
        "DISCONNECTING",
        "Unavailable",
        Code::KmsInvalidState,
        "is unavailable",
    ),
    (
        "no HSM left",
        "Enabled",
        Code::KmsInvalidState,
        "KMS cannot communicate",
    ),
    (
        "cluster destroyed",
        "Enabled",
        Code::KmsInvalidState,
        "KMS cannot communicate",
    ),
    (
        "kmsuser locked out",
        "Enabled",
        Code::KmsInvalidState,
        "kmsuser is locked out",
    ),
    (
        "material missing",
        "Enabled",
        Code::KmsInvalidState,
        "key material is not in",
    ),
    (
        "busy cluster",
        "Enabled",
        Code::Throttling,
        "more work than it takes",
    ),
    (
        "no session free",
        "Enabled",
        Code::KmsInternal,
        "no PKCS #11 session",
    ),
    ("disabled", "Disabled", Code::Disabled, "is disabled"),
    (
        "disabled, DISCONNECTED",
        "Unavailable",
        Code::KmsInvalidState,
        "is unavailable",
    ),
    (
        "pending deletion",
        "PendingDeletion",
        Code::KmsInvalidState,
        "pending deletion",
    ),
    (
        "pending deletion, DISCONNECTED",
        "PendingDeletion",
        Code::KmsInvalidState,
        "pending deletion",
    ),
    (
        "pending deletion, FAILED",
        "PendingDeletion",
        Code::KmsInvalidState,
        "pending deletion",
    ),
    (
        "pending deletion, no HSM left",
        "PendingDeletion",
        Code::KmsInvalidState,
        "pending deletion",
    ),
];

/// A key in a connected key store over a cluster, and what it sealed.
struct Place {
    world: World,
    cluster: ClusterId,
    store: String,
    key: String,
    blob: Blob,
}

impl Place {
    async fn new() -> Self {
        let world = World::new().await;
        let cluster = world.cluster(&["a", "b"], None).await;
        let store = world.create(world.request("Keys", &cluster)).await.unwrap();
        world.connected(&store).await;
        let key = world.create_key(Some(&store)).await.unwrap();
        let blob = world.encrypt(&key).await.unwrap();
        Self {
            world,
            cluster,
            store,
            key,
            blob,
        }
    }

    /// Brings the situation about.
    async fn bring(&self, situation: &str) {
        let (world, store) = (&self.world, &self.store);
        for part in situation.split(", ") {
            match part {
                "DISCONNECTED" => world.disconnected(store).await,
                "FAILED" => self.fail().await,
                "CONNECTING" => {
                    world.disconnected(store).await;
                    self.slowly();
                    world.connect(store).await.unwrap();
                    assert_eq!(world.connection(store), Connection::Connecting);
                }
                "DISCONNECTING" => {
                    self.slowly();
                    world.disconnect(store).await.unwrap();
                    assert_eq!(world.connection(store), Connection::Disconnecting);
                }
                "no HSM left" => {
                    let cluster = world.cloudhsm.cluster(&world.scope, &self.cluster).unwrap();
                    for hsm in &cluster.hsms {
                        world.cloudhsm.controls().crash(&hsm.id).unwrap();
                    }
                }
                "cluster destroyed" => {
                    let destroyed = world
                        .cloudhsm
                        .controls()
                        .destroy_cluster(&world.scope, &self.cluster);
                    destroyed.await.unwrap();
                }
                "kmsuser locked out" => self.lock_out().await,
                "busy cluster" => {
                    world.cloudhsm.devices().set_default(Some(slow_device()));
                    // Two for each HSM: one at work and one that waits; and many more.
                    self.call_at_once(32).await;
                }
                "no session free" => {
                    world.kms.keep_quotas();
                    let slow = json!({
                        "kind": "slow", "cluster": self.cluster, "delay_ms": 500
                    });
                    let slow: FaultOrder = serde_json::from_value(slow).unwrap();
                    let scope = world.scope.clone();
                    world.cloudhsm.faults().inject(scope, &slow).await.unwrap();
                    self.call_at_once(1_024).await;
                }
                "material missing" => panic!("is brought about before the key is made"),
                "disabled" => {
                    let disable = DisableKeyRequest {
                        key_id: self.key.clone(),
                    };
                    world.kms.disable_key(&world.scope, disable).await.unwrap();
                }
                "pending deletion" => {
                    let schedule = ScheduleKeyDeletionRequest {
                        key_id: self.key.clone(),
                        ..ScheduleKeyDeletionRequest::default()
                    };
                    let scheduled = world.kms.schedule_key_deletion(&world.scope, schedule);
                    scheduled.await.unwrap();
                }
                other => panic!("{other} is not brought about"),
            }
        }
    }

    /// Begins so many calls, and does not wait for their answers.
    async fn call_at_once(&self, count: usize) {
        for _ in 0..count {
            let (kms, scope) = (Arc::clone(&self.world.kms), self.world.scope.clone());
            let request = EncryptRequest {
                key_id: self.key.clone(),
                plaintext: SecretBlob(b"attack at dawn".to_vec().into()),
                ..EncryptRequest::default()
            };
            tokio::spawn(async move { kms.encrypt(&scope, request).await });
        }
        // Until they have arrived, and well before the first of them is answered.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Passing states last for an hour from here on.
    fn slowly(&self) {
        let pacing = self.world.calendar.pacing();
        pacing.set_pace("after:3600".parse().unwrap());
    }

    async fn fail(&self) {
        let (world, store) = (&self.world, &self.store);
        world.disconnected(store).await;
        let wrong = password(store, "wrongPassword");
        world.update(wrong).await.unwrap();
        world.connect(store).await.unwrap();
        world
            .until(store, |it| matches!(it, Connection::Failed(_)))
            .await;
    }

    async fn lock_out(&self) {
        let world = &self.world;
        for _ in 0..5 {
            let wrong = Secret::new("wrongPassword");
            let (cluster, role) = (&self.cluster, Role::CryptoUser);
            let person =
                world
                    .cloudhsm
                    .users()
                    .login(&world.scope, cluster, "kmsuser", role, wrong);
            assert!(person.await.is_err(), "the password is known to KMS only");
        }
    }

    /// The cluster is replaced by one from a backup that is older than the key.
    async fn with_material_missing() -> Self {
        let mut place = Self::new().await;
        let world = &place.world;
        let backup = world.cloudhsm.back_up(&world.scope, &place.cluster);
        let backup = backup.await.unwrap().to_string();
        place.key = world.create_key(Some(&place.store)).await.unwrap();
        place.blob = world.encrypt(&place.key).await.unwrap();
        let older = world.cluster(&["a", "b"], Some(backup)).await;
        world.disconnected(&place.store).await;
        let update = substitute(&place.store, &older);
        world.update(update).await.unwrap();
        world.connected(&place.store).await;
        place.cluster = older;
        place
    }

    /// Every operation that needs the material.
    async fn uses(&self) -> [(&'static str, Result<(), Exception>); 5] {
        let (kms, scope, key) = (&self.world.kms, &self.world.scope, &self.key);
        let blob = || Some(self.blob.clone());
        let encrypt = EncryptRequest {
            key_id: key.clone(),
            plaintext: SecretBlob(b"attack at dawn".to_vec().into()),
            ..EncryptRequest::default()
        };
        let decrypt = DecryptRequest {
            ciphertext_blob: blob(),
            ..DecryptRequest::default()
        };
        let re_encrypt = ReEncryptRequest {
            ciphertext_blob: blob(),
            destination_key_id: key.clone(),
            ..ReEncryptRequest::default()
        };
        let data_key = GenerateDataKeyRequest {
            key_id: key.clone(),
            number_of_bytes: Some(16),
            ..GenerateDataKeyRequest::default()
        };
        let without = GenerateDataKeyWithoutPlaintextRequest {
            key_id: key.clone(),
            number_of_bytes: Some(16),
            ..GenerateDataKeyWithoutPlaintextRequest::default()
        };
        let without = kms.generate_data_key_without_plaintext(scope, without);
        [
            ("Encrypt", kms.encrypt(scope, encrypt).await.map(drop)),
            ("Decrypt", kms.decrypt(scope, decrypt).await.map(drop)),
            (
                "ReEncrypt",
                kms.re_encrypt(scope, re_encrypt).await.map(drop),
            ),
            (
                "GenerateDataKey",
                kms.generate_data_key(scope, data_key).await.map(drop),
            ),
            ("GenerateDataKeyWithoutPlaintext", without.await.map(drop)),
        ]
    }
}

/// A device that does four operations a second and lets one wait.
fn slow_device() -> Profile {
    let rate = NonZeroU32::new(4).unwrap();
    Profile {
        symmetric_per_s: rate,
        random_per_s: rate,
        login_per_s: None,
        management_per_s: None,
        latency_us: Latency::default(),
        queue_operations_max: NonZeroU32::MIN,
    }
}

/// Rules KEY-01, KEY-02, KEY-03, CR-10, CR-13, DEV-06 and QUOTA-05.
#[tokio::test]
async fn a_key_answers_in_every_situation_as_the_guide_says() {
    for (situation, state, code, text) in SITUATIONS {
        let place = if situation == "material missing" {
            Place::with_material_missing().await
        } else {
            let place = Place::new().await;
            for (name, used) in place.uses().await {
                used.unwrap_or_else(|refused| panic!("{name} before {situation}: {refused}"));
            }
            place.bring(situation).await;
            place
        };
        for (name, used) in place.uses().await {
            let refused = used.expect_err(situation);
            assert_eq!(refused.code, code, "{situation}: {name}: {refused}");
            assert!(
                refused.message.contains(text),
                "{situation}: {name}: {refused}"
            );
        }
        let shown = place.world.metadata(&place.key).await;
        assert_eq!(shown.key_state.as_deref(), Some(state), "{situation}");
        assert_eq!(shown.enabled, Some(state == "Enabled"), "{situation}");
    }
}

/// Rules CR-02 and CR-08: what is wrong with the request, where nothing is wrong with the key.
#[tokio::test]
async fn a_key_that_works_tells_another_key_from_a_wrong_context() {
    let place = Place::new().await;
    let other = place.world.create_key(Some(&place.store)).await.unwrap();
    let decrypt = |key: &str, pairs: &[(&str, &str)]| DecryptRequest {
        ciphertext_blob: Some(place.blob.clone()),
        key_id: Some(key.to_owned()),
        encryption_context: Some(context(pairs)),
        ..DecryptRequest::default()
    };
    let (kms, scope) = (&place.world.kms, &place.world.scope);
    kms.decrypt(scope, decrypt(&place.key, &[])).await.unwrap();
    for (request, code) in [
        (decrypt(&other, &[]), Code::IncorrectKey),
        (decrypt(&place.key, &[("a", "b")]), Code::InvalidCiphertext),
    ] {
        refused(kms.decrypt(scope, request).await, code);
    }
    // The key's state comes before the ciphertext.
    place.world.disconnected(&place.store).await;
    let wrong = decrypt(&place.key, &[("a", "b")]);
    refused(kms.decrypt(scope, wrong).await, Code::KmsInvalidState);
}
