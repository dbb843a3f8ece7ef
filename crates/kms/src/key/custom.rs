//! A key whose ID or material is chosen by the caller of CreateKey: by tags, as other emulators do.

use portcullis_api::kms::{KeySpec, Tag};
use portcullis_api::{Code, Exception, KeyId};
use portcullis_hsm::{HsmKeyId, SecretKey};
use zeroize::Zeroizing;

use super::keep::Material;
use super::material::MaterialId;
use super::spec;

/// The tag whose value is the ID.
const ID: &str = "_custom_id_";

/// Octets of an AES-256 key.
const AES_BYTES: usize = 32;

/// Takes the ID that the tags of a CreateKey ask for out of them.
///
/// Rule CONF-05: the tag `_custom_id_` of CreateKey is the key's ID, and no tag of the key.
pub(super) fn take_id(tags: &mut Option<Vec<Tag>>) -> Result<Option<KeyId>, Exception> {
    let Some(chosen) = take(tags, ID) else {
        return Ok(None);
    };
    let id = chosen.parse().map_err(|_invalid| {
        let text = format!(
            "The tag {ID} has {chosen:?}, which is no key ID. Give one such as \
             1234abcd-12ab-34cd-56ef-1234567890ab."
        );
        Exception::new(Code::Validation, text)
    })?;
    Ok(Some(id))
}

/// An ID that the caller chose may be taken.
pub(super) fn taken(id: &KeyId) -> Exception {
    let text = format!("There is a key {id} already. Choose another ID with the tag {ID}.");
    Exception::new(Code::Validation, text)
}

/// The form of an ID says whether its key is a multi-Region key.
pub(super) fn other_kind(id: &KeyId) -> Exception {
    let text = format!(
        "The tag {ID} has {id}, and an ID that begins with mrk- goes together with MultiRegion. Give \
         both or neither."
    );
    Exception::new(Code::Validation, text)
}

/// Key material that was chosen: base64, wiped when dropped.
pub(super) struct Fixed(Zeroizing<String>);

impl Fixed {
    /// Takes the material that the tags of a CreateKey give out of them.
    ///
    /// Rule CONF-08: the tag `_custom_key_material_` of CreateKey is the key's material, and no tag of
    /// the key.
    pub(super) fn take(tags: &mut Option<Vec<Tag>>) -> Option<Self> {
        take(tags, Tag::MATERIAL).map(|text| Self(Zeroizing::new(text)))
    }

    /// Reads it for a key of this origin and spec. Rule CONF-09.
    pub(super) fn read(&self, origin: Option<&str>, spec: KeySpec) -> Result<Chosen, Exception> {
        let refused = |why: &str| {
            let text = format!("The tag {} cannot be used: {why}", Tag::MATERIAL);
            Err(Exception::new(Code::Validation, text))
        };
        match origin {
            None | Some("AWS_KMS") => {}
            Some("EXTERNAL") => {
                return refused(
                    "material of a key of origin EXTERNAL comes by ImportKeyMaterial. Leave the tag \
                     out, or Origin.",
                );
            }
            Some(_other) => {
                return refused(
                    "a key of a custom key store is made in the HSMs of its cluster, which take no \
                     material. Leave the tag out, or make the key without CustomKeyStoreId.",
                );
            }
        }
        let bytes = decode(&self.0)?;
        let material = read(spec, &bytes)?;
        Ok(Chosen { bytes, material })
    }
}

/// Material that is that of a key.
pub(super) struct Chosen {
    bytes: Zeroizing<Vec<u8>>,
    pub(super) material: Material,
}

impl Chosen {
    /// The key in the HSMs that has it, for the key whose ciphertexts are bound to `name`. Rule CONF-10:
    /// the same key ID with the same material is the same key in the HSMs wherever it is made, so that
    /// what one world sealed another one opens.
    pub(super) fn hsm_key(&self, name: &str) -> HsmKeyId {
        let text = [b"portcullis-fixed", name.as_bytes(), &self.bytes].concat();
        MaterialId::hash(&Zeroizing::new(text)).as_hsm_key()
    }
}

/// Whether `base64` is the material of a key of this spec: for worlds.
///
/// # Errors
/// ValidationException, as CreateKey has it, without the material.
pub fn check_key_material(spec: KeySpec, base64: &str) -> Result<(), Exception> {
    read(spec, &decode(base64)?).map(drop)
}

