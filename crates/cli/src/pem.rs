//! PEM (RFC 7468), as far as files of ours and public keys need it.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

/// A block with this label around `der`.
///
/// What the library holds of a private key meanwhile is wiped by the program's allocator.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    Zeroizing::new(pem::encode_config(&Pem::new(label, der), lines))
}

/// What is in the first block with this label.
///
/// # Errors
/// A text for the user.
pub(crate) fn decode(text: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let missing = || format!("There is no {label} in PEM in it. Give a file that has one.");
    let blocks = pem::parse_many(text).map_err(|_| missing())?;
    let block = blocks.into_iter().find(|block| block.tag() == label);
    let der = block.map(Pem::into_contents).map(Zeroizing::new);
    der.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der = vec![7; length];
            let text = encode("CERTIFICATE", &der);
            assert_eq!(*decode(text.as_bytes(), "CERTIFICATE").unwrap(), der);
            assert!(text.lines().all(|line| line.len() <= 64));
            assert!(text.ends_with("-----END CERTIFICATE-----\n") && !text.contains('\r'));
            assert!(decode(text.as_bytes(), "PUBLIC KEY").is_err());
        }
    }

    #[test]
    fn the_block_that_is_asked_for_is_found_among_others() {
        let file = "Subject: me\n-----BEGIN CERTIFICATE-----\r\nAQI=\r\n-----END CERTIFICATE-----\n\
                    -----BEGIN PUBLIC KEY-----\nAwQ=\n-----END PUBLIC KEY-----";
        let read = |label| decode(file.as_bytes(), label).map(|der| der.to_vec());
        assert_eq!(read("CERTIFICATE"), Ok(vec![1, 2]));
        assert_eq!(read("PUBLIC KEY"), Ok(vec![3, 4]));
        assert!(read("PRIVATE KEY").is_err());
    }

    #[test]
    fn what_is_no_pem_is_refused() {
        let begun = "-----BEGIN PUBLIC KEY-----\nAwQ=\n";
        let wrong = format!("{}-----END PUBLIC KEY-----", begun.replace("AwQ=", "!"));
        let other = format!("{begun}-----END CERTIFICATE-----");
        for text in ["", "AwQ=", begun, &wrong, &other] {
            assert!(decode(text.as_bytes(), "PUBLIC KEY").is_err(), "{text}");
        }
        assert!(decode(&[0xff; 40], "PUBLIC KEY").is_err());
    }
}
