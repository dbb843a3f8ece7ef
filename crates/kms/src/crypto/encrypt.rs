use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, EncryptionAlgorithmSpec,
    KeyUsageType, ReEncryptRequest, ReEncryptResponse,
};
use portcullis_api::{Blob, Code, Exception, KeyId, Operation, Scope};
use portcullis_hsm::{self as hsm, OaepHash, Output, Task};
use portcullis_seam::plant::{Bug, planted};
use zeroize::Zeroizing;

use super::Ciphertext;
use super::Cryptography;
use super::algorithm::algorithm_of;
use super::usable::{Usable, stop_dry_run};
use crate::catalogue::Partition;
use crate::key::{KeySnapshot, find_for_use, find_maker, is_damaged, spec};
use crate::translate;

type Context = BTreeMap<String, String>;

impl Cryptography {
    /// Encrypt.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn encrypt(
        &self,
        scope: &Scope,
        input: EncryptRequest,
    ) -> Result<EncryptResponse, Exception> {
        self.creation.make_managed_key(scope, &input.key_id).await?;
        let partition = self.records.partition(scope);
        let usable = Usable::find(Operation::Encrypt, &partition, &input.key_id)?;
        let algorithm = asked(input.encryption_algorithm.as_deref());
        let to = SealingKey::of(usable, algorithm, Operation::Encrypt)?;
        let bound = to.bound(input.encryption_context.as_ref())?;
        to.check_length(input.plaintext.0.len())?;
        stop_dry_run(input.dry_run)?;
        let sealed = self.seal_text(&to, &bound, &input.plaintext.0).await;
        let blob = sealed.map_err(|error| {
            if planted(Bug::PlaintextInError) {
                return error.because(format_args!("{:?}", &*input.plaintext.0));
            }
            error
        })?;
        self.uses.used(&to.usable.key, Tracked::Encrypt);
        Ok(EncryptResponse {
            ciphertext_blob: Some(blob),
            key_id: Some(to.usable.key.arn.clone()),
            encryption_algorithm: Some(to.algorithm.as_str().to_owned()),
        })
    }

    /// Decrypt.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn decrypt(
        &self,
        scope: &Scope,
        input: DecryptRequest,
    ) -> Result<DecryptResponse, Exception> {
        let recipient = self.recipients.recipient(input.recipient.as_ref())?;
        let sealed = NamedCiphertext {
            algorithm: asked(input.encryption_algorithm.as_deref()),
            key_id: input.key_id.as_deref(),
            blob: blob_of(
                input.ciphertext_blob.as_ref(),
                input.dry_run,
                input.dry_run_modifiers.as_deref(),
            )?,
        };
        let (from, sealed) = sealed.find(&self.records.partition(scope), Operation::Decrypt)?;
        let bound = from.bound(input.encryption_context.as_ref())?;
        let Some(sealed) = sealed else {
            return Err(would_have_succeeded());
        };
        // A dry run says what the real one would: also whether the ciphertext opens.
        let plaintext = self.open_text(&from, &bound, sealed).await?;
        stop_dry_run(input.dry_run)?;
        let handed = self.recipients.hand_over(&recipient, plaintext.0)?;
        let key = &from.usable.key;
        self.uses.used(&from.usable.key, Tracked::Decrypt);
        Ok(DecryptResponse {
            key_id: Some(key.arn.clone()),
            plaintext: handed.plaintext,
            ciphertext_for_recipient: handed.for_recipient,
            encryption_algorithm: Some(from.algorithm.as_str().to_owned()),
            key_material_id: from.usable.material_id(),
        })
    }

    /// ReEncrypt: within one cluster the plaintext does not leave the HSM; between two homes it
    /// passes through this process and is wiped.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn re_encrypt(
        &self,
        scope: &Scope,
        input: ReEncryptRequest,
    ) -> Result<ReEncryptResponse, Exception> {
        let sealed = NamedCiphertext {
            algorithm: asked(input.source_encryption_algorithm.as_deref()),
            key_id: input.source_key_id.as_deref(),
            blob: blob_of(
                input.ciphertext_blob.as_ref(),
                input.dry_run,
                input.dry_run_modifiers.as_deref(),
            )?,
        };
        self.creation
            .make_managed_key(scope, &input.destination_key_id)
            .await?;
        let partition = self.records.partition(scope);
        let (from, sealed) = sealed.find(&partition, Operation::ReEncrypt)?;
        let to = SealingKey::of(
            Usable::find(Operation::ReEncrypt, &partition, &input.destination_key_id)?,
            asked(input.destination_encryption_algorithm.as_deref()),
            Operation::ReEncrypt,
        )?;
        let from_bound = from.bound(input.source_encryption_context.as_ref())?;
        let context = if planted(Bug::ReEncryptKeepsContext) {
            input.source_encryption_context.as_ref()
        } else {
            input.destination_encryption_context.as_ref()
        };
        let to_bound = to.bound(context)?;
        let Some(sealed) = sealed else {
            return Err(would_have_succeeded());
        };
        let blob = self
            .seal_elsewhere((&from, &from_bound), (&to, &to_bound), sealed)
            .await?;
        stop_dry_run(input.dry_run)?;
        for key in [&from.usable.key, &to.usable.key] {
            self.uses.used(key, Tracked::ReEncrypt);
        }
        Ok(ReEncryptResponse {
            ciphertext_blob: Some(blob),
            source_key_id: Some(from.usable.key.arn.clone()),
            key_id: Some(to.usable.key.arn.clone()),
            source_encryption_algorithm: Some(from.algorithm.as_str().to_owned()),
            destination_encryption_algorithm: Some(to.algorithm.as_str().to_owned()),
            source_key_material_id: from.usable.material_id(),
            destination_key_material_id: to.usable.material_id(),
        })
    }

    async fn seal_elsewhere(
        &self,
        (from, from_bound): (&SealingKey, &[u8]),
        (to, to_bound): (&SealingKey, &[u8]),
        sealed: &[u8],
    ) -> Result<Blob, Exception> {
        let (from_key, to_key) = (&from.usable.key, &to.usable.key);
        if from.is_symmetric() && to.is_symmetric() && from_key.shares_home(to_key) {
            let operation = hsm::Operation::ReEncrypt {
                source: from.usable.material,
                source_additional_data: from_bound,
                destination: to.usable.material,
                destination_additional_data: to_bound,
                sealed,
            };
            let sealed = self.executor.run(&from.usable, operation).await?;
            return Ok(to.usable.blob(sealed.as_ref()));
        }
        let plaintext = self.open_text(from, from_bound, sealed).await?;
        to.check_length(plaintext.0.len())?;
        self.seal_text(to, to_bound, plaintext.as_ref()).await
    }

    async fn seal_text(
        &self,
        to: &SealingKey,
        bound: &[u8],
        plaintext: &[u8],
    ) -> Result<Blob, Exception> {
        let key = &to.usable.key;
        let Some(hash) = oaep(to.algorithm) else {
            let operation = hsm::Operation::Encrypt {
                key: to.usable.material,
                additional_data: bound,
                plaintext,
            };
            let sealed = self.executor.run(&to.usable, operation).await?;
            return Ok(to.usable.blob(sealed.as_ref()));
        };
        let plaintext = Zeroizing::new(plaintext.to_vec());
        let sealed = self
            .executor
            .perform(key, Task::Encrypt { hash, plaintext })
            .await?;
        let sealed = sealed.map_err(|_unfit| translate::invalid_ciphertext())?;
        Ok(Blob(sealed.0.take()))
    }

    async fn open_text(
        &self,
        from: &SealingKey,
        bound: &[u8],
        sealed: &[u8],
    ) -> Result<Output, Exception> {
        let key = &from.usable.key;
        let Some(hash) = oaep(from.algorithm) else {
            let operation = hsm::Operation::Decrypt {
                key: from.usable.material,
                additional_data: bound,
                sealed,
            };
            return self.executor.run(&from.usable, operation).await;
        };
        let ciphertext = sealed.to_vec();
        let opened = self
            .executor
            .perform(key, Task::Decrypt { hash, ciphertext })
            .await?;
        opened.map_err(|_unfit| translate::invalid_rsa_ciphertext())
    }
}

