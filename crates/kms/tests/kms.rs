//! KMS over real clusters and real QUIC: what each operation does in each state.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    reason = "tests fail loudly"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::*;
use portcullis_api::{Blob, ClusterId, Code, Exception, Scope, SecretBlob, SecretText};
use portcullis_cloudhsm::{
    CloudHsm, CloudHsmConfig, Clusters, HsmState, MemoryDisks, NetworkTrouble, default_subnets,
};
use portcullis_hsm::{DeviceKey, Role, Secret, Settings};
use portcullis_kms::{Connection, ConnectionError, Kms, KmsConfig};
use portcullis_link::{ClientIdentity, QuicSettings, QuicTransport, Transport};
use portcullis_seam::{Entropy, InlinePool, SystemClock, SystemEntropy};
use portcullis_store::Store;
use zeroize::Zeroizing;

const ADMIN: &str = "adminPassword";
const PASSWORD: &str = "kmsPassword";

struct World {
    store: Store,
    device_key: Arc<DeviceKey>,
    transport: Arc<dyn Transport>,
    cloudhsm: Arc<CloudHsm>,
    kms: Arc<Kms>,
    scope: Scope,
}

fn settings() -> Settings {
    Settings {
        password_iterations: NonZeroU32::MIN,
        ..Settings::default()
    }
}

