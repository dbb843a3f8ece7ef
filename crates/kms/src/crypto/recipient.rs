//! `Recipient`: the plaintext of a reply goes to an enclave only, sealed to the key of its
//! attestation document.

use std::sync::Arc;

use base64_simd::STANDARD;
use data_encoding::HEXLOWER;
use portcullis_api::kms::{KeyEncryptionMechanism, RecipientInfo};
use portcullis_api::{Blob, Code, Exception, SecretBlob};
use portcullis_attest::{Attested, Document, verify};
use portcullis_policy::Context;
use portcullis_wiped::Wiped;

use crate::records::Records;

/// Reads and serves the `Recipient` of requests.
#[derive(Debug)]
pub(crate) struct Recipients {
    records: Arc<Records>,
}

impl Recipients {
    pub(crate) fn new(records: &Arc<Records>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
        })
    }
}

/// The recipient of a reply's plaintext.
pub(crate) struct Recipient(Option<Attested>);

/// A plaintext in a reply, or what stands for it: one of the two.
pub(super) struct Handed {
    pub(super) plaintext: Option<SecretBlob>,
    pub(super) for_recipient: Option<Blob>,
}

impl Recipients {
    /// The recipient of the plaintext: the caller, or the enclave whose document the request has.
    ///
    /// Rule ATT-06: a document that is not believed is ValidationException, before a key is looked
    /// at.
    pub(crate) fn recipient(&self, given: Option<&RecipientInfo>) -> Result<Recipient, Exception> {
        let Some(given) = given else {
            return Ok(Recipient(None));
        };
        let invalid = |text: &str| Exception::new(Code::Validation, text);
        let algorithm = given.key_encryption_algorithm.as_deref();
        if algorithm != Some(KeyEncryptionMechanism::RsaesOaepSha256.as_str()) {
            return Err(invalid(
                "Recipient needs the KeyEncryptionAlgorithm RSAES_OAEP_SHA_256. Add it.",
            ));
        }
        let Some(document) = &given.attestation_document else {
            return Err(invalid(
                "Recipient needs an AttestationDocument. Add it, or leave Recipient out.",
            ));
        };
        let trust = &self.records.config.attestation;
        let attested = verify(&document.0, self.records.config.clock.now(), trust).map_err(|refused| {
            invalid(&format!(
                "The AttestationDocument of Recipient is not valid: {refused}. Ask the enclave for \
                 a new one; `portcullis attest` makes one without an enclave."
            ))
        })?;
        Ok(Recipient(Some(attested)))
    }

    /// Hands a plaintext over to its recipient. Rule ATT-07: with a Recipient the reply has
    /// CiphertextForRecipient and no plaintext, which is wiped here.
    pub(super) fn hand_over(
        &self,
        recipient: &Recipient,
        plaintext: Wiped,
    ) -> Result<Handed, Exception> {
        let Some(attested) = &recipient.0 else {
            return Ok(Handed {
                plaintext: Some(SecretBlob(plaintext)),
                for_recipient: None,
            });
        };
        let sealed = attested
            .public_key
            .seal(&plaintext, &*self.records.config.entropy)
            .map_err(|error| {
                let text = "The plaintext cannot be sealed to the Recipient. Please report it.";
                Exception::new(Code::KmsInternal, text).because(error)
            })?;
        Ok(Handed {
            plaintext: None,
            for_recipient: Some(Blob(sealed)),
        })
    }
}

impl Recipient {
    /// Rule ATT-08: the condition keys of a believed document: each PCR as lower-case hexadecimal
    /// digits, and PCR 0 as the image's digest too.
    pub(crate) fn describe(&self, context: &mut Context) {
        let pcrs = self.0.iter().flat_map(|attested| &attested.pcrs);
        for (index, pcr) in pcrs {
            let digits = HEXLOWER.encode(pcr);
            if *index == 0 {
                context.set("kms:RecipientAttestation:ImageSha384", &*digits);
            }
            context.set(&format!("kms:RecipientAttestation:PCR{index}"), digits);
        }
    }
}

/// What an event shows of the attestation document of a call that succeeded: names and texts.
///
/// Rule ATT-09: `recipient` in `additionalEventData` has the module and PCR 0, 1, 2, 3, 4 and 8, as
/// far as the document has them; PCRs as base64, as records of AWS have them.
#[must_use]
pub fn describe_recipient(given: &RecipientInfo) -> Vec<(&'static str, String)> {
    let document = given.attestation_document.as_ref();
    let Some(Ok(document)) = document.map(|bytes| Document::parse(&bytes.0)) else {
        return Vec::new();
    };
    let module = document.module_id.to_owned();
    let mut told = vec![("attestationDocumentModuleId", module)];
    for (index, name) in TOLD {
        if let Some(pcr) = document.pcrs.get(&index) {
            told.push((name, STANDARD.encode_to_string(pcr)));
        }
    }
    told
}

/// PCRs in events, and their names there (AWS KMS Developer Guide, "Monitoring requests for Nitro
/// enclaves").
const TOLD: [(u8, &str); 6] = [
    (0, "attestationDocumentEnclaveImageDigest"),
    (1, "attestationDocumentEnclavePCR1"),
    (2, "attestationDocumentEnclavePCR2"),
    (3, "attestationDocumentEnclavePCR3"),
    (4, "attestationDocumentEnclavePCR4"),
    (8, "attestationDocumentEnclavePCR8"),
];
