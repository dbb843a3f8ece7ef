use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::{Zeroize, Zeroizing};

use crate::Credential;

/// A secret narrowed to one day, Region and service. Wiped when dropped, not printed.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives the key: four HMACs, about 1.6 µs.
    #[must_use]
    pub fn derive(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let mut start = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret.as_bytes());
        let mut key = hmac::Key::new(HMAC_SHA256, &start);
        for part in [day, region, service, "aws4_request"] {
            let mut next = mac(&key, part.as_bytes());
            key = hmac::Key::new(HMAC_SHA256, &next);
            next.zeroize();
        }
        Self(key)
    }

    /// The signature of a string to sign.
    #[must_use]
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 32] {
        mac(&self.0, text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

#[expect(
    clippy::expect_used,
    reason = "the buffer has the length of the algorithm's output"
)]
fn mac(key: &hmac::Key, text: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    hmac::sign_to_buffer(key, text, &mut tag).expect("HMAC-SHA-256 gives 32 bytes");
    tag
}

/// Signing keys by credential: access key, day, Region and service.
#[derive(Debug, Default)]
pub struct SigningKeyCache {
    keys: BTreeMap<Box<str>, SigningKey>,
}

impl SigningKeyCache {
    /// Keys held at most: 1,000 credentials in use at a time are far more than an emulator sees,
    /// and cost some 500 KiB.
    pub const KEYS_MAX: usize = 1000;

    /// The key of a credential that was kept before.
    #[must_use]
    pub fn get(&self, credential: &Credential<'_>) -> Option<&SigningKey> {
        self.keys.get(credential.text)
    }

    /// Keeps a key. When the cache is full it starts again from nothing, which costs each
    /// credential in use one derivation.
    pub fn keep(&mut self, credential: &Credential<'_>, key: SigningKey) {
        if self.keys.len() >= Self::KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(credential.text.into(), key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authorization, hex};

    /// The example of "Deriving a signing key" in the AWS General Reference.
    #[test]
    fn the_documented_signing_key_is_derived() {
        let mut start = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec();
        for part in ["20120215", "us-east-1", "iam", "aws4_request"] {
            start = mac(&hmac::Key::new(HMAC_SHA256, &start), part.as_bytes()).to_vec();
        }
        let mut text = Vec::new();
        hex::push(&mut text, &start);
        assert_eq!(
            text,
            b"f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
        );

        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let derived = SigningKey::derive(secret, "20120215", "us-east-1", "iam");
        let expected = mac(&hmac::Key::new(HMAC_SHA256, &start), b"text");
        assert_eq!(derived.sign(b"text"), expected);
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let mut cache = SigningKeyCache::default();
        for user in 0..=SigningKeyCache::KEYS_MAX {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={user}/20150830/r/s/aws4_request,SignedHeaders=host,\
                 Signature={:064}",
                0
            );
            let credential = Authorization::parse(&value).unwrap().credential;
            cache.keep(
                &credential,
                SigningKey::derive("secret", "20150830", "r", "s"),
            );
            assert!(cache.keys.len() <= SigningKeyCache::KEYS_MAX);
            assert!(cache.get(&credential).is_some());
        }
    }

    #[test]
    fn a_signing_key_is_not_printed() {
        let key = SigningKey::derive("secret", "20150830", "r", "s");
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
