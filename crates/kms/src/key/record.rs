use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use portcullis_api::kms::{KeySpec, KeyState, KeyUsageType};
use portcullis_api::{KeyId, KeyStoreId, Region, Scope};
use portcullis_policy::Document;
use portcullis_seam::Timestamp;
use portcullis_time::Turn;
use serde::{Deserialize, Serialize};

use super::last_use::LastUse;
use super::material::Materials;
use crate::key_store::{Connection, KeyStore};
use crate::state_change::StateChange;

/// A key as it stands in the store.
///
/// Rule LIFE-01: what a record of an earlier release lacks has the value that such a key had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// The key's ID, which is a UUID, or begins with `mrk-` for a multi-Region key.
    pub(crate) id: KeyId,
    /// When the key was created in this Region, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// The text of CreateKey or UpdateKeyDescription; empty if none was given.
    pub(crate) description: String,
    /// The state that was asked for, as far as it does not follow from other records.
    pub(crate) requested: Requested,
    /// Where the material is.
    pub(crate) home: Home,
    /// Every version of the key's material, with the keys in the HSMs that have them.
    #[serde(alias = "material")]
    pub(crate) materials: Materials,
    #[serde(default = "symmetric")]
    pub(crate) spec: KeySpec,
    #[serde(default = "encrypts")]
    pub(crate) usage: KeyUsageType,
    /// Whether the material comes from the caller: origin EXTERNAL.
    #[serde(default)]
    pub(crate) imported: bool,
    /// The key policy that was put; without one, the default policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) rotation: Rotation,
    /// The Regions in which a multi-Region key is; none for every other key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) multi_region: Option<MultiRegion>,
    /// Set while a multi-Region key is Creating or Updating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changing: Option<Changing>,
    /// The AWS service whose key it is; none for a customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aws_service: Option<String>,
}

/// The spec of every key of a data folder that does not say.
const fn symmetric() -> KeySpec {
    KeySpec::SymmetricDefault
}

const fn encrypts() -> KeyUsageType {
    KeyUsageType::EncryptDecrypt
}

/// The state that was asked for. What is reported also depends on the key store, so that
/// disconnecting a store of a million keys costs the same as one of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Requested {
    /// The key can be used.
    Enabled,
    /// The key cannot be used until EnableKey.
    Disabled,
    /// The key is deleted when its waiting period is over.
    PendingDeletion {
        /// The end of the waiting period, in milliseconds since 1970.
        at_ms: u64,
    },
    /// A primary whose replicas must be deleted first.
    PendingReplicaDeletion {
        /// The waiting period in days, which begins when the last replica is gone.
        window_days: u8,
    },
}

impl Requested {
    /// The date of the deletion, in milliseconds since 1970; none before there is one.
    pub(crate) const fn deletion_ms(self) -> Option<u64> {
        match self {
            Self::PendingDeletion { at_ms } => Some(at_ms),
            Self::Enabled | Self::Disabled | Self::PendingReplicaDeletion { .. } => None,
        }
    }
}

/// Where a key's material is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Home {
    /// The built-in fleet: origin AWS_KMS or EXTERNAL.
    Fleet,
    /// The cluster of a key store: origin AWS_CLOUDHSM.
    Store(KeyStoreId),
}

/// When a key's material is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rotation {
    /// Set while automatic rotation is enabled.
    pub(crate) automatic: Option<Automatic>,
    /// How often RotateKeyOnDemand succeeded; the quota counts them.
    pub(crate) on_demand: u32,
}

/// Automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Automatic {
    /// Days between two rotations.
    pub(crate) period_days: u32,
    /// The last automatic rotation, or else when it was enabled, in milliseconds since 1970.
    pub(crate) from_ms: u64,
}

/// What a multi-Region key knows of its relatives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MultiRegion {
    /// The Region of the primary key.
    pub(crate) primary: Region,
    /// The Regions of the replicas.
    pub(crate) replicas: BTreeSet<Region>,
}

/// A passing state of a multi-Region key and when it began, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Changing {
    /// A replica after ReplicateKey.
    Creating { since_ms: u64 },
    /// A primary, or the key that becomes the primary, after UpdatePrimaryRegion.
    Updating { since_ms: u64 },
}

impl Changing {
    /// How long it lasts is the pace's to say.
    fn turn(self) -> Arc<Turn> {
        let (change, since_ms) = match self {
            Self::Creating { since_ms } => (StateChange::ReplicateKey, since_ms),
            Self::Updating { since_ms } => (StateChange::UpdatePrimaryRegion, since_ms),
        };
        Turn::begin(change.aws_duration(), Timestamp::from_millis(since_ms))
    }
}

