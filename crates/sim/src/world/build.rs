use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::Mutex;
use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest, DeleteHsmRequest};
use portcullis_api::kms::CreateCustomKeyStoreRequest;
use portcullis_api::{BackupId, ClusterId, HsmId, KeyStoreId, Scope, SecretText};
use portcullis_cloudhsm::{CloudHsm, default_subnets};
use portcullis_clusters::Clusters;
use portcullis_hsm::{DeviceKey, Role, Secret};

use super::names::{
    ADMIN, ADMIN_PASSWORD, KMSUSER, KMSUSER_PASSWORD, NEW_PASSWORD, ODD_PASSWORD, cluster_id,
};
use super::operator::KeyStoreOperator;
use super::template::Template;
use super::{World, WorldError};
use crate::canary::Canaries;
use crate::history::HistoryEvent;
use crate::record::WorldRecorder;
use crate::{Carrier, Network, Random, SimClock, SimDisk, SimDisks, SimEntropy};

const KEY_STORE: &str = "cks-1234567890abcdef0";

/// From which of a seed's streams the misfortunes of the control plane's disk are drawn.
const CONTROL_DICE: &str = "control plane";

/// What a world begins with, whether it is built or copied.
pub(crate) struct Beginning {
    pub(crate) seed: u64,
    pub(crate) carrier: Carrier,
    pub(crate) facades: usize,
    pub(crate) recorder: Arc<WorldRecorder>,
    pub(crate) canaries: Arc<Canaries>,
}

/// What the product finds when it starts.
struct Hardware {
    disks: SimDisks,
    control: SimDisk,
    clock: SimClock,
    /// None where it has yet to be drawn.
    device_key: Option<Arc<DeviceKey>>,
}

impl World {
    /// Two clusters, a connected key store, and two keys.
    pub(crate) async fn build(beginning: Beginning) -> Result<Arc<Self>, WorldError> {
        let seed = beginning.seed;
        for password in [ADMIN_PASSWORD, KMSUSER_PASSWORD, NEW_PASSWORD, ODD_PASSWORD] {
            beginning.canaries.password(password);
        }
        let hardware = Hardware {
            disks: SimDisks::new(seed),
            control: SimDisk::new(Random::new(seed, CONTROL_DICE)),
            clock: SimClock::start(),
            device_key: None,
        };
        let world = Arc::new(Self::over(hardware, beginning)?);
        world.start().await?;
        world.furnish().await?;
        Ok(world)
    }

    /// The same from a copy of the disks of `template`, on which the product starts again.
    pub(crate) async fn copy(
        beginning: Beginning,
        template: &Template,
    ) -> Result<Arc<Self>, WorldError> {
        let seed = beginning.seed;
        let control = template.control.clone();
        let hardware = Hardware {
            disks: SimDisks::with(seed, &template.disks),
            control: SimDisk::with(control, Random::new(seed, CONTROL_DICE)),
            clock: SimClock::resume(template.past.lasted),
            device_key: Some(Arc::clone(&template.device_key)),
        };
        let world = Arc::new(Self::over(hardware, beginning)?);
        world.network.remember(&template.network);
        *world.known.lock() = template.known.clone();
        world.start().await?;
        if KeyStoreOperator(Arc::clone(&world))
            .become_connected()
            .await
        {
            Ok(world)
        } else {
            Err(WorldError::of("the store", "it does not connect again"))
        }
    }

    /// A world in which nothing runs.
    fn over(hardware: Hardware, beginning: Beginning) -> Result<Self, WorldError> {
        let Beginning {
            seed,
            carrier,
            facades,
            recorder,
            canaries,
        } = beginning;
        let entropy = |host| Arc::new(SimEntropy::watched(seed, host, Arc::clone(&canaries)));
        let hsm_entropy = entropy("hsms");
        let device_key = hardware.device_key;
        Ok(Self {
            seed,
            scope: scope()?,
            network: Network::new(seed, carrier, Arc::clone(&recorder)),
            recorder,
            device_key: device_key.unwrap_or_else(|| Arc::new(DeviceKey::draw(&*hsm_entropy))),
            hsm_entropy,
            kms_entropy: entropy("kms"),
            canaries,
            disks: Arc::new(hardware.disks),
            control: hardware.control,
            clock: hardware.clock,
            process: Mutex::default(),
            facades,
            looks: AtomicUsize::new(0),
            store: KEY_STORE.to_owned(),
            first: cluster_id("first")?,
            unrelated: cluster_id("other")?,
            known: Mutex::default(),
            connected: AtomicBool::new(false),
            disconnects: AtomicUsize::new(0),
            disturbed: AtomicBool::new(false),
        })
    }

