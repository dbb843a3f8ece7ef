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

use portcullis_api::{Code, Exception};
use zeroize::Zeroizing;

use super::super::wrapping::Wrapping;

/// How long a token and its wrapping key are valid (API, GetParametersForImport).
const TOKEN_VALID_MS: u64 = 24 * 60 * 60 * 1000;

/// Under which name tokens are sealed.
pub(super) const TOKEN: &str = "kms-import-token";

/// An opened import token.
pub(super) struct Token {
    pub(super) wrapping: Wrapping,
    pub(super) valid_to_ms: u64,
    key_arn: String,
    pub(super) private: Zeroizing<Vec<u8>>,
}

impl Token {
    /// A token for the key with this ARN, which is valid from now on.
    pub(super) fn new(
        wrapping: Wrapping,
        key_arn: &str,
        private: Zeroizing<Vec<u8>>,
        now_ms: u64,
    ) -> Self {
        Self {
            wrapping,
            valid_to_ms: now_ms.saturating_add(TOKEN_VALID_MS),
            key_arn: key_arn.to_owned(),
            private,
        }
    }

    /// Rule LIFE-32: a token is of its key only, and valid for 24 hours.
    pub(super) fn check(plain: &[u8], key_arn: &str, now_ms: u64) -> Result<Self, Exception> {
        let token = Self::decode(plain).ok_or_else(invalid)?;
        if token.key_arn != key_arn {
            return Err(invalid());
        }
        if token.valid_to_ms <= now_ms {
            let text = "The import token is older than 24 hours. Run GetParametersForImport again.";
            return Err(Exception::new(Code::ExpiredImportToken, text));
        }
        Ok(token)
    }

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

    fn decode(plain: &[u8]) -> Option<Self> {
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

/// What is no token of the key that it is given for.
pub(super) fn invalid() -> Exception {
    let text = "The import token is not one of this key. Run GetParametersForImport for it.";
    Exception::new(Code::InvalidImportToken, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LIFE-32.
    #[test]
    fn a_token_is_valid_for_its_key_and_for_a_day() {
        let private = Zeroizing::new(vec![7; 9]);
        let plain = Token::new(Wrapping::AesSha256, "arn:a", private, 1_000).encode();
        let last_ms = 999 + TOKEN_VALID_MS;
        let read = Token::check(&plain, "arn:a", last_ms).ok().unwrap();
        assert_eq!(
            (read.wrapping, &*read.private),
            (Wrapping::AesSha256, &vec![7; 9])
        );
        let code = |plain: &[u8], arn, now_ms| {
            let checked = Token::check(plain, arn, now_ms);
            checked.map(drop).map_err(|refusal| refusal.code)
        };
        let expired = code(&plain, "arn:a", last_ms + 1);
        assert_eq!(expired, Err(Code::ExpiredImportToken));
        let other = code(&plain, "arn:b", last_ms);
        assert_eq!(other, Err(Code::InvalidImportToken));
        for short in [0, 1, 9, 10, 12] {
            let cut = code(&plain[..short], "arn:a", 0);
            assert_eq!(cut, Err(Code::InvalidImportToken), "{short}");
        }
    }
}
