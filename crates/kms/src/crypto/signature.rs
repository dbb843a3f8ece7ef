use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    KeySpec, MessageType, SignRequest, SignResponse, SigningAlgorithmSpec, VerifyRequest,
    VerifyResponse,
};
use portcullis_api::{Blob, Code, Exception, Operation, Scope, SecretBlob};
use portcullis_hsm::{Message, SignatureAlgorithm, SignatureHash, Task};

use super::Cryptography;
use super::algorithm::algorithm_of;
use super::usable::{Unfit, Usable, stop_dry_run, unforeseen};
use crate::key::KeySnapshot;

/// ML-DSA's mu (FIPS 204, algorithm 7).
const MU_BYTES: usize = 64;

impl Cryptography {
    /// Sign.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn sign(
        &self,
        scope: &Scope,
        input: SignRequest,
    ) -> Result<SignResponse, Exception> {
        let operation = Operation::Sign;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let named: SigningAlgorithmSpec = algorithm_of(key, &input.signing_algorithm, operation)?;
        let message = message(key, named, input.message_type.as_deref(), input.message)?;
        stop_dry_run(input.dry_run)?;
        let algorithm = algorithm(named)?;
        let signed = self
            .executor
            .perform(key, Task::Sign { algorithm, message })
            .await?;
        let signature = signed.map_err(unforeseen)?;
        self.uses.used(key, Tracked::Sign);
        Ok(SignResponse {
            key_id: Some(key.arn.clone()),
            signature: Some(Blob(signature.0.take())),
            signing_algorithm: Some(named.as_str().to_owned()),
        })
    }

    /// Verify. Rule CRY-10: a signature that is not the message's is an exception.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn verify(
        &self,
        scope: &Scope,
        input: VerifyRequest,
    ) -> Result<VerifyResponse, Exception> {
        let operation = Operation::Verify;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let named: SigningAlgorithmSpec = algorithm_of(key, &input.signing_algorithm, operation)?;
        let message = message(key, named, input.message_type.as_deref(), input.message)?;
        let task = Task::Verify {
            algorithm: algorithm(named)?,
            message,
            signature: input.signature.0,
        };
        let verified = self.executor.perform(key, task).await?;
        verified.map_err(|unfit| match unfit {
            Unfit::NotAuthentic => invalid_signature(),
            Unfit::BadLength | Unfit::BadForm => unforeseen(unfit),
        })?;
        stop_dry_run(input.dry_run)?;
        self.uses.used(key, Tracked::Verify);
        Ok(VerifyResponse {
            key_id: Some(key.arn.clone()),
            signature_valid: Some(true),
            signing_algorithm: Some(named.as_str().to_owned()),
        })
    }
}

fn invalid_signature() -> Exception {
    // The service sends no message.
    Exception::worded(
        Code::KmsInvalidSignature,
        "",
        "The signature is not valid: it was not made of this message, under this key, by this \
         algorithm. Check that MessageType says whether Message is the message or its digest.",
    )
}

