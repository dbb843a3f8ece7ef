//! Every operation on a key, in every state that a key has, in a key store and built in (Developer
//! Guide, key states of KMS keys).
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
use portcullis_api::{Blob, Code, Exception, SecretBlob};

use world::*;

/// What each operation answers with such a key: `+` succeeds; the columns are Enabled, Disabled,
/// Unavailable (its key store is not connected) and PendingDeletion.
///
/// D: DisabledException, S: KMSInvalidStateException, U: UnsupportedOperationException, K:
/// InvalidKeyUsageException; `.` is not documented and not compared.
const IN_KEY_STORE: &str = "
    Encrypt                          + D S S
    Decrypt                          + D S S
    ReEncrypt                        + D S S
    GenerateDataKey                  + D S S
    GenerateDataKeyWithoutPlaintext  + D S S
    GenerateDataKeyPair              U U U S
    EnableKeyRotation                U D U S
    DisableKeyRotation               U D U S
    RotateKeyOnDemand                U D U S
    GetKeyRotationStatus             + + + +
    ListKeyRotations                 + + + +
    GetParametersForImport           U U U S
    ImportKeyMaterial                U U U S
    DeleteImportedKeyMaterial        U U U U
    ReplicateKey                     U D S S
    UpdatePrimaryRegion              U D S S
    Sign                             K . . .
    Verify                           K . . .
    GenerateMac                      K . . .
    VerifyMac                        K . . .
    DeriveSharedSecret               K . . .
    Encapsulate                      K . . .
    Decapsulate                      K . . .
    GetPublicKey                     U . . .
    DescribeKey                      + + + +
    GetKeyLastUsage                  + + + +
    GetKeyPolicy                     + + + +
    PutKeyPolicy                     + + + +
    ListKeyPolicies                  + + + +
    ListResourceTags                 + + + +
    TagResource                      + + + S
    UntagResource                    + + + S
    UpdateKeyDescription             + + + S
    CreateAlias                      + + + S
    ListAliases                      + + + +
    EnableKey                        . + + S
    DisableKey                       . + + S
    CancelKeyDeletion                S S S .
    ScheduleKeyDeletion              . . . S";

/// The same of built-in multi-Region keys; the columns are Disabled, PendingDeletion, PendingImport
/// (a key of origin EXTERNAL), Creating (a replica) and Updating (a new primary).
const BUILT_IN: &str = "
    Encrypt                          D S S S +
    Decrypt                          D S . S +
    ReEncrypt                        D S . S +
    GenerateDataKey                  D S S S +
    GenerateDataKeyWithoutPlaintext  D S S S +
    GenerateDataKeyPair              D S S S +
    Sign                             D S S S K
    Verify                           D S S S K
    GenerateMac                      D S S S K
    VerifyMac                        D S S S K
    DeriveSharedSecret               D S S S K
    Encapsulate                      D S S S K
    Decapsulate                      D S S S K
    EnableKeyRotation                D S U . +
    DisableKeyRotation               D S U . +
    RotateKeyOnDemand                D S . . +
    GetKeyRotationStatus             + + U + +
    ListKeyRotations                 + + + + +
    GetParametersForImport           U S + S S
    ImportKeyMaterial                U S . S U
    DeleteImportedKeyMaterial        U U + S S
    ReplicateKey                     D S S . S
    UpdatePrimaryRegion              D S S . .
    DescribeKey                      + + + + +
    GetKeyLastUsage                  + + + + +
    GetKeyPolicy                     + + + + +
    PutKeyPolicy                     + + + + +
    ListKeyPolicies                  + + + + +
    ListResourceTags                 + + + + +
    TagResource                      + S + + +
    UntagResource                    + S + + +
    UpdateKeyDescription             + S + + +
    CreateAlias                      + S + + +
    ListAliases                      + + + + +
    EnableKey                        . S S S S
    DisableKey                       + S S S S
    CancelKeyDeletion                S . S S S
    ScheduleKeyDeletion              . S . . S";

/// What the text of a refusal says of each column of [`BUILT_IN`].
const TEXTS: [&str; 5] = [
    "is disabled",
    "is pending deletion",
    "is pending import",
    "is creating",
    "is updating",
];

