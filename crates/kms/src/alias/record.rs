use portcullis_api::KeyId;
use serde::{Deserialize, Serialize};

/// What the aliases of AWS services begin with.
pub(crate) const RESERVED: &str = "alias/aws/";

/// An alias as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    /// The alias's name, which begins with `alias/`.
    pub(crate) name: String,
    pub(crate) target: KeyId,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
}

impl AliasRecord {
    pub(crate) const fn new(name: String, target: KeyId, now_ms: u64) -> Self {
        Self {
            name,
            target,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}
