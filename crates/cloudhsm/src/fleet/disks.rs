use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_store::{Store, StoreError};

/// An HSM's disk, or why it cannot be opened.
pub type FoundDisk = (HsmId, Result<Store, StoreError>);

/// Where the disks of HSMs come from: one store for each HSM.
pub trait Disks: Send + Sync + Debug {
    /// The disk of an HSM, made if absent. Asked again at every restart of the HSM.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError>;

    /// Destroys the disk of an HSM that was deleted.
    ///
    /// # Errors
    /// When it cannot be destroyed.
    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError>;

    /// Every disk there is, in the order of the HSMs' IDs, opened.
    ///
    /// # Errors
    /// When it cannot be seen which there are. That one cannot be opened stands in its place.
    fn all(&self) -> Result<Vec<FoundDisk>, StoreError>;
}

/// A file for each HSM in one folder, so that a key on two HSMs is in two synced files.
///
/// A file stays open until its HSM is deleted, also while the HSM is down: like a disk that
/// nobody pulls out.
#[derive(Debug)]
pub struct FileDisks {
    folder: PathBuf,
    open: Mutex<BTreeMap<HsmId, Store>>,
}

impl FileDisks {
    /// Disks in `folder`, which is made if absent when the first disk is opened.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            open: Mutex::default(),
        }
    }

    fn path(&self, hsm: &HsmId) -> PathBuf {
        self.folder.join(format!("{hsm}.redb"))
    }
}

impl Disks for FileDisks {
    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let mut open = self.open.lock();
        if let Some(store) = open.get(hsm) {
            return Ok(store.clone());
        }
        let unreadable = |error: std::io::Error| {
            StoreError::Unreadable(format!("{}: {error}", self.folder.display()))
        };
        std::fs::create_dir_all(&self.folder).map_err(unreadable)?;
        let store = Store::open(&self.path(hsm))?;
        open.insert(hsm.clone(), store.clone());
        Ok(store)
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.open.lock().remove(hsm);
        let path = self.path(hsm);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let why = format!("{}: {error}", path.display());
                Err(StoreError::Unreadable(why))
            }
        }
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        let unreadable = |error: std::io::Error| {
            StoreError::Unreadable(format!("{}: {error}", self.folder.display()))
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut ids = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".redb"));
            ids.extend(id.and_then(|id| id.parse::<HsmId>().ok()));
        }
        Ok(ids
            .into_iter()
            .map(|id| (id.clone(), self.open(&id)))
            .collect())
    }
}

/// Disks in memory, for `--ephemeral` and tests. They outlive a crash of their HSM.
#[derive(Debug, Default)]
pub struct MemoryDisks {
    disks: Mutex<BTreeMap<HsmId, Store>>,
}

impl Disks for MemoryDisks {
    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let mut disks = self.disks.lock();
        Ok(disks
            .entry(hsm.clone())
            .or_insert_with(Store::memory)
            .clone())
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.disks.lock().remove(hsm);
        Ok(())
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        let disks = self.disks.lock();
        Ok(disks
            .iter()
            .map(|(id, store)| (id.clone(), Ok(store.clone())))
            .collect())
    }
}
