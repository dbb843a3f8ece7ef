use std::sync::Arc;

use portcullis_api::kms::{CreateKeyRequest, CreateKeyResponse, KeySpec, KeyUsageType};
use portcullis_api::{Code, Exception, KeyId, Scope};
use portcullis_hsm::{HsmKeyId, Refusal};
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::{Expect, Transaction};

use super::policy::check_policy;
use super::tags::tags;
use super::{Home, KeyRecord, Materials, Requested, Rotation, Snapshot, describe};
use crate::catalogue::Partition;
use crate::key_store::{self, Connection, Failure, KeyStore, NewKey};
use crate::kms::{Kms, encode, unsupported};
use crate::translate;

/// Customer keys in an account and Region (KMS resource quotas).
const KEYS_MAX: usize = 100_000;

/// The service does not document this answer; LimitExceededException is one that CreateKey
/// declares.
const CLUSTER_FULL: &str = "The CloudHSM cluster holds as many keys as its quota permits. Delete \
                            keys that are no longer needed, then try again.";

/// Rule KEY-11: Origin AWS_CLOUDHSM and CustomKeyStoreId come together; Rule KEY-12: what is not a
/// symmetric encryption key is refused as not there.
fn check(input: &CreateKeyRequest) -> Result<(), Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let in_store = input.custom_key_store_id.is_some();
    match input.origin.as_deref().unwrap_or("AWS_KMS") {
        "AWS_CLOUDHSM" if !in_store => {
            return invalid("Origin AWS_CLOUDHSM needs CustomKeyStoreId. Add it.");
        }
        "AWS_KMS" if in_store => {
            return invalid("CustomKeyStoreId needs Origin AWS_CLOUDHSM. Add it.");
        }
        "AWS_CLOUDHSM" | "AWS_KMS" => {}
        other => {
            let text = format!("Portcullis does not build keys of origin {other}.");
            return Err(unsupported(&text));
        }
    }
    let spec = input
        .key_spec
        .as_deref()
        .or(input.customer_master_key_spec.as_deref());
    let usage = input.key_usage.as_deref();
    if spec.is_some_and(|spec| spec != "SYMMETRIC_DEFAULT")
        || usage.is_some_and(|usage| usage != "ENCRYPT_DECRYPT")
    {
        return Err(unsupported(
            "Portcullis builds symmetric encryption keys: KeySpec SYMMETRIC_DEFAULT with KeyUsage \
             ENCRYPT_DECRYPT. A key store of AWS KMS has no others either.",
        ));
    }
    for (given, what) in [
        (input.multi_region == Some(true), "MultiRegion"),
        (input.xks_key_id.is_some(), "XksKeyId"),
    ] {
        if given {
            return Err(unsupported(&format!(
                "Portcullis does not build {what}. Leave it out."
            )));
        }
    }
    Ok(())
}

impl Kms {
    /// CreateKey.
    ///
    /// # Errors
    /// As the operation declares; UnsupportedOperationException for what is not built.
    pub async fn create_key(
        &self,
        scope: &Scope,
        input: CreateKeyRequest,
    ) -> Result<CreateKeyResponse, Exception> {
        self.create_key_as(
            scope,
            KeyId::from_random(draw(&*self.config.entropy)),
            input,
        )
        .await
    }

    /// CreateKey with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateKey.
    pub async fn create_key_as(
        &self,
        scope: &Scope,
        id: KeyId,
        input: CreateKeyRequest,
    ) -> Result<CreateKeyResponse, Exception> {
        check(&input)?;
        if let Some(policy) = &input.policy {
            let bypass = input.bypass_policy_lockout_safety_check;
            check_policy(scope, &id, policy, bypass)?;
        }
        let tags = tags(input.tags.as_deref().unwrap_or_default())?;
        let partition = self.partition(scope);
        if partition.keys.len() >= KEYS_MAX {
            let text = format!("There are {KEYS_MAX} keys already. Delete some, then try again.");
            return Err(Exception::new(Code::LimitExceeded, text));
        }
        let material = HsmKeyId(draw(&*self.config.entropy));
        let new = NewKey {
            id: material,
            label: scope.key_arn(&id),
        };
        let store = match &input.custom_key_store_id {
            None => {
                let made = self
                    .fleet
                    .create_key(&self.config, material, new.label.clone())
                    .await;
                made.map_err(|failure| translate::operation(&failure, &new.label))?;
                None
            }
            Some(store) => Some(self.create_in_store(&partition, store, &new).await?),
        };
        let created_ms = self.now_ms();
        let record = KeyRecord {
            id,
            created_ms,
            description: input.description.unwrap_or_default(),
            requested: Requested::Enabled,
            home: store
                .as_ref()
                .map_or(Home::Fleet, |store| Home::Store(store.id.clone())),
            materials: Materials::generated(material, created_ms),
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsageType::EncryptDecrypt,
            imported: false,
            policy: input.policy,
            tags,
            rotation: Rotation::default(),
            multi_region: None,
            aws_service: None,
        };
        let key = self.put_new_key(&partition, record, store).await?;
        Ok(CreateKeyResponse {
            key_metadata: Some(describe::metadata(scope, &key)),
        })
    }

