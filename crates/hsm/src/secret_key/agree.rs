use aws_lc_rs::agreement::{self, ParsedPublicKey, ParsedPublicKeyFormat, UnparsedPublicKey};

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
        // aws-lc also takes a curve that is written out, with a cofactor or without; a key of this
        // curve names it, as its own public key does.
        if algorithm(public_key) != algorithm(self.public_key()) {
            return Err(Refusal::BadMechanism);
        }
        let peer = UnparsedPublicKey::new(private.algorithm(), public_key);
        let peer = ParsedPublicKey::try_from(&peer).map_err(|_| Refusal::BadMechanism)?;
        if peer.format() != ParsedPublicKeyFormat::X509 {
            return Err(Refusal::BadMechanism);
        }
        agreement::agree(private, peer, Refusal::BadMechanism, |secret| {
            Ok(Output(secret.to_vec().into()))
        })
    }
}

/// The AlgorithmIdentifier of SubjectPublicKeyInfo, as far as it is a short one.
fn algorithm(spki: &[u8]) -> Option<&[u8]> {
    let length = *spki.get(1)?;
    let head = if length < 0x80 {
        2
    } else {
        2 + usize::from(length & 0x7f)
    };
    let identifier = spki.get(head..)?;
    let length = usize::from(*identifier.get(1)?);
    identifier.get(..2 + length)
}
