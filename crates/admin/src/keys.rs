use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// One key of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyFilter {
    /// The token of a session, as a login gave it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all.
    pub filter: Vec<String>,
}

/// The keys that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyListRequest {
    /// A session. A crypto user sees its own keys and those shared with it, an admin sees all.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `key-reference=0x…` or `attr.NAME=VALUE`; keys that meet all are listed.
    #[serde(default)]
    pub filter: Vec<String>,
    /// How many keys a page has at the most, from 1 on; 10 when it is left out.
    pub max_items: Option<usize>,
    /// The `next_token` of the page before.
    pub starting_token: Option<String>,
    /// Whether a crypto user is shown everything about its keys.
    #[serde(default)]
    pub verbose: bool,
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyPage {
    /// In the order of their references.
    pub matched_keys: Vec<ListedKey>,
    /// How many keys meet the filter.
    pub total_key_count: usize,
    /// How many of them this page has.
    pub returned_key_count: usize,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A key of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedKey {
    /// By what filters select it, such as `0x00000000000000ab`.
    pub key_reference: String,
    /// Who may use it; absent in a list that is not verbose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_info: Option<KeyInfo>,
    /// Its attributes by name; only the label in a list that is not verbose.
    pub attributes: BTreeMap<String, AttributeValue>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum AttributeValue {
    /// Says whether something is permitted or was so.
    Flag(bool),
    /// The value of an attribute that is a number.
    Number(usize),
    /// The value of an attribute that is text.
    Text(String),
}

/// Who may use a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyInfo {
    /// The one crypto user who owns it.
    pub key_owners: Vec<KeyUser>,
    /// The crypto users with whom it is shared.
    pub shared_users: Vec<KeyUser>,
    /// How many users must agree; there is no quorum here.
    pub key_quorum_values: KeyQuorum,
    /// `full` when every HSM in service has it, otherwise `inconsistent`.
    pub cluster_coverage: String,
}

/// A user of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyUser {
    /// The user's name.
    pub username: String,
    /// `full` when it is so on every HSM in service, otherwise `inconsistent`.
    #[serde(rename = "key-coverage")]
    pub key_coverage: String,
}

/// How many users must agree before a key is managed or used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyQuorum {
    /// Always 0: no quorum is asked for to manage the key.
    pub manage_key_quorum_value: u8,
    /// Always 0: no quorum is asked for to use the key.
    pub use_key_quorum_value: u8,
}

/// A key that shall be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GenerateRequest {
    /// The session of the crypto user who will own it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// The label of the key.
    pub label: String,
    /// Its length in bytes: 16, 24 or 32.
    pub key_length_bytes: usize,
    /// Attributes as `NAME=VALUE`.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// The crypto users with whom it is shared.
    #[serde(default)]
    pub share_crypto_users: Vec<String>,
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MadeKey {
    /// The key with all its attributes.
    pub key: ListedKey,
}

/// A key and the crypto user with whom it shall be shared, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShareRequest {
    /// The session of the crypto user who owns the key.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all.
    pub filter: Vec<String>,
    /// The name of the other crypto user.
    pub username: String,
}

/// An attribute that a key shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttributeRequest {
    /// The token of a session, as a login gave it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all.
    pub filter: Vec<String>,
    /// The name of the attribute.
    pub name: String,
    /// The value that the attribute gets.
    pub value: String,
}

/// A key that shall be wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrapRequest {
    /// The session of the crypto user who owns the key.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `aes-gcm`, `cloudhsm-aes-gcm`, `aes-no-pad`, `aes-pkcs5-pad` or `aes-zero-pad`.
    pub mechanism: String,
    /// Selects the key to be wrapped.
    pub payload_filter: Vec<String>,
    /// Selects the key to wrap with.
    pub wrapping_filter: Vec<String>,
    /// Additional authenticated data of AES-GCM, in hexadecimal.
    pub aad: Option<String>,
    /// The length of the tag of AES-GCM.
    pub tag_length_bits: Option<u32>,
}

/// A key that was wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrappedKey {
    /// The reference of the key that was wrapped.
    pub payload_key_reference: String,
    /// The reference of the key that it was wrapped with.
    pub wrapping_key_reference: String,
    /// The initial value in hexadecimal; only of `aes-gcm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iv: Option<String>,
    /// The wrapped key in Base64.
    pub wrapped_key_data: String,
}

/// A key that shall be made from what was wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnwrapRequest {
    /// The session of the crypto user who will own it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// `aes-gcm`, `cloudhsm-aes-gcm`, `aes-no-pad`, `aes-pkcs5-pad` or `aes-zero-pad`.
    pub mechanism: String,
    /// Selects the key to unwrap with.
    pub filter: Vec<String>,
    /// Additional authenticated data of AES-GCM, in hexadecimal.
    pub aad: Option<String>,
    /// The length of the tag of AES-GCM.
    pub tag_length_bits: Option<u32>,
    /// The initial value of `aes-gcm`, in hexadecimal.
    pub iv: Option<String>,
    /// The wrapped key in Base64.
    pub data: String,
    /// The type of the wrapped key: `aes`.
    pub key_type_class: String,
    /// The label of the new key.
    pub label: String,
    /// Its attributes as `NAME=VALUE`.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// The crypto users with whom it is shared.
    #[serde(default)]
    pub share_crypto_users: Vec<String>,
}

/// A key that another cluster shall have too; the path names the one that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplicateRequest {
    /// A session on the cluster that has it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// A session on the cluster that shall have it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub destination_token: Secret,
    /// `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all.
    pub filter: Vec<String>,
}

/// A key that another cluster has now too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplicatedKey {
    /// The key with all its attributes.
    pub key: ListedKey,
    /// A sentence that says that the key was copied.
    pub message: String,
}

/// A sentence about a key that a call has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Message {
    /// A sentence that says what was done.
    pub message: String,
}