/// A key and the algorithm by which it seals or opens.
struct SealingKey {
    usable: Usable,
    algorithm: EncryptionAlgorithmSpec,
}

impl SealingKey {
    fn of(usable: Usable, algorithm: &str, operation: Operation) -> Result<Self, Exception> {
        let algorithm = algorithm_of(&usable.key, algorithm, operation)?;
        Ok(Self { usable, algorithm })
    }

    fn is_symmetric(&self) -> bool {
        self.algorithm == EncryptionAlgorithmSpec::SymmetricDefault
    }

    /// What is bound to the ciphertext. Rule CRY-06: only a symmetric key binds an encryption
    /// context.
    fn bound(&self, context: Option<&Context>) -> Result<Vec<u8>, Exception> {
        if self.is_symmetric() {
            return self.usable.bind(context);
        }
        if context.is_some_and(|context| !context.is_empty()) {
            let text = "An encryption context is bound by symmetric encryption keys only, and the \
                        key is asymmetric. Leave EncryptionContext out.";
            return Err(Exception::new(Code::Validation, text));
        }
        Ok(Vec::new())
    }

    /// Rule CRY-07: an RSA key encrypts at most its modulus less two hashes and two bytes.
    fn check_length(&self, bytes: usize) -> Result<(), Exception> {
        let spec = self.usable.key.record.spec;
        let (Some(hash), Some(modulus)) = (oaep(self.algorithm), spec::modulus_bytes(spec)) else {
            return Ok(());
        };
        let most = modulus - hash.overhead_bytes();
        if bytes <= most {
            return Ok(());
        }
        let sentence = format!(
            "Algorithm {} and key spec {} cannot encrypt data larger than {most} bytes.",
            self.algorithm.as_str(),
            spec.as_str()
        );
        let hint = "Encrypt a data key instead, and the data with that.";
        Err(Exception::worded(Code::Validation, sentence, hint))
    }
}

