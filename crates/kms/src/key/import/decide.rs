//! Decisions on imported material, over records and requests.

use aws_lc_rs::rsa::KeySize;
use portcullis_api::kms::{GetParametersForImportRequest, ImportKeyMaterialRequest, KeySpec};
use portcullis_api::{Code, EpochSeconds, Exception, Region};
use portcullis_hsm::{HsmKeyId, Refusal, SecretKey};
use zeroize::Zeroizing;

use super::super::keep::Material;
use super::super::material::{Import, MaterialId, MaterialRole, MaterialVersion, Materials};
use super::super::wrapping::Wrapping;
use super::super::{KeyRecord, KeySnapshot, spec};
use crate::records::unsupported;

/// The latest end of material that expires (API, ImportKeyMaterial).
const VALID_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// What an import says of its material.
pub(super) struct MaterialArrival {
    pub(super) id: MaterialId,
    /// The caller names the material that it expects.
    pub(super) named: Option<MaterialId>,
    pub(super) is_new: bool,
    pub(super) now_ms: u64,
    pub(super) import: Import,
}

/// Rule LIFE-31: RSAES_PKCS1_V1_5, which the service has not taken since October 2023, and SM2, which
/// exists in the China Regions only, are refused; RSA and ML-DSA keys, which are longer than an RSA
/// block, need an algorithm that takes them.
pub(super) fn algorithm(
    input: &GetParametersForImportRequest,
    spec: KeySpec,
) -> Result<Wrapping, Exception> {
    let name = input.wrapping_algorithm.as_str();
    let found = Wrapping::ALL.into_iter().find(|it| it.as_str() == name);
    let Some(wrapping) = found else {
        let text =
            format!("The wrapping algorithm {name} is not supported. Use RSAES_OAEP_SHA_256.");
        return Err(unsupported(&text));
    };
    let is_long = spec::modulus_bytes(spec).is_some();
    if is_long && !wrapping.takes_long_material() {
        let text = format!(
            "{name} does not take key material of {}. Use RSA_AES_KEY_WRAP_SHA_256.",
            spec.as_str()
        );
        return Err(unsupported(&text));
    }
    Ok(wrapping)
}

pub(super) fn size(spec: &str) -> Result<KeySize, Exception> {
    match spec {
        "RSA_2048" => Ok(KeySize::Rsa2048),
        "RSA_3072" => Ok(KeySize::Rsa3072),
        "RSA_4096" => Ok(KeySize::Rsa4096),
        other => Err(unsupported(&format!(
            "The wrapping key spec {other} is not supported. Use RSA_4096."
        ))),
    }
}

pub(super) const NEW: &str = "NEW_KEY_MATERIAL";

pub(super) fn not_unwrapped() -> Exception {
    let text = "The key material cannot be unwrapped. Wrap it under the public key that came with the \
                import token, with the same wrapping algorithm.";
    Exception::new(Code::InvalidCiphertext, text)
}

fn no_such_material(key: &KeySnapshot, named: &str) -> Exception {
    let text = format!(
        "{} has no key material {named}. Run ListKeyRotations.",
        key.arn
    );
    Exception::new(Code::NotFound, text)
}

/// Rule LIFE-33: material expires unless the request says that it does not; its end lies in the
/// next 365 days.
pub(super) fn expires(
    input: &ImportKeyMaterialRequest,
    now_ms: u64,
) -> Result<Option<u64>, Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let never = input.expiration_model.as_deref() == Some("KEY_MATERIAL_DOES_NOT_EXPIRE");
    match (never, &input.valid_to) {
        (true, None) => Ok(None),
        (true, Some(_)) => invalid("KEY_MATERIAL_DOES_NOT_EXPIRE has no ValidTo. Leave it out."),
        (false, None) => Err(Exception::worded(
            Code::Validation,
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
            "Add it, or give the ExpirationModel KEY_MATERIAL_DOES_NOT_EXPIRE.",
        )),
        (false, Some(at)) => match millis(at) {
            Some(at) if at > now_ms && at <= now_ms.saturating_add(VALID_MS_MAX) => Ok(Some(at)),
            _ => invalid("ValidTo must be in the future, and at most 365 days away."),
        },
    }
}

/// Whole milliseconds; none for what is no date after 1970.
fn millis(at: &EpochSeconds) -> Option<u64> {
    let duration = std::time::Duration::try_from_secs_f64(at.0).ok()?;
    u64::try_from(duration.as_millis()).ok()
}

pub(super) fn named(input: &ImportKeyMaterialRequest) -> Result<Option<MaterialId>, Exception> {
    let Some(named) = &input.key_material_id else {
        return Ok(None);
    };
    if input.import_type.as_deref() == Some(NEW) {
        let text = "KeyMaterialId names material that the key has. Leave it out of a new one.";
        return Err(Exception::new(Code::Validation, text));
    }
    named.parse().map(Some).map_err(|_invalid| {
        let text = "KeyMaterialId must be 64 hexadecimal digits.";
        Exception::new(Code::Validation, text)
    })
}