impl World {
    async fn new() -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let client = ClientIdentity::generate().unwrap();
        let transport: Arc<dyn Transport> = Arc::new(QuicTransport::new(QuicSettings {
            accepted_clients: vec![client.certificate.clone()],
            client,
            entropy: Arc::clone(&entropy),
        }));
        let store = Store::memory();
        let device_key = Arc::new(DeviceKey::draw(&SystemEntropy));
        let cloudhsm = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: Arc::new(MemoryDisks::default()),
            transport: Arc::clone(&transport),
            entropy,
            clock: Arc::new(SystemClock),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&device_key),
            hsm_settings: settings(),
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        })
        .await
        .unwrap();
        let kms = open(&store, &cloudhsm, &transport, &device_key, false).await;
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        Self {
            store,
            device_key,
            transport,
            cloudhsm,
            kms,
            scope,
        }
    }

    /// The same records under a KMS that has just started.
    async fn restart(&mut self, rename: bool) {
        let (store, device_key) = (&self.store, &self.device_key);
        self.kms = open(store, &self.cloudhsm, &self.transport, device_key, rename).await;
    }

    async fn cluster(&self, zones: &[&str], backup: Option<String>) -> ClusterId {
        let restored = backup.is_some();
        let request = CreateClusterRequest {
            hsm_type: "hsm2m.medium".to_owned(),
            subnet_ids: default_subnets(&self.scope.region).into_values().collect(),
            source_backup_id: backup,
            ..CreateClusterRequest::default()
        };
        let made = self
            .cloudhsm
            .create_cluster(&self.scope, request)
            .await
            .unwrap();
        let id: ClusterId = made.cluster.unwrap().cluster_id.unwrap().parse().unwrap();
        for (index, zone) in zones.iter().enumerate() {
            self.hsm(&id, zone).await;
            if index == 0 && !restored {
                self.cloudhsm
                    .issue_certificates(&self.scope, &id)
                    .await
                    .unwrap();
                self.cloudhsm
                    .activate(&self.scope, &id, Secret::new(ADMIN))
                    .await
                    .unwrap();
                self.user(&id, |cloudhsm, token| async move {
                    let password = Secret::new(PASSWORD);
                    cloudhsm
                        .create_user(&token, "kmsuser", Role::CryptoUser, password)
                        .await
                        .unwrap();
                    token
                })
                .await;
            }
        }
        id
    }

    async fn user<F: Future<Output = String>>(
        &self,
        cluster: &ClusterId,
        act: impl FnOnce(Arc<CloudHsm>, String) -> F,
    ) {
        let admin = Secret::new(ADMIN);
        let login = self
            .cloudhsm
            .login(&self.scope, cluster, "admin", Role::Admin, admin);
        let token = act(Arc::clone(&self.cloudhsm), login.await.unwrap()).await;
        self.cloudhsm.logout(&token).await.unwrap();
    }

    async fn reset_password(&self, cluster: &ClusterId, password: &'static str) {
        self.user(cluster, |cloudhsm, token| async move {
            let secret = Secret::new(password);
            cloudhsm
                .change_password(&token, "kmsuser", Role::CryptoUser, secret)
                .await
                .unwrap();
            token
        })
        .await;
    }

    async fn hsm(&self, cluster: &ClusterId, zone: &str) {
        let request = CreateHsmRequest {
            cluster_id: cluster.to_string(),
            availability_zone: format!("us-east-1{zone}"),
            ..CreateHsmRequest::default()
        };
        self.cloudhsm
            .create_hsm(&self.scope, request)
            .await
            .unwrap();
    }

    fn request(&self, name: &str, cluster: &ClusterId) -> CreateCustomKeyStoreRequest {
        let view = self.cloudhsm.cluster(&self.scope, cluster);
        CreateCustomKeyStoreRequest {
            custom_key_store_name: name.to_owned(),
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            trust_anchor_certificate: view.and_then(|view| view.trust_anchor.clone()),
            key_store_password: Some(SecretText::new(PASSWORD)),
            ..CreateCustomKeyStoreRequest::default()
        }
    }

    async fn create(&self, request: CreateCustomKeyStoreRequest) -> Result<String, Exception> {
        let made = self
            .kms
            .create_custom_key_store(&self.scope, request)
            .await?;
        Ok(made.custom_key_store_id.unwrap())
    }

    async fn connect(&self, store: &str) -> Result<(), Exception> {
        let request = ConnectCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .connect_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    async fn disconnect(&self, store: &str) -> Result<(), Exception> {
        let request = DisconnectCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .disconnect_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    async fn update(&self, request: UpdateCustomKeyStoreRequest) -> Result<(), Exception> {
        self.kms
            .update_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    async fn delete(&self, store: &str) -> Result<(), Exception> {
        let request = DeleteCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .delete_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    fn connection(&self, store: &str) -> Connection {
        let stores = self.kms.key_stores();
        stores
            .iter()
            .find(|found| found.id == store)
            .unwrap()
            .connection
    }

    async fn until(&self, store: &str, wanted: impl Fn(Connection) -> bool) -> Connection {
        for _ in 0..20_000 {
            let connection = self.connection(store);
            if wanted(connection) {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("still {:?}", self.connection(store));
    }

    async fn connected(&self, store: &str) {
        self.connect(store).await.unwrap();
        let end = self.until(store, |it| it != Connection::Connecting).await;
        assert_eq!(end, Connection::Connected);
    }

    async fn disconnected(&self, store: &str) {
        self.disconnect(store).await.unwrap();
        self.until(store, |it| it == Connection::Disconnected).await;
    }

    async fn fails_with(&self, store: &str, error: ConnectionError) {
        self.connect(store).await.unwrap();
        let end = self.until(store, |it| it != Connection::Connecting).await;
        assert_eq!(end, Connection::Failed(error));
        self.disconnected(store).await;
    }

    async fn create_key(&self, store: Option<&str>) -> Result<String, Exception> {
        let request = CreateKeyRequest {
            origin: store.map(|_| "AWS_CLOUDHSM".to_owned()),
            custom_key_store_id: store.map(str::to_owned),
            ..CreateKeyRequest::default()
        };
        let made = self.kms.create_key(&self.scope, request).await?;
        Ok(made.key_metadata.unwrap().key_id.unwrap())
    }

    async fn encrypt(&self, key: &str) -> Result<Blob, Exception> {
        self.encrypt_with(key, &[]).await
    }

    async fn encrypt_with(&self, key: &str, pairs: &[(&str, &str)]) -> Result<Blob, Exception> {
        let request = EncryptRequest {
            key_id: key.to_owned(),
            plaintext: SecretBlob(Zeroizing::new(b"attack at dawn".to_vec())),
            encryption_context: Some(context(pairs)),
            ..EncryptRequest::default()
        };
        Ok(self
            .kms
            .encrypt(&self.scope, request)
            .await?
            .ciphertext_blob
            .unwrap())
    }

    async fn decrypt(&self, blob: &Blob, pairs: &[(&str, &str)]) -> Result<Vec<u8>, Exception> {
        let request = DecryptRequest {
            ciphertext_blob: Some(blob.clone()),
            encryption_context: Some(context(pairs)),
            ..DecryptRequest::default()
        };
        let opened = self.kms.decrypt(&self.scope, request).await?;
        Ok(opened.plaintext.unwrap().0.to_vec())
    }

    async fn metadata(&self, key: &str) -> KeyMetadata {
        let request = DescribeKeyRequest {
            key_id: key.to_owned(),
            ..DescribeKeyRequest::default()
        };
        self.kms
            .describe_key(&self.scope, request)
            .await
            .unwrap()
            .key_metadata
            .unwrap()
    }
}

async fn open(
    store: &Store,
    cloudhsm: &Arc<CloudHsm>,
    transport: &Arc<dyn Transport>,
    device_key: &Arc<DeviceKey>,
    rename_while_connected: bool,
) -> Arc<Kms> {
    let clusters: Arc<dyn Clusters> = Arc::<CloudHsm>::clone(cloudhsm);
    Kms::open(KmsConfig {
        store: store.clone(),
        clusters,
        transport: Arc::clone(transport),
        entropy: Arc::new(SystemEntropy),
        clock: Arc::new(SystemClock),
        device_key: Arc::clone(device_key),
        hsm_settings: settings(),
        rename_while_connected,
        connect_delay: Duration::ZERO,
        operation_deadline: Duration::from_secs(5),
    })
    .await
    .unwrap()
}

fn context(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn rename(store: &str, name: &str) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        new_custom_key_store_name: Some(name.to_owned()),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

fn substitute(store: &str, cluster: &ClusterId) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        cloud_hsm_cluster_id: Some(cluster.to_string()),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

fn password(store: &str, password: &str) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        key_store_password: Some(SecretText::new(password)),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Exception>, code: Code) {
    assert_eq!(outcome.unwrap_err().code, code);
}

/// Rule KS-10, KS-11, KS-12, KS-20, KS-21, KS-22, KS-24, KS-25
#[tokio::test]
async fn a_key_store_is_created_only_over_a_cluster_that_can_carry_it() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let one_hsm = world.cluster(&["a"], None).await;
    let one_zone = world.cluster(&["a", "a"], None).await;
    let bare = world.cluster(&[], None).await;
    let other = world.cluster(&["a", "b"], None).await;
    let good = || world.request("Keys", &cluster);
    let id = world.create(good()).await.unwrap();
    assert_eq!(
        world.create(good()).await.unwrap(),
        id,
        "the same values create nothing"
    );
    let missing: ClusterId = "cluster-777777777777".parse().unwrap();
    let unknown_anchor = CreateCustomKeyStoreRequest {
        trust_anchor_certificate: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        ..world.request("Other", &other)
    };
    let external = CreateCustomKeyStoreRequest {
        custom_key_store_type: Some("EXTERNAL_KEY_STORE".to_owned()),
        ..world.request("Other", &other)
    };
    let no_password = CreateCustomKeyStoreRequest {
        key_store_password: None,
        ..world.request("Other", &other)
    };
    let anchored = |request: CreateCustomKeyStoreRequest| CreateCustomKeyStoreRequest {
        trust_anchor_certificate: good().trust_anchor_certificate,
        ..request
    };
    for (request, code) in [
        (world.request("Keys", &other), Code::CustomKeyStoreNameInUse),
        (
            anchored(world.request("Other", &missing)),
            Code::CloudHsmClusterNotFound,
        ),
        (
            anchored(world.request("Other", &bare)),
            Code::CloudHsmClusterNotActive,
        ),
        (world.request("Other", &cluster), Code::CloudHsmClusterInUse),
        (
            world.request("Other", &one_hsm),
            Code::CloudHsmClusterInvalidConfiguration,
        ),
        (
            world.request("Other", &one_zone),
            Code::CloudHsmClusterInvalidConfiguration,
        ),
        (unknown_anchor, Code::IncorrectTrustAnchor),
        (external, Code::UnsupportedOperation),
        (no_password, Code::Validation),
    ] {
        refused(world.create(request).await, code);
    }
    assert_eq!(
        world.kms.key_stores().len(),
        1,
        "a refused create leaves nothing behind"
    );
}

/// Rule KS-01, KS-02, KS-30, KS-32, KS-33, KS-34, KS-40, KEY-13, GATE-03, GATE-04, CR-06
#[tokio::test]
async fn every_state_permits_what_the_documentation_says() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    let random = |store: &str| GenerateRandomRequest {
        number_of_bytes: Some(16),
        custom_key_store_id: Some(store.to_owned()),
        ..GenerateRandomRequest::default()
    };
    let state = Code::CustomKeyStoreInvalidState;

    // DISCONNECTED
    refused(world.disconnect(&store).await, state);
    refused(world.create_key(Some(&store)).await, state);
    refused(
        world
            .kms
            .generate_random(&world.scope, random(&store))
            .await,
        state,
    );
    world.update(rename(&store, "Renamed")).await.unwrap();

    // CONNECTED
    world.connected(&store).await;
    world.connect(&store).await.unwrap();
    assert_eq!(world.connection(&store), Connection::Connected);
    for edit in [
        rename(&store, "X"),
        password(&store, "otherPassword"),
        substitute(&store, &cluster),
    ] {
        refused(world.update(edit).await, state);
    }
    refused(world.delete(&store).await, state);
    world
        .kms
        .generate_random(&world.scope, random(&store))
        .await
        .unwrap();
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();

    // From the return of Disconnect on, nothing passes.
    world.disconnect(&store).await.unwrap();
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    world
        .until(&store, |it| it == Connection::Disconnected)
        .await;
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    refused(world.delete(&store).await, Code::CustomKeyStoreHasCmks);

    // FAILED
    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world.connect(&store).await.unwrap();
    let failed = world.until(&store, |it| it != Connection::Connecting).await;
    assert_eq!(
        failed,
        Connection::Failed(ConnectionError::InvalidCredentials)
    );
    refused(world.connect(&store).await, state);
    refused(world.update(rename(&store, "X")).await, state);
    refused(world.delete(&store).await, state);
    world.disconnected(&store).await;
}

/// Rule KS-41, KS-62
#[tokio::test]
async fn a_world_may_permit_renaming_and_a_connected_store_survives_a_restart_of_the_service() {
    let mut world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    let told = world
        .update(rename(&store, "Renamed"))
        .await
        .unwrap_err()
        .message;
    assert!(told.contains("rename_while_connected"), "{told}");

    world.restart(true).await;
    assert_eq!(world.connection(&store), Connection::Connected);
    assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    world.update(rename(&store, "Renamed")).await.unwrap();
    assert_eq!(world.kms.key_stores()[0].name, "Renamed");
    refused(
        world.update(password(&store, PASSWORD)).await,
        Code::CustomKeyStoreInvalidState,
    );
    let both = UpdateCustomKeyStoreRequest {
        new_custom_key_store_name: Some("Both".to_owned()),
        ..password(&store, PASSWORD)
    };
    refused(world.update(both).await, Code::CustomKeyStoreInvalidState);
    assert_eq!(
        world.kms.key_stores()[0].name,
        "Renamed",
        "all settings or none"
    );
}

/// Rule KS-13, KS-31, KS-60, KS-61
#[tokio::test]
async fn every_connection_error_code_comes_from_its_cause_and_goes_with_its_repair() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();

    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world
        .fails_with(&store, ConnectionError::InvalidCredentials)
        .await;
    for _ in 0..4 {
        world.connect(&store).await.unwrap();
        world
            .until(&store, |it| matches!(it, Connection::Failed(_)))
            .await;
        world.disconnected(&store).await;
    }
    world
        .fails_with(&store, ConnectionError::UserLockedOut)
        .await;
    world.reset_password(&cluster, "freshPassword").await;
    world
        .update(password(&store, "freshPassword"))
        .await
        .unwrap();

    let secret = Secret::new("freshPassword");
    let person = world
        .cloudhsm
        .login(&world.scope, &cluster, "kmsuser", Role::CryptoUser, secret);
    let token = person.await.unwrap();
    world
        .fails_with(&store, ConnectionError::UserLoggedIn)
        .await;
    world.cloudhsm.logout(&token).await.unwrap();

    world.connected(&store).await;
    world.disconnected(&store).await;
    // The connect rotated the password: the one before is wrong.
    let secret = Secret::new("freshPassword");
    let old = world
        .cloudhsm
        .login(&world.scope, &cluster, "kmsuser", Role::CryptoUser, secret);
    assert!(old.await.is_err(), "the password was rotated");
}

/// Rule KS-13, KS-31
#[tokio::test]
async fn trouble_of_the_network_or_the_cluster_has_a_code_of_its_own() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    for (trouble, code) in [
        (
            NetworkTrouble::SubnetNotFound("subnet-1".into()),
            ConnectionError::SubnetNotFound,
        ),
        (
            NetworkTrouble::NoFreeAddress("subnet-1".into()),
            ConnectionError::InsufficientFreeAddressesInSubnet,
        ),
    ] {
        world
            .cloudhsm
            .set_network_trouble(&world.scope, &cluster, Some(trouble))
            .await
            .unwrap();
        world.fails_with(&store, code).await;
    }
    world
        .cloudhsm
        .set_network_trouble(&world.scope, &cluster, None)
        .await
        .unwrap();

    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &cluster)
        .unwrap()
        .hsms
        .clone();
    for hsm in &hsms {
        world
            .cloudhsm
            .set_hsm_state(&hsm.id, HsmState::Degraded)
            .await
            .unwrap();
    }
    refused(
        world.connect(&store).await,
        Code::CloudHsmClusterInvalidConfiguration,
    );
    world
        .cloudhsm
        .destroy_cluster(&world.scope, &cluster)
        .await
        .unwrap();
    world
        .fails_with(&store, ConnectionError::ClusterNotFound)
        .await;
}

