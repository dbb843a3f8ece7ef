//! Known answers: vectors of Wycheproof in `tests/vectors`, which say what
//! must come out, and what must be refused.

use base64_simd::STANDARD;
use serde_json::Value;

use crate::key::{Description, Key, Material};
use crate::{KeyLength, KeyTemplate, Mechanism, NONCE_BYTES};

/// What must become of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Valid,
    Invalid,
    /// An implementation may accept the input or refuse it.
    Acceptable,
}

/// A vector with the members of its group.
pub(crate) struct Vector {
    /// Where it comes from: file and number.
    pub(crate) name: String,
    pub(crate) expected: Expected,
    members: Value,
    group: Value,
}

impl Vector {
    /// A member as bytes.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        decode(&self.members, name)
    }

    /// A member of its group.
    pub(crate) fn of_group(&self, name: &str) -> Vec<u8> {
        decode(&self.group, name)
    }

    /// Whether it is of a source file whose name has this in it.
    pub(crate) fn is_of(&self, part: &str) -> bool {
        self.name.contains(part)
    }

    /// Compares what happened with what must: `outcome` is what came out, or nothing.
    pub(crate) fn check(&self, outcome: Option<&[u8]>, wanted: &[u8]) {
        match (self.expected, outcome) {
            (Expected::Valid, None) => panic!("{} must be accepted", self.name),
            (Expected::Invalid, Some(_)) => panic!("{} must be refused", self.name),
            (_, Some(given)) => assert_eq!(given, wanted, "{}", self.name),
            (Expected::Invalid | Expected::Acceptable, None) => {}
        }
    }

    pub(crate) fn refused(&self, accepted: bool) {
        assert!(!accepted, "{} must be refused", self.name);
    }
}

fn decode(members: &Value, name: &str) -> Vec<u8> {
    let text = members[name].as_str().expect("every vector has it");
    STANDARD.decode_to_vec(text).expect("base64")
}

/// Every vector of a file in `tests/vectors`.
pub(crate) fn vectors(file: &str) -> Vec<Vector> {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path).expect("the file is there");
    let parts: Value = serde_json::from_slice(&text).expect("JSON");
    let mut vectors = Vec::new();
    for part in parts.as_array().expect("parts") {
        for group in part["groups"].as_array().expect("groups") {
            let mut alone = group.clone();
            alone["tests"] = Value::Null;
            for test in group["tests"].as_array().expect("tests") {
                vectors.push(Vector {
                    name: format!("{} {}", part["file"], test["id"]),
                    expected: match test["result"].as_str() {
                        Some("valid") => Expected::Valid,
                        Some("invalid") => Expected::Invalid,
                        _ => Expected::Acceptable,
                    },
                    members: test.clone(),
                    group: alone.clone(),
                });
            }
        }
    }
    assert!(vectors.len() >= 10, "{file} has vectors");
    vectors
}

fn key(bytes: &[u8]) -> Key {
    let template = KeyTemplate::general(KeyLength::Bytes32, "k");
    let description = Description {
        owner: "cu1".to_owned(),
        shared_users: std::collections::BTreeSet::new(),
        attributes: template.attributes,
        revision: 0,
    };
    Key::new(Material::from_slice(bytes).unwrap(), description)
}

/// AES-GCM as Encrypt and Decrypt of a symmetric key use it.
#[test]
fn aes_gcm_seals_to_the_known_ciphertexts_and_opens_no_other() {
    for vector in vectors("aes_gcm") {
        let cipher = Material::from_slice(&vector.bytes("key")).unwrap().expand();
        let nonce: [u8; NONCE_BYTES] = vector.bytes("iv").try_into().unwrap();
        let (aad, plaintext) = (vector.bytes("aad"), vector.bytes("msg"));
        let sealed = [&nonce[..], &vector.bytes("ct"), &vector.bytes("tag")].concat();
        let mut opened = Vec::new();
        let outcome = cipher.open(&aad, &sealed, &mut opened);
        vector.check(outcome.is_ok().then_some(&opened), &plaintext);
        let mut made = Vec::new();
        cipher.seal(nonce, &aad, &plaintext, &mut made).unwrap();
        assert_eq!(
            made == sealed,
            vector.expected == Expected::Valid,
            "{}",
            vector.name
        );
    }
}

/// AES key wrap with padding (RFC 5649), by which keys are wrapped in a cluster. Rule HSM-25.
#[test]
fn aes_key_wrap_with_padding_gives_the_known_keys_and_refuses_the_rest() {
    for vector in vectors("aes_kwp") {
        let payload = vector.bytes("msg");
        let wrapped = vector.bytes("ct");
        let outcome = key(&vector.bytes("key")).unwrap(&Mechanism::ZeroPad, &[], &wrapped);
        if KeyLength::of(payload.len()).is_none() {
            // What is inside is no AES key.
            vector.refused(outcome.is_ok());
            continue;
        }
        vector.check(outcome.as_ref().ok().map(Material::bytes), &payload);
        if vector.expected == Expected::Valid {
            let material = Material::from_slice(&payload).unwrap();
            let again = key(&vector.bytes("key")).wrap(&material, &Mechanism::ZeroPad, [0; 12]);
            assert_eq!(again.unwrap().1, wrapped, "{}", vector.name);
        }
    }
}