/// Calls `$method` with a request of these members.
macro_rules! call {
    ($world:ident $method:ident $request:ident { $($member:ident: $value:expr),* $(,)? }) => {
        $world.kms.$method(&$world.scope, $request {
            $($member: $value,)*
            ..$request::default()
        }).await.map(drop)
    };
}

fn secret() -> SecretBlob {
    SecretBlob(b"m".to_vec().into())
}

fn bytes() -> Blob {
    Blob(b"m".to_vec())
}

fn text(text: &str) -> String {
    text.to_owned()
}

impl World {
    /// An operation that uses the key; none when it is another one.
    async fn use_key(&self, name: &str, key: &str, blob: &Blob) -> Option<Result<(), Exception>> {
        let (world, key_id) = (self, text(key));
        let blob = Some(blob.clone());
        Some(match name {
            "Encrypt" => {
                call!(world encrypt EncryptRequest { key_id: key_id, plaintext: secret() })
            }
            "Decrypt" => call!(world decrypt DecryptRequest { ciphertext_blob: blob }),
            "ReEncrypt" => call!(world re_encrypt ReEncryptRequest {
                ciphertext_blob: blob, destination_key_id: key_id }),
            "GenerateDataKey" => call!(world generate_data_key GenerateDataKeyRequest {
                key_id: key_id, number_of_bytes: Some(8) }),
            "GenerateDataKeyWithoutPlaintext" => {
                call!(world generate_data_key_without_plaintext
                    GenerateDataKeyWithoutPlaintextRequest {
                        key_id: key_id, number_of_bytes: Some(8) })
            }
            "GenerateDataKeyPair" => {
                call!(world generate_data_key_pair GenerateDataKeyPairRequest {
                key_id: key_id, key_pair_spec: text("ECC_NIST_P256") })
            }
            "Sign" => call!(world sign SignRequest { key_id: key_id, message: secret(),
                signing_algorithm: text("ECDSA_SHA_256") }),
            "Verify" => call!(world verify VerifyRequest { key_id: key_id, message: secret(),
                signature: bytes(), signing_algorithm: text("ECDSA_SHA_256") }),
            "GenerateMac" => call!(world generate_mac GenerateMacRequest { key_id: key_id,
                message: secret(), mac_algorithm: text("HMAC_SHA_256") }),
            "VerifyMac" => call!(world verify_mac VerifyMacRequest { key_id: key_id,
                message: secret(), mac: bytes(), mac_algorithm: text("HMAC_SHA_256") }),
            "DeriveSharedSecret" => call!(world derive_shared_secret DeriveSharedSecretRequest {
                key_id: key_id, key_agreement_algorithm: text("ECDH"), public_key: bytes() }),
            "Encapsulate" => call!(world encapsulate EncapsulateRequest { key_id: key_id,
                encapsulation_algorithm: text("ML_KEM") }),
            "Decapsulate" => call!(world decapsulate DecapsulateRequest { key_id: key_id,
                encapsulation_algorithm: text("ML_KEM"), shared_secret_ciphertext_blob: bytes() }),
            "GetPublicKey" => call!(world get_public_key GetPublicKeyRequest { key_id: key_id }),
            _ => return None,
        })
    }

    /// An operation that such a key does not have; none when it is another one.
    async fn other_kind(&self, name: &str, key: &str) -> Option<Result<(), Exception>> {
        let (world, key_id) = (self, text(key));
        Some(match name {
            "EnableKeyRotation" => {
                call!(world enable_key_rotation EnableKeyRotationRequest { key_id: key_id })
            }
            "DisableKeyRotation" => {
                call!(world disable_key_rotation DisableKeyRotationRequest { key_id: key_id })
            }
            "RotateKeyOnDemand" => {
                call!(world rotate_key_on_demand RotateKeyOnDemandRequest { key_id: key_id })
            }
            "GetKeyRotationStatus" => {
                call!(world get_key_rotation_status GetKeyRotationStatusRequest { key_id: key_id })
            }
            "ListKeyRotations" => {
                call!(world list_key_rotations ListKeyRotationsRequest { key_id: key_id })
            }
            "GetParametersForImport" => {
                call!(world get_parameters_for_import GetParametersForImportRequest {
                    key_id: key_id, wrapping_algorithm: text("RSAES_OAEP_SHA_256"),
                    wrapping_key_spec: text("RSA_2048") })
            }
            "ImportKeyMaterial" => call!(world import_key_material ImportKeyMaterialRequest {
                key_id: key_id, import_token: bytes(), encrypted_key_material: bytes(),
                expiration_model: Some(text("KEY_MATERIAL_DOES_NOT_EXPIRE")) }),
            "DeleteImportedKeyMaterial" => {
                call!(world delete_imported_key_material DeleteImportedKeyMaterialRequest {
                    key_id: key_id })
            }
            "ReplicateKey" => call!(world replicate_key ReplicateKeyRequest { key_id: key_id,
                replica_region: text("eu-west-1") }),
            "UpdatePrimaryRegion" => {
                call!(world update_primary_region UpdatePrimaryRegionRequest { key_id: key_id,
                    primary_region: text("eu-west-1") })
            }
            _ => return None,
        })
    }