    async fn furnish(self: &Arc<Self>) -> Result<(), WorldError> {
        self.make_cluster(&self.first).await?;
        self.make_cluster(&self.unrelated).await?;
        self.create_user(&self.first).await?;
        self.create_store().await?;
        self.count_stores().await;
        self.connect(super::OPERATOR).await;
        if !KeyStoreOperator(Arc::clone(self)).become_connected().await {
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
        let cloud = self.running()?;
        cloud
            .issue_certificates(&self.scope, id)
            .await
            .map_err(failed)?;
        cloud
            .users()
            .activate(&self.scope, id, Secret::new(ADMIN_PASSWORD))
            .await
            .map_err(|error| WorldError::of("a cluster is not activated", error))?;
        self.create_hsm(id, zones.next()).await.map(drop)
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
            .running()?
            .create_cluster_as(&self.scope, id.clone(), request)
            .await;
        created.map_err(|error| WorldError::of("CreateCluster", error))?;
        Ok(zones)
    }

    /// CloudHSM, which must be there.
    fn running(&self) -> Result<Arc<CloudHsm>, WorldError> {
        self.cloud()
            .ok_or_else(|| WorldError::of("CloudHSM", "it does not run"))
    }

    pub(super) async fn create_hsm(
        &self,
        id: &ClusterId,
        zone: Option<String>,
    ) -> Result<Option<HsmId>, WorldError> {
        let request = CreateHsmRequest {
            cluster_id: id.to_string(),
            availability_zone: zone.unwrap_or_default(),
            ..CreateHsmRequest::default()
        };
        let created = self.running()?.create_hsm(&self.scope, request).await;
        let hsm: Option<HsmId> = created
            .map_err(|error| WorldError::of("CreateHsm", error))?
            .hsm
            .and_then(|hsm| hsm.hsm_id?.parse().ok());
        if let Some(hsm) = hsm.clone() {
            self.recorder.tell(|at| HistoryEvent::Member {
                at,
                hsm,
                cluster: id.clone(),
            });
        }
        Ok(hsm)
    }

    pub(super) async fn delete_hsm(&self, id: &ClusterId, hsm: &HsmId) -> Result<(), WorldError> {
        let request = DeleteHsmRequest {
            cluster_id: id.to_string(),
            hsm_id: Some(hsm.to_string()),
            ..DeleteHsmRequest::default()
        };
        let deleted = self.running()?.delete_hsm(&self.scope, request).await;
        deleted
            .map(drop)
            .map_err(|error| WorldError::of("DeleteHsm", error))
    }

    async fn create_user(&self, cluster: &ClusterId) -> Result<(), WorldError> {
        let failed = |error| WorldError::of("kmsuser cannot be created", error);
        let cloud = self.running()?;
        let token = self.log_in_admin(&cloud, cluster).await.map_err(failed)?;
        let password = Secret::new(KMSUSER_PASSWORD);
        let created = cloud
            .users()
            .create(&token, KMSUSER, Role::CryptoUser, password)
            .await;
        created.map_err(failed)?;
        cloud.users().logout(&token).await.map_err(failed)
    }

    pub(super) async fn log_in_admin(
        &self,
        cloud: &CloudHsm,
        cluster: &ClusterId,
    ) -> Result<String, portcullis_cloudhsm::UserError> {
        let password = Secret::new(ADMIN_PASSWORD);
        cloud
            .users()
            .login(&self.scope, cluster, ADMIN, Role::Admin, password)
            .await
    }

    /// Makes the key store, and asks again as a client that did not get the answer.
    async fn create_store(&self) -> Result<(), WorldError> {
        let failed = |error| WorldError::of("CreateCustomKeyStore", error);
        let anchor = self.running()?.cluster(&self.scope, &self.first);
        let anchor = anchor.and_then(|view| view.trust_anchor.clone());
        let request = || CreateCustomKeyStoreRequest {
            custom_key_store_name: "store".to_owned(),
            cloud_hsm_cluster_id: Some(self.first.to_string()),
            trust_anchor_certificate: anchor.clone(),
            key_store_password: Some(SecretText::new(KMSUSER_PASSWORD)),
            ..CreateCustomKeyStoreRequest::default()
        };
        let id: KeyStoreId = KEY_STORE
            .parse()
            .map_err(|error| WorldError::of(KEY_STORE, error))?;
        let facade = self
            .facade(0)
            .ok_or_else(|| WorldError::of("KMS", "it does not run"))?;
        let kms = &facade.kms;
        let create = || kms.create_custom_key_store_as(&self.scope, id.clone(), request());
        kms.up_to_date(&self.scope, create).await.map_err(failed)?;
        let again = || kms.create_custom_key_store(&self.scope, request());
        kms.up_to_date(&self.scope, again).await.map_err(failed)?;
        self.uses(&self.first);
        Ok(())
    }

    fn uses(&self, cluster: &ClusterId) {
        self.known.lock().uses = Some(cluster.clone());
        self.recorder.tell(|at| HistoryEvent::Uses {
            at,
            cluster: cluster.clone(),
        });
    }
}

fn scope() -> Result<Scope, WorldError> {
    let invalid = |error| WorldError::of("the scope", error);
    Ok(Scope {
        account: "111122223333".parse().map_err(invalid)?,
        region: "eu-west-1".parse().map_err(invalid)?,
    })
}
