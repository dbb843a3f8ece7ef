//! What a CreateKey asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::kms::{CreateKeyRequest, KeySpec, KeyUsageType};
use portcullis_api::{Code, Exception, KeyId, Scope};
use portcullis_clusters::ClusterView;
use portcullis_hsm::HsmKeyId;

use super::super::custom::{Chosen, Fixed};
use super::super::keys::KEYS_MAX;
use super::super::policy::check_policy;
use super::super::record::MultiRegion;
use super::super::tags::tags;
use super::super::{Home, KeyRecord, Materials, Requested, Rotation, spec};
use super::refusal::not_connected;
use crate::key_store::{self, Connection, KeyStoreRecord};
use crate::records::unsupported;

/// Rule KEY-11: Origin AWS_CLOUDHSM and CustomKeyStoreId come together.
fn check(input: &CreateKeyRequest) -> Result<(), Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let in_store = input.custom_key_store_id.is_some();
    match input.origin.as_deref().unwrap_or("AWS_KMS") {
        "AWS_CLOUDHSM" if !in_store => {
            return invalid("Origin AWS_CLOUDHSM needs CustomKeyStoreId. Add it.");
        }
        "AWS_KMS" | "EXTERNAL" if in_store => {
            return invalid("CustomKeyStoreId needs Origin AWS_CLOUDHSM. Add it.");
        }
        "AWS_CLOUDHSM" | "AWS_KMS" | "EXTERNAL" => {}
        other => {
            let text = format!("Portcullis does not build keys of origin {other}.");
            return Err(unsupported(&text));
        }
    }
    for (given, what) in [
        (
            input.multi_region == Some(true) && in_store,
            "multi-Region keys in a custom key store",
        ),
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

/// Rule LIFE-24: the ID of a multi-Region key begins with `mrk-`, and no other does.
fn check_id(id: &KeyId, input: &CreateKeyRequest) -> Result<(), Exception> {
    if id.is_multi_region() == (input.multi_region == Some(true)) {
        return Ok(());
    }
    let text = format!("{id}: an ID that begins with mrk- is that of a multi-Region key.");
    Err(Exception::new(Code::Validation, text))
}

/// A new multi-Region key is a primary without replicas.
fn multi_region(id: &KeyId, scope: &Scope) -> Option<MultiRegion> {
    id.is_multi_region().then(|| MultiRegion {
        primary: scope.region.clone(),
        replicas: BTreeSet::new(),
    })
}

/// What the key shall be, and be used for.
///
/// Rule KEY-12: a key of a key store is a symmetric encryption key. Rule CRY-03: the usage must be
/// one of the spec's, and may be left out for symmetric encryption keys only. Rule CRY-04: SM2 is
/// refused, as everywhere outside the China Regions.
fn kind(input: &CreateKeyRequest) -> Result<(KeySpec, KeyUsageType), Exception> {
    let invalid = |text: String| Err(Exception::new(Code::Validation, text));
    let named = match (&input.key_spec, &input.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            let text = "KeySpec and CustomerMasterKeySpec name the same thing. Give KeySpec only.";
            return invalid(text.to_owned());
        }
        (named, older) => named.as_deref().or(older.as_deref()),
    };
    let spec = match named.map(str::parse) {
        None => KeySpec::SymmetricDefault,
        Some(Ok(spec)) => spec,
        Some(Err(())) => return invalid("KeySpec is not one of the service's.".to_owned()),
    };
    let usages = spec::usages(spec);
    let Some(first) = usages.first() else {
        return Err(unsupported(&format!(
            "KeySpec {} exists in the China Regions only. Use another one.",
            spec.as_str()
        )));
    };
    let usage = match input.key_usage.as_deref().map(str::parse) {
        Some(Ok(usage)) => usage,
        Some(Err(())) => return invalid("KeyUsage is not one of the service's.".to_owned()),
        None if spec == KeySpec::SymmetricDefault => first.usage(),
        None => {
            return invalid(
                "You must specify a KeyUsage value for all KMS keys except for symmetric \
                 encryption keys."
                    .to_owned(),
            );
        }
    };
    if spec::algorithms(spec, usage).is_none() {
        let usages: Vec<_> = usages.iter().map(|one| one.usage().as_str()).collect();
        return invalid(format!(
            "KeyUsage {} is not compatible with KeySpec {}. Use {}.",
            usage.as_str(),
            spec.as_str(),
            usages.join(" or ")
        ));
    }
    if input.custom_key_store_id.is_some() && spec != KeySpec::SymmetricDefault {
        return Err(unsupported(
            "A custom key store has symmetric encryption keys only. Leave KeySpec and KeyUsage \
             out, or make the key without CustomKeyStoreId.",
        ));
    }
    Ok((spec, usage))
}