/// Rule KS-42, KEY-07, CR-10, CR-12
#[tokio::test]
async fn only_a_related_cluster_is_substituted_and_it_has_what_its_backup_had() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let unrelated = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    let backup = world
        .cloudhsm
        .back_up(&world.scope, &cluster)
        .await
        .unwrap();
    let late = world.create_key(Some(&store)).await.unwrap();
    let late_blob = world.encrypt(&late).await.unwrap();
    let related = world.cluster(&["a", "b"], Some(backup.to_string())).await;
    world.disconnected(&store).await;
    refused(
        world.update(substitute(&store, &unrelated)).await,
        Code::CloudHsmClusterNotRelated,
    );
    assert_eq!(world.kms.key_stores()[0].cluster, cluster.to_string());
    world.update(substitute(&store, &related)).await.unwrap();
    world.connected(&store).await;
    assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    assert_eq!(
        world.metadata(&key).await.cloud_hsm_cluster_id,
        Some(related.to_string())
    );
    assert_eq!(world.metadata(&key).await.current_key_material_id, None);
    refused(world.decrypt(&late_blob, &[]).await, Code::KmsInvalidState);
    refused(
        world.create(world.request("Second", &cluster)).await,
        Code::CloudHsmClusterInUse,
    );

    // One HSM serves; a key needs two.
    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &related)
        .unwrap()
        .hsms
        .clone();
    world.cloudhsm.crash(&hsms[0].id).unwrap();
    for _ in 0..4 {
        assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    }
    world.cloudhsm.crash(&hsms[1].id).unwrap();
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    assert_eq!(
        world.connection(&store),
        Connection::Connected,
        "a store never leaves by itself"
    );
    world.cloudhsm.restart(&hsms[0].id).await.unwrap();
    for _ in 0..5_000 {
        if world.decrypt(&blob, &[]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the store did not log in on the restarted HSM");
}

/// Rule KEY-10, KEY-11, KEY-12, KEY-14
#[tokio::test]
async fn a_key_is_made_on_two_hsms_in_two_zones_or_not_at_all() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &cluster)
        .unwrap()
        .hsms
        .clone();
    world.create_key(Some(&store)).await.unwrap();
    world.cloudhsm.crash(&hsms[1].id).unwrap();
    let unreachable = world.create_key(Some(&store)).await.unwrap_err();
    assert_eq!(unreachable.code, Code::KmsInternal);
    world
        .cloudhsm
        .set_hsm_state(&hsms[1].id, HsmState::Degraded)
        .await
        .unwrap();
    let code = Code::CloudHsmClusterInvalidConfiguration;
    refused(world.create_key(Some(&store)).await, code);
    let create = |request| world.kms.create_key(&world.scope, request);
    let plain = CreateKeyRequest::default;
    for (request, code) in [
        (
            CreateKeyRequest {
                origin: Some("AWS_CLOUDHSM".into()),
                ..plain()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                custom_key_store_id: Some(store),
                ..plain()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                origin: Some("EXTERNAL".into()),
                ..plain()
            },
            Code::UnsupportedOperation,
        ),
        (
            CreateKeyRequest {
                key_spec: Some("RSA_2048".into()),
                ..plain()
            },
            Code::UnsupportedOperation,
        ),
        (
            CreateKeyRequest {
                multi_region: Some(true),
                ..plain()
            },
            Code::UnsupportedOperation,
        ),
    ] {
        refused(create(request).await, code);
    }
}

