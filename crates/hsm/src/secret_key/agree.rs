use aws_lc_rs::agreement::{self, ParsedPublicKey, ParsedPublicKeyFormat, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::SecretKey;
use super::expand::Expanded;
use crate::{Output, Refusal};

impl SecretKey {
    /// The secret that this key and another one's public key have in common: the x coordinate,
    /// as long as the curve's field.
    pub(super) fn agree(&self, public_key: &[u8]) -> Result<Output, Refusal> {
        let Expanded::Ec {
            agreeing: Some(private),
            ..
        } = self.expanded()?
        else {
            return Err(Refusal::KeyForbids);
        };
        let peer = UnparsedPublicKey::new(private.algorithm(), public_key);
        let peer = ParsedPublicKey::try_from(&peer).map_err(|_| Refusal::BadMechanism)?;
        if peer.format() != ParsedPublicKeyFormat::X509 {
            return Err(Refusal::BadMechanism);
        }
        agreement::agree(private, peer, Refusal::BadMechanism, |secret| {
            Ok(Output(Zeroizing::new(secret.to_vec())))
        })
    }
}
