use std::sync::Arc;

use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    GenerateDataKeyPairRequest, GenerateDataKeyPairResponse,
    GenerateDataKeyPairWithoutPlaintextRequest, GenerateDataKeyPairWithoutPlaintextResponse,
    KeySpec,
};
use portcullis_api::{Blob, Exception, Operation, Scope};
use portcullis_hsm::{self as hsm, KeyKind, Refusal, SecretKey};
use portcullis_seam::WorkClass;
use portcullis_wiped::Wiped;

use super::DataKeys;
use super::algorithm::check_symmetric;
use super::usable::{Usable, stop_dry_run};
use crate::catalogue::Partition;
use crate::key::{find_for_use, spec};
use crate::key_store::Failure;
use crate::records::unsupported;
use crate::translate;

impl DataKeys {
    /// GenerateDataKeyPair: the private key as PKCS #8, plain and sealed under the KMS key, and the
    /// public key as SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_data_key_pair(
        &self,
        scope: &Scope,
        input: GenerateDataKeyPairRequest,
    ) -> Result<GenerateDataKeyPairResponse, Exception> {
        let recipient = self.crypto.recipients.recipient(input.recipient.as_ref())?;
        let kind = kind(&input.key_pair_spec)?;
        let sealing = sealing(
            &self.crypto.records.partition(scope),
            &input.key_id,
            Operation::GenerateDataKeyPair,
        )?;
        let data = sealing.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let pair = self.data_key_pair(&sealing, &data, kind).await?;
        let handed = self.crypto.recipients.hand_over(&recipient, pair.private)?;
        self.crypto
            .uses
            .used(&sealing.key, Tracked::GenerateDataKeyPair);
        Ok(GenerateDataKeyPairResponse {
            private_key_ciphertext_blob: Some(pair.sealed),
            private_key_plaintext: handed.plaintext,
            ciphertext_for_recipient: handed.for_recipient,
            public_key: Some(pair.public),
            key_id: Some(sealing.key.arn.clone()),
            key_pair_spec: Some(input.key_pair_spec),
            key_material_id: sealing.material_id(),
        })
    }

    /// GenerateDataKeyPairWithoutPlaintext.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_data_key_pair_without_plaintext(
        &self,
        scope: &Scope,
        input: GenerateDataKeyPairWithoutPlaintextRequest,
    ) -> Result<GenerateDataKeyPairWithoutPlaintextResponse, Exception> {
        let kind = kind(&input.key_pair_spec)?;
        let sealing = sealing(
            &self.crypto.records.partition(scope),
            &input.key_id,
            Operation::GenerateDataKeyPairWithoutPlaintext,
        )?;
        let data = sealing.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let pair = self.data_key_pair(&sealing, &data, kind).await?;
        self.crypto
            .uses
            .used(&sealing.key, Tracked::GenerateDataKeyPairWithoutPlaintext);
        Ok(GenerateDataKeyPairWithoutPlaintextResponse {
            private_key_ciphertext_blob: Some(pair.sealed),
            public_key: Some(pair.public),
            key_id: Some(sealing.key.arn.clone()),
            key_pair_spec: Some(input.key_pair_spec),
            key_material_id: sealing.material_id(),
        })
    }

    async fn data_key_pair(
        &self,
        sealing: &Usable,
        data: &[u8],
        kind: KeyKind,
    ) -> Result<DataKeyPair, Exception> {
        let entropy = Arc::clone(&self.crypto.records.config.entropy);
        let make = move || make(kind, &*entropy);
        let made = self
            .crypto
            .records
            .config
            .work_with(kind, WorkClass::KeyGeneration, make);
        let made = made.await.and_then(|made| made.map_err(Failure::Refused));
        let (private, public) = made.map_err(|failure| translate::fleet(&failure))?;
        let operation = hsm::Operation::Encrypt {
            key: sealing.material,
            additional_data: data,
            plaintext: &private,
        };
        let sealed = self.crypto.executor.run(sealing, operation).await?;
        Ok(DataKeyPair {
            sealed: sealing.blob(sealed.as_ref()),
            private,
            public,
        })
    }
}

struct DataKeyPair {
    private: Wiped,
    sealed: Blob,
    public: Blob,
}

fn make(kind: KeyKind, entropy: &dyn portcullis_seam::Entropy) -> Result<(Wiped, Blob), Refusal> {
    let pair = SecretKey::generate(kind, entropy)?;
    Ok((pair.to_pkcs8()?.into(), Blob(pair.public_key().to_vec())))
}

/// The key that seals the private key.
///
/// Rule CRY-18: that is a symmetric key, and not one of a key store.
fn sealing(
    partition: &Arc<Partition>,
    name: &str,
    operation: Operation,
) -> Result<Usable, Exception> {
    let key = find_for_use(partition, name)?;
    // A pending deletion, which is the first thing that is asked of a key's state, goes before.
    if key.store.is_some() && !key.record.is_pending_deletion() {
        return Err(unsupported(&format!(
            "{} is in a custom key store, whose keys seal no data key pairs. Name a symmetric key \
             of origin AWS_KMS.",
            key.arn
        )));
    }
    let usable = Usable::of(operation, key)?;
    check_symmetric(&usable.key, operation)?;
    Ok(usable)
}

/// Rule CRY-19: every asymmetric spec but ML-DSA's, which the model does not list, and SM2.
fn kind(spec: &str) -> Result<KeyKind, Exception> {
    let named: Option<KeySpec> = spec.parse().ok();
    named.and_then(spec::kind).ok_or_else(|| {
        unsupported(&format!(
            "KeyPairSpec {spec} exists in the China Regions only. Use another one."
        ))
    })
}
