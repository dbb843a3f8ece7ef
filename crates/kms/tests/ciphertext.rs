//! Ciphertexts that earlier versions made open, and nothing but what was made does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;

use portcullis_api::kms::*;
use portcullis_api::{Blob, Code, Exception, Scope, SecretBlob};
use serde::{Deserialize, Serialize};

use world::*;

/// The file of version 1. It is never written again: what is in it opens for as long as there is a
/// version that reads it. A further form gets a file of its own, by `PORTCULLIS_FIXTURE=1 cargo test
/// -p portcullis-kms --test ciphertext`, which makes a file that is not there.
const FIXTURE: &str = "tests/fixtures/ciphertexts-1.json";

/// Keys whose ID and material are known, and what was made with them.
#[derive(Serialize, Deserialize)]
struct Fixture {
    account: String,
    region: String,
    keys: Vec<Key>,
    ciphertexts: Vec<Made>,
}

#[derive(Serialize, Deserialize)]
struct Key {
    id: String,
    spec: String,
    usage: String,
    multi_region: bool,
    /// Base64, as the tag of CreateKey has it.
    material: String,
}

/// A ciphertext with what it opens to.
#[derive(Serialize, Deserialize)]
struct Made {
    by: String,
    /// The ID of its key.
    key: String,
    algorithm: String,
    context: BTreeMap<String, String>,
    plaintext: SecretBlob,
    ciphertext: Blob,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FIXTURE)
}

/// The scope in another Region.
fn elsewhere(scope: &Scope) -> Scope {
    Scope {
        account: scope.account.clone(),
        region: "eu-west-1".parse().unwrap(),
    }
}

impl World {
    async fn make(&self, key: &Key) {
        let tag = |tag_key: &str, tag_value: &str| Tag {
            tag_key: tag_key.to_owned(),
            tag_value: tag_value.to_owned(),
        };
        let request = CreateKeyRequest {
            key_spec: Some(key.spec.clone()),
            key_usage: Some(key.usage.clone()),
            multi_region: Some(key.multi_region),
            tags: Some(vec![
                tag("_custom_id_", &key.id),
                tag(Tag::MATERIAL, &key.material),
            ]),
            ..CreateKeyRequest::default()
        };
        self.kms.create_key(&self.scope, request).await.unwrap();
    }

    async fn opens(&self, scope: &Scope, made: &Made) -> Vec<u8> {
        let request = DecryptRequest {
            ciphertext_blob: Some(made.ciphertext.clone()),
            encryption_context: Some(made.context.clone()),
            encryption_algorithm: Some(made.algorithm.clone()),
            // The ciphertext of an asymmetric key does not say whose it is.
            key_id: made.algorithm.starts_with("RSA").then(|| made.key.clone()),
            ..DecryptRequest::default()
        };
        let opened = self.kms.decrypt(scope, request).await;
        let opened = opened.unwrap_or_else(|refused| panic!("{}: {refused}", made.by));
        opened.plaintext.unwrap().0.to_vec()
    }
}

/// Rule CR-07: what a version made, every later one opens.
#[tokio::test]
async fn what_version_1_made_opens_forever() {
    let world = World::new().await;
    if std::env::var_os("PORTCULLIS_FIXTURE").is_some() && !path().exists() {
        write(&world).await;
        return;
    }
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
    assert_eq!(world.scope.account.as_str(), fixture.account);
    assert_eq!(world.scope.region.as_str(), fixture.region);
    for key in &fixture.keys {
        world.make(key).await;
    }
    assert_eq!(fixture.ciphertexts.len(), 8);
    for made in &fixture.ciphertexts {
        assert_eq!(
            world.opens(&world.scope, made).await,
            *made.plaintext.0,
            "{}",
            made.by
        );
    }
    let there = elsewhere(&world.scope);
    let shared = fixture.keys.iter().find(|key| key.multi_region).unwrap();
    let replicate = ReplicateKeyRequest {
        key_id: shared.id.clone(),
        replica_region: there.region.to_string(),
        ..ReplicateKeyRequest::default()
    };
    world
        .kms
        .replicate_key(&world.scope, replicate)
        .await
        .unwrap();
    let mut of_shared = fixture.ciphertexts.iter().filter(|it| it.key == shared.id);
    let made = of_shared.next().unwrap();
    assert_eq!(made.ciphertext.0[0], 2);
    assert_eq!(world.opens(&there, made).await, *made.plaintext.0);
}

