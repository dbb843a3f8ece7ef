//! Makes a world, by the same operations that a user would call.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, CreateAliasRequest, CreateCustomKeyStoreRequest,
    CreateKeyRequest, KeySpec, Tag,
};
use portcullis_api::{ClusterId, Exception, KeyId, KeyStoreId, Scope, SecretText};
use portcullis_cloudhsm::{Addresses, NetworkChange, Quotas, default_subnets};
use portcullis_clusters::{Clusters, KMSUSER};
use portcullis_hsm::{Role, Secret};
use portcullis_kms::Connection;
use portcullis_seam::draw;
use portcullis_server::{System, SystemConfig};
use portcullis_store::{Expect, Transaction};
use portcullis_time::Pace;
use tokio::time::Instant;

use crate::file::{ClusterEntry, KeyEntry, KeyStoreEntry, SubnetEntry};
use crate::password::Password;
use crate::{World, WorldError};

/// The first admin's name.
const ADMIN: &str = "admin";

/// The newer of the two types, which takes backups of both.
const HSM_TYPE: &str = "hsm2m.medium";

/// Marks a data folder whose world has been made.
const SEEDED: &str = "world/seeded";

/// A cluster or key store comes into its state within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

impl World {
    /// A system in memory with this world in it.
    ///
    /// # Errors
    /// When the world cannot be made.
    pub async fn open(&self) -> Result<System, WorldError> {
        let system = System::open(self.config()?).await;
        let system = system.map_err(|error| WorldError(error.to_string()))?;
        self.make(&system).await?;
        Ok(system)
    }

    /// How a system with this world behaves. It is in memory, unless another store, other disks and their
    /// device key are set.
    ///
    /// # Errors
    /// When its attestation roots cannot be used.
    pub fn config(&self) -> Result<SystemConfig, WorldError> {
        Ok(SystemConfig {
            time_scale: self.time_scale,
            state_changes: self.state_changes,
            quotas: self.quota,
            rename_while_connected: self.rename_while_connected,
            attestation: self.attestation().map_err(WorldError)?,
            ..SystemConfig::default()
        })
    }

    /// Makes this world, unless that was done before in the same store, and tells whether it did. What
    /// the world says of everything that comes after it holds from then on.
    ///
    /// # Errors
    /// When an operation that makes a part of it is refused, or there is no such device profile.
    pub async fn make(&self, system: &System) -> Result<bool, WorldError> {
        let profile = self.device(self.profile.as_deref());
        let profile = profile.map_err(WorldError)?;
        let is_new = system.store.get(SEEDED).is_none();
        if is_new {
            // A world is what exists at the start: it does not take the time that its making takes on
            // AWS.
            let pacing = system.calendar.pacing();
            let pace = pacing.set_pace(Pace::Immediate);
            let made = make(system, self).await;
            pacing.set_pace(pace);
            made.map_err(WorldError)?;
        }
        system.cloudhsm.devices().set_default(profile);
        system.cloudhsm.set_default_placement(self.hsms_on);
        if self.quota == Quotas::Aws {
            system.kms.keep_quotas();
        }
        Ok(is_new)
    }
}

async fn make(system: &System, world: &World) -> Result<(), String> {
    let mut seeder = Seeder {
        system,
        scope: world.scope(),
        clusters: BTreeMap::new(),
    };
    let (restored, fresh): (Vec<_>, Vec<_>) = world
        .clusters
        .iter()
        .partition(|cluster| cluster.restored_from.is_some());
    for subnet in &world.subnets {
        seeder.subnet(subnet).await?;
    }
    for cluster in fresh {
        seeder.cluster(cluster, None).await?;
    }
    let mut stores = BTreeMap::new();
    for key_store in &world.key_stores {
        let id = seeder.key_store(world, key_store).await?;
        stores.insert(key_store.name.as_str(), id);
    }
    for key in &world.keys {
        let store = key.key_store.as_deref().and_then(|name| stores.get(name));
        seeder.key(key, store).await?;
    }
    for cluster in restored {
        let source = cluster
            .restored_from
            .as_deref()
            .and_then(|name| seeder.clusters.get(name));
        let backup = match source {
            Some(source) => system
                .cloudhsm
                .back_up(&seeder.scope, source)
                .await
                .map_err(told)?,
            None => {
                return Err(format!(
                    "The cluster {} is restored too early.",
                    cluster.name
                ));
            }
        };
        let backup = Some(backup.to_string());
        seeder.cluster(cluster, backup).await?;
    }
    seeder.devices(world).await?;
    let mark = Transaction::new()
        .expect(SEEDED, Expect::Absent)
        .put(SEEDED, Vec::new());
    system
        .store
        .commit(mark)
        .await
        .map_err(|error| error.to_string())?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn told(exception: Exception) -> String {
    format!("The world cannot be made: {exception}")
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("The world cannot be made: {error}")
}

/// A world on its way.
#[derive(Debug)]
struct Seeder<'a> {
    system: &'a System,
    scope: Scope,
    /// IDs by the names of the file.
    clusters: BTreeMap<String, ClusterId>,
}

