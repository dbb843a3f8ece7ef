//! The documented repair: a cluster from a backup, and the key store on it.

use std::time::Duration;

use portcullis_admin::{
    BackupChoice, FaultKind, FaultOrder, InjectFault, Place, RepairStage, Secret,
};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tokio::time::Instant;

use super::script::AdminScript;
use super::traffic::Traffic;
use crate::client::{
    CallError, ControlClient, CreatedCluster, CreatedHsm, KeyStore, KeyStoreEdit, ListPage,
    ListedBackups, ListedCluster, ListedClusters,
};
use crate::cycle::{ClusterAdmin, generate};
use crate::failure::Unusable;
use crate::judge::GateKnowledge;

/// Who repairs, what, and how patiently.
#[derive(Debug)]
pub(super) struct Repair<'a> {
    pub(super) control: ControlClient,
    pub(super) key_store: KeyStore,
    /// The account and Region.
    pub(super) place: Place,
    pub(super) admin: Option<&'a AdminScript>,
    pub(super) patience: Duration,
    /// The codes with which connects failed on the way.
    pub(super) connect_errors: Vec<String>,
}

/// A cluster as it was before it was destroyed.
#[derive(Debug)]
pub(super) struct ClusterShape {
    pub(super) id: String,
    hsm_type: String,
    subnets: Vec<String>,
    /// Two zones in which it had HSMs.
    zones: Vec<String>,
    certificate: Option<String>,
}

const LOOK_AFTER: Duration = Duration::from_millis(20);

/// A connect may fail for the user and then for the password; more means that it never will.
const CONNECTS_MAX: usize = 4;