    /// Makes the key in the HSMs of the store, under the rules of CreateKey for key stores.
    async fn create_in_store(
        &self,
        partition: &Partition,
        store: &str,
        new: &NewKey,
    ) -> Result<Arc<KeyStore>, Exception> {
        let store = key_store::find(partition, store)?;
        let record = store.record();
        let not_connected = || {
            // Rule KEY-13: the key store is CONNECTED.
            record.wrong_state(
                "a key can be created in it only while it is CONNECTED",
                "Run ConnectCustomKeyStore and wait until it is CONNECTED, then try again.",
            )
        };
        let passage = store.gate.enter().ok_or_else(not_connected)?;
        if record.connection != Connection::Connected {
            return Err(not_connected());
        }
        // Rule KEY-14: the cluster has two active HSMs in different Availability Zones.
        let cluster = self.config.clusters.cluster(&store.scope, &record.cluster);
        let cluster =
            key_store::found(&record.cluster, cluster.as_ref()).map_err(|missing| Exception {
                code: Code::CloudHsmClusterInvalidConfiguration,
                ..missing
            })?;
        key_store::two_zones(&cluster)?;
        let Some(live) = store.live.load_full() else {
            return Err(not_connected());
        };
        live.create_key(new).await.map_err(|failure| {
            // Rule QUO-05: a full cluster is told apart from one that is in trouble.
            if matches!(failure, Failure::Refused(Refusal::Full)) {
                return Exception::new(Code::LimitExceeded, CLUSTER_FULL);
            }
            Exception::new(
                Code::KmsInternal,
                "The key could not be made on two HSMs in different Availability Zones, and is \
                 not there. Try again.",
            )
            .because(format!("{failure:?}"))
        })?;
        if !store.gate.leave(passage) {
            return Err(not_connected());
        }
        Ok(store)
    }

    /// Commits the record of a key whose material exists; deletes the material if that fails.
    async fn put_new_key(
        &self,
        partition: &Partition,
        record: KeyRecord,
        store: Option<Arc<KeyStore>>,
    ) -> Result<Arc<Snapshot>, Exception> {
        let name = Snapshot::record_key(&partition.scope, &record.id);
        let put = Transaction::new()
            .expect(&*name, Expect::Absent)
            .put(&*name, encode(&record));
        let put = if planted(Bug::KeyAcknowledgedBeforeCommit) {
            Transaction::new()
        } else {
            put
        };
        let revision = match self.commit(put).await {
            Ok(revision) => revision,
            Err(exception) => {
                self.delete_material(&record, store.as_deref()).await;
                return Err(exception);
            }
        };
        let snapshot = Arc::new(Snapshot::new(&partition.scope, record, revision, store));
        partition
            .keys
            .insert(snapshot.record.id, Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Deletes every version of the material. Best effort; says whether all is gone everywhere.
    pub(super) async fn delete_material(
        &self,
        record: &KeyRecord,
        store: Option<&KeyStore>,
    ) -> bool {
        let mut gone = true;
        for version in record.materials.all().iter().filter(|it| it.is_present()) {
            gone &= self.delete_hsm_key(version.hsm_key, store).await;
        }
        gone
    }

    async fn delete_hsm_key(&self, id: HsmKeyId, store: Option<&KeyStore>) -> bool {
        match store {
            None => self.fleet.delete_key(&self.config, id).await.is_ok(),
            Some(store) => match store.live.load_full() {
                Some(live) => live.delete_key(id).await,
                None => false,
            },
        }
    }
}
