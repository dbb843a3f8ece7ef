use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    DecapsulateRequest, DecapsulateResponse, DeriveSharedSecretRequest, DeriveSharedSecretResponse,
    EncapsulateRequest, EncapsulateResponse, EncapsulationAlgorithmSpec, KeyAgreementAlgorithmSpec,
};
use portcullis_api::{Blob, Code, Exception, Operation, Scope, SecretBlob};
use portcullis_hsm::Task;

use super::Cryptography;
use super::algorithm::algorithm_of;
use super::usable::{Unfit, Usable, stop_dry_run, unforeseen};
use crate::key::metadata;
use crate::translate;

/// The shared secret of every ML-KEM (FIPS 203, table 3).
const SHARED_SECRET_BYTES: usize = 32;

impl Cryptography {
    /// DeriveSharedSecret: the raw secret of ECDH, with no key derivation.
    ///
    /// # Errors
    /// As the operation declares; ValidationException for a public key that is not one of the same
    /// curve.
    pub(crate) async fn derive_shared_secret(
        &self,
        scope: &Scope,
        input: DeriveSharedSecretRequest,
    ) -> Result<DeriveSharedSecretResponse, Exception> {
        let recipient = self.recipients.recipient(input.recipient.as_ref())?;
        let operation = Operation::DeriveSharedSecret;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let algorithm: KeyAgreementAlgorithmSpec =
            algorithm_of(key, &input.key_agreement_algorithm, operation)?;
        let public_key = input.public_key.0;
        let agreed = self
            .executor
            .perform(key, Task::Agree { public_key })
            .await?;
        // Rule CRY-16: the other side's public key is on the same curve, DER, SubjectPublicKeyInfo
        // that names the curve.
        let secret = agreed.map_err(|_unfit| {
            Exception::new(
                Code::Validation,
                format!(
                    "PublicKey is not a public key on the curve of {}. Give it as a DER-encoded \
                     SubjectPublicKeyInfo.",
                    key.record.spec.as_str()
                ),
            )
        })?;
        stop_dry_run(input.dry_run)?;
        let handed = self.recipients.hand_over(&recipient, secret.0)?;
        self.uses.used(key, Tracked::DeriveSharedSecret);
        Ok(DeriveSharedSecretResponse {
            key_id: Some(key.arn.clone()),
            shared_secret: handed.plaintext,
            ciphertext_for_recipient: handed.for_recipient,
            key_agreement_algorithm: Some(algorithm.as_str().to_owned()),
            key_origin: metadata(&key.scope, key).origin,
        })
    }

    /// Encapsulate: a fresh shared secret, and the form in which only the key opens it.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn encapsulate(
        &self,
        scope: &Scope,
        input: EncapsulateRequest,
    ) -> Result<EncapsulateResponse, Exception> {
        let operation = Operation::Encapsulate;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let algorithm: EncapsulationAlgorithmSpec =
            algorithm_of(key, &input.encapsulation_algorithm, operation)?;
        stop_dry_run(input.dry_run)?;
        let made = self.executor.perform(key, Task::Encapsulate).await?;
        let both = made.map_err(unforeseen)?.0;
        let at = both.len().saturating_sub(SHARED_SECRET_BYTES);
        let (ciphertext, secret) = both.split_at_checked(at).unwrap_or_default();
        self.uses.used(key, Tracked::Encapsulate);
        Ok(EncapsulateResponse {
            key_id: Some(key.arn.clone()),
            shared_secret: Some(SecretBlob(secret.to_vec().into())),
            shared_secret_ciphertext_blob: Some(Blob(ciphertext.to_vec())),
            encapsulation_algorithm: Some(algorithm.as_str().to_owned()),
        })
    }

    /// Decapsulate. Rule CRY-17: a blob of another length is InvalidCiphertextException; one that
    /// was changed gives another secret, as ML-KEM wants it.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn decapsulate(
        &self,
        scope: &Scope,
        input: DecapsulateRequest,
    ) -> Result<DecapsulateResponse, Exception> {
        let operation = Operation::Decapsulate;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let algorithm: EncapsulationAlgorithmSpec =
            algorithm_of(key, &input.encapsulation_algorithm, operation)?;
        let ciphertext = input.shared_secret_ciphertext_blob.0;
        let opened = self
            .executor
            .perform(key, Task::Decapsulate { ciphertext })
            .await?;
        let secret = opened.map_err(|unfit| match unfit {
            Unfit::BadLength => translate::invalid_ciphertext(),
            Unfit::NotAuthentic | Unfit::BadForm => unforeseen(unfit),
        })?;
        stop_dry_run(input.dry_run)?;
        self.uses.used(key, Tracked::Decapsulate);
        Ok(DecapsulateResponse {
            key_id: Some(key.arn.clone()),
            shared_secret: Some(SecretBlob(secret.0)),
            encapsulation_algorithm: Some(algorithm.as_str().to_owned()),
        })
    }
}
