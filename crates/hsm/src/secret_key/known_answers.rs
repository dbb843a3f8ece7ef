//! Known answers for the keys beside the AES keys; see `crate::known_answers`.

use aws_lc_rs::digest;
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{KeyKind, Message, OaepHash, SecretKey, SignatureAlgorithm, SignatureHash};
use crate::known_answers::{Expected, Vector, vectors};

/// A key of which the public half alone is known, which is enough to verify.
fn public(kind: KeyKind, spki: Vec<u8>) -> SecretKey {
    SecretKey::of_record(kind, Zeroizing::new(Vec::new()), spki)
}

fn raw(vector: &Vector) -> Message {
    Message::Raw(vector.bytes("msg").into())
}

fn verifies(vector: &Vector, key: &SecretKey, algorithm: SignatureAlgorithm) -> bool {
    let verified = key.verify(algorithm, &raw(vector), &vector.bytes("sig"));
    verified.is_ok()
}

fn check_signature(vector: &Vector, kind: KeyKind, algorithm: SignatureAlgorithm) {
    let verified = verifies(vector, &public(kind, vector.of_group("public")), algorithm);
    vector.check(verified.then_some(&[]), &[]);
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn hash_of(vector: &Vector) -> SignatureHash {
    if vector.is_of("sha256") {
        SignatureHash::Sha256
    } else if vector.is_of("sha384") {
        SignatureHash::Sha384
    } else {
        SignatureHash::Sha512
    }
}

fn modulus_of(vector: &Vector) -> KeyKind {
    if vector.is_of("_2048_") {
        KeyKind::Rsa2048
    } else if vector.is_of("_3072_") {
        KeyKind::Rsa3072
    } else {
        KeyKind::Rsa4096
    }
}

#[test]
fn macs_are_the_known_ones_and_whole() {
    for vector in vectors("hmac") {
        let kind = match vector.bytes("key").len() {
            28 => KeyKind::Hmac224,
            32 => KeyKind::Hmac256,
            48 => KeyKind::Hmac384,
            _ => KeyKind::Hmac512,
        };
        let key = SecretKey::from_bytes(kind, &vector.bytes("key")).unwrap();
        let (message, tag) = (vector.bytes("msg"), vector.bytes("tag"));
        let whole = hmac::sign(key.hmac().unwrap(), &message);
        let verified = hmac::verify(key.hmac().unwrap(), &message, &tag).is_ok();
        if tag.len() < whole.as_ref().len() {
            // KMS has no shortened MACs.
            vector.refused(verified);
            continue;
        }
        let same = verify_slices_are_equal(whole.as_ref(), &tag).is_ok();
        assert_eq!(same, verified);
        vector.check(verified.then_some(&[]), &[]);
    }
}

#[test]
fn rsa_signatures_with_pkcs1_padding_are_told_from_forged_ones() {
    for vector in vectors("rsa_pkcs1") {
        let algorithm = SignatureAlgorithm::RsaPkcs1(hash_of(&vector));
        check_signature(&vector, modulus_of(&vector), algorithm);
    }
}

/// KMS has one salt length for each hash, and the mask's hash is the message's.
#[test]
fn rsa_signatures_with_pss_padding_are_told_from_forged_ones_and_from_other_salts() {
    for vector in vectors("rsa_pss") {
        let algorithm = SignatureAlgorithm::RsaPss(hash_of(&vector));
        if vector.is_of("mgf1_0_") || vector.is_of("mgf1sha1") {
            let key = public(modulus_of(&vector), vector.of_group("public"));
            vector.refused(verifies(&vector, &key, algorithm));
        } else {
            check_signature(&vector, modulus_of(&vector), algorithm);
        }
    }
}

/// KMS has no label, and the mask's hash is the label's.
#[test]
fn rsa_ciphertexts_open_to_the_known_plaintexts_and_no_others_do() {
    for vector in vectors("rsa_oaep") {
        let key = SecretKey::from_pkcs8(KeyKind::Rsa2048, &vector.of_group("private")).unwrap();
        let hash = if vector.is_of("_sha1_") {
            OaepHash::Sha1
        } else {
            OaepHash::Sha256
        };
        let opened = key.decrypt(hash, &vector.bytes("ct"));
        if !vector.bytes("label").is_empty() || vector.is_of("sha256_mgf1sha1") {
            vector.refused(opened.is_ok());
            continue;
        }
        let opened = opened.as_ref().ok().map(AsRef::as_ref);
        vector.check(opened, &vector.bytes("msg"));
    }
}

#[test]
fn elliptic_curve_signatures_are_told_from_forged_ones() {
    for vector in vectors("ecdsa") {
        let kind = if vector.is_of("secp256r1") {
            KeyKind::P256
        } else if vector.is_of("secp384r1") {
            KeyKind::P384
        } else if vector.is_of("secp521r1") {
            KeyKind::P521
        } else {
            KeyKind::P256k1
        };
        check_signature(&vector, kind, SignatureAlgorithm::Ecdsa);
    }
}

#[test]
fn ed25519_signatures_are_told_from_forged_ones() {
    for vector in vectors("ed25519") {
        check_signature(&vector, KeyKind::Ed25519, SignatureAlgorithm::Ed25519);
    }
}

/// RFC 8032, section 7.3: Ed25519ph over "abc".
#[test]
fn ed25519ph_signs_as_the_standard_shows() {
    let seed = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    let signature = hex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
         31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    );
    let key = SecretKey::from_bytes(KeyKind::Ed25519, &seed).unwrap();
    let known = hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
    assert!(key.public_key().ends_with(&known));
    let hash = digest::digest(&digest::SHA512, b"abc").as_ref().to_vec();
    let message = || Message::Digest(hash.clone().into());
    let algorithm = SignatureAlgorithm::Ed25519ph;
    let signed = key.sign(algorithm, &message()).unwrap();
    assert_eq!(signed.as_ref(), signature);
    let known = public(KeyKind::Ed25519, key.public_key().to_vec());
    assert!(known.verify(algorithm, &message(), &signature).is_ok());
    // Not as a signature of the hash itself, and not when a byte is another one.
    let as_message = Message::Raw(hash.clone().into());
    assert!(
        known
            .verify(SignatureAlgorithm::Ed25519, &as_message, &signature)
            .is_err()
    );
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(
            known.verify(algorithm, &message(), &changed).is_err(),
            "{at}"
        );
    }
}