/// Makes the fixture of this version.
async fn write(world: &World) {
    let fixed = |id: &str, spec: &str, multi_region, material: &[u8]| Key {
        id: id.to_owned(),
        spec: spec.to_owned(),
        usage: "ENCRYPT_DECRYPT".to_owned(),
        multi_region,
        material: base64_simd::STANDARD.encode_to_string(material),
    };
    let single = "0f1e2d3c-4b5a-4697-8877-665544332211";
    let multi = "mrk-00112233445566778899aabbccddeeff";
    let rsa = "12345678-90ab-4cde-8f01-234567890abc";
    let pair = portcullis_hsm::SecretKey::generate(
        portcullis_hsm::KeyKind::Rsa2048,
        &portcullis_seam::SystemEntropy,
    );
    let keys = vec![
        fixed(
            single,
            "SYMMETRIC_DEFAULT",
            false,
            &(0..32).collect::<Vec<u8>>(),
        ),
        fixed(
            multi,
            "SYMMETRIC_DEFAULT",
            true,
            &(32..64).collect::<Vec<u8>>(),
        ),
        fixed(rsa, "RSA_2048", false, &pair.unwrap().to_pkcs8().unwrap()),
    ];
    for key in &keys {
        world.make(key).await;
    }
    let mut ciphertexts = Vec::new();
    for (key, algorithm, context) in [
        (single, "SYMMETRIC_DEFAULT", context(&[])),
        (
            single,
            "SYMMETRIC_DEFAULT",
            context(&[("purpose", "test"), ("Größe", "")]),
        ),
        (multi, "SYMMETRIC_DEFAULT", context(&[("purpose", "test")])),
        (rsa, "RSAES_OAEP_SHA_1", context(&[])),
        (rsa, "RSAES_OAEP_SHA_256", context(&[])),
    ] {
        ciphertexts.push(encrypt(world, key, algorithm, context).await);
    }
    ciphertexts.push(re_encrypt(world, &ciphertexts[0], multi).await);
    ciphertexts.push(data_key(world, single).await);
    ciphertexts.push(data_key_pair(world, single).await);
    let fixture = Fixture {
        account: world.scope.account.to_string(),
        region: world.scope.region.to_string(),
        keys,
        ciphertexts,
    };
    let text = serde_json::to_string_pretty(&fixture).unwrap();
    std::fs::write(path(), text + "\n").unwrap();
}

async fn encrypt(
    world: &World,
    key: &str,
    algorithm: &str,
    context: BTreeMap<String, String>,
) -> Made {
    let plaintext = || SecretBlob(b"attack at dawn".to_vec().into());
    let request = EncryptRequest {
        key_id: key.to_owned(),
        plaintext: plaintext(),
        encryption_context: Some(context.clone()),
        encryption_algorithm: Some(algorithm.to_owned()),
        ..EncryptRequest::default()
    };
    let sealed = world.kms.encrypt(&world.scope, request).await.unwrap();
    Made {
        by: format!("Encrypt by {algorithm}"),
        key: key.to_owned(),
        algorithm: algorithm.to_owned(),
        context,
        plaintext: plaintext(),
        ciphertext: sealed.ciphertext_blob.unwrap(),
    }
}

async fn re_encrypt(world: &World, from: &Made, to: &str) -> Made {
    let bound = context(&[("moved", "yes")]);
    let request = ReEncryptRequest {
        ciphertext_blob: Some(from.ciphertext.clone()),
        destination_key_id: to.to_owned(),
        destination_encryption_context: Some(bound.clone()),
        ..ReEncryptRequest::default()
    };
    let moved = world.kms.re_encrypt(&world.scope, request).await.unwrap();
    Made {
        by: "ReEncrypt".to_owned(),
        key: to.to_owned(),
        algorithm: from.algorithm.clone(),
        context: bound,
        plaintext: SecretBlob(from.plaintext.0.clone()),
        ciphertext: moved.ciphertext_blob.unwrap(),
    }
}

async fn data_key(world: &World, key: &str) -> Made {
    let bound = context(&[("file", "1")]);
    let request = GenerateDataKeyRequest {
        key_id: key.to_owned(),
        key_spec: Some("AES_256".to_owned()),
        encryption_context: Some(bound.clone()),
        ..GenerateDataKeyRequest::default()
    };
    let made = world.kms.generate_data_key(&world.scope, request).await;
    let made = made.unwrap();
    Made {
        by: "GenerateDataKey".to_owned(),
        key: key.to_owned(),
        algorithm: "SYMMETRIC_DEFAULT".to_owned(),
        context: bound,
        plaintext: made.plaintext.unwrap(),
        ciphertext: made.ciphertext_blob.unwrap(),
    }
}

