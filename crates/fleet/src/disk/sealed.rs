use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::{Change, DeviceKey, HsmKeyId};
use portcullis_seam::Entropy;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::{Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::layout;

/// The disk of one HSM: its records, each sealed under the device key, and what the service notes
/// beside them.
#[derive(Debug, Clone)]
pub(crate) struct HsmDisk {
    pub(crate) hsm: HsmId,
    pub(crate) store: Store,
    pub(crate) device_key: Arc<DeviceKey>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// What an HSM's disk knows beyond the HSM itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskNotes {
    /// Keys that were deleted on purpose. Ids are random and never used again, so the notes are
    /// kept for ever: 60 bytes a deleted key.
    pub(crate) deleted: BTreeSet<HsmKeyId>,
    /// When each user (`<role>/<name>`) was last created, changed or deleted, in milliseconds
    /// since 1970, or later if it was changed twice within one.
    pub(crate) changed: BTreeMap<String, u64>,
}

/// Writes that happen together.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) records: Vec<Change>,
    pub(crate) notes: DiskNotes,
}

impl Writes {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.notes == DiskNotes::default()
    }
}

/// Everything on a disk, opened.
#[derive(Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskContents {
    pub(crate) records: Vec<(String, Zeroizing<Vec<u8>>)>,
    pub(crate) notes: DiskNotes,
}

impl std::fmt::Debug for DiskContents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Contents({} records)", self.records.len())
    }
}

impl HsmDisk {
    /// Writes and syncs.
    ///
    /// # Errors
    /// When the disk fails; what it then holds is unknown.
    pub(crate) async fn write(&self, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut transaction = Transaction::new();
        for Change { key, value } in &writes.records {
            let name = layout::hsm_record(key);
            transaction = match value {
                // Rule BK-06: what lies on a disk is sealed.
                Some(value) if planted(Bug::KeyOnDiskUnsealed) => transaction
                    .put(&name, self.seal(&name, value))
                    .put(format!("debug/{key}"), value.to_vec()),
                Some(value) => transaction.put(&name, self.seal(&name, value)),
                None => transaction.delete(name),
            };
        }
        for id in &writes.notes.deleted {
            transaction = transaction.put(layout::deleted(id), Vec::new());
        }
        for (user, when) in &writes.notes.changed {
            transaction = transaction.put(layout::changed(user), when.to_be_bytes().to_vec());
        }
        // The HSM has done already what is written: it has looked for room before.
        self.store.commit(transaction.pressing()).await.map(drop)
    }

    /// Reads the whole disk.
    ///
    /// # Errors
    /// A sentence for the log when something on it was sealed under another device key or damaged.
    pub(crate) fn read(&self) -> Result<DiskContents, String> {
        self.read_records("")
    }

    /// Reads what HSMs take over from each other before they serve: users and notes. Keys are
    /// most of a disk and stay sealed.
    ///
    /// # Errors
    /// As [`HsmDisk::read`].
    pub(crate) fn read_users(&self) -> Result<DiskContents, String> {
        self.read_records(layout::USERS)
    }

    /// The notes, and those records of the HSM whose keys start with `prefix`.
    fn read_records(&self, prefix: &str) -> Result<DiskContents, String> {
        let mut contents = DiskContents {
            notes: self.notes(),
            records: Vec::new(),
        };
        let prefix = layout::hsm_record(prefix);
        for (name, record) in self.store.scan(&prefix, None, usize::MAX) {
            let opened = self
                .device_key
                .open(&self.sealing_name(&name), &record.value)
                .map_err(|error| format!("{name} on the disk of {}: {error}", self.hsm))?;
            if let Some(key) = name.strip_prefix(layout::HSM_RECORDS) {
                contents.records.push((key.to_owned(), opened));
            }
        }
        Ok(contents)
    }

    /// The notes alone, which are not sealed.
    pub(crate) fn notes(&self) -> DiskNotes {
        let deleted = self.store.scan(layout::DELETED, None, usize::MAX);
        let changed = self.store.scan(layout::CHANGED, None, usize::MAX);
        DiskNotes {
            deleted: deleted
                .iter()
                .filter_map(|(name, _)| HsmKeyId::from_hex(name.strip_prefix(layout::DELETED)?))
                .collect(),
            changed: changed
                .into_iter()
                .filter_map(|(name, record)| {
                    let user = name.strip_prefix(layout::CHANGED)?.to_owned();
                    let when = <[u8; 8]>::try_from(&*record.value).ok()?;
                    Some((user, u64::from_be_bytes(when)))
                })
                .collect(),
        }
    }

    fn seal(&self, name: &str, secret: &[u8]) -> Vec<u8> {
        let name = self.sealing_name(name);
        self.device_key.seal(&name, secret, &*self.entropy)
    }

    /// Bound to the HSM, so that a record moved to another disk does not open.
    fn sealing_name(&self, name: &str) -> String {
        format!("{}/{name}", self.hsm)
    }
}

/// The key whose record on an HSM lies at `record_key`, if that is a key's.
pub(crate) fn key_of_record(record_key: &str) -> Option<HsmKeyId> {
    HsmKeyId::from_hex(record_key.strip_prefix("key/")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_reads_back_from_the_name_of_its_record() {
        let id = HsmKeyId([0x0f; 16]);
        assert_eq!(key_of_record(&format!("key/{id}")), Some(id));
        for other in ["key/0f", "user/admin/admin", "key/", "phase"] {
            assert_eq!(key_of_record(other), None, "{other}");
        }
    }
}
