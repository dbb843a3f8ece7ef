use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::log::Log;
use crate::{Expect, StoreError, Transaction};

/// A record's value and the revision of the commit that wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Written by the commit with this revision.
    pub revision: u64,
    /// The bytes, whose meaning the store does not know.
    pub value: Arc<[u8]>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Record(revision {}, {} bytes)",
            self.revision,
            self.value.len()
        )
    }
}

/// All records as readers see them.
#[derive(Debug, Default)]
pub(crate) struct StoreState {
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) revision: u64,
    /// Kept where others follow.
    pub(crate) log: Option<Log>,
}

/// What one group of transactions changes: the last write of each key.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) writes: BTreeMap<String, Option<Record>>,
    pub(crate) revision: u64,
    /// Whether one of the transactions is pressing, so that it may use the last room of the disk.
    pub(crate) pressing: bool,
}

/// What was written after a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The revision that the store has with these changes.
    pub revision: u64,
    /// Whether these are all records that there are, so that what is not among them is gone.
    pub whole: bool,
    /// Each record as it is now, in the order of their keys; none for one that was deleted.
    pub records: Vec<(String, Option<Record>)>,
}

impl StoreState {
    pub(crate) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(String, Record)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.records
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }

    /// Rule ST-14: what was written after `revision`, or everything when that is too long ago.
    pub(crate) fn changed_after(&self, revision: u64) -> Changed {
        let log = self.log.as_ref();
        let newer = log.and_then(|log| log.keys_after(revision));
        let whole = newer.is_none();
        let keys = newer.unwrap_or_else(|| self.records.keys().map(String::as_str).collect());
        let record = |key: &str| (key.to_owned(), self.records.get(key).cloned());
        Changed {
            revision: self.revision,
            whole,
            records: keys.into_iter().map(record).collect(),
        }
    }

    pub(crate) fn apply(&mut self, changes: Changes) {
        if let Some(log) = &mut self.log {
            log.add(changes.revision, changes.writes.keys());
        }
        for (key, record) in changes.writes {
            match record {
                Some(record) => self.records.insert(key, record),
                None => self.records.remove(&key),
            };
        }
        self.revision = self.revision.max(changes.revision);
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.revision == 0
    }

    /// How many bytes of the disk they take at most while they are committed: pages are copied
    /// before they are changed.
    pub(crate) fn bytes(&self) -> u64 {
        /// A leaf and the two pages above it.
        const EACH: usize = 3 * 4096;
        /// The tables' own pages, and those of what is free.
        const ALL: usize = 8 * 4096;
        let values = self.writes.values().flatten();
        let values: usize = values.map(|record| record.value.len()).sum();
        let bytes = ALL + EACH * self.writes.len() + 2 * values;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Adds `transaction` on top of `state` and the group so far, if its checks hold there.
    ///
    /// Rule ST-01: a transaction whose expectations do not hold changes nothing.
    pub(crate) fn add(
        &mut self,
        state: &StoreState,
        transaction: Transaction,
    ) -> Result<u64, StoreError> {
        transaction.check_sizes()?;
        for (key, expect) in &transaction.checks {
            let present = match self.writes.get(key) {
                Some(written) => written.as_ref(),
                None => state.records.get(key),
            };
            let holds = match expect {
                Expect::Absent => present.is_none(),
                Expect::Revision(revision) => {
                    present.is_some_and(|record| record.revision == *revision)
                }
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        let latest = self.revision.max(state.revision);
        if transaction.writes.is_empty() {
            return Ok(latest);
        }
        let revision = latest + 1;
        self.pressing |= transaction.pressing;
        for (key, value) in transaction.writes {
            let record = value.map(|value| Record {
                revision,
                value: value.into(),
            });
            self.writes.insert(key, record);
        }
        self.revision = revision;
        Ok(revision)
    }
}

impl Changed {
    /// As what a replica that has `present` must change.
    pub(crate) fn against(self, present: &BTreeMap<String, Record>) -> Changes {
        let mut writes: BTreeMap<_, _> = self.records.into_iter().collect();
        if self.whole {
            for key in present.keys() {
                writes.entry(key.clone()).or_insert(None);
            }
        }
        writes.retain(|key, record| present.get(key) != record.as_ref());
        Changes {
            pressing: false,
            writes,
            revision: self.revision,
        }
    }
}