/// Who provides a key's material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaterialOrigin {
    /// AWS KMS, in the built-in fleet.
    AwsKms,
    /// The HSMs of a key store's cluster.
    AwsCloudHsm,
    /// The caller, by ImportKeyMaterial.
    External,
}

impl MaterialOrigin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AwsKms => "AWS_KMS",
            Self::AwsCloudHsm => "AWS_CLOUDHSM",
            Self::External => "EXTERNAL",
        }
    }
}

impl KeyRecord {
    pub(crate) const fn store_id(&self) -> Option<&KeyStoreId> {
        match &self.home {
            Home::Fleet => None,
            Home::Store(id) => Some(id),
        }
    }

    pub(crate) const fn origin(&self) -> MaterialOrigin {
        match (&self.home, self.imported) {
            (Home::Store(_), _) => MaterialOrigin::AwsCloudHsm,
            (Home::Fleet, false) => MaterialOrigin::AwsKms,
            (Home::Fleet, true) => MaterialOrigin::External,
        }
    }

    /// KeyManager of the key's metadata: `AWS` or `CUSTOMER`.
    pub(crate) const fn manager(&self) -> &'static str {
        if self.aws_service.is_some() {
            "AWS"
        } else {
            "CUSTOMER"
        }
    }

    pub(crate) const fn is_pending_deletion(&self) -> bool {
        match self.requested {
            Requested::PendingDeletion { .. } | Requested::PendingReplicaDeletion { .. } => true,
            Requested::Enabled | Requested::Disabled => false,
        }
    }
}

/// A key at an instant: all that an operation needs to know of it.
#[derive(Debug)]
pub(crate) struct KeySnapshot {
    /// The record as it was last committed.
    pub(crate) record: KeyRecord,
    /// The revision under which the record was committed.
    pub(crate) revision: u64,
    /// The key's ARN.
    pub(crate) arn: String,
    /// The account and Region that it is in, which need not be those of a request that uses it.
    pub(crate) scope: Arc<Scope>,
    /// The key store that it is in.
    pub(crate) store: Option<Arc<KeyStore>>,
    /// How long the passing state lasts that it is in; none while it is in no passing state.
    pub(crate) turn: Option<Arc<Turn>>,
    /// Its key policy in the form that decisions need, parsed at the first of them.
    pub(crate) policy: OnceLock<Arc<Document>>,
    /// The same for every snapshot of the key.
    pub(crate) last_use: Arc<LastUse>,
}

impl KeySnapshot {
    pub(crate) fn new(
        scope: &Arc<Scope>,
        record: KeyRecord,
        revision: u64,
        store: Option<Arc<KeyStore>>,
    ) -> Self {
        let arn = scope.key_arn(&record.id);
        let turn = record.changing.map(Changing::turn);
        Self {
            record,
            revision,
            arn,
            scope: Arc::clone(scope),
            store,
            turn,
            policy: OnceLock::new(),
            last_use: Arc::default(),
        }
    }

    /// Whether one HSM has the material of both.
    pub(crate) fn shares_home(&self, other: &Self) -> bool {
        let same_store = match (&self.store, &other.store) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_store && self.record.home == other.record.home
    }

    /// The same key with another record.
    pub(crate) fn changed(&self, record: KeyRecord, revision: u64) -> Self {
        let goes_on = record.changing == self.record.changing;
        let keeps_policy = record.policy == self.record.policy;
        let mut changed = Self::new(&self.scope, record, revision, self.store.clone());
        changed.last_use = Arc::clone(&self.last_use);
        if goes_on {
            changed.turn.clone_from(&self.turn);
        }
        if keeps_policy {
            changed.policy.clone_from(&self.policy);
        }
        changed
    }

    /// Where its record stands.
    pub(crate) fn record_key(scope: &Scope, id: &KeyId) -> String {
        format!("kms/{}/{}/key/{id}", scope.account, scope.region)
    }

    /// The name under which ciphertexts are bound to it: its ARN, and for a multi-Region key,
    /// whose ciphertexts open in each of its Regions, what stands behind the Region there.
    pub(crate) fn bound_name(&self) -> Cow<'_, str> {
        bound_name(&self.record.id, &self.arn)
    }

    /// The reported state. Rule KEY-01: pending deletion shows whatever the store's state; Rule
    /// KEY-02: a key of a store that is not CONNECTED is Unavailable, and shows what was asked for
    /// when the store is connected again; Rule LIFE-02: a key that lacks imported material is
    /// PendingImport, whether it was enabled or not.
    pub(crate) fn state(&self) -> KeyState {
        let connected = self
            .store
            .as_ref()
            .is_none_or(|store| store.connection() == Connection::Connected);
        self.state_while(connected)
    }

    /// As [`state`](Self::state), while the key's store is connected or not.
    pub(crate) fn state_while(&self, connected: bool) -> KeyState {
        match self.record.requested {
            Requested::PendingDeletion { .. } => return KeyState::PendingDeletion,
            Requested::PendingReplicaDeletion { .. } => return KeyState::PendingReplicaDeletion,
            Requested::Enabled | Requested::Disabled => {}
        }
        match self.record.changing {
            Some(Changing::Creating { .. }) => KeyState::Creating,
            Some(Changing::Updating { .. }) => KeyState::Updating,
            None => self.lasting_state(connected),
        }
    }

    /// The state that a key which is not pending deletion has when nothing is changing.
    pub(crate) fn lasting_state(&self, connected: bool) -> KeyState {
        if !connected {
            KeyState::Unavailable
        } else if !self.record.materials.are_complete() {
            KeyState::PendingImport
        } else if self.record.requested == Requested::Disabled {
            KeyState::Disabled
        } else {
            KeyState::Enabled
        }
    }
}