/// What a request asks for, as far as its parts fit together.
pub(super) struct WantedKey {
    pub(super) spec: KeySpec,
    usage: KeyUsageType,
    description: String,
    policy: Option<String>,
    tags: BTreeMap<String, String>,
    /// Whether the material is to be imported: origin EXTERNAL.
    pub(super) imported: bool,
    /// Material that comes with the request.
    pub(super) chosen: Option<Chosen>,
}

/// Reads a request for a key with this ID.
pub(super) fn wanted(
    scope: &Scope,
    id: &KeyId,
    input: &mut CreateKeyRequest,
) -> Result<WantedKey, Exception> {
    let fixed = Fixed::take(&mut input.tags);
    check(input)?;
    let (spec, usage) = kind(input)?;
    let chosen = fixed.map(|fixed| fixed.read(input.origin.as_deref(), spec));
    check_id(id, input)?;
    if let Some(policy) = &input.policy {
        let bypass = input.bypass_policy_lockout_safety_check;
        check_policy(scope, id, policy, bypass)?;
    }
    Ok(WantedKey {
        spec,
        usage,
        tags: tags(input.tags.as_deref().unwrap_or_default())?,
        chosen: chosen.transpose()?,
        description: input.description.take().unwrap_or_default(),
        policy: input.policy.take(),
        imported: input.origin.as_deref() == Some("EXTERNAL"),
    })
}

impl WantedKey {
    /// The record of the key with this ID, whose material the HSMs have under `hsm_key` unless it is to
    /// be imported.
    pub(super) fn record(
        self,
        scope: &Scope,
        (id, hsm_key): (KeyId, HsmKeyId),
        home: Home,
        created_ms: u64,
    ) -> KeyRecord {
        KeyRecord {
            id,
            created_ms,
            description: self.description,
            requested: Requested::Enabled,
            home,
            materials: if self.imported {
                Materials::default()
            } else {
                Materials::generated(hsm_key, created_ms)
            },
            spec: self.spec,
            usage: self.usage,
            imported: self.imported,
            policy: self.policy,
            tags: self.tags,
            rotation: Rotation::default(),
            multi_region: multi_region(&id, scope),
            changing: None,
            aws_service: None,
        }
    }
}

/// Whether there is room for one more key in an account and Region.
pub(super) fn check_number(keys: usize) -> Result<(), Exception> {
    if keys < KEYS_MAX {
        return Ok(());
    }
    let text = format!("There are {KEYS_MAX} keys already. Delete some, then try again.");
    Err(Exception::new(Code::LimitExceeded, text))
}

