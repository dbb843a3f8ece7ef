use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use portcullis_seam::Timestamp;

use crate::chain::Path;
use crate::document::Document;
use crate::envelope::RecipientKey;
use crate::refused::Refused;
use crate::trust::Trust;

/// What a believed document attests.
#[derive(Debug)]
pub struct Attested {
    /// Which enclave it is.
    pub module_id: String,
    /// Its measurements, by their index.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// To which key plaintexts are sealed.
    pub public_key: RecipientKey,
}

/// Verifies a document as it stands at `now`: structure, certificates from the root down, its
/// signature, and that there is a key to seal to.
///
/// A document may be used again and again while its certificates are valid, as with KMS: neither
/// its timestamp nor its nonce is compared with anything.
///
/// # Errors
/// The first of these that does not hold.
pub fn verify(document: &[u8], now: Timestamp, trust: &Trust) -> Result<Attested, Refused> {
    let document = Document::parse(document)?;
    if *trust != Trust::Unchecked {
        let path = Path::of(&document.cabundle, document.certificate)?;
        let key = path.check(now, trust)?;
        // Rule ATT-03: the signature is ES384 by the key of the document's certificate.
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key)
            .verify(&document.signed.to_be_signed(), document.signed.signature)
            .map_err(|_| Refused::Signature)?;
    }
    let public_key = document.public_key.ok_or(Refused::NoPublicKey)?;
    let pcrs = document.pcrs.iter();
    Ok(Attested {
        module_id: document.module_id.to_owned(),
        pcrs: pcrs.map(|(index, pcr)| (*index, pcr.to_vec())).collect(),
        public_key: RecipientKey::parse(public_key).ok_or(Refused::PublicKey)?,
    })
}
