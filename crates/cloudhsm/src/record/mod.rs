//! What the control plane remembers: clusters with their HSMs, and backups.

mod backup;
mod cluster;
mod decoded;
mod format;
pub(crate) mod layout;
mod ledger;
mod state;

pub(crate) use backup::{Backup, BackupState, HSM1, HSM2M, Source};
pub(crate) use cluster::{Cluster, ClusterCertificates, HsmRecord, Rollback};
pub(crate) use format::{DecidedRecord, internal};
pub(crate) use ledger::RecordLedger;
pub(crate) use portcullis_store::versioned::{decode, encode};
pub(crate) use state::{ScopeRecords, SharedBackup};