impl Repair<'_> {
    /// The key store's cluster, before anything happens to it.
    pub(super) async fn shape(&mut self) -> Result<ClusterShape, Unusable> {
        let id = self.key_store.cluster_id.clone().unwrap_or_default();
        let found = self.cluster(&id).await?;
        let found = found.ok_or_else(|| stopped(format!("there is no cluster {id}")))?;
        let of_hsms = found
            .hsms
            .iter()
            .filter_map(|hsm| hsm.availability_zone.as_ref());
        let zones = of_hsms.chain(found.subnet_mapping.keys());
        let mut distinct: Vec<String> = Vec::new();
        for zone in zones {
            if !distinct.contains(zone) {
                distinct.push(zone.clone());
            }
        }
        distinct.truncate(2);
        if distinct.len() < 2 {
            return Err(stopped(format!(
                "the cluster {id} has no subnets in two zones, and a substitute needs two"
            )));
        }
        Ok(ClusterShape {
            certificate: found.certificate().map(str::to_owned),
            hsm_type: found.hsm_type.unwrap_or_else(|| "hsm2m.medium".to_owned()),
            subnets: found.subnet_mapping.into_values().collect(),
            zones: distinct,
            id,
        })
    }

    /// The ID of the backup to restore, after a fresh one was taken if that is wanted.
    pub(super) async fn backup(
        &mut self,
        shape: &ClusterShape,
        choice: BackupChoice,
    ) -> Result<String, Unusable> {
        if choice == BackupChoice::Fresh {
            // The service takes a backup when an HSM is added, and when it is removed.
            let zone = shape.zones.first().cloned().unwrap_or_default();
            let extra = self.add_hsm(&shape.id, &zone).await?;
            self.settle(&shape.id).await?;
            let input = json!({ "ClusterId": shape.id, "HsmId": extra });
            self.cloudhsm::<IgnoredAny>("DeleteHsm", &input).await?;
            self.until_hsm(&shape.id, &extra, None).await?;
        }
        let input = json!({
            "Filters": { "clusterIds": [shape.id], "states": ["READY"] },
            "SortAscending": true,
        });
        let ListedBackups { mut backups } = self.cloudhsm("DescribeBackups", &input).await?;
        backups.sort_by(|one, other| one.create_timestamp.total_cmp(&other.create_timestamp));
        let chosen = match choice {
            BackupChoice::Oldest => backups.into_iter().next(),
            BackupChoice::Fresh | BackupChoice::Newest => backups.pop(),
        };
        chosen
            .map(|backup| backup.backup_id)
            .ok_or_else(|| stopped(format!("the cluster {} has no backup", shape.id)))
    }

    /// Destroys the cluster, as a fault of a Portcullis.
    pub(super) async fn destroy(&mut self, cluster: &str) -> Result<(), Unusable> {
        let cluster = cluster.parse().map_err(|invalid| {
            stopped(format!(
                "{cluster:?} names no cluster of a Portcullis: {invalid}"
            ))
        })?;
        let order = FaultOrder {
            cluster: Some(cluster),
            ..FaultOrder::of(FaultKind::DeleteCluster)
        };
        let destroyed = self
            .control
            .admin::<InjectFault>(&[], &self.place, &order)
            .await;
        destroyed.map(drop).map_err(|error| called(&error))
    }

    /// A cluster with the content of `backup` and two HSMs, and whether it has the same
    /// certificate.
    pub(super) async fn restore(
        &mut self,
        shape: &ClusterShape,
        backup: &str,
    ) -> Result<String, Unusable> {
        let input = json!({
            "HsmType": shape.hsm_type,
            "SubnetIds": shape.subnets,
            "SourceBackupId": backup,
        });
        let made: CreatedCluster = self.cloudhsm("CreateCluster", &input).await?;
        let made = made.cluster.cluster_id;
        for zone in &shape.zones {
            self.add_hsm(&made, zone).await?;
        }
        let deadline = Instant::now() + self.patience;
        loop {
            let found = self.cluster(&made).await?.unwrap_or_default();
            if found.state == "ACTIVE" {
                if found.certificate() == shape.certificate.as_deref() {
                    return Ok(made);
                }
                return Err(stopped(format!(
                    "the cluster {made} has another certificate than {}",
                    shape.id
                )));
            }
            self.pause(deadline, &format!("the cluster {made} ACTIVE"))
                .await?;
        }
    }

    /// Points the key store at `cluster` and connects it, with a reset of the password if the
    /// backup has another.
    pub(super) async fn substitute(
        &mut self,
        cluster: &str,
        traffic: &Traffic,
    ) -> Result<(), Unusable> {
        let mut edit = KeyStoreEdit {
            cloud_hsm_cluster_id: Some(cluster.to_owned()),
            ..KeyStoreEdit::default()
        };
        for _attempt in 0..CONNECTS_MAX {
            traffic.enter(RepairStage::Substituting, GateKnowledge::Moving);
            self.disconnect(traffic).await?;
            self.update(edit).await?;
            traffic.enter(RepairStage::Connecting, GateKnowledge::Moving);
            self.about_key_store("ConnectCustomKeyStore").await?;
            let state = self.until_state(&["CONNECTED", "FAILED"]).await?;
            let Some(code) = state.error_code else {
                return Ok(());
            };
            self.connect_errors.push(code.clone());
            let password = self.mend_user(cluster, &code).await?;
            edit = KeyStoreEdit {
                key_store_password: Some(password),
                ..KeyStoreEdit::default()
            };
        }
        Err(stopped(format!(
            "the key store could not be connected: {}",
            self.connect_errors.join(", ")
        )))
    }

    async fn disconnect(&mut self, traffic: &Traffic) -> Result<(), Unusable> {
        self.about_key_store("DisconnectCustomKeyStore").await?;
        traffic.gate_is(GateKnowledge::Disconnected(Instant::now()));
        self.until_state(&["DISCONNECTED"]).await.map(drop)
    }

    async fn update(&mut self, mut edit: KeyStoreEdit) -> Result<(), Unusable> {
        edit.custom_key_store_id.clone_from(&self.key_store.id);
        self.kms("UpdateCustomKeyStore", &edit).await
    }

    /// Calls an operation of KMS that takes nothing but the key store.
    async fn about_key_store(&mut self, operation: &str) -> Result<(), Unusable> {
        let input = json!({ "CustomKeyStoreId": self.key_store.id });
        self.kms(operation, &input).await
    }

    /// What the documentation says about a code of `kmsuser`: its new password.
    async fn mend_user(&mut self, cluster: &str, code: &str) -> Result<Secret, Unusable> {
        let no_admin = || {
            stopped(format!(
                "the connect failed with {code}, and the script has no [admin] who could reset \
                 the password of kmsuser"
            ))
        };
        let missing = match code {
            "INVALID_CREDENTIALS" | "USER_LOCKED_OUT" => false,
            "USER_NOT_FOUND" => true,
            _ => return Err(stopped(format!("the connect failed with {code}"))),
        };
        let script = self.admin.ok_or_else(no_admin)?;
        let fresh = generate();
        let admin = ClusterAdmin {
            control: &mut self.control,
            cluster_id: cluster,
            place: &self.place,
        };
        if missing {
            admin.create(&script.user, &script.password, &fresh).await?;
        } else {
            admin.reset(&script.user, &script.password, &fresh).await?;
        }
        Ok(fresh)
    }

    async fn add_hsm(&mut self, cluster: &str, zone: &str) -> Result<String, Unusable> {
        self.settle(cluster).await?;
        let input = json!({ "ClusterId": cluster, "AvailabilityZone": zone });
        let made: CreatedHsm = self.cloudhsm("CreateHsm", &input).await?;
        let made = made.hsm.hsm_id;
        self.until_hsm(cluster, &made, Some("ACTIVE")).await?;
        Ok(made)
    }

    /// Waits until no change of a cluster is under way: it accepts none before.
    async fn settle(&mut self, cluster: &str) -> Result<(), Unusable> {
        let deadline = Instant::now() + self.patience;
        loop {
            let found = self.cluster(cluster).await?.unwrap_or_default();
            let state = found.state;
            if !state.ends_with("_IN_PROGRESS") {
                return Ok(());
            }
            self.pause(deadline, &format!("the end of {cluster}'s {state}"))
                .await?;
        }
    }

    /// Waits until an HSM shows a state, or is gone.
    async fn until_hsm(
        &mut self,
        cluster: &str,
        hsm: &str,
        state: Option<&str>,
    ) -> Result<(), Unusable> {
        let deadline = Instant::now() + self.patience;
        loop {
            let found = self.cluster(cluster).await?.unwrap_or_default();
            let seen = found.hsms.iter().find(|one| one.hsm_id == hsm);
            let seen = seen.map(|one| one.state.as_str());
            if seen == state {
                return Ok(());
            }
            self.pause(deadline, &format!("the HSM {hsm} {state:?}"))
                .await?;
        }
    }

    async fn until_state(&mut self, states: &[&str]) -> Result<KeyStore, Unusable> {
        let deadline = Instant::now() + self.patience;
        let id = self.key_store.id.clone();
        loop {
            match self.control.key_store(&id).await {
                Ok(seen) if states.contains(&seen.state.as_str()) => return Ok(seen),
                Ok(_) => {}
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(called(&error)),
            }
            self.pause(deadline, &format!("the key store {states:?}"))
                .await?;
        }
    }

    async fn pause(&self, deadline: Instant, what: &str) -> Result<(), Unusable> {
        if Instant::now() >= deadline {
            let patience = self.patience;
            return Err(stopped(format!("{what} was not seen within {patience:?}")));
        }
        tokio::time::sleep(LOOK_AFTER).await;
        Ok(())
    }

    async fn cluster(&mut self, id: &str) -> Result<Option<ListedCluster>, Unusable> {
        let input = json!({ "Filters": { "clusterIds": [id] } });
        let found: ListedClusters = self.cloudhsm(ListedClusters::OPERATION, &input).await?;
        Ok(found.clusters.into_iter().next())
    }

    /// Has KMS do something to the key store.
    async fn kms(&mut self, operation: &str, input: &impl Serialize) -> Result<(), Unusable> {
        let done = self.control.kms::<IgnoredAny>(operation, input).await;
        done.map(drop).map_err(|error| called(&error))
    }

    async fn cloudhsm<T: DeserializeOwned>(
        &mut self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<T, Unusable> {
        let reply = self.control.cloudhsm(operation, input).await;
        reply.map_err(|error| called(&error))
    }
}

fn called(error: &CallError) -> Unusable {
    stopped(error.to_string().trim_end_matches('.').to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers make the text for it"
)]
fn stopped(why: String) -> Unusable {
    Unusable(format!(
        "The rehearsal stopped: {why}. The world stays as it is: look at it with `portcullis \
         status`."
    ))
}