async fn data_key_pair(world: &World, key: &str) -> Made {
    let request = GenerateDataKeyPairRequest {
        key_id: key.to_owned(),
        key_pair_spec: "ECC_NIST_P256".to_owned(),
        ..GenerateDataKeyPairRequest::default()
    };
    let made = world
        .kms
        .generate_data_key_pair(&world.scope, request)
        .await;
    let made = made.unwrap();
    Made {
        by: "GenerateDataKeyPair".to_owned(),
        key: key.to_owned(),
        algorithm: "SYMMETRIC_DEFAULT".to_owned(),
        context: BTreeMap::new(),
        plaintext: made.private_key_plaintext.unwrap(),
        ciphertext: made.private_key_ciphertext_blob.unwrap(),
    }
}

/// Bits that are changed in each byte: the first, the last, those between versions 1 and 2, all.
const CHANGES: [u8; 4] = [0x01, 0x80, 0x03, 0xff];

/// Where the ID of the KMS key stands in a ciphertext.
const KEY_ID: std::ops::Range<usize> = 1..17;

const CONTEXT: [(&str, &str); 2] = [("purpose", "test"), ("who", "everybody")];

fn is_invalid(outcome: Result<Vec<u8>, Exception>, what: &dyn Fn() -> String) {
    match outcome {
        Err(refused) => assert_eq!(refused.code, Code::InvalidCiphertext, "{}", what()),
        Ok(_opened) => panic!("{} opens", what()),
    }
}

async fn nothing_but_what_was_made_opens(world: &World, key: &str) {
    let made = world.encrypt_with(key, &CONTEXT).await.unwrap();
    // The order in which a request has its pairs is nothing.
    let turned = [CONTEXT[1], CONTEXT[0]];
    let opened = world.decrypt(&made, &turned).await.unwrap();
    assert_eq!(opened, b"attack at dawn");

    for at in 0..made.0.len() {
        for change in CHANGES {
            let mut changed = made.clone();
            changed.0[at] ^= change;
            let what = || format!("byte {at} changed by {change:#04x}");
            is_invalid(world.decrypt(&changed, &CONTEXT).await, &what);
            // A key that is named is compared with what stands in the ciphertext first.
            let named = DecryptRequest {
                ciphertext_blob: Some(changed),
                encryption_context: Some(context(&CONTEXT)),
                key_id: Some(key.to_owned()),
                ..DecryptRequest::default()
            };
            let refused = world.kms.decrypt(&world.scope, named).await.unwrap_err();
            let other_key = KEY_ID.contains(&at) || (at == 0 && change == 0x03);
            let expected = if other_key {
                Code::IncorrectKey
            } else {
                Code::InvalidCiphertext
            };
            assert_eq!(refused.code, expected, "{}", what());
        }
        let short = Blob(made.0[..at].to_vec());
        let what = || format!("the first {at} bytes");
        is_invalid(world.decrypt(&short, &CONTEXT).await, &what);
    }
    for more in [&b"\0"[..], &made.0] {
        let long = Blob([&made.0, more].concat());
        let what = || format!("{} bytes more", more.len());
        is_invalid(world.decrypt(&long, &CONTEXT).await, &what);
    }
    for other in [
        &[][..],
        &[("purpose", "test")],
        &[("who", "everybody")],
        &[("purpose", "test"), ("who", "everybody"), ("", "")],
        &[("purpose", "test"), ("who", "everybody"), ("more", "")],
        &[("purpose", "test"), ("who", "Everybody")],
        &[("purpose", "test"), ("Who", "everybody")],
        &[("purpose", "everybody"), ("who", "test")],
        &[("test", "purpose"), ("everybody", "who")],
        &[("purpose", "testw"), ("ho", "everybody")],
        &[("purposetestwhoeverybody", "")],
    ] {
        let what = || format!("the context {other:?}");
        is_invalid(world.decrypt(&made, other).await, &what);
    }
    let moved = ReEncryptRequest {
        ciphertext_blob: Some(made.clone()),
        source_encryption_context: Some(context(&CONTEXT[..1])),
        destination_key_id: key.to_owned(),
        ..ReEncryptRequest::default()
    };
    refused(
        world.kms.re_encrypt(&world.scope, moved).await,
        Code::InvalidCiphertext,
    );
    // What was made opens after all of that.
    world.decrypt(&made, &CONTEXT).await.unwrap();
}

/// Rules CR-01, CR-02 and CR-08.
#[tokio::test]
async fn a_ciphertext_of_the_fleet_opens_unchanged_and_in_its_context_only() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    nothing_but_what_was_made_opens(&world, &key).await;
}

/// Rules CR-01, CR-02 and CR-08.
#[tokio::test]
async fn a_ciphertext_of_a_key_store_opens_unchanged_and_in_its_context_only() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    nothing_but_what_was_made_opens(&world, &key).await;
}