/// A ciphertext as a request names it: none when the request is a dry run that ignores it.
struct NamedCiphertext<'a> {
    algorithm: &'a str,
    key_id: Option<&'a str>,
    blob: Option<&'a [u8]>,
}

impl<'a> NamedCiphertext<'a> {
    /// The key that opens it, and what is to be opened.
    fn find(
        self,
        partition: &Arc<Partition>,
        operation: Operation,
    ) -> Result<(SealingKey, Option<&'a [u8]>), Exception> {
        let symmetric = self.algorithm == EncryptionAlgorithmSpec::SymmetricDefault.as_str();
        let named = |why: &str| {
            let unnamed = || {
                let text = format!("The key must be named when {why}. Add its ID or ARN.");
                Exception::new(Code::Validation, text)
            };
            let name = self.key_id.ok_or_else(unnamed)?;
            let usable = Usable::find(operation, partition, name)?;
            SealingKey::of(usable, self.algorithm, operation)
        };
        match self.blob {
            None => Ok((named("IGNORE_CIPHERTEXT is given")?, None)),
            // Rule CRY-08: the ciphertext of an asymmetric key does not say whose it is.
            Some(blob) if !symmetric => {
                let from = named("the ciphertext is of an asymmetric key")?;
                Ok((from, Some(blob)))
            }
            Some(blob) => self.find_maker(partition, blob, operation),
        }
    }

