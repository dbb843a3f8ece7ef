use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::CreateCustomKeyStoreRequest;
use portcullis_api::{BackupId, ClusterId, KeyStoreId, Scope, SecretText};
use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Clusters, Pace, Pacing, default_subnets};
use portcullis_hsm::{DeviceKey, Role, Secret, Settings};
use portcullis_kms::{Kms, KmsConfig};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, InlinePool, WallClock};
use portcullis_store::Store;

use super::{Known, World, WorldError};
use crate::history::Event;
use crate::record::Recorder;
use crate::{BIND_IP, Network, SimClock, SimDisks, SimEntropy};

/// The admin of every cluster.
pub(super) const ADMIN: &str = "admin";
pub(super) const ADMIN_PASSWORD: &str = "adminPassword";
pub(super) const KMSUSER: &str = "kmsuser";
const KMSUSER_PASSWORD: &str = "kmsPswd1";

const KEY_STORE: &str = "cks-1234567890abcdef0";

/// What every call may take. Two attempts, and some more, as the product's own default.
const OPERATION_DEADLINE: Duration = Duration::from_secs(3);

/// Passwords are hashed with one iteration: a world hashes some thirty.
fn settings() -> Settings {
    Settings {
        password_iterations: std::num::NonZeroU32::MIN,
        ..Settings::default()
    }
}