impl Seeder<'_> {
    async fn subnet(&self, entry: &SubnetEntry) -> Result<(), String> {
        let add = NetworkChange::AddSubnet {
            id: entry.id.clone(),
            vpc: entry.vpc.clone(),
            zone: format!("{}{}", self.scope.region, entry.zone),
            cidr: entry.cidr,
        };
        let taken = Addresses::Count(entry.taken);
        let take = NetworkChange::TakeAddresses(entry.id.clone(), taken);
        for change in [add, take] {
            let changed = self.system.cloudhsm.networks().change(&self.scope, change);
            changed.await.map_err(told)?;
        }
        Ok(())
    }

    /// Makes clusters as slow as their devices, after everything else: a world is made at once.
    async fn devices(&self, world: &World) -> Result<(), String> {
        for entry in &world.clusters {
            let id = self.clusters.get(&entry.name);
            if let (Some(name), Some(id)) = (&entry.profile, id) {
                let profile = world.device(Some(name))?;
                let set = self.system.cloudhsm.devices().set(&self.scope, id, profile);
                set.await.map_err(told)?;
            }
        }
        Ok(())
    }

    async fn cluster(
        &mut self,
        entry: &ClusterEntry,
        backup: Option<String>,
    ) -> Result<(), String> {
        let cloudhsm = &self.system.cloudhsm;
        let fresh = || ClusterId::from_random(draw(&*self.system.entropy));
        let id = entry.id.clone().unwrap_or_else(fresh);
        let restored = backup.is_some();
        let request = CreateClusterRequest {
            hsm_type: entry
                .hsm_type
                .clone()
                .unwrap_or_else(|| HSM_TYPE.to_owned()),
            mode: Some("FIPS".to_owned()),
            subnet_ids: if entry.subnets.is_empty() {
                default_subnets(&self.scope.region).into_values().collect()
            } else {
                entry.subnets.clone()
            },
            source_backup_id: backup,
            ..CreateClusterRequest::default()
        };
        cloudhsm
            .create_cluster_as(&self.scope, id.clone(), request)
            .await
            .map_err(told)?;
        self.clusters.insert(entry.name.clone(), id.clone());
        let mut zones = entry.hsm_zones.iter();
        let Some(first) = zones.next() else {
            return Ok(());
        };
        self.hsm(&id, first).await?;
        if !restored {
            let Some(password) = &entry.admin_password else {
                return Ok(());
            };
            cloudhsm
                .issue_certificates(&self.scope, &id)
                .await
                .map_err(told)?;
            let password = Secret::new(password.reveal());
            cloudhsm
                .users()
                .activate(&self.scope, &id, password)
                .await
                .map_err(failed)?;
        }
        for zone in zones {
            self.hsm(&id, zone).await?;
        }
        if let (Some(admin), Some(kmsuser)) = (&entry.admin_password, &entry.kmsuser_password) {
            self.kmsuser(&id, admin, kmsuser, restored).await?;
        }
        Ok(())
    }

    async fn hsm(&self, cluster: &ClusterId, zone: &str) -> Result<(), String> {
        let request = CreateHsmRequest {
            cluster_id: cluster.to_string(),
            availability_zone: format!("{}{zone}", self.scope.region),
            ..CreateHsmRequest::default()
        };
        self.system
            .cloudhsm
            .create_hsm(&self.scope, request)
            .await
            .map(drop)
            .map_err(told)
    }

    /// Creates `kmsuser`, or resets its password in a restored cluster.
    async fn kmsuser(
        &self,
        cluster: &ClusterId,
        admin: &Password,
        kmsuser: &Password,
        restored: bool,
    ) -> Result<(), String> {
        let cloudhsm = &self.system.cloudhsm;
        let secret = Secret::new(admin.reveal());
        let login = cloudhsm
            .users()
            .login(&self.scope, cluster, ADMIN, Role::Admin, secret);
        let token = login.await.map_err(failed)?;
        let (role, password) = (Role::CryptoUser, Secret::new(kmsuser.reveal()));
        let set = if restored {
            cloudhsm
                .users()
                .change_password(&token, KMSUSER, role, password)
                .await
        } else {
            cloudhsm
                .users()
                .create(&token, KMSUSER, role, password)
                .await
        };
        set.map_err(failed)?;
        cloudhsm.users().logout(&token).await.map_err(failed)
    }

    async fn key_store(&self, world: &World, entry: &KeyStoreEntry) -> Result<KeyStoreId, String> {
        let kms = &self.system.kms;
        let cluster = self.clusters.get(&entry.cluster);
        let cluster = cluster.ok_or_else(|| {
            format!(
                "The key store {} needs a cluster that is not restored.",
                entry.name
            )
        })?;
        let view = self.system.cloudhsm.cluster(&self.scope, cluster);
        let anchor = view.and_then(|view| view.trust_anchor.clone());
        let named = world
            .clusters
            .iter()
            .find(|cluster| cluster.name == entry.cluster);
        let password = named.and_then(|cluster| cluster.kmsuser_password.as_ref());
        let password = password.ok_or_else(|| {
            format!(
                "The cluster of the key store {} needs a kmsuser_password.",
                entry.name
            )
        })?;
        let fresh = || KeyStoreId::from_random(draw(&*self.system.entropy));
        let id = entry.id.clone().unwrap_or_else(fresh);
        let request = CreateCustomKeyStoreRequest {
            custom_key_store_name: entry.name.clone(),
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            trust_anchor_certificate: anchor,
            key_store_password: Some(SecretText::new(password.reveal())),
            ..CreateCustomKeyStoreRequest::default()
        };
        kms.create_custom_key_store_as(&self.scope, id.clone(), request)
            .await
            .map_err(told)?;
        if entry.connect {
            let request = ConnectCustomKeyStoreRequest {
                custom_key_store_id: id.to_string(),
            };
            kms.connect_custom_key_store(&self.scope, request)
                .await
                .map_err(told)?;
            self.connected(&id).await?;
        }
        Ok(id)
    }

    /// Waits until a key store is connected.
    async fn connected(&self, id: &KeyStoreId) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stores = self.system.kms.key_stores();
            let found = stores.iter().find(|store| store.id == id.as_str());
            match found.map(|store| store.connection) {
                Some(Connection::Connected) => return Ok(()),
                Some(Connection::Failed(error)) => {
                    let (code, repair) = (error.name(), error.repair());
                    return Err(format!(
                        "The key store {id} does not connect: {code}. {repair}"
                    ));
                }
                _ if Instant::now() > deadline => {
                    return Err(format!("The key store {id} does not connect in time."));
                }
                _ => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    async fn key(&self, entry: &KeyEntry, store: Option<&KeyStoreId>) -> Result<(), String> {
        let kms = &self.system.kms;
        let id = entry
            .id
            .unwrap_or_else(|| KeyId::from_random(draw(&*self.system.entropy)));
        let request = || CreateKeyRequest {
            description: Some(entry.description.clone()),
            key_spec: entry.spec.map(|spec| spec.as_str().to_owned()),
            key_usage: entry.usage.map(|usage| usage.as_str().to_owned()),
            tags: entry.material.as_ref().map(|material| {
                vec![Tag {
                    tag_key: Tag::MATERIAL.to_owned(),
                    tag_value: material.reveal().to_owned(),
                }]
            }),
            origin: store.map(|_| "AWS_CLOUDHSM".to_owned()),
            custom_key_store_id: store.map(ToString::to_string),
            ..CreateKeyRequest::default()
        };
        if entry.count == 0 {
            return Ok(());
        }
        let told = |exception: Exception| {
            format!("The key {} cannot be made: {exception}", entry.called())
        };
        kms.create_key_as(&self.scope, id, request())
            .await
            .map_err(told)?;
        let more = entry.count.saturating_sub(1);
        let spec = entry.spec.unwrap_or(KeySpec::SymmetricDefault);
        if store.is_some() || spec != KeySpec::SymmetricDefault {
            for _ in 0..more {
                let made = kms.create_key(&self.scope, request()).await;
                made.map_err(told)?;
            }
        } else {
            let more = usize::try_from(more).map_err(failed)?;
            let made = kms.create_keys_like(&self.scope, &id, more).await;
            made.map_err(told)?;
        }
        for alias in &entry.aliases {
            let request = CreateAliasRequest {
                alias_name: alias.clone(),
                target_key_id: id.to_string(),
            };
            kms.create_alias(&self.scope, request).await.map_err(told)?;
        }
        Ok(())
    }
}