/// The message in the form in which it comes.
///
/// Rule CRY-11: a digest is as long as its algorithm's hash. Rule CRY-12: each Ed25519 algorithm
/// takes one message type, ED25519_SHA_512 RAW and ED25519_PH_SHA_512 DIGEST. Rule CRY-13: ML-DSA
/// takes RAW or EXTERNAL_MU with a mu of 64 bytes, and no other algorithm takes EXTERNAL_MU.
fn message(
    key: &KeySnapshot,
    algorithm: SigningAlgorithmSpec,
    message_type: Option<&str>,
    message: SecretBlob,
) -> Result<Message, Exception> {
    let message_type = match message_type.map(str::parse) {
        None => MessageType::Raw,
        Some(Ok(message_type)) => message_type,
        Some(Err(())) => return Err(unfit("MessageType is not one of the service's.".to_owned())),
    };
    let unfit_type = || {
        Err(unfit(format!(
            "MessageType {} is not valid with {}. {}",
            message_type.as_str(),
            algorithm.as_str(),
            match (algorithm, digest_bytes(algorithm)) {
                (SigningAlgorithmSpec::Ed25519PhSha512, _) => "Use DIGEST.",
                (SigningAlgorithmSpec::MlDsaShake256, _) => "Use RAW or EXTERNAL_MU.",
                (_, Some(_)) => "Use RAW or DIGEST.",
                (_, None) => "Use RAW.",
            }
        )))
    };
    let bytes = message.0;
    match (message_type, digest_bytes(algorithm)) {
        (MessageType::Raw, Some(_)) if algorithm == SigningAlgorithmSpec::Ed25519PhSha512 => {
            unfit_type()
        }
        (MessageType::Raw, _) => Ok(Message::Raw(bytes.into())),
        (MessageType::Digest, Some(length)) if bytes.len() == length => {
            Ok(Message::Digest(bytes.into()))
        }
        (MessageType::Digest, Some(length)) => Err(Exception::worded(
            Code::Validation,
            format!(
                "Digest is invalid length for algorithm {}.",
                algorithm.as_str()
            ),
            &format!("It has {} bytes and must have {length}.", bytes.len()),
        )),
        (MessageType::ExternalMu, None) if is_ml_dsa(key.record.spec) => {
            if bytes.len() == MU_BYTES {
                Ok(Message::ExternalMu(bytes.into()))
            } else {
                Err(unfit(format!(
                    "The external mu has {} bytes and must have {MU_BYTES}.",
                    bytes.len()
                )))
            }
        }
        (MessageType::Digest | MessageType::ExternalMu, _) => unfit_type(),
    }
}

fn unfit(text: String) -> Exception {
    Exception::new(Code::Validation, text)
}

const fn is_ml_dsa(spec: KeySpec) -> bool {
    matches!(spec, KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87)
}

/// The length of a digest in place of the message; none where the algorithm takes no digest.
const fn digest_bytes(algorithm: SigningAlgorithmSpec) -> Option<usize> {
    match algorithm {
        SigningAlgorithmSpec::RsassaPssSha256
        | SigningAlgorithmSpec::RsassaPkcs1V15Sha256
        | SigningAlgorithmSpec::EcdsaSha256 => Some(32),
        SigningAlgorithmSpec::RsassaPssSha384
        | SigningAlgorithmSpec::RsassaPkcs1V15Sha384
        | SigningAlgorithmSpec::EcdsaSha384 => Some(48),
        SigningAlgorithmSpec::RsassaPssSha512
        | SigningAlgorithmSpec::RsassaPkcs1V15Sha512
        | SigningAlgorithmSpec::EcdsaSha512
        | SigningAlgorithmSpec::Ed25519PhSha512 => Some(64),
        SigningAlgorithmSpec::Ed25519Sha512
        | SigningAlgorithmSpec::MlDsaShake256
        | SigningAlgorithmSpec::Sm2dsa => None,
    }
}

/// The algorithm in the HSM's words.
fn algorithm(algorithm: SigningAlgorithmSpec) -> Result<SignatureAlgorithm, Exception> {
    use SignatureAlgorithm as A;
    use SignatureHash as H;
    Ok(match algorithm {
        SigningAlgorithmSpec::RsassaPssSha256 => A::RsaPss(H::Sha256),
        SigningAlgorithmSpec::RsassaPssSha384 => A::RsaPss(H::Sha384),
        SigningAlgorithmSpec::RsassaPssSha512 => A::RsaPss(H::Sha512),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha256 => A::RsaPkcs1(H::Sha256),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha384 => A::RsaPkcs1(H::Sha384),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha512 => A::RsaPkcs1(H::Sha512),
        SigningAlgorithmSpec::EcdsaSha256
        | SigningAlgorithmSpec::EcdsaSha384
        | SigningAlgorithmSpec::EcdsaSha512 => A::Ecdsa,
        SigningAlgorithmSpec::Ed25519Sha512 => A::Ed25519,
        SigningAlgorithmSpec::Ed25519PhSha512 => A::Ed25519ph,
        SigningAlgorithmSpec::MlDsaShake256 => A::MlDsa,
        // No key has it: see `key/spec.rs`.
        SigningAlgorithmSpec::Sm2dsa => return Err(unforeseen(Unfit::BadForm)),
    })
}