/// As [`KeySnapshot::bound_name`], of a key that need not be there yet.
///
/// Rule CR-07: in every partition it begins as in `aws`, as it did before ARNs had their partition.
pub(super) fn bound_name<'a>(id: &KeyId, arn: &'a str) -> Cow<'a, str> {
    let mut parts = arn.splitn(5, ':');
    let (partition, rest) = (parts.nth(1), parts.nth(2));
    match (partition, rest) {
        (_, Some(rest)) if id.is_multi_region() => Cow::Borrowed(rest),
        (Some(partition), _) if partition != "aws" => Cow::Owned(arn.replacen(partition, "aws", 1)),
        _ => Cow::Borrowed(arn),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_hsm::HsmKeyId;

    use super::*;

    /// Rule LIFE-01: a data folder of a version that knew symmetric keys with one material only.
    #[test]
    fn a_record_without_spec_and_usage_is_a_symmetric_encryption_key() {
        let record = r#"{"id":"01020304-0506-0708-090a-0b0c0d0e0f10","created_ms":1,
            "description":"","requested":"Enabled","home":"Fleet",
            "material":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}"#;
        let record: KeyRecord = serde_json::from_str(record).unwrap();
        assert_eq!(record.spec, KeySpec::SymmetricDefault);
        assert_eq!(record.usage, KeyUsageType::EncryptDecrypt);
        assert_eq!(record.origin(), MaterialOrigin::AwsKms);
        assert_eq!(record.materials.all().len(), 1);
        let written = serde_json::to_string(&record).unwrap();
        assert!(written.contains("SYMMETRIC_DEFAULT"), "{written}");
        assert_eq!(serde_json::from_str::<KeyRecord>(&written).unwrap(), record);
    }

    fn key(id: KeyId, materials: &Materials) -> KeySnapshot {
        let record = serde_json::json!({
            "id": id, "created_ms": 1, "description": "", "requested": "Enabled",
            "home": "Fleet", "materials": materials,
        });
        let record: KeyRecord = serde_json::from_value(record).unwrap();
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        KeySnapshot::new(&Arc::new(scope), record, 1, None)
    }

    /// Rule LIFE-02.
    #[test]
    fn a_key_without_its_imported_material_is_pending_import() {
        let id = KeyId::from_bytes([1; 16]);
        let mut key = key(id, &Materials::default());
        assert_eq!(key.state(), KeyState::PendingImport);
        key.record.requested = Requested::Disabled;
        assert_eq!(key.state(), KeyState::PendingImport);
        key.record.requested = Requested::PendingDeletion { at_ms: 1 };
        assert_eq!(key.state(), KeyState::PendingDeletion);
    }

    /// Rule LIFE-04.
    #[test]
    fn only_a_multi_region_key_is_the_same_key_in_every_region() {
        let made = || Materials::generated(HsmKeyId([1; 16]), 0);
        let single = key(KeyId::from_bytes([1; 16]), &made());
        assert_eq!(single.bound_name(), single.arn);
        let multi = key(KeyId::multi_region_from_bytes([1; 16]), &made());
        let name = format!("111122223333:key/mrk-{}", "01".repeat(16));
        assert_eq!(multi.bound_name(), name);
        // Rule CR-07: ARNs did not always have the partition of their Region.
        let id = KeyId::from_bytes([1; 16]);
        for (arn, expected) in [
            (
                "arn:aws:kms:us-east-1:1:key/k",
                "arn:aws:kms:us-east-1:1:key/k",
            ),
            (
                "arn:aws-cn:kms:cn-north-1:1:key/k",
                "arn:aws:kms:cn-north-1:1:key/k",
            ),
            (
                "arn:aws-us-gov:kms:us-gov-west-1:1:key/k",
                "arn:aws:kms:us-gov-west-1:1:key/k",
            ),
        ] {
            assert_eq!(bound_name(&id, arn), expected);
        }
    }
}
