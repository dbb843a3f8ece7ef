//! A key as descriptions show it.

use portcullis_api::kms::{
    KeyMetadata, KeySpec, KeyState, MultiRegionConfiguration, MultiRegionKey,
};
use portcullis_api::{EpochSeconds, Region, Scope};
use portcullis_hsm::HsmKeyId;
use portcullis_seam::Timestamp;

use super::spec::{self, Algorithms};
use super::{KeyRecord, KeySnapshot, MaterialOrigin, Requested};

/// The identity in replies of a version of a key's material: of symmetric encryption keys that
/// are not in a key store only (API, KeyMetadata and Decrypt).
pub(crate) fn material_id(key: &KeySnapshot, material: HsmKeyId) -> Option<String> {
    let record = &key.record;
    if record.spec != KeySpec::SymmetricDefault || record.origin() == MaterialOrigin::AwsCloudHsm {
        return None;
    }
    let version = record.materials.of_hsm_key(material)?;
    Some(version.id.to_string())
}

/// Rule KEY-07: a key of a key store shows its store and the store's present cluster, and no
/// material ID.
pub(crate) fn metadata(scope: &Scope, key: &KeySnapshot) -> KeyMetadata {
    let state = key.state();
    let current = key.record.materials.current();
    // Rule LIFE-37: material that is gone has no end.
    let is_there = key.record.materials.are_complete();
    let expiry = key.record.materials.first_expiry_ms();
    let expiry = expiry.filter(|_| is_there);
    let imported = key.record.imported && is_there;
    KeyMetadata {
        aws_account_id: Some(scope.account.to_string()),
        key_id: Some(key.record.id.to_string()),
        arn: Some(key.arn.clone()),
        creation_date: Some(date(key.record.created_ms)),
        enabled: Some(state == KeyState::Enabled),
        description: Some(key.record.description.clone()),
        key_usage: Some(key.record.usage.as_str().to_owned()),
        key_state: Some(state.as_str().to_owned()),
        deletion_date: key.record.requested.deletion_ms().map(date),
        origin: Some(key.record.origin().as_str().to_owned()),
        valid_to: expiry.map(date),
        expiration_model: imported.then(|| expiration_model(expiry).to_owned()),
        custom_key_store_id: key.record.store_id().map(ToString::to_string),
        cloud_hsm_cluster_id: key
            .store
            .as_ref()
            .map(|store| store.record().cluster.to_string()),
        key_manager: Some(key.record.manager().to_owned()),
        multi_region: Some(key.record.multi_region.is_some()),
        multi_region_configuration: configuration(key),
        pending_deletion_window_in_days: match key.record.requested {
            Requested::PendingReplicaDeletion { window_days } => Some(i32::from(window_days)),
            Requested::Enabled | Requested::Disabled | Requested::PendingDeletion { .. } => None,
        },
        current_key_material_id: current.and_then(|it| material_id(key, it.hsm_key)),
        ..algorithms(key)
    }
}

/// Rule CRY-02: a key shows the algorithms of its usage, and its spec under the older name too as
/// far as that knows it.
fn algorithms(key: &KeySnapshot) -> KeyMetadata {
    let KeyRecord { spec, usage, .. } = key.record;
    let mut metadata = KeyMetadata {
        key_spec: Some(spec.as_str().to_owned()),
        customer_master_key_spec: spec::customer_master_key_spec(spec),
        ..KeyMetadata::default()
    };
    match spec::algorithms(spec, usage) {
        Some(Algorithms::Encryption(all)) => metadata.encryption_algorithms = names(all),
        Some(Algorithms::Signing(all)) => metadata.signing_algorithms = names(all),
        Some(Algorithms::Mac(all)) => metadata.mac_algorithms = names(all),
        Some(Algorithms::Agreement(all)) => metadata.key_agreement_algorithms = names(all),
        Some(Algorithms::Encapsulation(all)) => metadata.encapsulation_algorithms = names(all),
        None => {}
    }
    metadata
}

fn names<T: AsRef<str>>(all: &[T]) -> Option<Vec<String>> {
    Some(all.iter().map(|one| one.as_ref().to_owned()).collect())
}

/// What metadata says of the relatives.
fn configuration(key: &KeySnapshot) -> Option<MultiRegionConfiguration> {
    let relatives = key.record.multi_region.as_ref()?;
    let member = |region: &Region| {
        let scope = Scope {
            account: key.scope.account.clone(),
            region: region.clone(),
        };
        MultiRegionKey {
            arn: Some(scope.key_arn(&key.record.id)),
            region: Some(region.to_string()),
        }
    };
    let is_primary = relatives.primary == key.scope.region;
    let kind = if is_primary { "PRIMARY" } else { "REPLICA" };
    Some(MultiRegionConfiguration {
        multi_region_key_type: Some(kind.to_owned()),
        primary_key: Some(member(&relatives.primary)),
        replica_keys: Some(relatives.replicas.iter().map(member).collect()),
    })
}

pub(super) fn date(millis: u64) -> EpochSeconds {
    EpochSeconds(Timestamp::from_millis(millis).seconds())
}

/// The name of what happens at the end of an import.
pub(super) const fn expiration_model(expires_ms: Option<u64>) -> &'static str {
    match expires_ms {
        Some(_) => "KEY_MATERIAL_EXPIRES",
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
}
