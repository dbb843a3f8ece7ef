use postcard::experimental::serialized_size;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::user::UserName;
use crate::{HsmKeyId, Role};

/// One record of an HSM's disk to be written or, without a value, removed.
///
/// ```text
/// phase                       whether the HSM is activated
/// identity                    cluster certificate and private key, opaque here
/// masking-key                 under which the cluster's HSMs hand keys to each other
/// user/<role>/<name>          password hash and failed logins
/// key/<id>                    key material, owner, shared users, attributes
/// secret/<id>                 a key that is not an AES key: kind, secret, public half, owner
/// fence/<scope>               the highest epoch seen: of this HSM alone, in no backup
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The record's key.
    pub key: String,
    /// Its value, secret; none removes the record.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.value.is_some() {
            "put"
        } else {
            "remove"
        };
        write!(formatter, "Change({what} {})", self.key)
    }
}

pub(crate) const PHASE: &str = "phase";
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const MASKING_KEY: &str = "masking-key";
pub(crate) const USER: &str = "user/";
pub(crate) const KEY: &str = "key/";
pub(crate) const SECRET_KEY: &str = "secret/";
pub(crate) const FENCE: &str = "fence/";

pub(crate) fn put(key: String, value: &impl Serialize) -> Change {
    Change {
        key,
        value: Some(encode(value)),
    }
}

pub(crate) const fn remove(key: String) -> Change {
    Change { key, value: None }
}

/// How many bytes a value takes up.
pub(crate) fn size(value: &impl Serialize) -> usize {
    serialized_size(value).unwrap_or_default()
}

/// Measures first: a vector that grows would leave copies of the secret behind.
#[expect(
    clippy::expect_used,
    reason = "records are plain structures, which postcard can write"
)]
pub(crate) fn encode(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let bytes = serialized_size(value).expect("plain structures have a size");
    let encoded = postcard::to_extend(value, Vec::with_capacity(bytes));
    Zeroizing::new(encoded.expect("plain structures serialise"))
}

/// Reads a value that takes up all the bytes.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    let (decoded, rest) = postcard::take_from_bytes(value).ok()?;
    rest.is_empty().then_some(decoded)
}

pub(crate) fn user_key(user: &UserName) -> String {
    let role = match user.role {
        Role::UnactivatedAdmin => "unactivated-admin",
        Role::Admin => "admin",
        Role::CryptoUser => "crypto-user",
        Role::ApplianceUser => "appliance-user",
    };
    format!("{USER}{role}/{}", user.name)
}

pub(crate) fn key_key(id: HsmKeyId) -> String {
    format!("{KEY}{id}")
}

pub(crate) fn secret_key(id: HsmKeyId) -> String {
    format!("{SECRET_KEY}{id}")
}

pub(crate) fn fence_key(scope: &[u8; 16]) -> String {
    format!("{FENCE}{}", HsmKeyId(*scope))
}
