//! Power cuts of a store, one after another: what was acknowledged must be there each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_seam::plant::{self, Bug};
use portcullis_store::{Record, Store, Transaction};

use crate::{Random, SimDisk};

/// Records that a store has in this trial: few, so that most writes change one.
const RECORDS: u64 = 24;

/// A value fits into a sector, or takes several.
const VALUE_BYTES_MAX: u64 = 3_000;

/// Commits until the power fails: the fuse is at most this many writes of the disk away.
const FUSE_MAX: u64 = 60;

/// Opening a store after a power cut takes about as many writes.
const RECOVERY_WRITES: u64 = 12;

/// What a number of power cuts came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerCuts {
    /// How often the power was cut and the store opened again.
    pub cuts: u64,
    /// Commits that were acknowledged.
    pub acknowledged: u64,
    /// Commits that were not acknowledged and were there all the same.
    pub kept: u64,
    /// Commits that were not acknowledged and were gone.
    pub lost: u64,
    /// Power cuts while the store recovered from another one.
    pub in_recovery: u64,
    /// What went wrong.
    pub violations: Vec<String>,
}

/// Rule SIM-08: cuts the power in the midst of a write `cuts` times, on a disk on which each
/// sector that was not synced is there, or is not, and opens the store again. Each cut is in
/// another write: the next one is drawn between none and sixty writes ahead.
///
/// # Errors
/// When the runtime that commits need cannot be made.
pub fn power_cuts(seed: u64, cuts: u64, bug: Option<Bug>) -> std::io::Result<PowerCuts> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(plant::with(bug, || {
        let mut trial = Trial {
            disk: SimDisk::new(Random::new(seed, "power cuts")),
            random: Random::new(seed, "commits"),
            expected: BTreeMap::new(),
            found: PowerCuts::default(),
        };
        let mut store = trial.open();
        while let Some(open) = store
            && trial.found.cuts < cuts
        {
            store = runtime.block_on(trial.round(open));
        }
        trial.found
    }))
}

struct Trial {
    disk: SimDisk,
    random: Random,
    expected: BTreeMap<String, Vec<u8>>,
    found: PowerCuts,
}

impl Trial {
    /// Opens the store; in one of ten cases the power fails again while it recovers.
    fn open(&mut self) -> Option<Store> {
        if self.random.chance(10) {
            self.disk
                .cut_power_after(self.random.below(RECOVERY_WRITES));
        }
        let power = self.disk.cuts();
        let mut opened = Store::on_storage(self.disk.attach());
        if opened.is_err() && self.disk.cuts() > power {
            self.found.in_recovery += 1;
            self.found.cuts += 1;
            opened = Store::on_storage(self.disk.attach());
        }
        opened
            .map_err(|error| self.violate(&error.to_string()))
            .ok()
    }

    fn violate(&mut self, what: &str) {
        let what = format!("after {} cuts: {what}", self.found.cuts);
        self.found.violations.push(what);
    }

    /// Commits until the power fails, opens the store again and looks.
    async fn round(&mut self, store: Store) -> Option<Store> {
        self.disk.cut_power_after(self.random.below(FUSE_MAX));
        let (key, value) = loop {
            let key = format!("record/{:02}", self.random.below(RECORDS));
            let mut value =
                vec![0; usize::try_from(self.random.below(VALUE_BYTES_MAX)).unwrap_or(0)];
            self.random.fill(&mut value);
            let put = Transaction::new().put(&*key, value.clone());
            if store.commit(put).await.is_err() {
                break (key, value);
            }
            self.found.acknowledged += 1;
            self.expected.insert(key, value);
        };
        self.found.cuts += 1;
        drop(store);
        let store = self.open()?;
        self.compare(&store, &key, value).then_some(store)
    }

    /// What is there is what was acknowledged, and the last commit either way.
    fn compare(&mut self, store: &Store, key: &str, value: Vec<u8>) -> bool {
        let found: BTreeMap<String, Arc<[u8]>> = store
            .scan("record/", None, usize::MAX)
            .into_iter()
            .map(|(key, Record { value, .. })| (key, value))
            .collect();
        if found.get(key).is_some_and(|there| **there == *value) {
            self.found.kept += 1;
            self.expected.insert(key.to_owned(), value);
        } else {
            self.found.lost += 1;
        }
        let mut pairs = found.iter().zip(&self.expected);
        let same = found.len() == self.expected.len()
            && pairs.all(|((name, there), (key, value))| name == key && **there == **value);
        if !same {
            self.violate("the store has not what was acknowledged");
        }
        same
    }
}
