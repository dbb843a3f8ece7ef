//! What the control plane remembers: clusters with their HSMs, and backups.

mod backup;
mod cluster;
pub(crate) mod layout;
mod ledger;
mod state;

pub(crate) use backup::{Backup, BackupState};
pub(crate) use cluster::{Certificates, Cluster, HsmRecord};
pub(crate) use ledger::{Ledger, internal};
pub(crate) use state::{State, decode, encode};
