//! KMS over real clusters and real QUIC, for the stories beside this folder.
//!
//! `System::open` of the server puts the same parts together and is not used: it opens KMS once, and these
//! tests open it again over clusters that go on, and several times over one store.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::*;
use portcullis_api::{Blob, ClusterId, Code, Exception, Scope, SecretBlob, SecretText};
use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Quotas, default_subnets};
use portcullis_clusters::{Clusters, HsmState, NetworkTrouble};
use portcullis_fleet::MemoryDisks;
use portcullis_hsm::{DeviceKey, Limits, Role, Secret, Settings};
use portcullis_kms::{AttestationTrust, Connection, ConnectionError, Kms, KmsConfig};
use portcullis_link::{
    ClientIdentity, FaultyTransport, LinkFaults, QuicSettings, QuicTransport, Transport,
};
use portcullis_seam::{Entropy, InlinePool, SystemClock, SystemEntropy};
use portcullis_store::Store;
use portcullis_time::{Calendar, Pace, Pacing};

pub(crate) const ADMIN: &str = "adminPassword";
pub(crate) const PASSWORD: &str = "kmsPassword";

pub(crate) struct World {
    /// What the KMS was opened over, for further ones.
    pub(crate) config: KmsConfig,
    pub(crate) cloudhsm: Arc<CloudHsm>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) scope: Scope,
    pub(crate) calendar: Arc<Calendar>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        password_iterations: NonZeroU32::MIN,
        ..Settings::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::holding(Limits::default()).await
    }

    /// A world whose HSMs hold no more than this.
    pub(crate) async fn holding(limits: Limits) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let client = ClientIdentity::generate().unwrap();
        let quic = QuicTransport::new(QuicSettings {
            accepted_clients: vec![client.certificate.clone()],
            client,
            entropy: Arc::clone(&entropy),
        });
        let faults = Arc::new(LinkFaults::new(Arc::clone(&entropy)));
        let transport: Arc<dyn Transport> = Arc::new(FaultyTransport::new(Arc::new(quic), faults));
        let store = Store::memory();
        let pacing = Pacing::new(Pace::Immediate);
        let calendar = Calendar::open(
            store.clone(),
            Arc::new(SystemClock),
            None,
            Arc::clone(&pacing),
        );
        let calendar = Arc::new(calendar.await.unwrap());
        let device_key = Arc::new(DeviceKey::draw(&SystemEntropy));
        let cloudhsm = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: Arc::new(MemoryDisks::default()),
            transport: Arc::clone(&transport),
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            pacing: Arc::clone(&pacing),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&device_key),
            hsm_settings: Settings {
                limits,
                ..settings()
            },
            quotas: Quotas::None,
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        });
        let cloudhsm = cloudhsm.await.unwrap();
        let config = KmsConfig {
            store,
            clusters: Arc::<CloudHsm>::clone(&cloudhsm),
            transport,
            entropy,
            clock: calendar.clock(),
            device_key,
            hsm_settings: settings(),
            pool: Arc::new(InlinePool),
            rename_while_connected: false,
            pacing,
            attestation: AttestationTrust::default(),
            operation_deadline: Duration::from_secs(5),
        };
        Self {
            kms: Kms::open(config.clone()).await.unwrap(),
            config,
            cloudhsm,
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            calendar,
        }
    }

    /// The same records under a KMS that has just started.
    pub(crate) async fn restart(&mut self, rename_while_connected: bool) {
        self.config.rename_while_connected = rename_while_connected;
        self.kms = Kms::open(self.config.clone()).await.unwrap();
    }

    pub(crate) async fn cluster(&self, zones: &[&str], backup: Option<String>) -> ClusterId {
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
                    .users()
                    .activate(&self.scope, &id, Secret::new(ADMIN))
                    .await
                    .unwrap();
                self.user(&id, |cloudhsm, token| async move {
                    let password = Secret::new(PASSWORD);
                    cloudhsm
                        .users()
                        .create(&token, "kmsuser", Role::CryptoUser, password)
                        .await
                        .unwrap();
                    token
                })
                .await;
            }
        }
        id
    }

    pub(crate) async fn user<F: Future<Output = String>>(
        &self,
        cluster: &ClusterId,
        act: impl FnOnce(Arc<CloudHsm>, String) -> F,
    ) {
        let admin = Secret::new(ADMIN);
        let login = self
            .cloudhsm
            .users()
            .login(&self.scope, cluster, "admin", Role::Admin, admin);
        let token = act(Arc::clone(&self.cloudhsm), login.await.unwrap()).await;
        self.cloudhsm.users().logout(&token).await.unwrap();
    }

    pub(crate) async fn reset_password(&self, cluster: &ClusterId, password: &'static str) {
        self.user(cluster, |cloudhsm, token| async move {
            let secret = Secret::new(password);
            cloudhsm
                .users()
                .change_password(&token, "kmsuser", Role::CryptoUser, secret)
                .await
                .unwrap();
            token
        })
        .await;
    }

    pub(crate) async fn hsm(&self, cluster: &ClusterId, zone: &str) {
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

    pub(crate) fn request(&self, name: &str, cluster: &ClusterId) -> CreateCustomKeyStoreRequest {
        let view = self.cloudhsm.cluster(&self.scope, cluster);
        CreateCustomKeyStoreRequest {
            custom_key_store_name: name.to_owned(),
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            trust_anchor_certificate: view.and_then(|view| view.trust_anchor.clone()),
            key_store_password: Some(SecretText::new(PASSWORD)),
            ..CreateCustomKeyStoreRequest::default()
        }
    }

    pub(crate) async fn create(
        &self,
        request: CreateCustomKeyStoreRequest,
    ) -> Result<String, Exception> {
        let made = self
            .kms
            .create_custom_key_store(&self.scope, request)
            .await?;
        Ok(made.custom_key_store_id.unwrap())
    }

    pub(crate) async fn connect(&self, store: &str) -> Result<(), Exception> {
        let request = ConnectCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .connect_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    pub(crate) async fn disconnect(&self, store: &str) -> Result<(), Exception> {
        let request = DisconnectCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .disconnect_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    pub(crate) async fn update(
        &self,
        request: UpdateCustomKeyStoreRequest,
    ) -> Result<(), Exception> {
        self.kms
            .update_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    pub(crate) async fn delete(&self, store: &str) -> Result<(), Exception> {
        let request = DeleteCustomKeyStoreRequest {
            custom_key_store_id: store.to_owned(),
        };
        self.kms
            .delete_custom_key_store(&self.scope, request)
            .await
            .map(drop)
    }

    pub(crate) fn connection(&self, store: &str) -> Connection {
        let stores = self.kms.key_stores();
        stores
            .iter()
            .find(|found| found.id == store)
            .unwrap()
            .connection
    }

    pub(crate) async fn until(
        &self,
        store: &str,
        wanted: impl Fn(Connection) -> bool,
    ) -> Connection {
        for _ in 0..20_000 {
            let connection = self.connection(store);
            if wanted(connection) {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("still {:?}", self.connection(store));
    }

    pub(crate) async fn connected(&self, store: &str) {
        self.connect(store).await.unwrap();
        let end = self.until(store, |it| it != Connection::Connecting).await;
        assert_eq!(end, Connection::Connected);
    }

    pub(crate) async fn disconnected(&self, store: &str) {
        self.disconnect(store).await.unwrap();
        self.until(store, |it| it == Connection::Disconnected).await;
    }

    pub(crate) async fn fails_with(&self, store: &str, error: ConnectionError) {
        self.connect(store).await.unwrap();
        let end = self.until(store, |it| it != Connection::Connecting).await;
        assert_eq!(end, Connection::Failed(error));
        self.disconnected(store).await;
    }

    pub(crate) async fn create_key(&self, store: Option<&str>) -> Result<String, Exception> {
        let request = CreateKeyRequest {
            origin: store.map(|_| "AWS_CLOUDHSM".to_owned()),
            custom_key_store_id: store.map(str::to_owned),
            ..CreateKeyRequest::default()
        };
        let made = self.kms.create_key(&self.scope, request).await?;
        Ok(made.key_metadata.unwrap().key_id.unwrap())
    }

    pub(crate) async fn encrypt(&self, key: &str) -> Result<Blob, Exception> {
        self.encrypt_with(key, &[]).await
    }

    pub(crate) async fn encrypt_with(
        &self,
        key: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Blob, Exception> {
        let request = EncryptRequest {
            key_id: key.to_owned(),
            plaintext: SecretBlob(b"attack at dawn".to_vec().into()),
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

    pub(crate) async fn decrypt(
        &self,
        blob: &Blob,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<u8>, Exception> {
        let request = DecryptRequest {
            ciphertext_blob: Some(blob.clone()),
            encryption_context: Some(context(pairs)),
            ..DecryptRequest::default()
        };
        let opened = self.kms.decrypt(&self.scope, request).await?;
        Ok(opened.plaintext.unwrap().0.to_vec())
    }

    pub(crate) async fn metadata(&self, key: &str) -> KeyMetadata {
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

pub(crate) fn context(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn rename(store: &str, name: &str) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        new_custom_key_store_name: Some(name.to_owned()),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

pub(crate) fn substitute(store: &str, cluster: &ClusterId) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        cloud_hsm_cluster_id: Some(cluster.to_string()),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

pub(crate) fn password(store: &str, password: &str) -> UpdateCustomKeyStoreRequest {
    UpdateCustomKeyStoreRequest {
        custom_key_store_id: store.to_owned(),
        key_store_password: Some(SecretText::new(password)),
        ..UpdateCustomKeyStoreRequest::default()
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Exception>, code: Code) {
    assert_eq!(outcome.unwrap_err().code, code);
}
