//! The documented repair: a cluster from a backup, and the key store on it.

use std::time::Duration;

use portcullis_admin::{FaultKind, FaultOrder, InjectFault, Place};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::script::{AdminScript, BackupChoice};
use super::traffic::{Stage, Traffic};
use crate::client::{CallError, Control, KeyStore};
use crate::cycle::{Admin, generate};
use crate::failure::Unusable;
use crate::judge::Gate;

/// Who repairs, what, and how patiently.
#[derive(Debug)]
pub(super) struct Repair<'a> {
    pub(super) control: Control,
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
pub(super) struct Shape {
    pub(super) id: String,
    hsm_type: String,
    subnets: Vec<String>,
    /// Two zones in which it had HSMs.
    zones: Vec<String>,
    certificate: String,
}

const LOOK_AFTER: Duration = Duration::from_millis(20);

/// A connect may fail for the user and then for the password; more means that it never will.
const CONNECTS_MAX: usize = 4;

impl Repair<'_> {
    /// The key store's cluster, before anything happens to it.
    pub(super) async fn shape(&mut self) -> Result<Shape, Unusable> {
        let id = self.key_store.cluster_id.clone().unwrap_or_default();
        let found = self.cluster(&id).await?;
        let found = found.ok_or_else(|| stopped(format!("there is no cluster {id}")))?;
        let subnets = found.get("SubnetMapping").and_then(Value::as_object);
        let mut zones = zones_of(&found);
        if let Some(subnets) = subnets {
            zones.extend(subnets.keys().cloned());
        }
        let mut distinct: Vec<String> = Vec::new();
        for zone in zones {
            if !distinct.contains(&zone) {
                distinct.push(zone);
            }
        }
        distinct.truncate(2);
        if distinct.len() < 2 {
            return Err(stopped(format!(
                "the cluster {id} has no subnets in two zones, and a substitute needs two"
            )));
        }
        Ok(Shape {
            hsm_type: text(&found, "HsmType").unwrap_or_else(|| "hsm2m.medium".to_owned()),
            subnets: subnets
                .map(|all| all.values().filter_map(as_text).collect())
                .unwrap_or_default(),
            zones: distinct,
            certificate: certificate(&found),
            id,
        })
    }

    /// The ID of the backup to restore, after a fresh one was taken if that is wanted.
    pub(super) async fn backup(
        &mut self,
        shape: &Shape,
        choice: BackupChoice,
    ) -> Result<String, Unusable> {
        if choice == BackupChoice::Fresh {
            // The service takes a backup when an HSM is added, and when it is removed.
            let zone = shape.zones.first().cloned().unwrap_or_default();
            let extra = self.add_hsm(&shape.id, &zone).await?;
            self.settle(&shape.id).await?;
            let input = json!({ "ClusterId": shape.id, "HsmId": extra });
            self.cloudhsm("DeleteHsm", &input).await?;
            self.until_hsm(&shape.id, &extra, None).await?;
        }
        let input = json!({
            "Filters": { "clusterIds": [shape.id], "states": ["READY"] },
            "SortAscending": true,
        });
        let reply = self.cloudhsm("DescribeBackups", &input).await?;
        let backups = reply.get("Backups").and_then(Value::as_array);
        let mut backups: Vec<&Value> = backups.into_iter().flatten().collect();
        let created = |backup: &&Value| backup.get("CreateTimestamp").and_then(Value::as_f64);
        backups.sort_by(|one, other| {
            let (one, other) = (created(one).unwrap_or(0.0), created(other).unwrap_or(0.0));
            one.total_cmp(&other)
        });
        let chosen = match choice {
            BackupChoice::Oldest => backups.first(),
            BackupChoice::Fresh | BackupChoice::Newest => backups.last(),
        };
        chosen
            .and_then(|backup| text(backup, "BackupId"))
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
        shape: &Shape,
        backup: &str,
    ) -> Result<String, Unusable> {
        let input = json!({
            "HsmType": shape.hsm_type,
            "SubnetIds": shape.subnets,
            "SourceBackupId": backup,
        });
        let reply = self.cloudhsm("CreateCluster", &input).await?;
        let made = reply.get("Cluster").and_then(|it| text(it, "ClusterId"));
        let made = made.ok_or_else(|| stopped("CreateCluster made no cluster".to_owned()))?;
        for zone in &shape.zones {
            self.add_hsm(&made, zone).await?;
        }
        let deadline = Instant::now() + self.patience;
        loop {
            let found = self.cluster(&made).await?.unwrap_or_default();
            if text(&found, "State").as_deref() == Some("ACTIVE") {
                if certificate(&found) == shape.certificate {
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
        let mut settings = json!({ "CloudHsmClusterId": cluster });
        for _attempt in 0..CONNECTS_MAX {
            traffic.enter(Stage::Substituting, Gate::Moving);
            self.disconnect(traffic).await?;
            self.update(&mut settings).await?;
            traffic.enter(Stage::Connecting, Gate::Moving);
            self.kms("ConnectCustomKeyStore", json!({})).await?;
            let state = self.until_state(&["CONNECTED", "FAILED"]).await?;
            let Some(code) = state.error_code else {
                return Ok(());
            };
            self.connect_errors.push(code.clone());
            let password = self.mend_user(cluster, &code).await?;
            settings = json!({ "KeyStorePassword": password });
        }
        Err(stopped(format!(
            "the key store could not be connected: {}",
            self.connect_errors.join(", ")
        )))
    }

    async fn disconnect(&mut self, traffic: &Traffic) -> Result<(), Unusable> {
        self.kms("DisconnectCustomKeyStore", json!({})).await?;
        traffic.gate_is(Gate::Disconnected(Instant::now()));
        self.until_state(&["DISCONNECTED"]).await.map(drop)
    }

    async fn update(&mut self, settings: &mut Value) -> Result<(), Unusable> {
        self.kms("UpdateCustomKeyStore", settings.take())
            .await
            .map(drop)
    }

    /// What the documentation says about a code of `kmsuser`: its new password.
    async fn mend_user(&mut self, cluster: &str, code: &str) -> Result<String, Unusable> {
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
        let admin = Admin {
            control: &mut self.control,
            cluster_id: cluster,
            place: &self.place,
        };
        if missing {
            admin.create(&script.user, &script.password, &fresh).await?;
        } else {
            admin.reset(&script.user, &script.password, &fresh).await?;
        }
        Ok(fresh.reveal().to_owned())
    }

    async fn add_hsm(&mut self, cluster: &str, zone: &str) -> Result<String, Unusable> {
        self.settle(cluster).await?;
        let input = json!({ "ClusterId": cluster, "AvailabilityZone": zone });
        let reply = self.cloudhsm("CreateHsm", &input).await?;
        let made = reply.get("Hsm").and_then(|it| text(it, "HsmId"));
        let made = made.ok_or_else(|| stopped("CreateHsm made no HSM".to_owned()))?;
        self.until_hsm(cluster, &made, Some("ACTIVE")).await?;
        Ok(made)
    }

    /// Waits until no change of a cluster is under way: it accepts none before.
    async fn settle(&mut self, cluster: &str) -> Result<(), Unusable> {
        let deadline = Instant::now() + self.patience;
        loop {
            let found = self.cluster(cluster).await?.unwrap_or_default();
            let state = text(&found, "State").unwrap_or_default();
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
            let hsms = found.get("Hsms").and_then(Value::as_array);
            let mut hsms = hsms.into_iter().flatten();
            let seen = hsms
                .find(|one| text(one, "HsmId").as_deref() == Some(hsm))
                .and_then(|one| text(one, "State"));
            if seen.as_deref() == state {
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

    async fn cluster(&mut self, id: &str) -> Result<Option<Value>, Unusable> {
        let input = json!({ "Filters": { "clusterIds": [id] } });
        let mut reply = self.cloudhsm("DescribeClusters", &input).await?;
        Ok(reply.pointer_mut("/Clusters/0").map(Value::take))
    }

    /// Calls KMS about the key store.
    async fn kms(&mut self, operation: &str, mut input: Value) -> Result<Value, Unusable> {
        if let Some(members) = input.as_object_mut() {
            let id = Value::from(self.key_store.id.clone());
            members.insert("CustomKeyStoreId".to_owned(), id);
        }
        let reply = self.control.kms(operation, &input).await;
        reply.map_err(|error| called(&error))
    }

    async fn cloudhsm(&mut self, operation: &str, input: &Value) -> Result<Value, Unusable> {
        let reply = self.control.cloudhsm(operation, input).await;
        reply.map_err(|error| called(&error))
    }
}

fn zones_of(cluster: &Value) -> Vec<String> {
    let hsms = cluster.get("Hsms").and_then(Value::as_array);
    let hsms = hsms.into_iter().flatten();
    hsms.filter_map(|hsm| text(hsm, "AvailabilityZone"))
        .collect()
}

fn certificate(cluster: &Value) -> String {
    let found = cluster.pointer("/Certificates/ClusterCertificate");
    found.and_then(as_text).unwrap_or_default()
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member).and_then(as_text)
}

fn as_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
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