/// Rule CRY-16: the other side's key is on the same curve.
#[test]
fn agreed_secrets_are_the_known_ones_and_keys_off_the_curve_are_refused() {
    for vector in vectors("ecdh") {
        let (kind, prefix) = if vector.is_of("secp256r1") {
            (KeyKind::P256, P256_PKCS8)
        } else if vector.is_of("secp384r1") {
            (KeyKind::P384, P384_PKCS8)
        } else {
            (KeyKind::P521, P521_PKCS8)
        };
        let pkcs8 = [hex(prefix), vector.bytes("private")].concat();
        let key = SecretKey::from_pkcs8(kind, &pkcs8).unwrap();
        let agreed = key.agree(&vector.bytes("public"));
        let agreed = agreed.as_ref().ok().map(AsRef::as_ref);
        vector.check(agreed, &vector.bytes("shared"));
    }
}

/// Rule CRY-17. ML-KEM of all three sizes.
#[test]
fn encapsulated_secrets_open_to_the_known_ones() {
    for vector in vectors("ml_kem") {
        let kind = if vector.is_of("_512_") {
            KeyKind::MlKem512
        } else if vector.is_of("_768_") {
            KeyKind::MlKem768
        } else {
            KeyKind::MlKem1024
        };
        let key = SecretKey::from_bytes(kind, &vector.bytes("seed"));
        let opened = key.and_then(|key| key.decapsulate(&vector.bytes("c")));
        let opened = opened.as_ref().ok().map(AsRef::as_ref);
        vector.check(opened, &vector.bytes("K"));
    }
}

/// Keys, signatures over a given mu, and signatures of others. KMS has no context.
#[test]
fn ml_dsa_signs_and_verifies_as_known() {
    for vector in vectors("ml_dsa") {
        let kind = if vector.is_of("_44_") {
            KeyKind::MlDsa44
        } else if vector.is_of("_65_") {
            KeyKind::MlDsa65
        } else {
            KeyKind::MlDsa87
        };
        if vector.is_of("_verify_") {
            let key = public(kind, vector.of_group("public"));
            let verified = verifies(&vector, &key, SignatureAlgorithm::MlDsa);
            if vector.bytes("ctx").is_empty() {
                vector.check(verified.then_some(&[]), &[]);
            } else {
                vector.refused(verified);
            }
            continue;
        }
        assert_eq!(vector.expected, Expected::Valid);
        let key = SecretKey::from_bytes(kind, &vector.of_group("seed")).unwrap();
        let encoded = key.public_key();
        let start = encoded.len() - public_bytes(kind);
        assert_eq!(sha256(&encoded[start..]), vector.of_group("public_sha256"));
        let mu = Message::ExternalMu(vector.bytes("mu").into());
        let signed = key.sign(SignatureAlgorithm::MlDsa, &mu).unwrap();
        assert_eq!(
            sha256(signed.as_ref()),
            vector.bytes("sig_sha256"),
            "{}",
            vector.name
        );
        let known = public(kind, encoded.to_vec());
        let verified = known.verify(SignatureAlgorithm::MlDsa, &mu, signed.as_ref());
        assert!(verified.is_ok(), "{}", vector.name);
    }
}

/// FIPS 204, table 2.
fn public_bytes(kind: KeyKind) -> usize {
    if kind == KeyKind::MlDsa44 {
        1312
    } else if kind == KeyKind::MlDsa65 {
        1952
    } else {
        2592
    }
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// PKCS #8 (RFC 5958, RFC 5915) up to the number itself, without the public key.
const P256_PKCS8: &str = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
const P384_PKCS8: &str = "304e020100301006072a8648ce3d020106052b81040022043730350201010430";
const P521_PKCS8: &str = "3060020100301006072a8648ce3d020106052b81040023044930470201010442";
