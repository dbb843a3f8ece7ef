//! Import tokens.
//!
//! A token is everything that is needed to take the material in, sealed under the device
//! key, so that nothing is kept for a token that is never used:
//!
//! ```text
//! byte  0           1               9          11
//!       ├───────────┼───────────────┼──────────┼─────────────┼──────────────────────┤
//!       │ algorithm │ valid to, ms  │ length n │ key ARN, n  │ wrapping key, PKCS#8 │
//!       └───────────┴───────────────┴──────────┴─────────────┴──────────────────────┘
//! ```

use zeroize::Zeroizing;

use super::super::wrapping::Wrapping;

/// How long a token and its wrapping key are valid (API, GetParametersForImport).
pub(super) const TOKEN_VALID_MS: u64 = 24 * 60 * 60 * 1000;

/// Under which name tokens are sealed.
pub(super) const TOKEN: &str = "kms-import-token";

/// An opened import token.
pub(super) struct Token {
    pub(super) wrapping: Wrapping,
    pub(super) valid_to_ms: u64,
    pub(super) key_arn: String,
    pub(super) private: Zeroizing<Vec<u8>>,
}

impl Token {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(self.private.len() + 256));
        plain.push(self.wrapping.code());
        plain.extend_from_slice(&self.valid_to_ms.to_le_bytes());
        let length = u16::try_from(self.key_arn.len()).unwrap_or(u16::MAX);
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(self.key_arn.as_bytes());
        plain.extend_from_slice(&self.private);
        plain
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let (code, rest) = plain.split_first()?;
        let (valid_to, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (arn, private) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(Self {
            wrapping: Wrapping::of_code(*code)?,
            valid_to_ms: u64::from_le_bytes(*valid_to),
            key_arn: std::str::from_utf8(arn).ok()?.to_owned(),
            private: Zeroizing::new(private.to_vec()),
        })
    }
}
