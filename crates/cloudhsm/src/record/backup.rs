use std::collections::BTreeMap;

use portcullis_api::{BackupId, ClusterId, Region, Scope};
use serde::{Deserialize, Serialize};

use super::{DecidedRecord, layout};

/// A backup. Its sealed image is a record of its own, beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) id: BackupId,
    pub(crate) cluster: ClusterId,
    pub(crate) state: BackupState,
    /// Milliseconds since 1970-01-01 UTC; rises strictly from backup to backup of a cluster. A
    /// copy has the date of its source.
    pub(crate) created: u64,
    pub(crate) hsm_type: String,
    pub(crate) mode: String,
    pub(crate) never_expires: bool,
    /// The signed cluster certificate (PEM), which a cluster made from this backup has at once.
    pub(crate) certificate: String,
    /// The trust anchor (PEM).
    pub(crate) trust_anchor: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Where it was copied from; none for a backup that was taken.
    #[serde(default)]
    pub(crate) source: Option<Source>,
    /// The resource policy that shares it, as the owner gave it.
    #[serde(default)]
    pub(crate) policy: Option<String>,
}

/// What a copy was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) region: Region,
    pub(crate) backup: BackupId,
    /// When it was copied, in milliseconds since 1970-01-01 UTC.
    pub(crate) copied: u64,
}

/// `BackupState` of the service model. All dates in milliseconds since 1970-01-01 UTC.
///
/// A backup that is taken is written with its image in one transaction, so that it is never half
/// made: it is CREATE_IN_PROGRESS only as long as the pace of state changes says. A copy is until its
/// image is there.
///
/// ```text
/// CREATE_IN_PROGRESS ─── complete ───▶ READY ─ DeleteBackup, purge ─▶ PENDING_DELETION
///          │                             ▲                             │      │
///          │                             └─────── RestoreBackup ───────┘      │ 7 days
///          └──────────────── image unreadable ──────────▶ DELETED ◀───────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum BackupState {
    CreateInProgress,
    Ready,
    /// `until` is `DeleteTimestamp`: when it will be gone for good.
    PendingDeletion {
        until: u64,
    },
    /// `since` then its image is gone.
    Deleted {
        since: u64,
    },
}

impl BackupState {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CreateInProgress => "CREATE_IN_PROGRESS",
            Self::Ready => "READY",
            Self::PendingDeletion { .. } => "PENDING_DELETION",
            Self::Deleted { .. } => "DELETED",
        }
    }
}

impl Backup {
    pub(crate) fn is_ready(&self) -> bool {
        self.state == BackupState::Ready
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.state == BackupState::CreateInProgress
    }

    /// Whether an HSM of the given type can be filled from it.
    ///
    /// Rule BK-13: a hsm1.medium backup can seed hsm2m.medium HSMs, not the reverse.
    pub(crate) fn fits(&self, hsm_type: &str) -> bool {
        !(self.hsm_type == HSM2M && hsm_type == HSM1)
    }
}

impl DecidedRecord for Backup {
    fn key(&self, scope: &Scope) -> String {
        layout::backup(scope, &self.id)
    }
}

/// The types of HSM that there are.
pub(crate) const HSM1: &str = "hsm1.medium";
pub(crate) const HSM2M: &str = "hsm2m.medium";