    /// The key that made a ciphertext. Rule CR-02: a key that is named must be that one.
    ///
    /// Rule ORD-01: which key it is comes before what the named key is for. That a ciphertext is of an
    /// RSA key its bytes do not say: for such a key the algorithm decides unless they name a key that is
    /// there. Rule CR-03: the key's state is looked at before the ciphertext is.
    fn find_maker(
        &self,
        partition: &Arc<Partition>,
        bytes: &'a [u8],
        operation: Operation,
    ) -> Result<(SealingKey, Option<&'a [u8]>), Exception> {
        let named = self.key_id.map(|name| find_for_use(partition, name));
        let named = named.transpose()?;
        let blob = Ciphertext::parse(bytes);
        let maker = blob.and_then(|blob| find_maker(partition, &blob.key));
        let Some(blob) = blob.filter(|_| maker.is_some() || !may_be_of_rsa(named.as_deref()))
        else {
            if let Some(named) = named {
                SealingKey::of(Usable::of(operation, named)?, self.algorithm, operation)?;
            }
            return Err(translate::invalid_ciphertext());
        };
        if named.is_some_and(|named| named.record.id != blob.key) {
            return Err(incorrect_key());
        }
        let key = maker.ok_or_else(|| no_maker(partition, &blob.key))?;
        // Whichever version of its material made the ciphertext opens it.
        if key.record.materials.of_hsm_key(blob.material).is_none() {
            return Err(translate::invalid_ciphertext());
        }
        let usable = Usable::of_material(operation, key, blob.material)?;
        let from = SealingKey::of(usable, self.algorithm, operation)?;
        Ok((from, Some(blob.sealed)))
    }
}

fn may_be_of_rsa(named: Option<&KeySnapshot>) -> bool {
    named.is_some_and(|named| {
        named.record.usage == KeyUsageType::EncryptDecrypt && spec::is_asymmetric(named.record.spec)
    })
}

fn incorrect_key() -> Exception {
    Exception::worded(
        Code::IncorrectKey,
        "The key ID in the request does not identify a CMK that can perform this operation.",
        "The ciphertext was made under another KMS key than the one named. Name that key, or none.",
    )
}

/// Rule CR-15: a ciphertext whose key ID is of no key of the Region is AccessDeniedException.
fn no_maker(partition: &Arc<Partition>, id: &KeyId) -> Exception {
    if is_damaged(partition, id) {
        return translate::invalid_ciphertext();
    }
    Exception::worded(
        Code::AccessDenied,
        "The ciphertext refers to a customer master key that does not exist, does not exist in this \
         region, or you are not allowed to access.",
        &format!(
            "Its key is {id}. Send it to the Region where it was made; a key that was deleted opens \
             nothing any more."
        ),
    )
}

fn asked(algorithm: Option<&str>) -> &str {
    algorithm.unwrap_or(EncryptionAlgorithmSpec::SymmetricDefault.as_str())
}

const fn oaep(algorithm: EncryptionAlgorithmSpec) -> Option<OaepHash> {
    match algorithm {
        EncryptionAlgorithmSpec::RsaesOaepSha1 => Some(OaepHash::Sha1),
        EncryptionAlgorithmSpec::RsaesOaepSha256 => Some(OaepHash::Sha256),
        EncryptionAlgorithmSpec::SymmetricDefault | EncryptionAlgorithmSpec::Sm2pke => None,
    }
}

/// The ciphertext, unless the request is a dry run that ignores it.
///
/// Rule CRY-09: IGNORE_CIPHERTEXT goes with DryRun only; CiphertextBlob is then optional and the
/// key must be named.
fn blob_of<'a>(
    blob: Option<&'a Blob>,
    dry_run: Option<bool>,
    modifiers: Option<&[String]>,
) -> Result<Option<&'a [u8]>, Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let ignored = modifiers.is_some_and(|modifiers| !modifiers.is_empty());
    match blob {
        _ if ignored && dry_run != Some(true) => {
            invalid("DryRunModifiers change a dry run only. Set DryRun too, or leave them out.")
        }
        _ if ignored => Ok(None),
        Some(blob) => Ok(Some(blob.0.as_slice())),
        None => invalid("CiphertextBlob is required. Add it."),
    }
}

fn would_have_succeeded() -> Exception {
    let stopped = stop_dry_run(Some(true)).err();
    stopped.unwrap_or_else(translate::invalid_ciphertext)
}