/// Rule KEY-01, KEY-02, KEY-03, KEY-04, KEY-15, KEY-16
#[tokio::test]
async fn what_was_asked_for_while_disconnected_shows_when_connected() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let state = |state: &str| Some(state.to_owned());
    let disable = || DisableKeyRequest {
        key_id: key.clone(),
    };
    let enable = || EnableKeyRequest {
        key_id: key.clone(),
    };
    world.disconnected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Unavailable"));
    world
        .kms
        .disable_key(&world.scope, disable())
        .await
        .unwrap();
    assert_eq!(world.metadata(&key).await.key_state, state("Unavailable"));
    refused(world.encrypt(&key).await, Code::KmsInvalidState);
    world.connected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Disabled"));
    refused(world.encrypt(&key).await, Code::Disabled);
    world.kms.enable_key(&world.scope, enable()).await.unwrap();
    world.encrypt(&key).await.unwrap();

    let schedule = |days| ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: Some(days),
    };
    for days in [6, 31] {
        let outcome = world
            .kms
            .schedule_key_deletion(&world.scope, schedule(days))
            .await;
        refused(outcome, Code::Validation);
    }
    world
        .kms
        .schedule_key_deletion(&world.scope, schedule(7))
        .await
        .unwrap();
    refused(world.encrypt(&key).await, Code::KmsInvalidState);
    refused(
        world.kms.enable_key(&world.scope, enable()).await,
        Code::KmsInvalidState,
    );
    world.disconnected(&store).await;
    assert_eq!(
        world.metadata(&key).await.key_state,
        state("PendingDeletion")
    );
    refused(world.delete(&store).await, Code::CustomKeyStoreHasCmks);
    let cancel = || CancelKeyDeletionRequest {
        key_id: key.clone(),
    };
    world
        .kms
        .cancel_key_deletion(&world.scope, cancel())
        .await
        .unwrap();
    refused(
        world.kms.cancel_key_deletion(&world.scope, cancel()).await,
        Code::KmsInvalidState,
    );
    world.connected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Disabled"));
}

