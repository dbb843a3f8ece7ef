use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::kms::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, GenerateDataKeyRequest,
    GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse, GenerateRandomRequest, GenerateRandomResponse,
    ReEncryptRequest, ReEncryptResponse,
};
use portcullis_api::{Blob, Code, Exception, Scope, SecretBlob};
use portcullis_hsm::{HsmKeyId, Operation, Output};
use portcullis_seam::Entropy;
use portcullis_seam::plant::{Bug, planted};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Ciphertext, additional_data, ciphertext};
use crate::catalogue::Partition;
use crate::gate::Passage;
use crate::key::{Snapshot, check_usable, find_for_use, find_maker, material_id};
use crate::key_store::{self, Connection, Failure, KeyStore};
use crate::kms::{Kms, unsupported};
use crate::translate;

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Bytes of a data key by its spec.
const SPECS: [(&str, u16); 2] = [("AES_256", 32), ("AES_128", 16)];

/// NumberOfBytes of GenerateDataKey and GenerateRandom.
const BYTES_MAX: u16 = 1024;

/// A key that may be used, and the passage under which it is.
struct Usable {
    key: Arc<Snapshot>,
    /// The version of its material that seals, or that made the ciphertext.
    material: HsmKeyId,
    passage: Option<Passage>,
}

impl Usable {
    /// The additional data of its ciphertexts.
    fn bind(&self, context: Option<&BTreeMap<String, String>>) -> Result<Vec<u8>, Exception> {
        additional_data(&self.key, self.material, context)
    }

    /// The material's identity in replies.
    fn material_id(&self) -> Option<String> {
        material_id(&self.key, self.material)
    }

    fn blob(&self, sealed: &[u8]) -> Blob {
        Blob(ciphertext::blob(self.key.record.id, self.material, sealed))
    }
}