/// Whether a key can be created in a key store with this cluster.
///
/// Rule KEY-13: it is CONNECTED. Rule KEY-14: the cluster has two active HSMs in different Availability
/// Zones.
pub(super) fn check_store(
    store: &KeyStoreRecord,
    cluster: Option<&Arc<ClusterView>>,
) -> Result<(), Exception> {
    if store.connection != Connection::Connected {
        return Err(not_connected(store));
    }
    let cluster = key_store::found(&store.cluster, cluster)
        .map_err(|missing| missing.under(Code::CloudHsmClusterInvalidConfiguration))?;
    key_store::two_zones(&cluster)
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::scope;
    use super::super::super::{KeySnapshot, MaterialOrigin};
    use super::*;

    const SINGLE: [u8; 16] = [1; 16];

    fn read(id: &KeyId, mut input: CreateKeyRequest) -> Result<WantedKey, Code> {
        wanted(&scope(), id, &mut input).map_err(|refusal| refusal.code)
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// Rules KEY-11, KEY-12, CRY-03 and CRY-04.
    #[test]
    fn origin_store_spec_and_usage_must_fit_together() {
        let request = |origin, store, spec, usage| CreateKeyRequest {
            origin,
            custom_key_store_id: store,
            key_spec: spec,
            key_usage: usage,
            ..CreateKeyRequest::default()
        };
        let invalid = Some(Code::Validation);
        let unsupported = Some(Code::UnsupportedOperation);
        let (store, hsm) = (text("cks-1"), text("AWS_CLOUDHSM"));
        for (input, expected) in [
            (request(None, None, None, None), None),
            (request(hsm.clone(), store.clone(), None, None), None),
            (request(hsm.clone(), None, None, None), invalid),
            (request(None, store.clone(), None, None), invalid),
            (
                request(text("EXTERNAL"), store.clone(), None, None),
                invalid,
            ),
            (
                request(text("EXTERNAL_KEY_STORE"), None, None, None),
                unsupported,
            ),
            (
                request(hsm, store, text("RSA_2048"), text("SIGN_VERIFY")),
                unsupported,
            ),
            (request(None, None, text("RSA_2048"), None), invalid),
            (
                request(None, None, text("RSA_2048"), text("SIGN_VERIFY")),
                None,
            ),
            (
                request(None, None, text("HMAC_256"), text("SIGN_VERIFY")),
                invalid,
            ),
            (
                request(None, None, text("SM2"), text("SIGN_VERIFY")),
                unsupported,
            ),
        ] {
            let shown = format!("{input:?}");
            let outcome = read(&KeyId::from_bytes(SINGLE), input);
            assert_eq!(outcome.err(), expected, "{shown}");
        }
    }

    /// Rules LIFE-24 and LIFE-30.
    #[test]
    fn the_record_of_a_new_key_says_what_was_asked_for() {
        let external = |multi_region| CreateKeyRequest {
            origin: text("EXTERNAL"),
            multi_region: Some(multi_region),
            description: text("imported"),
            ..CreateKeyRequest::default()
        };
        let id = KeyId::multi_region_from_bytes(SINGLE);
        assert_eq!(read(&id, external(false)).err(), Some(Code::Validation));
        let wanted = read(&id, external(true)).ok().unwrap();
        let made = wanted.record(&scope(), (id, HsmKeyId(SINGLE)), Home::Fleet, 5);
        assert_eq!((made.created_ms, &*made.description), (5, "imported"));
        assert_eq!(made.origin(), MaterialOrigin::External);
        assert!(made.materials.all().is_empty());
        let relatives = made.multi_region.as_ref().unwrap();
        assert_eq!(relatives.primary, scope().region);
        let single = KeyId::from_bytes(SINGLE);
        let wanted = read(&single, CreateKeyRequest::default()).ok().unwrap();
        let made = wanted.record(&scope(), (single, HsmKeyId(SINGLE)), Home::Fleet, 5);
        assert_eq!(
            (made.origin(), made.multi_region.clone()),
            (MaterialOrigin::AwsKms, None)
        );
        let key = KeySnapshot::new(&Arc::new(scope()), made, 1, None);
        assert_eq!(key.material().ok(), Some(HsmKeyId(SINGLE)));
    }

    #[test]
    fn an_account_has_a_number_of_keys_in_a_region() {
        assert!(check_number(KEYS_MAX - 1).is_ok());
        let refusal = check_number(KEYS_MAX).unwrap_err();
        assert_eq!(refusal.code, Code::LimitExceeded);
    }
}
