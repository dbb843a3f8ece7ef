//! What is asked of a call first: which key it is about, the state of that, what it is for, and only
//! then the rest of the request.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    clippy::needless_update,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use portcullis_api::kms::*;
use portcullis_api::{Blob, Code, Exception, Scope, SecretBlob};

use world::*;

impl World {
    async fn key_of(&self, spec: &str, usage: &str) -> String {
        let request = CreateKeyRequest {
            key_spec: Some(spec.to_owned()),
            key_usage: Some(usage.to_owned()),
            ..CreateKeyRequest::default()
        };
        let made = self.kms.create_key(&self.scope, request).await.unwrap();
        made.key_metadata.unwrap().key_id.unwrap()
    }

    async fn disable(&self, key: &str) {
        let key_id = key.to_owned();
        let request = DisableKeyRequest { key_id };
        self.kms.disable_key(&self.scope, request).await.unwrap();
    }

    /// Why Decrypt, and ReEncrypt from the same, refuse a ciphertext.
    async fn refusals(&self, blob: &Blob, named: Option<&str>) -> [Exception; 2] {
        let decrypt = DecryptRequest {
            ciphertext_blob: Some(blob.clone()),
            key_id: named.map(str::to_owned),
            ..DecryptRequest::default()
        };
        let to = self.create_key(None).await.unwrap();
        let re_encrypt = ReEncryptRequest {
            ciphertext_blob: Some(blob.clone()),
            source_key_id: named.map(str::to_owned),
            destination_key_id: to,
            ..ReEncryptRequest::default()
        };
        [
            self.kms.decrypt(&self.scope, decrypt).await.unwrap_err(),
            self.kms
                .re_encrypt(&self.scope, re_encrypt)
                .await
                .unwrap_err(),
        ]
    }
}

/// Rule CR-15.
#[tokio::test]
async fn a_ciphertext_of_a_key_that_is_not_here_is_told_apart_from_a_changed_one() {
    const NOT_HERE: &str = "The ciphertext refers to a customer master key that does not exist, does \
                            not exist in this region, or you are not allowed to access.";
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let replicated = CreateKeyRequest {
        multi_region: Some(true),
        ..CreateKeyRequest::default()
    };
    let made = world
        .kms
        .create_key(&world.scope, replicated)
        .await
        .unwrap();
    let multi = made.key_metadata.unwrap().key_id.unwrap();
    let blobs = [
        world.encrypt(&key).await.unwrap(),
        world.encrypt(&multi).await.unwrap(),
    ];
    let unknown = Blob([vec![1], vec![7; 16], blobs[0].0[17..].to_vec()].concat());
    for blob in [&unknown] {
        for refusal in world.refusals(blob, None).await {
            assert_eq!(refusal.code, Code::AccessDenied);
            assert!(refusal.message.starts_with(NOT_HERE), "{refusal}");
        }
    }
    for at in [0, 1, 8, 16, 20, 40] {
        let mut changed = blobs[0].clone();
        changed.0[at] ^= 3;
        for refusal in world.refusals(&changed, None).await {
            assert_eq!(refusal.code, Code::InvalidCiphertext, "byte {at}");
        }
    }
    for nonsense in [&b"x"[..], b"nonsense", &[9; 80]] {
        let blob = Blob(nonsense.to_vec());
        for refusal in world.refusals(&blob, None).await {
            assert_eq!(refusal.code, Code::InvalidCiphertext, "{nonsense:?}");
        }
    }
    world.scope.region = "eu-west-1".parse().unwrap();
    for blob in &blobs {
        for refusal in world.refusals(blob, None).await {
            assert_eq!(refusal.code, Code::AccessDenied);
            assert!(refusal.message.starts_with(NOT_HERE), "{refusal}");
        }
    }
}

