//! What only the enclave opens: CMS EnvelopedData (RFC 5652), as KMS makes it.
//!
//! ```text
//! ContentInfo envelopedData
//!   version 2
//!   recipientInfos   one KeyTransRecipientInfo, version 2
//!     [0] subjectKeyIdentifier    SHA-256 of the public key
//!     RSAES-OAEP, SHA-256, MGF1 with SHA-256
//!     the content key, encrypted
//!   encryptedContentInfo   data, AES-256-CBC with its IV
//!     [0] the content, in octet strings
//! ```
//!
//! The outer structures have no length and an end (BER), which clients that were written for KMS
//! expect; everything inside is DER. Which hash the identifier is of is not documented: it has 32
//! bytes on AWS.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use portcullis_seam::{Entropy, draw};
use zeroize::Zeroizing;

/// An RSA public key to which plaintexts are sealed.
pub struct RecipientKey {
    key: OaepPublicEncryptingKey,
    identifier: [u8; 32],
}

/// Why a plaintext cannot be sealed: the cryptographic library refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotSeal;

impl fmt::Display for CannotSeal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the cryptographic library refused to seal a plaintext")
    }
}

impl std::error::Error for CannotSeal {}

impl RecipientKey {
    /// Reads SubjectPublicKeyInfo (DER) of an RSA key of 2048 to 8192 bits.
    pub(crate) fn parse(spki: &[u8]) -> Option<Self> {
        let key = PublicEncryptingKey::from_der(spki).ok()?;
        let mut identifier = [0; 32];
        identifier.copy_from_slice(digest::digest(&digest::SHA256, spki).as_ref());
        Some(Self {
            key: OaepPublicEncryptingKey::new(key).ok()?,
            identifier,
        })
    }

    /// Seals a plaintext.
    ///
    /// Rule ATT-05: CMS EnvelopedData with one recipient by subject key identifier, RSAES-OAEP with
    /// SHA-256 around a fresh key, AES-256-CBC around the content.
    ///
    /// # Errors
    /// When the cryptographic library refuses, which nothing here makes it do.
    pub fn seal(&self, plaintext: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CannotSeal> {
        let content_key: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
        let iv: [u8; 16] = draw(entropy);
        let content = encrypt(&content_key, iv, plaintext)?;
        let mut sealed_key = vec![0; self.key.ciphertext_size()];
        self.key
            .encrypt(
                &OAEP_SHA256_MGF1SHA256,
                &*content_key,
                &mut sealed_key,
                None,
            )
            .map_err(|_| CannotSeal)?;
        Ok(self.message(&sealed_key, iv, &content))
    }

    fn message(&self, sealed_key: &[u8], iv: [u8; 16], content: &[u8]) -> Vec<u8> {
        let recipient = definite(
            SEQUENCE,
            &[
                &VERSION_2,
                &definite(CONTEXT_0, &[&self.identifier]),
                &RSAES_OAEP_SHA_256,
                &definite(OCTET_STRING, &[sealed_key]),
            ],
        );
        let algorithm = definite(SEQUENCE, &[&AES_256_CBC, &definite(OCTET_STRING, &[&iv])]);
        let content = indefinite(CONTEXT_0_OF_MORE, &[&definite(OCTET_STRING, &[content])]);
        let enveloped = indefinite(
            SEQUENCE,
            &[
                &VERSION_2,
                &definite(SET, &[&recipient]),
                &indefinite(SEQUENCE, &[&DATA, &algorithm, &content]),
            ],
        );
        indefinite(
            SEQUENCE,
            &[
                &ENVELOPED_DATA,
                &indefinite(CONTEXT_0_OF_MORE, &[&enveloped]),
            ],
        )
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecipientKey({} bits)", self.key.key_size_bits())
    }
}

/// AES-256-CBC with the padding of PKCS #7. The plaintext is encrypted where it lies in its copy.
fn encrypt(key: &[u8; 32], iv: [u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CannotSeal> {
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| CannotSeal)?;
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| CannotSeal)?;
    // With room for the padding, so that no copy is left behind by growing.
    let mut content = Zeroizing::new(Vec::with_capacity(plaintext.len() + 16));
    content.extend_from_slice(plaintext);
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    cipher
        .less_safe_encrypt(&mut *content, context)
        .map_err(|_| CannotSeal)?;
    Ok(std::mem::take(&mut *content))
}

/// A value behind its tag and its length (X.690).
fn definite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = bytes.get(leading..).unwrap_or_default();
    let mut value = vec![tag];
    if length >= 0x80 {
        let count = u8::try_from(significant.len()).unwrap_or(u8::MAX);
        value.push(0x80 | count);
    }
    if length == 0 {
        value.push(0);
    }
    value.extend_from_slice(significant);
    value.extend(parts.iter().copied().flatten());
    value
}

/// A value that ends where two zeros stand.
fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut value = vec![tag, 0x80];
    value.extend(parts.iter().copied().flatten());
    value.extend([0, 0]);
    value
}

const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]` around a plain value, and around others.
const CONTEXT_0: u8 = 0x80;
const CONTEXT_0_OF_MORE: u8 = 0xa0;
const VERSION_2: [u8; 3] = [0x02, 0x01, 0x02];
/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03,
];
/// 1.2.840.113549.1.7.1
const DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
];
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: [u8; 11] = [
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a,
];
/// 1.2.840.113549.1.1.7 with `[0]` SHA-256 and `[1]` MGF1 with SHA-256.
const RSAES_OAEP_SHA_256: [u8; 62] = [
    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
    0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_der_wants_them() {
        let head = |length: usize| {
            let value = vec![0; length];
            let made = definite(OCTET_STRING, &[&value]);
            made[..made.len() - length].to_vec()
        };
        assert_eq!(head(0), [4, 0]);
        assert_eq!(head(0x7f), [4, 0x7f]);
        assert_eq!(head(0x80), [4, 0x81, 0x80]);
        assert_eq!(head(0x100), [4, 0x82, 1, 0]);
    }
}