fn decode(base64: &str) -> Result<Zeroizing<Vec<u8>>, Exception> {
    let mut text = Zeroizing::new(Vec::with_capacity(base64.len()));
    text.extend(base64.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let decoded = base64_simd::STANDARD.decode_to_vec(&*text);
    decoded.map(Zeroizing::new).map_err(|_error| {
        let text =
            "The key material is not base64. Give it in the standard alphabet, with padding.";
        Exception::new(Code::Validation, text)
    })
}

fn read(spec: KeySpec, bytes: &[u8]) -> Result<Material, Exception> {
    let is_asymmetric = spec::is_asymmetric(spec);
    let read = match spec::kind(spec) {
        None if bytes.len() == AES_BYTES => Ok(Material::Aes(Zeroizing::new(bytes.to_vec()))),
        None => Err(None),
        Some(kind) if is_asymmetric => SecretKey::from_private_der(kind, bytes)
            .map(Material::Other)
            .map_err(Some),
        Some(kind) => SecretKey::hmac_of_any_length(kind, bytes)
            .map(Material::Other)
            .map_err(Some),
    };
    read.map_err(|refusal| {
        let expected = match spec::kind(spec) {
            None => "32 bytes",
            Some(_) if is_asymmetric => {
                "a private key of that kind in DER: PKCS #8, SEC 1 or PKCS #1"
            }
            Some(_) => "1 to 1,024 bytes",
        };
        let text = format!(
            "The key material has {} bytes and is not that of a {} key, which is {expected}. Give it \
             in base64.",
            bytes.len(),
            spec.as_str()
        );
        let exception = Exception::new(Code::Validation, text);
        match refusal {
            Some(refusal) => exception.because(refusal),
            None => exception,
        }
    })
}

fn take(tags: &mut Option<Vec<Tag>>, key: &str) -> Option<String> {
    let all = tags.as_mut()?;
    let at = all.iter().position(|tag| tag.tag_key == key)?;
    Some(all.remove(at).tag_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(value: &str) -> Option<Vec<Tag>> {
        let tag = |key: &str, value: &str| Tag {
            tag_key: key.to_owned(),
            tag_value: value.to_owned(),
        };
        Some(vec![tag("a", "b"), tag(Tag::MATERIAL, value)])
    }

    fn base64(bytes: &[u8]) -> String {
        base64_simd::STANDARD.encode_to_string(bytes)
    }

    /// Rules CONF-08 and CONF-09.
    #[test]
    fn material_is_taken_for_its_spec_and_refused_without_being_shown() {
        let aes = base64(&[0x5a; 32]);
        for (origin, spec, value, expected) in [
            (None, KeySpec::SymmetricDefault, aes.as_str(), None),
            (Some("AWS_KMS"), KeySpec::Hmac256, "c2hvcnQ=", None),
            (None, KeySpec::Hmac512, " c2hv\ncnQ= ", None),
            (None, KeySpec::Hmac512, "", Some("1 to 1,024 bytes")),
            (
                None,
                KeySpec::SymmetricDefault,
                "c2hvcnQ=",
                Some("5 bytes and is not that of a"),
            ),
            (
                None,
                KeySpec::SymmetricDefault,
                "c2hvcnQ",
                Some("not base64"),
            ),
            (None, KeySpec::EccNistP256, &aes, Some("PKCS #8")),
            (None, KeySpec::Rsa2048, &aes, Some("RSA_2048")),
            (None, KeySpec::MlDsa44, &aes, Some("ML_DSA_44")),
            (
                Some("EXTERNAL"),
                KeySpec::SymmetricDefault,
                &aes,
                Some("ImportKeyMaterial"),
            ),
            (
                Some("AWS_CLOUDHSM"),
                KeySpec::SymmetricDefault,
                &aes,
                Some("custom key store"),
            ),
        ] {
            let mut tags = tagged(value);
            let fixed = Fixed::take(&mut tags).expect("a tag");
            assert_eq!(tags.map(|tags| tags.len()), Some(1));
            let outcome = fixed.read(origin, spec).map(drop);
            match (outcome, expected) {
                (Ok(()), None) => {}
                (Err(refused), Some(part)) => {
                    assert_eq!(refused.code, Code::Validation);
                    assert!(refused.message.contains(part), "{refused}");
                    assert!(
                        value.is_empty() || !refused.message.contains(value),
                        "{refused}"
                    );
                }
                (outcome, expected) => panic!("{spec:?} {expected:?}: {outcome:?}"),
            }
        }
    }

    /// Rule CONF-10.
    #[test]
    fn the_same_material_under_the_same_name_is_the_same_key_in_the_hsms() {
        let chosen = |byte| {
            let fixed = Fixed::take(&mut tagged(&base64(&[byte; 32]))).expect("a tag");
            fixed.read(None, KeySpec::SymmetricDefault).expect("fits")
        };
        assert_eq!(chosen(1).hsm_key("arn"), chosen(1).hsm_key("arn"));
        assert_ne!(chosen(1).hsm_key("arn"), chosen(2).hsm_key("arn"));
        assert_ne!(chosen(1).hsm_key("arn"), chosen(1).hsm_key("other"));
    }
}