/// Rule CR-01, CR-02, CR-03, CR-04, CR-05, CR-11
#[tokio::test]
async fn a_ciphertext_opens_under_its_key_and_context_only() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let other = world.create_key(None).await.unwrap();
    let blob = world
        .encrypt_with(&key, &[("a", "1"), ("b", "2")])
        .await
        .unwrap();
    let opened = world
        .decrypt(&blob, &[("b", "2"), ("a", "1")])
        .await
        .unwrap();
    assert_eq!(opened, b"attack at dawn");
    for wrong in [
        &[][..],
        &[("a", "1")],
        &[("a", "2"), ("b", "1")],
        &[("a", "1b"), ("", "2")],
    ] {
        refused(world.decrypt(&blob, wrong).await, Code::InvalidCiphertext);
    }
    let bare = world.encrypt(&key).await.unwrap();
    for at in 0..bare.0.len() {
        let mut changed = bare.clone();
        changed.0[at] ^= 1;
        refused(world.decrypt(&changed, &[]).await, Code::InvalidCiphertext);
    }
    let named = DecryptRequest {
        ciphertext_blob: Some(bare.clone()),
        key_id: Some(other.clone()),
        ..DecryptRequest::default()
    };
    refused(
        world.kms.decrypt(&world.scope, named).await,
        Code::IncorrectKey,
    );
    let dry = EncryptRequest {
        key_id: key.clone(),
        plaintext: SecretBlob(Zeroizing::new(vec![1])),
        dry_run: Some(true),
        ..EncryptRequest::default()
    };
    refused(
        world.kms.encrypt(&world.scope, dry).await,
        Code::DryRunOperation,
    );
}

