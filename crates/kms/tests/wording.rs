//! What public programs look for in messages, each with the program.
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

use portcullis_api::kms::*;
use portcullis_api::{Code, Exception, Messages, SecretBlob};
use zeroize::Zeroizing;

use world::*;

/// How a program looks at a message.
enum Looks<'a> {
    /// It compares the whole.
    Whole(&'a str),
    /// It looks for a part.
    Part(&'a str),
    /// It would take this part for a failure of another kind.
    Never(&'a str),
}

impl World {
    async fn encrypt_error(&self, key: &str) -> Exception {
        self.encrypt(key).await.unwrap_err()
    }

    async fn made(&self, request: CreateKeyRequest) -> String {
        let made = self.kms.create_key(&self.scope, request).await.unwrap();
        made.key_metadata.unwrap().key_id.unwrap()
    }
}

/// Rule MSG-01.
#[tokio::test]
async fn what_public_programs_look_for_is_said() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let stored = world.create_key(Some(&store)).await.unwrap();
    let stored_arn = world.metadata(&stored).await.arn.unwrap();

    let (one, other) = (
        world.create_key(None).await.unwrap(),
        world.create_key(None).await.unwrap(),
    );
    let named = DecryptRequest {
        ciphertext_blob: Some(world.encrypt(&one).await.unwrap()),
        key_id: Some(other.clone()),
        ..DecryptRequest::default()
    };
    let incorrect = world.kms.decrypt(&world.scope, named).await.unwrap_err();
    let rotate = EnableKeyRotationRequest {
        key_id: stored.clone(),
        ..EnableKeyRotationRequest::default()
    };
    let rotate = world.kms.enable_key_rotation(&world.scope, rotate).await;
    let parameters = GetParametersForImportRequest {
        key_id: one.clone(),
        wrapping_algorithm: "RSAES_OAEP_SHA_256".to_owned(),
        wrapping_key_spec: "RSA_2048".to_owned(),
    };
    let parameters = world
        .kms
        .get_parameters_for_import(&world.scope, parameters);
    let parameters = parameters.await.unwrap_err();
    let one_arn = world.metadata(&one).await.arn.unwrap();
    let deletion = ScheduleKeyDeletionRequest {
        key_id: other.clone(),
        ..ScheduleKeyDeletionRequest::default()
    };
    let scheduled = world.kms.schedule_key_deletion(&world.scope, deletion);
    scheduled.await.unwrap();
    let pending = world.encrypt_error(&other).await;
    let other_arn = world.metadata(&other).await.arn.unwrap();
    let external = world
        .made(CreateKeyRequest {
            origin: Some("EXTERNAL".to_owned()),
            ..CreateKeyRequest::default()
        })
        .await;
    let external_arn = world.metadata(&external).await.arn.unwrap();
    let unimported = world.encrypt_error(&external).await;
    let missing = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let missing_arn = one_arn.replace(&one, missing);
    let unknown = world.encrypt_error(missing).await;
    let malformed = world.encrypt_error("fake-key-id").await;
    world.disconnected(&store).await;
    let unavailable = world.encrypt_error(&stored).await;

    const INCORRECT: &str = "The key ID in the request does not identify a CMK that can perform this \
                             operation.";
    let store_origin =
        format!("{stored_arn} origin is AWS_CLOUDHSM which is not valid for this operation.");
    let own_origin = format!("{one_arn} origin is AWS_KMS which is not valid for this operation.");
    for (program, exception, code, looks) in [
        (
            "AWS's branch key store and a Java AEAD provider",
            &incorrect,
            Code::IncorrectKey,
            Looks::Whole(INCORRECT),
        ),
        (
            "Terraform's provider",
            &pending,
            Code::KmsInvalidState,
            Looks::Part("is pending deletion"),
        ),
        (
            "crossplane, cloud-custodian, ansible",
            rotate.as_ref().unwrap_err(),
            Code::UnsupportedOperation,
            Looks::Part("origin is AWS_CLOUDHSM which is not valid for this operation"),
        ),
        (
            "recorded reply",
            rotate.as_ref().unwrap_err(),
            Code::UnsupportedOperation,
            Looks::Whole(&store_origin),
        ),
        (
            "recorded reply",
            &parameters,
            Code::UnsupportedOperation,
            Looks::Whole(&own_origin),
        ),
        (
            "recorded reply",
            &pending,
            Code::KmsInvalidState,
            Looks::Whole(&format!("{other_arn} is pending deletion.")),
        ),
        (
            "recorded reply",
            &unimported,
            Code::KmsInvalidState,
            Looks::Whole(&format!("{external_arn} is pending import.")),
        ),
        (
            "recorded reply",
            &unknown,
            Code::NotFound,
            Looks::Whole(&format!("Key '{missing_arn}' does not exist")),
        ),
        (
            "recorded reply",
            &malformed,
            Code::NotFound,
            Looks::Whole("Invalid keyId 'fake-key-id'"),
        ),
        (
            "the EKS encryption provider",
            &unavailable,
            Code::KmsInvalidState,
            Looks::Never("AWS KMS cannot communicate with the external key store proxy"),
        ),
        (
            "the EKS encryption provider",
            &unavailable,
            Code::KmsInvalidState,
            Looks::Never("did not respond in time"),
        ),
    ] {
        assert_eq!(exception.code, code, "{program}: {exception}");
        let [helpful, aws] = [Messages::Helpful, Messages::Aws].map(|it| exception.text(it));
        match looks {
            Looks::Whole(text) => {
                assert_eq!(aws, Some(text), "{program}");
                assert!(helpful.unwrap().starts_with(text), "{program}");
            }
            Looks::Part(text) => {
                for message in [helpful, aws] {
                    assert!(message.unwrap().contains(text), "{program}: {message:?}");
                }
            }
            Looks::Never(text) => {
                for message in [helpful, aws] {
                    assert!(!message.unwrap().contains(text), "{program}: {message:?}");
                }
            }
        }
    }
}
