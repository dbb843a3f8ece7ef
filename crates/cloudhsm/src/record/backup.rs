use std::collections::BTreeMap;

use portcullis_api::{BackupId, ClusterId};
use serde::{Deserialize, Serialize};

/// A backup. Its sealed image is a record of its own, beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) id: BackupId,
    pub(crate) cluster: ClusterId,
    pub(crate) state: BackupState,
    /// Milliseconds since 1970-01-01 UTC; rises strictly from backup to backup of a cluster.
    pub(crate) created: u64,
    pub(crate) hsm_type: String,
    pub(crate) mode: String,
    pub(crate) never_expires: bool,
    /// The signed cluster certificate (PEM), which a cluster made from this backup has at once.
    pub(crate) certificate: String,
    /// The trust anchor (PEM).
    pub(crate) trust_anchor: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// `BackupState` of the service model, as far as it is produced.
///
/// Record and image are written in one transaction, so that no backup is ever seen half made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum BackupState {
    Ready,
}

impl BackupState {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
        }
    }
}