/// Rule CR-03, CR-05
#[tokio::test]
async fn a_data_key_opens_to_itself_and_a_ciphertext_moves_between_keys() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let other = world.create_key(None).await.unwrap();
    let bare = world.encrypt(&key).await.unwrap();
    let both = GenerateDataKeyRequest {
        key_id: key.clone(),
        key_spec: Some("AES_256".to_owned()),
        number_of_bytes: Some(32),
        ..GenerateDataKeyRequest::default()
    };
    refused(
        world.kms.generate_data_key(&world.scope, both).await,
        Code::Validation,
    );
    let data_key = GenerateDataKeyRequest {
        key_id: key.clone(),
        key_spec: Some("AES_256".to_owned()),
        ..GenerateDataKeyRequest::default()
    };
    let made = world
        .kms
        .generate_data_key(&world.scope, data_key)
        .await
        .unwrap();
    let sealed = made.ciphertext_blob.unwrap();
    assert_eq!(
        world.decrypt(&sealed, &[]).await.unwrap(),
        made.plaintext.unwrap().0.to_vec()
    );
    let moved = ReEncryptRequest {
        ciphertext_blob: Some(bare),
        destination_key_id: other,
        ..ReEncryptRequest::default()
    };
    let moved = world.kms.re_encrypt(&world.scope, moved).await.unwrap();
    let opened = world
        .decrypt(&moved.ciphertext_blob.unwrap(), &[])
        .await
        .unwrap();
    assert_eq!(opened, b"attack at dawn");
    world
        .kms
        .disable_key(&world.scope, DisableKeyRequest { key_id: key })
        .await
        .unwrap();
    refused(world.decrypt(&sealed, &[]).await, Code::Disabled);
}

