use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::RecordFile;
use crate::state::{Changes, Record};
use crate::{Store, StoreError};

/// Everything in a store at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The revision of the latest commit.
    pub revision: u64,
    /// The records, in the order of their keys.
    pub records: Vec<(String, Record)>,
}

impl Store {
    /// What several stores hold at one instant.
    ///
    /// Rule ST-08: no commit of any of them is under way at that instant, so that the contents
    /// are what a power cut would have left. Commits wait for microseconds a thousand records.
    ///
    /// # Errors
    /// When the disk of one has failed: what it holds is then unknown.
    ///
    /// # Panics
    /// Never returns when the same store is given twice.
    pub fn contents_of(stores: &[Self]) -> Result<Vec<Contents>, StoreError> {
        let held: Vec<_> = stores
            .iter()
            .map(|store| store.shared.committing.lock())
            .collect();
        // One that is full or gone is as it was acknowledged.
        let mut refusals = held.iter().filter_map(|health| health.refusal());
        if let Some(refusal) = refusals.find(|it| matches!(it, StoreError::Closed(_))) {
            return Err(refusal);
        }
        Ok(stores.iter().map(Self::contents).collect())
    }

    fn contents(&self) -> Contents {
        let state = self.shared.state.read();
        let records = state.records.iter();
        Contents {
            revision: state.revision,
            records: records
                .map(|(key, record)| (key.clone(), record.clone()))
                .collect(),
        }
    }

    /// Makes the file `path`, which holds `contents`, synced.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be written.
    pub fn make(path: &Path, contents: &Contents) -> Result<(), StoreError> {
        RecordFile::create(path, &contents.changes(), None).map(drop)
    }
}

impl Contents {
    /// The same with these records in the place of those with their keys.
    #[must_use]
    pub fn with(&self, records: Vec<(String, Record)>) -> Self {
        let mut all: BTreeMap<String, Record> = self.records.iter().cloned().collect();
        all.extend(records);
        Self {
            revision: self.revision,
            records: all.into_iter().collect(),
        }
    }

    fn changes(&self) -> Changes {
        let records = self.records.iter();
        Changes {
            writes: records
                .map(|(key, record)| (key.clone(), Some(record.clone())))
                .collect(),
            revision: self.revision,
            pressing: false,
        }
    }
}
