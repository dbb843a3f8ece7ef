//! ML-KEM: a secret is encapsulated for a key, and decapsulated with it.

use super::SecretKey;
use super::expand::Expanded;
use super::kem_keys::KemKeys;
use super::kind::Family;
use crate::{Output, Refusal};

impl SecretKey {
    pub(super) fn encapsulate(&self) -> Result<Output, Refusal> {
        let (ciphertext, secret) = self
            .kem()?
            .encapsulating
            .encapsulate()
            .map_err(|_| Refusal::BadMechanism)?;
        let both = [ciphertext.as_ref(), secret.as_ref()].concat();
        Ok(Output(both.into()))
    }

    pub(super) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Output, Refusal> {
        let keys = self.kem()?;
        if let Family::MlKem(size) = self.kind().family()
            && ciphertext.len() != size.ciphertext_bytes()
        {
            return Err(Refusal::BadLength);
        }
        let secret = keys.decapsulating.decapsulate(ciphertext.into());
        let secret = secret.map_err(|_| Refusal::BadMechanism)?;
        Ok(Output(secret.as_ref().to_vec().into()))
    }

    fn kem(&self) -> Result<&KemKeys, Refusal> {
        match self.expanded()? {
            Expanded::MlKem(keys) => Ok(keys),
            Expanded::Hmac(_)
            | Expanded::Rsa(_)
            | Expanded::Ec { .. }
            | Expanded::Ed25519(_)
            | Expanded::MlDsa(_) => Err(Refusal::KeyForbids),
        }
    }
}