/// Rule KEY-05, KEY-06, KEY-21, KEY-22, KEY-23
#[tokio::test]
async fn a_key_is_found_by_id_arn_and_alias_where_each_is_permitted() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let alias = |name: &str, target: &str| CreateAliasRequest {
        alias_name: name.to_owned(),
        target_key_id: target.to_owned(),
    };
    let create = |request| world.kms.create_alias(&world.scope, request);
    create(alias("alias/one", &key)).await.unwrap();
    refused(create(alias("alias/one", &key)).await, Code::AlreadyExists);
    refused(
        create(alias("alias/aws/one", &key)).await,
        Code::InvalidAliasName,
    );
    refused(create(alias("one", &key)).await, Code::InvalidAliasName);
    refused(
        create(alias("alias/two", "alias/one")).await,
        Code::NotFound,
    );
    let arn = world.metadata(&key).await.arn.unwrap();
    for name in [&key, &arn, "alias/one", &world.scope.alias_arn("alias/one")] {
        assert_eq!(world.metadata(name).await.key_id.as_ref(), Some(&key));
    }
    for (name, code) in [
        ("alias/none", Code::NotFound),
        ("nonsense", Code::NotFound),
        ("arn:aws:s3:us-east-1:111122223333:key/x", Code::InvalidArn),
        ("arn:aws:kms:us-east-1:999999999999:key/x", Code::NotFound),
    ] {
        refused(world.encrypt(name).await, code);
    }
    let disable = DisableKeyRequest {
        key_id: "alias/one".to_owned(),
    };
    refused(
        world.kms.disable_key(&world.scope, disable).await,
        Code::NotFound,
    );
    let schedule = ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: None,
    };
    world
        .kms
        .schedule_key_deletion(&world.scope, schedule)
        .await
        .unwrap();
    refused(
        create(alias("alias/three", &key)).await,
        Code::KmsInvalidState,
    );
}

/// Rule KS-23, KS-50, KS-51
#[tokio::test]
async fn describing_shows_what_there_is_and_names_what_is_not() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    let describe = |id: Option<&str>, name: Option<&str>| {
        let request = DescribeCustomKeyStoresRequest {
            custom_key_store_id: id.map(str::to_owned),
            custom_key_store_name: name.map(str::to_owned),
            ..DescribeCustomKeyStoresRequest::default()
        };
        world.kms.describe_custom_key_stores(&world.scope, request)
    };
    refused(
        describe(Some("cks-none"), None).await,
        Code::CustomKeyStoreNotFound,
    );
    refused(describe(Some(&store), Some("Keys")).await, Code::Validation);
    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world.connect(&store).await.unwrap();
    world
        .until(&store, |it| matches!(it, Connection::Failed(_)))
        .await;
    let shown = describe(None, Some("Keys"))
        .await
        .unwrap()
        .custom_key_stores
        .unwrap();
    assert_eq!(
        shown[0].connection_error_code.as_deref(),
        Some("INVALID_CREDENTIALS")
    );
    assert!(!format!("{shown:?}").contains("wrongPassword"));
    world.disconnected(&store).await;
    let shown = describe(Some(&store), None)
        .await
        .unwrap()
        .custom_key_stores
        .unwrap();
    assert_eq!(shown[0].connection_error_code, None);
}