/// The same bytes under the same key have the same ID, in every Region of a multi-Region key too.
pub(super) fn material_id(key: &KeySnapshot, material: &[u8]) -> MaterialId {
    let id = key.record.id;
    let text = Zeroizing::new([b"portcullis-imported", &id.bytes()[..], material].concat());
    MaterialId::hash(&text)
}

/// What the bytes are: 32 bytes for a symmetric key, the key itself for HMAC, PKCS #8 for others.
pub(super) fn read(spec: KeySpec, bytes: &Zeroizing<Vec<u8>>) -> Result<Material, Exception> {
    let read = match spec::kind(spec) {
        None if bytes.len() == 32 => Ok(Material::Aes(bytes.clone())),
        None => Err(Refusal::BadLength),
        Some(kind) if spec::is_asymmetric(spec) => {
            SecretKey::from_pkcs8(kind, bytes).map(Material::Other)
        }
        Some(kind) => SecretKey::from_bytes(kind, bytes).map(Material::Other),
    };
    read.map_err(|refusal| {
        let text = format!(
            "The key material is not that of a {} key: 32 bytes for a symmetric key, the bytes of an \
             HMAC key, or PKCS #8 (DER) for others.",
            spec.as_str()
        );
        Exception::new(Code::IncorrectKeyMaterial, text).because(refusal)
    })
}

/// The record of a key after an import; `listed` are the materials that it has had until now.
///
/// Rule LIFE-35: what was imported once is imported again as the same bytes only; other material
/// waits as a further version for RotateKeyOnDemand, where the kind of key rotates. Rule LIFE-36: a
/// replica, whose primary is elsewhere, imports only what its primary has.
pub(super) fn imported(
    record: &KeyRecord,
    listed: Materials,
    primary: Option<&Region>,
    arrival: &MaterialArrival,
) -> Result<KeyRecord, Exception> {
    let mut changed = KeyRecord {
        materials: listed,
        ..record.clone()
    };
    let version = |role| MaterialVersion {
        hsm_key: arrival.id.as_hsm_key(),
        id: arrival.id,
        role,
        created_ms: arrival.now_ms,
        rotated: None,
        import: Some(arrival.import.clone()),
    };
    let mut versions = changed.materials.all().iter();
    let known = versions.any(|it| it.id == arrival.id);
    if arrival.named.is_some_and(|named| named != arrival.id) {
        return Err(incorrect("it is not the material that KeyMaterialId names"));
    }
    match (arrival.is_new, known) {
        (false, true) => changed.materials.import_again(arrival.id, &arrival.import),
        (true, true) => return Err(incorrect("the key has it already")),
        (_, false) if changed.materials.all().is_empty() => {
            changed.materials.push(version(MaterialRole::Current));
        }
        (false, false) => {
            return Err(incorrect("it is not the material that was imported before"));
        }
        (true, false) => {
            check_takes_new(&changed, primary, arrival.id)?;
            changed
                .materials
                .push(version(MaterialRole::PendingRotation));
        }
    }
    Ok(changed)
}

/// The material that DeleteImportedKeyMaterial deletes: the one that the request names, or else the
/// current one, if there is one.
pub(super) fn meant(
    key: &KeySnapshot,
    named: Option<&str>,
) -> Result<Option<MaterialId>, Exception> {
    let materials = &key.record.materials;
    let version = match named {
        None => materials.current(),
        Some(named) => {
            let mut versions = materials.all().iter();
            let found = versions.find(|version| version.id.to_string() == named);
            Some(found.ok_or_else(|| no_such_material(key, named))?)
        }
    };
    Ok(version.map(|version| version.id))
}

/// The materials of a key without those that are meant, and the keys in the HSMs that had those.
pub(super) fn without(
    record: &KeyRecord,
    is_meant: impl Fn(&MaterialVersion) -> bool,
) -> (Materials, Vec<HsmKeyId>) {
    let mut left = record.materials.clone();
    let gone = left.remove(is_meant);
    (left, gone)
}

/// Rule LIFE-34: whether the time of imported material is over.
pub(super) fn is_expired(version: &MaterialVersion, now_ms: u64) -> bool {
    let import = version.import.as_ref().filter(|import| import.present);
    let expires_ms = import.and_then(|import| import.expires_ms);
    expires_ms.is_some_and(|at| at <= now_ms)
}

fn check_takes_new(
    record: &KeyRecord,
    primary: Option<&Region>,
    new: MaterialId,
) -> Result<(), Exception> {
    if record.spec != KeySpec::SymmetricDefault {
        return Err(unsupported(
            "Only symmetric encryption keys take new key material beside what they have.",
        ));
    }
    if let Some(primary) = primary {
        return Err(unsupported(&format!(
            "A replica takes no new key material. Import it into the primary key in {primary}, then \
             here with ImportType EXISTING_KEY_MATERIAL."
        )));
    }
    if let Some(pending) = record.materials.pending() {
        let sentence = format!(
            "New key material (id: {new}) cannot be imported into KMS key {}, because another key \
             material (id: {}) is pending rotation.",
            record.id, pending.id
        );
        let hint = "Run RotateKeyOnDemand, or DeleteImportedKeyMaterial with its KeyMaterialId.";
        return Err(Exception::worded(Code::KmsInvalidState, sentence, hint));
    }
    Ok(())
}

