//! PEM (RFC 7468), as far as files of ours and public keys need it.

use base64_simd::STANDARD;
use zeroize::Zeroizing;

/// A block with this label around `der`.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode_to_string(der));
    let mut block = Zeroizing::new(String::with_capacity(2 * text.len() + 128));
    block.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = text.as_str();
    while let Some((line, more)) = rest.split_at_checked(64) {
        block.push_str(line);
        block.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        block.push_str(rest);
        block.push('\n');
    }
    block.push_str(&format!("-----END {label}-----\n"));
    block
}

/// What is in the first block with this label.
///
/// # Errors
/// A text for the user.
pub(crate) fn decode(text: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let missing = || format!("There is no {label} in PEM in it. Give a file that has one.");
    let text = std::str::from_utf8(text).map_err(|_| missing())?;
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let (_, behind) = text.split_once(&begin).ok_or_else(missing)?;
    let (block, _) = behind.split_once(&end).ok_or_else(missing)?;
    let letters: Zeroizing<String> = Zeroizing::new(
        block
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect(),
    );
    let der = STANDARD.decode_to_vec(letters.as_bytes());
    der.map(Zeroizing::new).map_err(|_| missing())
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
            assert!(decode(text.as_bytes(), "PUBLIC KEY").is_err());
        }
        assert!(
            decode(
                b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
                "PUBLIC KEY"
            )
            .is_err()
        );
    }
}