/// Rule ORD-01.
#[tokio::test]
async fn which_key_it_is_comes_before_what_it_is_for() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    world.scope.region = "eu-west-1".parse().unwrap();
    let elsewhere = world.create_key(None).await.unwrap();
    let elsewhere = world.encrypt(&elsewhere).await.unwrap();
    world.scope.region = "us-east-1".parse().unwrap();
    let mac = world.key_of("HMAC_256", "GENERATE_VERIFY_MAC").await;
    let signing = world.key_of("ECC_NIST_P256", "SIGN_VERIFY").await;
    let agreement = world.key_of("ECC_NIST_P256", "KEY_AGREEMENT").await;
    let rsa = world.key_of("RSA_2048", "ENCRYPT_DECRYPT").await;
    let other = world.create_key(None).await.unwrap();
    let disabled = world.key_of("HMAC_256", "GENERATE_VERIFY_MAC").await;
    world.disable(&disabled).await;
    let nonsense = Blob(b"nonsense".to_vec());
    for (blob, named, expected) in [
        (&blob, &mac, Code::IncorrectKey),
        (&blob, &signing, Code::IncorrectKey),
        (&blob, &agreement, Code::IncorrectKey),
        (&blob, &rsa, Code::IncorrectKey),
        (&blob, &other, Code::IncorrectKey),
        (&blob, &disabled, Code::IncorrectKey),
        (&elsewhere, &mac, Code::IncorrectKey),
        (&elsewhere, &other, Code::IncorrectKey),
        // Which key made these their bytes do not say.
        (&elsewhere, &rsa, Code::InvalidKeyUsage),
        (&nonsense, &rsa, Code::InvalidKeyUsage),
        (&nonsense, &mac, Code::InvalidKeyUsage),
        (&nonsense, &disabled, Code::Disabled),
        (&nonsense, &other, Code::InvalidCiphertext),
    ] {
        for refusal in world.refusals(blob, Some(named)).await {
            assert_eq!(refusal.code, expected, "{refusal}");
            if expected == Code::IncorrectKey {
                let sentence = "The key ID in the request does not identify a CMK that can perform \
                                this operation.";
                assert!(refusal.message.starts_with(sentence), "{refusal}");
            }
        }
    }
}

/// Rule LIFE-11.
#[tokio::test]
async fn whether_it_rotates_can_be_asked_of_every_kind_of_key() {
    let world = World::new().await;
    for (spec, usage) in [
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P384", "KEY_AGREEMENT"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ] {
        let key_id = world.key_of(spec, usage).await;
        let status = GetKeyRotationStatusRequest {
            key_id: key_id.clone(),
        };
        let status = world
            .kms
            .get_key_rotation_status(&world.scope, status)
            .await;
        assert_eq!(status.unwrap().key_rotation_enabled, Some(false), "{spec}");
        let list = ListKeyRotationsRequest {
            key_id: key_id.clone(),
            include_key_material: (spec != "SYMMETRIC_DEFAULT").then(|| text("ALL_KEY_MATERIAL")),
            ..ListKeyRotationsRequest::default()
        };
        let list = world
            .kms
            .list_key_rotations(&world.scope, list)
            .await
            .unwrap();
        assert_eq!(list.rotations.unwrap(), [], "{spec}");
        if spec != "SYMMETRIC_DEFAULT" {
            let rotate = RotateKeyOnDemandRequest {
                key_id: key_id.clone(),
            };
            let rotate = world.kms.rotate_key_on_demand(&world.scope, rotate).await;
            refused(rotate, Code::UnsupportedOperation);
            let enable = EnableKeyRotationRequest {
                key_id,
                ..EnableKeyRotationRequest::default()
            };
            let enable = world.kms.enable_key_rotation(&world.scope, enable).await;
            refused(enable, Code::UnsupportedOperation);
        }
    }
}

/// What a call has wrong, beside being about a key of the wrong kind.
struct Asked<'a> {
    key: &'a str,
    /// Whether the rest of the request is wrong too.
    is_wrong: bool,
}

