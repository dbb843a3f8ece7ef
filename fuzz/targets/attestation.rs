//! Any bytes as an attestation document: believed or refused, never with a panic, and what is
//! believed can be sealed to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_attest::{Document, Trust, verify};
use portcullis_seam::{SystemEntropy, Timestamp};

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let unchecked = verify(data, now, &Trust::Unchecked);
    let checked = verify(data, now, &Trust::AnyRoot);
    if let Ok(document) = Document::parse(data) {
        assert!(!document.pcrs.is_empty() && !document.module_id.is_empty());
    } else {
        assert!(unchecked.is_err() && checked.is_err());
    }
    if let Ok(attested) = unchecked {
        assert!(attested.public_key.seal(b"plaintext", &SystemEntropy).is_ok());
    } else {
        assert!(checked.is_err(), "what is checked is believed, and unchecked it is not");
    }
});
