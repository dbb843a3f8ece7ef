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
enum Looks {
    /// It compares the whole.
    Whole(String),
    /// It looks for a part.
    Part(&'static str),
    /// It would take this part for a failure of another kind.
    Never(&'static str),
}

impl Looks {
    fn whole(text: &str) -> Self {
        Self::Whole(text.to_owned())
    }
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

/// Refusals, each with the ARN of its key.
struct Refusals {
    incorrect: Exception,
    store_origin: (String, Exception),
    own_origin: (String, Exception),
    pending: (String, Exception),
    unimported: (String, Exception),
    unknown: (String, Exception),
    malformed: Exception,
    unavailable: Exception,
}

impl World {
    async fn arn(&self, key: &str) -> String {
        self.metadata(key).await.arn.unwrap()
    }

    async fn refusals(&self) -> Refusals {
        let cluster = self.cluster(&["a", "b"], None).await;
        let store = self.create(self.request("Keys", &cluster)).await.unwrap();
        self.connected(&store).await;
        let stored = self.create_key(Some(&store)).await.unwrap();
        let one = self.create_key(None).await.unwrap();
        let other = self.create_key(None).await.unwrap();
        let named = DecryptRequest {
            ciphertext_blob: Some(self.encrypt(&one).await.unwrap()),
            key_id: Some(other.clone()),
            ..DecryptRequest::default()
        };
        let rotate = EnableKeyRotationRequest {
            key_id: stored.clone(),
            ..EnableKeyRotationRequest::default()
        };
        let parameters = GetParametersForImportRequest {
            key_id: one.clone(),
            wrapping_algorithm: "RSAES_OAEP_SHA_256".to_owned(),
            wrapping_key_spec: "RSA_2048".to_owned(),
        };
        let deletion = ScheduleKeyDeletionRequest {
            key_id: other.clone(),
            ..ScheduleKeyDeletionRequest::default()
        };
        let incorrect = self.kms.decrypt(&self.scope, named).await.unwrap_err();
        let rotated = self.kms.enable_key_rotation(&self.scope, rotate).await;
        let parameters = self.kms.get_parameters_for_import(&self.scope, parameters);
        let parameters = parameters.await.unwrap_err();
        let scheduled = self.kms.schedule_key_deletion(&self.scope, deletion);
        scheduled.await.unwrap();
        let external = self
            .made(CreateKeyRequest {
                origin: Some("EXTERNAL".to_owned()),
                ..CreateKeyRequest::default()
            })
            .await;
        let missing = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let missing_arn = self.arn(&one).await.replace(&one, missing);
        self.disconnected(&store).await;
        Refusals {
            incorrect,
            store_origin: (self.arn(&stored).await, rotated.unwrap_err()),
            own_origin: (self.arn(&one).await, parameters),
            pending: (self.arn(&other).await, self.encrypt_error(&other).await),
            unimported: (
                self.arn(&external).await,
                self.encrypt_error(&external).await,
            ),
            unknown: (missing_arn, self.encrypt_error(missing).await),
            malformed: self.encrypt_error("fake-key-id").await,
            unavailable: self.encrypt_error(&stored).await,
        }
    }
}

const INCORRECT: &str = "The key ID in the request does not identify a CMK that can perform this \
                         operation.";

impl Refusals {
    /// Which program looks at which, and how.
    fn rows(&self) -> Vec<(&'static str, &Exception, Looks)> {
        let branch_key_store = "AWS's branch key store and a Java AEAD provider";
        let origins = "crossplane, cloud-custodian, ansible";
        let store_origin = "origin is AWS_CLOUDHSM which is not valid for this operation";
        let eks = "the EKS encryption provider";
        let recorded = "recorded reply";
        vec![
            (branch_key_store, &self.incorrect, Looks::whole(INCORRECT)),
            (
                "Terraform's provider",
                &self.pending.1,
                Looks::Part("is pending deletion"),
            ),
            (origins, &self.store_origin.1, Looks::Part(store_origin)),
            (
                recorded,
                &self.store_origin.1,
                Looks::Whole(format!("{} {store_origin}.", self.store_origin.0)),
            ),
            (
                recorded,
                &self.own_origin.1,
                Looks::Whole(format!(
                    "{} origin is AWS_KMS which is not valid for this operation.",
                    self.own_origin.0
                )),
            ),
            (
                recorded,
                &self.pending.1,
                Looks::Whole(format!("{} is pending deletion.", self.pending.0)),
            ),
            (
                recorded,
                &self.unimported.1,
                Looks::Whole(format!("{} is pending import.", self.unimported.0)),
            ),
            (
                recorded,
                &self.unknown.1,
                Looks::Whole(format!("Key '{}' does not exist", self.unknown.0)),
            ),
            (
                recorded,
                &self.malformed,
                Looks::whole("Invalid keyId 'fake-key-id'"),
            ),
            (
                eks,
                &self.unavailable,
                Looks::Never("AWS KMS cannot communicate with the external key store proxy"),
            ),
            (
                eks,
                &self.unavailable,
                Looks::Never("did not respond in time"),
            ),
        ]
    }
}

/// Rule MSG-01.
#[tokio::test]
async fn what_public_programs_look_for_is_said() {
    let refusals = World::new().await.refusals().await;
    for (program, exception, looks) in refusals.rows() {
        let [helpful, aws] = [Messages::Helpful, Messages::Aws].map(|it| exception.text(it));
        match looks {
            Looks::Whole(text) => {
                assert_eq!(aws, Some(&*text), "{program}");
                assert!(helpful.unwrap().starts_with(&text), "{program}");
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
    for (exception, code) in [
        (&refusals.incorrect, Code::IncorrectKey),
        (&refusals.store_origin.1, Code::UnsupportedOperation),
        (&refusals.own_origin.1, Code::UnsupportedOperation),
        (&refusals.pending.1, Code::KmsInvalidState),
        (&refusals.unimported.1, Code::KmsInvalidState),
        (&refusals.unknown.1, Code::NotFound),
        (&refusals.malformed, Code::NotFound),
        (&refusals.unavailable, Code::KmsInvalidState),
    ] {
        assert_eq!(exception.code, code, "{exception}");
    }
}