/// Calls `$method` with a request of these members.
macro_rules! call {
    ($world:ident $method:ident $request:ident { $($member:ident: $value:expr),* $(,)? }) => {
        $world.kms.$method(&$world.scope, $request {
            $($member: $value,)*
            ..$request::default()
        }).await.map(drop)
    };
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn secret() -> SecretBlob {
    SecretBlob(b"m".to_vec().into())
}

impl World {
    /// Every operation that asks for a kind of key, or for what a key is for.
    async fn call(&self, name: &str, asked: &Asked<'_>) -> Result<(), Exception> {
        let (world, key_id) = (self, text(asked.key));
        let wrong = asked.is_wrong;
        let bytes = || Blob(b"m".to_vec());
        let named = |right: &str| text(if wrong { "NONE" } else { right });
        let long: std::collections::BTreeMap<_, _> = [(text("a"), "b".repeat(9000))].into();
        let context = wrong.then_some(long);
        match name {
            "Encrypt" => call!(world encrypt EncryptRequest {
                key_id: key_id, plaintext: secret(), encryption_context: context }),
            "Decrypt" => call!(world decrypt DecryptRequest { key_id: Some(key_id),
                ciphertext_blob: Some(bytes()), encryption_context: context }),
            "ReEncrypt" => call!(world re_encrypt ReEncryptRequest { source_key_id: Some(key_id),
                ciphertext_blob: Some(bytes()), source_encryption_context: context,
                destination_key_id: text(asked.key) }),
            "GenerateDataKey" => call!(world generate_data_key GenerateDataKeyRequest {
                key_id: key_id, number_of_bytes: (!wrong).then_some(8) }),
            "GenerateDataKeyWithoutPlaintext" => {
                call!(world generate_data_key_without_plaintext
                    GenerateDataKeyWithoutPlaintextRequest {
                        key_id: key_id, number_of_bytes: (!wrong).then_some(8) })
            }
            "GenerateDataKeyPair" => {
                call!(world generate_data_key_pair GenerateDataKeyPairRequest { key_id: key_id,
                    key_pair_spec: text("ECC_NIST_P256"), encryption_context: context })
            }
            "Sign" => call!(world sign SignRequest { key_id: key_id, message: secret(),
                message_type: wrong.then(|| text("DIGEST")),
                signing_algorithm: text("ECDSA_SHA_256") }),
            "Verify" => call!(world verify VerifyRequest { key_id: key_id, message: secret(),
                message_type: wrong.then(|| text("DIGEST")),
                signature: bytes(), signing_algorithm: text("ECDSA_SHA_256") }),
            "GenerateMac" => call!(world generate_mac GenerateMacRequest { key_id: key_id,
                message: secret(), mac_algorithm: named("HMAC_SHA_256") }),
            "VerifyMac" => call!(world verify_mac VerifyMacRequest { key_id: key_id,
                message: secret(), mac: bytes(), mac_algorithm: named("HMAC_SHA_256") }),
            "DeriveSharedSecret" => call!(world derive_shared_secret DeriveSharedSecretRequest {
                key_id: key_id, key_agreement_algorithm: named("ECDH"), public_key: bytes() }),
            "Encapsulate" => call!(world encapsulate EncapsulateRequest { key_id: key_id,
                encapsulation_algorithm: named("ML_KEM") }),
            "Decapsulate" => call!(world decapsulate DecapsulateRequest { key_id: key_id,
                encapsulation_algorithm: named("ML_KEM"), shared_secret_ciphertext_blob: bytes() }),
            _ => self.manage(name, asked).await,
        }
    }

    /// Those of them that use no key.
    async fn manage(&self, name: &str, asked: &Asked<'_>) -> Result<(), Exception> {
        let (world, key_id) = (self, text(asked.key));
        let wrong = asked.is_wrong;
        let bytes = || Blob(b"m".to_vec());
        let named = |right: &str| text(if wrong { "NONE" } else { right });
        match name {
            "EnableKeyRotation" => {
                call!(world enable_key_rotation EnableKeyRotationRequest { key_id: key_id })
            }
            "DisableKeyRotation" => {
                call!(world disable_key_rotation DisableKeyRotationRequest { key_id: key_id })
            }
            "RotateKeyOnDemand" => {
                call!(world rotate_key_on_demand RotateKeyOnDemandRequest { key_id: key_id })
            }
            "ReplicateKey" => call!(world replicate_key ReplicateKeyRequest { key_id: key_id,
                replica_region: text("eu-west-1"), policy: wrong.then(|| text("none")) }),
            "UpdatePrimaryRegion" => {
                call!(world update_primary_region UpdatePrimaryRegionRequest { key_id: key_id,
                    primary_region: text("eu-west-1") })
            }
            "GetParametersForImport" => {
                call!(world get_parameters_for_import GetParametersForImportRequest {
                    key_id: key_id, wrapping_algorithm: named("RSAES_OAEP_SHA_256"),
                    wrapping_key_spec: text("RSA_2048") })
            }
            "ImportKeyMaterial" => call!(world import_key_material ImportKeyMaterialRequest {
                key_id: key_id, import_token: bytes(), encrypted_key_material: bytes() }),
            "CreateGrant" => call!(world create_grant CreateGrantRequest { key_id: key_id,
                operations: vec![text("DeriveSharedSecret")],
                grantee_principal: Some(text("arn:aws:iam::111122223333:root")) }),
            "TagResource" => call!(world tag_resource TagResourceRequest { key_id: key_id,
                tags: vec![Tag { tag_key: text("aws:x"), tag_value: text("") }] }),
            "PutKeyPolicy" => call!(world put_key_policy PutKeyPolicyRequest { key_id: key_id,
                policy: text("none"), policy_name: Some(text("other")) }),
            "ScheduleKeyDeletion" => call!(world schedule_key_deletion
                ScheduleKeyDeletionRequest { key_id: key_id, pending_window_in_days: Some(3) }),
            other => panic!("{other} is not called"),
        }
    }
}

/// Each operation, and what is told of a key of another kind, or for another use: if it is enabled,
/// disabled, pending deletion. What else is wrong with the request is never told first. The first
/// word says where that is from: R is a recorded reply, P the page on key states with the state first,
/// A an assumption.
///
/// D: DisabledException, S: KMSInvalidStateException, U: UnsupportedOperationException, K:
/// InvalidKeyUsageException, V: ValidationException, T: TagException, M:
/// MalformedPolicyDocumentException.
const PAIRS: &str = "
    A Encrypt                          K D S
    A Decrypt                          K D S
    A ReEncrypt                        K D S
    A GenerateDataKey                  K D S
    A GenerateDataKeyWithoutPlaintext  K D S
    A GenerateDataKeyPair              K D S
    A Sign                             K D S
    A Verify                           K D S
    A GenerateMac                      K D S
    A VerifyMac                        K D S
    A DeriveSharedSecret               K D S
    A Encapsulate                      K D S
    A Decapsulate                      K D S
    A EnableKeyRotation                U D S
    A DisableKeyRotation               U D S
    R RotateKeyOnDemand                U D S
    A ReplicateKey                     U D S
    A UpdatePrimaryRegion              U D S
    P GetParametersForImport           U U S
    P ImportKeyMaterial                U U S
    A CreateGrant                      V D S
    A TagResource                      T T S
    A PutKeyPolicy                     V V V
    A ScheduleKeyDeletion              V V S";

/// Rules ORD-01 and ORD-02.
#[tokio::test]
async fn of_two_faults_the_one_of_the_key_is_told_first() {
    let world = World::new().await;
    // A signing key for what takes symmetric or HMAC keys, and the other way round.
    let mut keys = Vec::new();
    for (spec, usage) in [
        ("RSA_2048", "SIGN_VERIFY"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ] {
        let mut states = Vec::new();
        for _ in 0..3 {
            states.push(world.key_of(spec, usage).await);
        }
        world.disable(&states[1]).await;
        let request = ScheduleKeyDeletionRequest {
            key_id: states[2].clone(),
            ..ScheduleKeyDeletionRequest::default()
        };
        let scheduled = world.kms.schedule_key_deletion(&world.scope, request).await;
        scheduled.unwrap();
        keys.push(states);
    }
    for line in PAIRS.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let takes_others = ["Sign", "Verify", "GenerateMac", "VerifyMac"].contains(&words[1])
            || ["DeriveSharedSecret", "Encapsulate", "Decapsulate"].contains(&words[1]);
        let states = &keys[usize::from(takes_others)];
        for is_wrong in [false, true] {
            for (state, key) in states.iter().enumerate() {
                let asked = Asked { key, is_wrong };
                let refusal = world.call(words[1], &asked).await.unwrap_err();
                let expected = match words[2 + state] {
                    "K" => Code::InvalidKeyUsage,
                    "D" => Code::Disabled,
                    "S" => Code::KmsInvalidState,
                    "U" => Code::UnsupportedOperation,
                    "V" => Code::Validation,
                    "T" => Code::Tag,
                    other => panic!("{other}"),
                };
                assert_eq!(refusal.code, expected, "{line}, column {state}: {refusal}");
            }
            let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
            let refusal = world.call(words[1], &Asked { key, is_wrong }).await;
            assert_eq!(refusal.unwrap_err().code, Code::NotFound, "{line}");
        }
    }
}