    /// An operation that manages the key, and leaves it as it was where that matters.
    async fn manage_key(&self, name: &str, key: &str) -> Result<(), Exception> {
        let (world, key_id) = (self, text(key));
        let tag = || Tag {
            tag_key: text("a"),
            tag_value: text("b"),
        };
        match name {
            "DescribeKey" => call!(world describe_key DescribeKeyRequest { key_id: key_id }),
            "GetKeyLastUsage" => {
                call!(world get_key_last_usage GetKeyLastUsageRequest { key_id: key_id })
            }
            "GetKeyPolicy" => call!(world get_key_policy GetKeyPolicyRequest { key_id: key_id }),
            "PutKeyPolicy" => call!(world put_key_policy PutKeyPolicyRequest { key_id: key_id,
                policy: text(r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}}"#),
                bypass_policy_lockout_safety_check: Some(true) }),
            "ListKeyPolicies" => {
                call!(world list_key_policies ListKeyPoliciesRequest { key_id: key_id })
            }
            "ListResourceTags" => {
                call!(world list_resource_tags ListResourceTagsRequest { key_id: key_id })
            }
            "TagResource" => call!(world tag_resource TagResourceRequest { key_id: key_id,
                tags: vec![tag()] }),
            "UntagResource" => call!(world untag_resource UntagResourceRequest { key_id: key_id,
                tag_keys: vec![text("a")] }),
            "UpdateKeyDescription" => {
                call!(world update_key_description UpdateKeyDescriptionRequest { key_id: key_id,
                    description: text("d") })
            }
            "CreateAlias" => call!(world create_alias CreateAliasRequest {
                alias_name: format!("alias/{}", self.alias_count().await), target_key_id: key_id }),
            "ListAliases" => call!(world list_aliases ListAliasesRequest { key_id: Some(key_id) }),
            "EnableKey" => call!(world enable_key EnableKeyRequest { key_id: key_id }),
            "DisableKey" => call!(world disable_key DisableKeyRequest { key_id: key_id }),
            "CancelKeyDeletion" => {
                call!(world cancel_key_deletion CancelKeyDeletionRequest { key_id: key_id })
            }
            "ScheduleKeyDeletion" => {
                call!(world schedule_key_deletion ScheduleKeyDeletionRequest { key_id: key_id })
            }
            other => panic!("{other} is not called"),
        }
    }

    async fn alias_count(&self) -> usize {
        let listed = self
            .kms
            .list_aliases(&self.scope, ListAliasesRequest::default());
        listed.await.unwrap().aliases.unwrap().len()
    }

    /// Compares a column of a table; a refusal by the key's state says which state that is.
    async fn check(&self, table: &str, column: usize, key: &str, blob: &Blob) {
        let texts = (table == BUILT_IN).then_some(TEXTS[column.min(4)]);
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, expected) = (words[0], words[column + 1]);
            let expected = match expected {
                "+" => None,
                "D" => Some(Code::Disabled),
                "S" => Some(Code::KmsInvalidState),
                "U" => Some(Code::UnsupportedOperation),
                "K" => Some(Code::InvalidKeyUsage),
                _ => continue,
            };
            let outcome = match self.use_key(name, key, blob).await {
                Some(outcome) => outcome,
                None => match self.other_kind(name, key).await {
                    Some(outcome) => outcome,
                    None => self.manage_key(name, key).await,
                },
            };
            let refusal = outcome.err();
            let code = refusal.as_ref().map(|exception| exception.code);
            assert_eq!(code, expected, "{name} in column {column}: {refusal:?}");
            let by_state = matches!(code, Some(Code::Disabled | Code::KmsInvalidState));
            if let (Some(text), Some(refusal), true) = (texts, refusal, by_state) {
                let text = match name {
                    "CancelKeyDeletion" => "is not pending deletion",
                    _ => text,
                };
                assert!(refusal.message.contains(text), "{name}: {refusal}");
                assert!(
                    refusal.message.starts_with("arn:aws:kms:"),
                    "{name}: {refusal}"
                );
            }
        }
    }
}