fn incorrect(why: &str) -> Exception {
    Exception::new(
        Code::IncorrectKeyMaterial,
        format!("The key material is not the expected one: {why}."),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{key, record, region, scope};
    use super::*;
    use crate::key::metadata;

    fn external() -> KeyRecord {
        KeyRecord {
            imported: true,
            materials: Materials::default(),
            ..record()
        }
    }

    /// An import of material that one byte distinguishes from others.
    fn arrival(material: u8, is_new: bool) -> MaterialArrival {
        MaterialArrival {
            id: MaterialId::hash(&[material]),
            named: None,
            is_new,
            now_ms: 5,
            import: Import {
                present: true,
                expires_ms: Some(9),
                ..Import::default()
            },
        }
    }

    fn import(record: &KeyRecord, arrival: &MaterialArrival) -> Result<KeyRecord, Code> {
        let after = imported(record, record.materials.clone(), None, arrival);
        after.map_err(|refusal| refusal.code)
    }

    /// Rule LIFE-35.
    #[test]
    fn material_is_imported_again_or_waits_as_a_further_version() {
        let one = import(&external(), &arrival(1, false)).unwrap();
        assert!(one.materials.are_complete());
        let other = Err(Code::IncorrectKeyMaterial);
        assert_eq!(import(&one, &arrival(2, false)), other);
        assert_eq!(import(&one, &arrival(1, true)), other);
        let misnamed = MaterialArrival {
            named: Some(MaterialId::hash(&[2])),
            ..arrival(1, false)
        };
        assert_eq!(import(&one, &misnamed), other);
        assert_eq!(import(&one, &arrival(1, false)), Ok(one.clone()));
        let two = import(&one, &arrival(2, true)).unwrap();
        let pending = two.materials.pending().unwrap();
        assert_eq!(pending.id, MaterialId::hash(&[2]));
        let third = import(&two, &arrival(3, true));
        assert_eq!(third, Err(Code::KmsInvalidState));
        let hmac = KeyRecord {
            spec: KeySpec::Hmac256,
            ..one
        };
        let further = import(&hmac, &arrival(2, true));
        assert_eq!(further, Err(Code::UnsupportedOperation));
    }

    /// Rule LIFE-37.
    #[test]
    fn what_is_left_of_a_key_whose_material_is_deleted() {
        for (expires_ms, model) in [
            (Some(9), "KEY_MATERIAL_EXPIRES"),
            (None, "KEY_MATERIAL_DOES_NOT_EXPIRE"),
        ] {
            let mut arrival = arrival(1, false);
            arrival.import.expires_ms = expires_ms;
            let imported = import(&external(), &arrival).unwrap();
            let shown = metadata(&scope(), &key(imported.clone()));
            assert_eq!(shown.expiration_model.as_deref(), Some(model));
            assert_eq!(shown.valid_to.is_some(), expires_ms.is_some());
            let id = shown.current_key_material_id;
            assert!(id.is_some());
            let left = KeyRecord {
                materials: without(&imported, |_| true).0,
                ..imported
            };
            let shown = metadata(&scope(), &key(left));
            assert_eq!(shown.key_state.as_deref(), Some("PendingImport"));
            assert_eq!((shown.expiration_model, shown.valid_to), (None, None));
            assert_eq!(shown.current_key_material_id, id);
        }
    }

    /// Rule LIFE-36.
    #[test]
    fn a_replica_imports_only_what_its_primary_has() {
        let one = import(&external(), &arrival(1, false)).unwrap();
        let primary = region("eu-west-1");
        let replica = |arrival: &MaterialArrival| {
            let listed = one.materials.clone();
            let after = imported(&one, listed, Some(&primary), arrival);
            after.map(drop).map_err(|refusal| refusal.code)
        };
        assert_eq!(replica(&arrival(1, false)), Ok(()));
        let refused = replica(&arrival(2, true));
        assert_eq!(refused, Err(Code::UnsupportedOperation));
    }

    /// Rule LIFE-34.
    #[test]
    fn material_goes_when_it_is_meant_or_its_time_is_over() {
        let one = import(&external(), &arrival(1, false)).unwrap();
        let (id, shown) = (MaterialId::hash(&[1]), MaterialId::hash(&[1]).to_string());
        let key = key(one.clone());
        assert_eq!(meant(&key, None), Ok(Some(id)));
        assert_eq!(meant(&key, Some(&shown)), Ok(Some(id)));
        let unknown = meant(&key, Some("0")).unwrap_err();
        assert_eq!(unknown.code, Code::NotFound);
        let (left, gone) = without(&one, |version| is_expired(version, 8));
        assert_eq!((left, gone), (one.materials.clone(), Vec::new()));
        let (left, gone) = without(&one, |version| is_expired(version, 9));
        assert_eq!(gone, [id.as_hsm_key()]);
        assert!(!left.are_complete() && left.current().is_some());
        let expired = KeyRecord {
            materials: left,
            ..one
        };
        let (_, gone) = without(&expired, |version| is_expired(version, 9));
        assert!(gone.is_empty());
    }
}