impl World {
    /// Two clusters, a connected key store, and two keys.
    pub(crate) async fn build(seed: u64, recorder: Arc<Recorder>) -> Result<Arc<Self>, WorldError> {
        let network = Network::new(seed, Arc::clone(&recorder));
        let disks = Arc::new(SimDisks::new(seed));
        let clock: Arc<dyn WallClock> = Arc::new(SimClock::start());
        let entropy: Arc<dyn Entropy> = Arc::new(SimEntropy::new(seed, "hsms"));
        let device_key = Arc::new(DeviceKey::draw(&*entropy));
        let cloud = CloudHsm::open(CloudHsmConfig {
            store: Store::memory(),
            disks: Arc::<SimDisks>::clone(&disks),
            transport: Arc::new(network.clone()) as Arc<dyn Transport>,
            entropy,
            clock: Arc::clone(&clock),
            pacing: Pacing::new(Pace::Immediate),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&device_key),
            hsm_settings: settings(),
            bind_ip: SocketAddr::new(BIND_IP, 0).ip(),
        })
        .await
        .map_err(|error| WorldError::of("CloudHSM does not open", error))?;
        let kms = Kms::open(KmsConfig {
            store: Store::memory(),
            clusters: Arc::<CloudHsm>::clone(&cloud) as Arc<dyn Clusters>,
            transport: Arc::new(network.clone()),
            entropy: Arc::new(SimEntropy::new(seed, "kms")),
            clock,
            device_key,
            hsm_settings: settings(),
            rename_while_connected: false,
            pacing: Pacing::new(Pace::Immediate),
            operation_deadline: OPERATION_DEADLINE,
        })
        .await
        .map_err(|error| WorldError::of("KMS does not open", error))?;
        let (first, unrelated) = (cluster_id("first"), cluster_id("other"));
        let (first, unrelated) = (first?, unrelated?);
        let world = Arc::new(Self {
            seed,
            scope: scope()?,
            recorder,
            network,
            disks,
            cloud,
            kms,
            store: KEY_STORE.to_owned(),
            first,
            unrelated,
            known: Mutex::default(),
            connected: AtomicBool::new(false),
        });
        world.furnish().await?;
        Ok(world)
    }

    async fn furnish(self: &Arc<Self>) -> Result<(), WorldError> {
        self.make_cluster(&self.first).await?;
        self.make_cluster(&self.unrelated).await?;
        self.create_user(&self.first).await?;
        self.create_store().await?;
        self.connect().await;
        if !self.become_connected().await {
            return Err(WorldError::of("the store", "it does not connect"));
        }
        for _ in 0..2 {
            self.create_key(super::OPERATOR).await;
        }
        if self.known.lock().keys.len() == 2 {
            Ok(())
        } else {
            Err(WorldError::of("the store", "no key can be made in it"))
        }
    }

    /// An ACTIVE cluster with an HSM in each of two zones.
    async fn make_cluster(&self, id: &ClusterId) -> Result<(), WorldError> {
        let failed = |error| WorldError::of("a cluster cannot be made", error);
        let mut zones = self.create_cluster(id, None).await?.into_iter();
        self.create_hsm(id, zones.next()).await?;
        self.cloud
            .issue_certificates(&self.scope, id)
            .await
            .map_err(failed)?;
        self.cloud
            .activate(&self.scope, id, Secret::new(ADMIN_PASSWORD))
            .await
            .map_err(|error| WorldError::of("a cluster is not activated", error))?;
        self.create_hsm(id, zones.next()).await
    }

    /// A cluster made from a backup, with an HSM in each of two zones.
    pub(super) async fn restore_cluster(
        &self,
        id: &ClusterId,
        backup: BackupId,
    ) -> Result<(), WorldError> {
        let zones = self.create_cluster(id, Some(backup)).await?;
        for zone in zones {
            self.create_hsm(id, Some(zone)).await?;
        }
        Ok(())
    }

    /// Creates a cluster over two zones and names them.
    async fn create_cluster(
        &self,
        id: &ClusterId,
        backup: Option<BackupId>,
    ) -> Result<Vec<String>, WorldError> {
        let subnets = default_subnets(&self.scope.region).into_iter().take(2);
        let (zones, subnet_ids): (Vec<_>, Vec<_>) = subnets.unzip();
        let request = CreateClusterRequest {
            hsm_type: "hsm2m.medium".to_owned(),
            subnet_ids,
            source_backup_id: backup.map(|backup| backup.to_string()),
            ..CreateClusterRequest::default()
        };
        let created = self
            .cloud
            .create_cluster_as(&self.scope, id.clone(), request)
            .await;
        created.map_err(|error| WorldError::of("CreateCluster", error))?;
        Ok(zones)
    }

    async fn create_hsm(&self, id: &ClusterId, zone: Option<String>) -> Result<(), WorldError> {
        let request = CreateHsmRequest {
            cluster_id: id.to_string(),
            availability_zone: zone.unwrap_or_default(),
            ..CreateHsmRequest::default()
        };
        let created = self.cloud.create_hsm(&self.scope, request).await;
        let hsm = created
            .map_err(|error| WorldError::of("CreateHsm", error))?
            .hsm
            .and_then(|hsm| hsm.hsm_id?.parse().ok());
        if let Some(hsm) = hsm {
            self.recorder.tell(|at| Event::Member {
                at,
                hsm,
                cluster: id.clone(),
            });
        }
        Ok(())
    }

    async fn create_user(&self, cluster: &ClusterId) -> Result<(), WorldError> {
        let failed = |error| WorldError::of("kmsuser cannot be created", error);
        let token = self.log_in_admin(cluster).await.map_err(failed)?;
        let password = Secret::new(KMSUSER_PASSWORD);
        let created = self
            .cloud
            .create_user(&token, KMSUSER, Role::CryptoUser, password)
            .await;
        created.map_err(failed)?;
        self.cloud.logout(&token).await.map_err(failed)
    }

    pub(super) async fn log_in_admin(
        &self,
        cluster: &ClusterId,
    ) -> Result<String, portcullis_cloudhsm::UserError> {
        let password = Secret::new(ADMIN_PASSWORD);
        self.cloud
            .login(&self.scope, cluster, ADMIN, Role::Admin, password)
            .await
    }

    async fn create_store(&self) -> Result<(), WorldError> {
        let anchor = self.cloud.cluster(&self.scope, &self.first);
        let anchor = anchor.and_then(|view| view.trust_anchor.clone());
        let request = CreateCustomKeyStoreRequest {
            custom_key_store_name: "store".to_owned(),
            cloud_hsm_cluster_id: Some(self.first.to_string()),
            trust_anchor_certificate: anchor,
            key_store_password: Some(SecretText::new(KMSUSER_PASSWORD)),
            ..CreateCustomKeyStoreRequest::default()
        };
        let id: KeyStoreId = KEY_STORE
            .parse()
            .map_err(|error| WorldError::of(KEY_STORE, error))?;
        let created = self
            .kms
            .create_custom_key_store_as(&self.scope, id, request)
            .await;
        created.map_err(|error| WorldError::of("CreateCustomKeyStore", error))?;
        self.uses(&self.first);
        Ok(())
    }

    fn uses(&self, cluster: &ClusterId) {
        self.known.lock().uses = Some(cluster.clone());
        self.recorder.tell(|at| Event::Uses {
            at,
            cluster: cluster.clone(),
        });
    }
}

impl Known {
    pub(super) fn substitute(&mut self, cluster: &ClusterId) {
        self.uses = Some(cluster.clone());
    }
}

/// `cluster-` and a name of five letters, filled up to eleven.
pub(super) fn cluster_id(name: &str) -> Result<ClusterId, WorldError> {
    let id = format!("cluster-{name}cluster");
    let id = id.get(..19).unwrap_or(&id);
    id.parse().map_err(|error| WorldError::of(id, error))
}

fn scope() -> Result<Scope, WorldError> {
    let invalid = |error| WorldError::of("the scope", error);
    Ok(Scope {
        account: "111122223333".parse().map_err(invalid)?,
        region: "eu-west-1".parse().map_err(invalid)?,
    })
}