/// Rules LIFE-05, KEY-01, KEY-02 and KEY-03.
#[tokio::test]
async fn every_operation_on_a_key_of_a_key_store_answers_as_the_guide_says() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    world.check(IN_KEY_STORE, 0, &key, &blob).await;
    world.manage_key("DisableKey", &key).await.unwrap();
    for name in ["Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey"] {
        let used = world.use_key(name, &key, &blob).await.unwrap();
        assert_eq!(used.unwrap_err().code, Code::Disabled, "{name}");
    }
    // Ends as it began: the table enables the key and disables it again.
    world.check(IN_KEY_STORE, 1, &key, &blob).await;
    assert_eq!(world.metadata(&key).await.key_state.unwrap(), "Disabled");
    world.disconnected(&store).await;
    world.check(IN_KEY_STORE, 2, &key, &blob).await;
    assert_eq!(world.metadata(&key).await.key_state.unwrap(), "Unavailable");
    let schedule = world.manage_key("ScheduleKeyDeletion", &key).await;
    schedule.unwrap();
    world.check(IN_KEY_STORE, 3, &key, &blob).await;
    world.connected(&store).await;
    world.check(IN_KEY_STORE, 3, &key, &blob).await;
    world.manage_key("CancelKeyDeletion", &key).await.unwrap();
    assert_eq!(world.metadata(&key).await.key_state.unwrap(), "Disabled");
}

impl World {
    async fn multi_region(&self, origin: &str) -> String {
        let request = CreateKeyRequest {
            multi_region: Some(true),
            origin: Some(text(origin)),
            ..CreateKeyRequest::default()
        };
        let made = self.kms.create_key(&self.scope, request).await.unwrap();
        made.key_metadata.unwrap().key_id.unwrap()
    }
}

/// Rules LIFE-02 and LIFE-05.
#[tokio::test]
async fn every_operation_on_a_built_in_key_answers_as_the_guide_says() {
    let mut world = World::new().await;
    let disabled = world.multi_region("AWS_KMS").await;
    let blob = world.encrypt(&disabled).await.unwrap();
    world.manage_key("DisableKey", &disabled).await.unwrap();
    world.check(BUILT_IN, 0, &disabled, &blob).await;
    let pending = world.multi_region("AWS_KMS").await;
    let blob = world.encrypt(&pending).await.unwrap();
    let scheduled = world.manage_key("ScheduleKeyDeletion", &pending).await;
    scheduled.unwrap();
    world.check(BUILT_IN, 1, &pending, &blob).await;
    let external = world.multi_region("EXTERNAL").await;
    world.check(BUILT_IN, 2, &external, &blob).await;

    let (creating, updating) = (
        world.multi_region("AWS_KMS").await,
        world.multi_region("AWS_KMS").await,
    );
    let made = world.encrypt(&creating).await.unwrap();
    let blob = world.encrypt(&updating).await.unwrap();
    let replicated = world.other_kind("ReplicateKey", &updating).await.unwrap();
    replicated.unwrap();
    let pacing = world.calendar.pacing();
    pacing.set_pace("after:3600".parse().unwrap());
    let replicated = world.other_kind("ReplicateKey", &creating).await.unwrap();
    replicated.unwrap();
    let moved = world.other_kind("UpdatePrimaryRegion", &updating).await;
    moved.unwrap().unwrap();
    world.scope.region = "eu-west-1".parse().unwrap();
    world.check(BUILT_IN, 3, &creating, &made).await;
    world.check(BUILT_IN, 4, &updating, &blob).await;
}
