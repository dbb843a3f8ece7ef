use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};
use zeroize::Zeroizing;

use super::expand::{Expanded, RsaKeys};
use super::{OaepHash, SecretKey};
use crate::{Output, Refusal};

const fn oaep(hash: OaepHash) -> &'static OaepAlgorithm {
    match hash {
        OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
    }
}

impl SecretKey {
    pub(super) fn encrypt(&self, hash: OaepHash, plaintext: &[u8]) -> Result<Output, Refusal> {
        let encrypting = &self.rsa()?.encrypting;
        let mut out = Zeroizing::new(vec![0; encrypting.ciphertext_size()]);
        encrypting
            .encrypt(oaep(hash), plaintext, &mut out, None)
            .map_err(|_| Refusal::BadLength)?;
        Ok(Output(out.into()))
    }

    pub(super) fn decrypt(&self, hash: OaepHash, ciphertext: &[u8]) -> Result<Output, Refusal> {
        let decrypting = &self.rsa()?.decrypting;
        let mut out = Zeroizing::new(vec![0; decrypting.min_output_size()]);
        let length = decrypting
            .decrypt(oaep(hash), ciphertext, &mut out, None)
            .map_err(|_| Refusal::NotAuthentic)?
            .len();
        out.truncate(length);
        Ok(Output(out.into()))
    }

    fn rsa(&self) -> Result<&RsaKeys, Refusal> {
        match self.expanded()? {
            Expanded::Rsa(keys) => Ok(keys),
            Expanded::Hmac(_)
            | Expanded::Ec { .. }
            | Expanded::Ed25519(_)
            | Expanded::MlDsa(_)
            | Expanded::MlKem(_) => Err(Refusal::KeyForbids),
        }
    }
}