impl Kms {
    /// Encrypt.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn encrypt(
        &self,
        scope: &Scope,
        input: EncryptRequest,
    ) -> Result<EncryptResponse, Exception> {
        only_symmetric(input.encryption_algorithm.as_deref())?;
        let usable = usable(&self.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let data = usable.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let operation = Operation::Encrypt {
            key: usable.material,
            additional_data: &data,
            plaintext: &input.plaintext.0,
        };
        let sealed = self.run(&usable, operation).await?;
        Ok(EncryptResponse {
            ciphertext_blob: Some(usable.blob(sealed.as_ref())),
            key_id: Some(key.arn.clone()),
            encryption_algorithm: Some(SYMMETRIC.to_owned()),
        })
    }

    /// Decrypt.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn decrypt(
        &self,
        scope: &Scope,
        input: DecryptRequest,
    ) -> Result<DecryptResponse, Exception> {
        only_symmetric(input.encryption_algorithm.as_deref())?;
        no_recipient(input.recipient.is_some())?;
        no_modifiers(input.dry_run_modifiers.as_ref())?;
        let partition = self.partition(scope);
        let bytes = required_blob(input.ciphertext_blob.as_ref())?;
        let (usable, blob) = usable_for(&partition, bytes, input.key_id.as_deref())?;
        let key = &usable.key;
        let data = usable.bind(input.encryption_context.as_ref())?;
        // A dry run says what the real one would: also whether the ciphertext opens.
        let operation = Operation::Decrypt {
            key: usable.material,
            additional_data: &data,
            sealed: blob.sealed,
        };
        let plaintext = self.run(&usable, operation).await?;
        stop_dry_run(input.dry_run)?;
        Ok(DecryptResponse {
            key_id: Some(key.arn.clone()),
            plaintext: Some(SecretBlob(plaintext.0)),
            encryption_algorithm: Some(SYMMETRIC.to_owned()),
            key_material_id: usable.material_id(),
            ..DecryptResponse::default()
        })
    }

    /// ReEncrypt: within one cluster the plaintext does not leave the HSM; between two homes it
    /// passes through this process and is wiped.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn re_encrypt(
        &self,
        scope: &Scope,
        input: ReEncryptRequest,
    ) -> Result<ReEncryptResponse, Exception> {
        only_symmetric(input.source_encryption_algorithm.as_deref())?;
        only_symmetric(input.destination_encryption_algorithm.as_deref())?;
        no_modifiers(input.dry_run_modifiers.as_ref())?;
        let partition = self.partition(scope);
        let bytes = required_blob(input.ciphertext_blob.as_ref())?;
        let (from, parsed) = usable_for(&partition, bytes, input.source_key_id.as_deref())?;
        let to = usable(&partition, &input.destination_key_id)?;
        let from_data = from.bind(input.source_encryption_context.as_ref())?;
        let context = if planted(Bug::ReEncryptKeepsContext) {
            input.source_encryption_context.as_ref()
        } else {
            input.destination_encryption_context.as_ref()
        };
        let to_data = to.bind(context)?;
        let sealed = if from.key.shares_home(&to.key) {
            let operation = Operation::ReEncrypt {
                source: from.material,
                source_additional_data: &from_data,
                destination: to.material,
                destination_additional_data: &to_data,
                sealed: parsed.sealed,
            };
            self.run(&from, operation).await?
        } else {
            let open = Operation::Decrypt {
                key: from.material,
                additional_data: &from_data,
                sealed: parsed.sealed,
            };
            let plaintext = self.run(&from, open).await?;
            let seal = Operation::Encrypt {
                key: to.material,
                additional_data: &to_data,
                plaintext: plaintext.as_ref(),
            };
            self.run(&to, seal).await?
        };
        stop_dry_run(input.dry_run)?;
        Ok(ReEncryptResponse {
            ciphertext_blob: Some(to.blob(sealed.as_ref())),
            source_key_id: Some(from.key.arn.clone()),
            key_id: Some(to.key.arn.clone()),
            source_encryption_algorithm: Some(SYMMETRIC.to_owned()),
            destination_encryption_algorithm: Some(SYMMETRIC.to_owned()),
            source_key_material_id: from.material_id(),
            destination_key_material_id: to.material_id(),
        })
    }

    /// GenerateDataKey.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn generate_data_key(
        &self,
        scope: &Scope,
        input: GenerateDataKeyRequest,
    ) -> Result<GenerateDataKeyResponse, Exception> {
        no_recipient(input.recipient.is_some())?;
        let length = data_key_length(input.key_spec.as_deref(), input.number_of_bytes)?;
        let usable = usable(&self.partition(scope), &input.key_id)?;
        let data = usable.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let (plaintext, sealed) = self.data_key(&usable, &data, length).await?;
        Ok(GenerateDataKeyResponse {
            ciphertext_blob: Some(sealed),
            plaintext: Some(SecretBlob(plaintext)),
            key_id: Some(usable.key.arn.clone()),
            key_material_id: usable.material_id(),
            ..GenerateDataKeyResponse::default()
        })
    }

    /// GenerateDataKeyWithoutPlaintext.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn generate_data_key_without_plaintext(
        &self,
        scope: &Scope,
        input: GenerateDataKeyWithoutPlaintextRequest,
    ) -> Result<GenerateDataKeyWithoutPlaintextResponse, Exception> {
        let length = data_key_length(input.key_spec.as_deref(), input.number_of_bytes)?;
        let usable = usable(&self.partition(scope), &input.key_id)?;
        let data = usable.bind(input.encryption_context.as_ref())?;
        stop_dry_run(input.dry_run)?;
        let (_wiped, sealed) = self.data_key(&usable, &data, length).await?;
        Ok(GenerateDataKeyWithoutPlaintextResponse {
            ciphertext_blob: Some(sealed),
            key_id: Some(usable.key.arn.clone()),
            key_material_id: usable.material_id(),
        })
    }

    /// GenerateRandom, from the built-in fleet or the cluster of a key store.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn generate_random(
        &self,
        scope: &Scope,
        input: GenerateRandomRequest,
    ) -> Result<GenerateRandomResponse, Exception> {
        no_recipient(input.recipient.is_some())?;
        let bytes = number_of_bytes(input.number_of_bytes)?;
        let operation = Operation::Random { bytes };
        let drawn = match &input.custom_key_store_id {
            None => {
                let mut drawn = Zeroizing::new(vec![0; usize::from(bytes)]);
                Entropy::fill(&*self.config.entropy, &mut drawn);
                drawn
            }
            Some(id) => {
                let store = key_store::find(&self.partition(scope), id)?;
                let passage = enter_for_random(&store)?;
                let drawn = self.run_in_store(&store, passage, operation).await;
                drawn.map_err(|failure| random_failed(&store, &failure))?.0
            }
        };
        Ok(GenerateRandomResponse {
            plaintext: Some(SecretBlob(drawn)),
            ..GenerateRandomResponse::default()
        })
    }

    async fn data_key(
        &self,
        usable: &Usable,
        data: &[u8],
        length: u16,
    ) -> Result<(Zeroizing<Vec<u8>>, Blob), Exception> {
        let operation = Operation::GenerateDataKey {
            key: usable.material,
            additional_data: data,
            bytes: length,
        };
        let mut output = self.run(usable, operation).await?.0;
        let sealed = output.get(usize::from(length)..).unwrap_or_default();
        let sealed = usable.blob(sealed);
        output.truncate(usize::from(length));
        Ok((output, sealed))
    }

    /// Runs an operation where its key is.
    async fn run(&self, usable: &Usable, operation: Operation<'_>) -> Result<Output, Exception> {
        let ran = match (&usable.key.store, usable.passage) {
            (Some(store), Some(passage)) => self.run_in_store(store, passage, operation).await,
            (Some(_), None) => Err(Failure::Disconnected),
            (None, _) => self.fleet.execute(operation),
        };
        ran.map_err(|failure| translate::operation(&failure, &usable.key.arn))
    }

    /// Runs an operation on an HSM of the store, and lets the output out only through the gate.
    async fn run_in_store(
        &self,
        store: &KeyStore,
        passage: Passage,
        operation: Operation<'_>,
    ) -> Result<Output, Failure> {
        let now = || self.config.clock.now();
        if self.keeps_quotas() && !self.quotas.store_permits(&store.scope, &store.id, now()) {
            return Err(Failure::OverQuota);
        }
        let live = store.live.load_full().ok_or(Failure::Disconnected)?;
        if live.fence.epoch != passage.epoch() {
            return Err(Failure::Disconnected);
        }
        let deadline = Instant::now() + self.config.operation_deadline;
        let outcome = live.execute(operation, deadline).await;
        // The output is wiped when it does not leave.
        if store.gate.leave(passage) {
            outcome
        } else {
            Err(Failure::Disconnected)
        }
    }
}

