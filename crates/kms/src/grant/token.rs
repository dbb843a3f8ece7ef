//! Grant tokens: opaque to users, and no secret.
//!
//! A token says where its grant is, so that RetireGrant finds it, and is sealed under the device key:
//! that it was given out here shows without keeping any. Grants take effect at once, so that a token
//! adds nothing to a request that could be used without it.

use portcullis_api::{AccountId, Code, Exception, KeyId};
use portcullis_hsm::DeviceKey;
use portcullis_seam::Entropy;

use super::Grants;
use super::record::GrantRecord;

/// Under which name tokens are sealed.
const TOKEN: &str = "kms-grant-token";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenParts {
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
    pub(crate) grant: String,
}

/// A fresh token of a grant of a key in `account`: no two are alike.
pub(crate) fn token(
    account: &AccountId,
    grant: &GrantRecord,
    device_key: &DeviceKey,
    entropy: &dyn Entropy,
) -> String {
    let text = format!("{account}:{}:{}", grant.key, grant.id);
    base64_simd::STANDARD.encode_to_string(device_key.seal(TOKEN, text.as_bytes(), entropy))
}

impl TokenParts {
    /// Takes a token apart; none for what was not made here.
    fn parse(token: &str, device_key: &DeviceKey) -> Option<Self> {
        let sealed = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let text = device_key.open(TOKEN, &sealed).ok()?;
        let mut parts = std::str::from_utf8(&text).ok()?.split(':');
        Some(Self {
            account: parts.next()?.parse().ok()?,
            key: parts.next()?.parse().ok()?,
            grant: parts.next()?.to_owned(),
        })
    }
}

impl Grants {
    /// What a grant token says.
    ///
    /// # Errors
    /// InvalidGrantTokenException for what CreateGrant did not give out here.
    pub(super) fn read_token(&self, token: &str) -> Result<TokenParts, Exception> {
        TokenParts::parse(token, &self.records.config.device_key).ok_or_else(|| {
            Exception::new(
                Code::InvalidGrantToken,
                "The grant token is not one that CreateGrant gave out. Give it as it was, whole.",
            )
        })
    }

    /// Rule GRANT-05: a grant token that CreateGrant did not give out here is refused by every operation
    /// that declares InvalidGrantTokenException; that of a grant which has ended permits nothing, and is
    /// no error.
    pub(crate) fn check_tokens(&self, tokens: &[String]) -> Result<(), Exception> {
        tokens
            .iter()
            .try_for_each(|token| self.read_token(token).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_seam::SystemEntropy;

    use super::*;

    /// Rule GRANT-05.
    #[test]
    fn a_token_is_read_under_its_own_device_key_only() {
        let own = DeviceKey::draw(&SystemEntropy);
        let text = "111122223333:01020304-0506-0708-090a-0b0c0d0e0f10:abcd";
        let sealed = own.seal(TOKEN, text.as_bytes(), &SystemEntropy);
        let token = base64_simd::STANDARD.encode_to_string(&sealed);
        assert_eq!(TokenParts::parse(&token, &own).unwrap().grant, "abcd");
        let other = DeviceKey::draw(&SystemEntropy);
        assert_eq!(TokenParts::parse(&token, &other), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let changed = base64_simd::STANDARD.encode_to_string(&changed);
            assert_eq!(TokenParts::parse(&changed, &own), None, "byte {at}");
        }
        for refused in ["", "AQpAM2RhZTk1MGMyNTk2", "*", text] {
            assert_eq!(TokenParts::parse(refused, &own), None, "{refused}");
        }
    }
}
