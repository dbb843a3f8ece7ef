use std::fmt;

use portcullis_seam::{Entropy, draw};
use zeroize::Zeroizing;

use crate::key::{Cipher, Material};

/// The key under which records and images lie on disk. Rule HSM-13.
///
/// Nonces are 96 random bits a seal: a key may seal some 2^32 times (NIST SP 800-38D, section 8.3),
/// a thousand control-plane writes a second for seven weeks.
pub struct DeviceKey(Cipher);

/// A sealed text that was not made under this device key and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealable;

impl fmt::Display for Unsealable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it was sealed under another device key, or has been changed")
    }
}

impl std::error::Error for Unsealable {}

impl DeviceKey {
    /// A fresh key.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self::from_bytes(&Zeroizing::new(draw(entropy)))
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(Material::from_bytes(bytes.clone()).expand())
    }

    /// Seals `secret` under the name by which it will be looked up.
    #[must_use]
    pub fn seal(&self, name: &str, secret: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut sealed = Vec::new();
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM takes every text that fits into memory"
        )]
        self.0
            .seal(draw(entropy), name.as_bytes(), secret, &mut sealed)
            .expect("it is sealed");
        sealed
    }

    /// Opens what was sealed under `name`.
    ///
    /// # Errors
    /// When it was sealed under another key or name, or has been changed.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let mut opened = Zeroizing::new(Vec::with_capacity(sealed.len()));
        self.0
            .open(name.as_bytes(), sealed, &mut opened)
            .map_err(|_| Unsealable)?;
        Ok(opened)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeviceKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use portcullis_seam::SystemEntropy;

    use super::*;

    /// Rule HSM-13
    #[test]
    fn a_record_opens_only_under_its_own_name_and_key() {
        let key = DeviceKey::draw(&SystemEntropy);
        let sealed = key.seal("user/a", b"secret", &SystemEntropy);
        assert_eq!(key.open("user/a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(key.open("user/b", &sealed), Err(Unsealable));
        assert_eq!(
            DeviceKey::draw(&SystemEntropy).open("user/a", &sealed),
            Err(Unsealable)
        );
        assert_eq!(key.open("user/a", b"short"), Err(Unsealable));
    }
}