fn usable(partition: &Arc<Partition>, name: &str) -> Result<Usable, Exception> {
    let key = find_for_use(partition, name)?;
    let passage = check_usable(&key)?;
    let material = key.material()?;
    Ok(Usable {
        key,
        material,
        passage,
    })
}

/// The key that made a ciphertext. Rule CR-02: a key that is named must be that one.
fn usable_for<'a>(
    partition: &Arc<Partition>,
    bytes: &'a [u8],
    named: Option<&str>,
) -> Result<(Usable, Ciphertext<'a>), Exception> {
    let named = named
        .map(|name| find_for_use(partition, name))
        .transpose()?;
    let blob = Ciphertext::parse(bytes).ok_or_else(translate::invalid_ciphertext)?;
    if named.is_some_and(|named| named.record.id != blob.key) {
        return Err(Exception::new(
            Code::IncorrectKey,
            "The ciphertext was made under another KMS key than the one named. Name that key, or \
             none.",
        ));
    }
    let key = find_maker(partition, &blob.key);
    // Whichever version of its material made the ciphertext opens it.
    let material = blob.material;
    let key = key.filter(|key| key.record.materials.of_hsm_key(material).is_some());
    let key = key.ok_or_else(translate::invalid_ciphertext)?;
    // Rule CR-03: the key's state is looked at before the ciphertext is.
    let passage = check_usable(&key)?;
    let usable = Usable {
        key,
        material,
        passage,
    };
    Ok((usable, blob))
}

fn required_blob(blob: Option<&Blob>) -> Result<&[u8], Exception> {
    let missing = || Exception::new(Code::Validation, "CiphertextBlob is required. Add it.");
    blob.map(|blob| blob.0.as_slice()).ok_or_else(missing)
}

/// Rule CR-04: a dry run never succeeds; that it would have is an exception too.
pub(crate) fn stop_dry_run(dry_run: Option<bool>) -> Result<(), Exception> {
    if dry_run != Some(true) {
        return Ok(());
    }
    let text = "The request would have succeeded, but the DryRun option is set.";
    Err(Exception::new(Code::DryRunOperation, text))
}

fn only_symmetric(algorithm: Option<&str>) -> Result<(), Exception> {
    if algorithm.is_none_or(|algorithm| algorithm == SYMMETRIC) {
        return Ok(());
    }
    let text = "The key is symmetric: its algorithm is SYMMETRIC_DEFAULT.";
    Err(Exception::new(Code::InvalidKeyUsage, text))
}

fn no_recipient(given: bool) -> Result<(), Exception> {
    let text = "Portcullis does not build attestation (Recipient). Leave it out.";
    if given {
        Err(unsupported(text))
    } else {
        Ok(())
    }
}

fn no_modifiers(modifiers: Option<&Vec<String>>) -> Result<(), Exception> {
    let text = "Portcullis does not build DryRunModifiers. Leave them out.";
    if modifiers.is_some_and(|given| !given.is_empty()) {
        Err(unsupported(text))
    } else {
        Ok(())
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

fn number_of_bytes(bytes: Option<i32>) -> Result<u16, Exception> {
    let bytes = bytes.and_then(|bytes| u16::try_from(bytes).ok());
    bytes
        .filter(|bytes| (1..=BYTES_MAX).contains(bytes))
        .ok_or_else(|| {
            Exception::new(
                Code::Validation,
                "NumberOfBytes is required and must be from 1 to 1024.",
            )
        })
}

/// Rule CR-06: random bytes of a key store need it CONNECTED.
fn enter_for_random(store: &KeyStore) -> Result<Passage, Exception> {
    store
        .gate
        .enter()
        .ok_or_else(|| disconnected_for_random(store))
}

fn disconnected_for_random(store: &KeyStore) -> Exception {
    let mut record = store.record();
    if record.connection == Connection::Connected {
        record.connection = Connection::Disconnecting;
    }
    record.wrong_state(
        "random bytes come from its cluster only while it is CONNECTED",
        "Run ConnectCustomKeyStore and wait until it is CONNECTED, then try again.",
    )
}

fn random_failed(store: &KeyStore, failure: &Failure) -> Exception {
    match failure {
        Failure::Disconnected => disconnected_for_random(store),
        Failure::OverQuota => translate::operation(failure, store.id.as_str()),
        Failure::NoHsm
        | Failure::Unreachable(_)
        | Failure::NoMaterial
        | Failure::LockedOut
        | Failure::Busy
        | Failure::Refused(_) => {
            let exception = translate::operation(failure, store.id.as_str());
            Exception {
                code: Code::KmsInternal,
                ..exception
            }
        }
    }
}
