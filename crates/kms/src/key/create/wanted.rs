//! What a CreateKey asks for.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::kms::{CreateKeyRequest, KeySpec, KeyUsageType};
use portcullis_api::{Code, Exception, KeyId, Scope};

use super::super::custom::{Chosen, Fixed};
use super::super::policy::check_policy;
use super::super::record::MultiRegion;
use super::super::spec;
use super::super::tags::tags;
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
pub(super) fn multi_region(id: &KeyId, scope: &Scope) -> Option<MultiRegion> {
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
    pub(super) usage: KeyUsageType,
    pub(super) tags: BTreeMap<String, String>,
    /// Material that comes with the request.
    pub(super) chosen: Option<Chosen>,
}

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
    })
}
