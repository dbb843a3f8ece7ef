//! The measurements of an enclave's attestation document (PCRs), as the command line takes them.

use data_encoding::HEXLOWER_PERMISSIVE;

/// Reads `0=HEX`: the index of a PCR and its value.
pub(crate) fn parse(text: &str) -> Result<(u8, Vec<u8>), String> {
    let invalid = || {
        format!(
            "{text:?} is not a PCR. Give its index from 0 to 31 and 96 hexadecimal digits: \
             0=ee0d45..."
        )
    };
    let (index, digits) = text.split_once('=').ok_or_else(invalid)?;
    let index: u8 = index.parse().map_err(|_| invalid())?;
    if index > 31 || !matches!(digits.len(), 64 | 96 | 128) {
        return Err(invalid());
    }
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
    Ok((index, bytes.map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcr_is_an_index_and_a_hash() {
        let digits = "ab".repeat(48);
        assert_eq!(parse(&format!("8={digits}")), Ok((8, vec![0xab; 48])));
        for text in ["", "0", "0=", "0=ab", "x=ab", "-1=ab"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("32={digits}")).is_err());
        assert!(parse(&format!("0={}", "g".repeat(96))).is_err());
        assert!(parse(&format!("0={}", "é".repeat(48))).is_err());
    }
}
