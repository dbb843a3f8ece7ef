use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    GenerateDataKeyRequest, GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
};
use portcullis_api::{Blob, Code, Exception, Operation, Scope};
use portcullis_hsm as hsm;
use portcullis_wiped::Wiped;

use super::DataKeys;
use super::algorithm::check_symmetric;
use super::random::number_of_bytes;
use super::usable::{Usable, stop_dry_run};

/// Bytes of a data key by its spec.
const SPECS: [(&str, u16); 2] = [("AES_256", 32), ("AES_128", 16)];

impl DataKeys {
    /// GenerateDataKey.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_data_key(
        &self,
        scope: &Scope,
        input: GenerateDataKeyRequest,
    ) -> Result<GenerateDataKeyResponse, Exception> {
        let recipient = self.crypto.recipients.recipient(input.recipient.as_ref())?;
        self.crypto
            .creation
            .make_managed_key(scope, &input.key_id)
            .await?;
        let operation = Operation::GenerateDataKey;
        let partition = self.crypto.records.partition(scope);
        let usable = Usable::find(operation, &partition, &input.key_id)?;
        check_symmetric(&usable.key, operation)?;
        let length = data_key_length(input.key_spec.as_deref(), input.number_of_bytes)?;
        let data = usable.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let (plaintext, sealed) = self.data_key(&usable, &data, length).await?;
        let handed = self.crypto.recipients.hand_over(&recipient, plaintext)?;
        self.crypto.uses.used(&usable.key, Tracked::GenerateDataKey);
        Ok(GenerateDataKeyResponse {
            ciphertext_blob: Some(sealed),
            plaintext: handed.plaintext,
            ciphertext_for_recipient: handed.for_recipient,
            key_id: Some(usable.key.arn.clone()),
            key_material_id: usable.material_id(),
        })
    }

    /// GenerateDataKeyWithoutPlaintext.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_data_key_without_plaintext(
        &self,
        scope: &Scope,
        input: GenerateDataKeyWithoutPlaintextRequest,
    ) -> Result<GenerateDataKeyWithoutPlaintextResponse, Exception> {
        self.crypto
            .creation
            .make_managed_key(scope, &input.key_id)
            .await?;
        let operation = Operation::GenerateDataKeyWithoutPlaintext;
        let partition = self.crypto.records.partition(scope);
        let usable = Usable::find(operation, &partition, &input.key_id)?;
        check_symmetric(&usable.key, operation)?;
        let length = data_key_length(input.key_spec.as_deref(), input.number_of_bytes)?;
        let data = usable.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let (_wiped, sealed) = self.data_key(&usable, &data, length).await?;
        self.crypto
            .uses
            .used(&usable.key, Tracked::GenerateDataKeyWithoutPlaintext);
        Ok(GenerateDataKeyWithoutPlaintextResponse {
            ciphertext_blob: Some(sealed),
            key_id: Some(usable.key.arn.clone()),
            key_material_id: usable.material_id(),
        })
    }

    async fn data_key(
        &self,
        usable: &Usable,
        data: &[u8],
        length: u16,
    ) -> Result<(Wiped, Blob), Exception> {
        let operation = hsm::Operation::GenerateDataKey {
            key: usable.material,
            additional_data: data,
            bytes: length,
        };
        let mut output = self.crypto.executor.run(usable, operation).await?.0;
        let sealed = output.get(usize::from(length)..).unwrap_or_default();
        let sealed = usable.blob(sealed);
        output.truncate(usize::from(length));
        Ok((output, sealed))
    }
}

/// Rule CR-05: a data key's length comes from exactly one of KeySpec and NumberOfBytes.
fn data_key_length(spec: Option<&str>, bytes: Option<i32>) -> Result<u16, Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    match (spec, bytes) {
        (Some(spec), None) => match SPECS.iter().find(|(name, _)| *name == spec) {
            Some((_, length)) => Ok(*length),
            None => invalid("KeySpec must be AES_256 or AES_128."),
        },
        (None, Some(_)) => number_of_bytes(bytes),
        _ => invalid("Give exactly one of KeySpec and NumberOfBytes."),
    }
}
