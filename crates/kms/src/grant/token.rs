//! Grant tokens: opaque to users, and no secret.
//!
//! A token says where its grant is, so that RetireGrant finds it, and has random digits so that no
//! two are alike. Grants take effect at once here, so that a token adds nothing to a request that
//! could be used without it.

use portcullis_api::{AccountId, Code, Exception, KeyId};
use portcullis_seam::{Entropy, draw};

use super::record::{GrantRecord, check_id};

const VERSION: &str = "1";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenParts {
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
    pub(crate) grant: String,
}

/// A fresh token of a grant of a key in `account`.
pub(crate) fn token(account: &AccountId, grant: &GrantRecord, entropy: &dyn Entropy) -> String {
    let nonce: [u8; 16] = draw(entropy);
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{VERSION}:{account}:{}:{}:{nonce}", grant.key, grant.id);
    base64_simd::STANDARD.encode_to_string(text)
}

impl TokenParts {
    /// Takes a token apart.
    ///
    /// # Errors
    /// InvalidGrantTokenException for what was not made here.
    pub(crate) fn read(token: &str) -> Result<Self, Exception> {
        Self::parse(token).ok_or_else(|| {
            Exception::new(
                Code::InvalidGrantToken,
                "The grant token is not one that CreateGrant gave out. Give it as it was, whole.",
            )
        })
    }

    fn parse(token: &str) -> Option<Self> {
        let text = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        let mut parts = text.split(':');
        let version = parts.next()?;
        let parsed = Self {
            account: parts.next()?.parse().ok()?,
            key: parts.next()?.parse().ok()?,
            grant: parts.next()?.to_owned(),
        };
        let nonce = parts.next()?;
        let whole = version == VERSION && nonce.len() == 32 && parts.next().is_none();
        (whole && check_id(&parsed.grant).is_ok()).then_some(parsed)
    }
}

/// Rule GRANT-05: a grant token that was not made by CreateGrant is refused.
pub(crate) fn check_tokens(tokens: &[String]) -> Result<(), Exception> {
    tokens
        .iter()
        .try_for_each(|token| TokenParts::read(token).map(drop))
}
