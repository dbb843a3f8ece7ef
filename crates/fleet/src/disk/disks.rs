use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_store::{Closing, Room, Store, StoreError};

/// An HSM's disk, or why it cannot be opened.
pub type FoundDisk = (HsmId, Result<Store, StoreError>);

/// Where the disks of HSMs come from: one store for each HSM.
pub trait Disks: Send + Sync + Debug {
    /// An empty disk for a new HSM.
    ///
    /// # Errors
    /// When it cannot be made, or is there already.
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError>;

    /// The disk of an HSM that has one. Asked again at every restart of the HSM.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when it is lost, and when it cannot be read.
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

    /// Tells when the files of those that are open have been closed.
    fn closing(&self) -> Vec<Closing> {
        Vec::new()
    }
}

/// A file for each HSM in one folder, so that a key on two HSMs is in two synced files.
///
/// A file stays open until its HSM is deleted, also while the HSM is down: like a disk that
/// is never pulled out.
#[derive(Debug)]
pub struct FileDisks {
    folder: PathBuf,
    room: Room,
    open: Mutex<BTreeMap<HsmId, Store>>,
}

impl FileDisks {
    /// Disks in `folder`, which is made if absent when the first disk is made, and in the room of a
    /// data folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, room: Room) -> Self {
        Self {
            folder: folder.into(),
            room,
            open: Mutex::default(),
        }
    }

    /// What is on the disks in `folder`, in memory: for a folder that nothing may be written to, and
    /// that no process has open.
    ///
    /// # Errors
    /// When it cannot be seen which there are.
    pub fn copies(folder: &Path) -> Result<Vec<FoundDisk>, StoreError> {
        let copy = |id: HsmId| {
            let copied = Store::copy_of(&path_in(folder, &id));
            (id, copied)
        };
        Ok(ids_in(folder)?.into_iter().map(copy).collect())
    }

    fn path(&self, hsm: &HsmId) -> PathBuf {
        path_in(&self.folder, hsm)
    }
}

fn path_in(folder: &Path, hsm: &HsmId) -> PathBuf {
    folder.join(format!("{hsm}.redb"))
}

fn ids_in(folder: &Path) -> Result<BTreeSet<HsmId>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut ids = BTreeSet::new();
    for entry in entries {
        let name = entry
            .map_err(|error| unreadable(folder, &error))?
            .file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".redb"));
        ids.extend(id.and_then(|id| id.parse::<HsmId>().ok()));
    }
    Ok(ids)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unreadable(format!("{}: {error}", folder.display()))
}

impl Disks for FileDisks {
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let mut open = self.open.lock();
        // Not its parents: a data folder that was removed does not come back half.
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(unreadable(&self.folder, &error));
            }
            _ => {}
        }
        let store = Store::create(&self.path(hsm), Some(&self.room))?;
        open.insert(hsm.clone(), store.clone());
        Ok(store)
    }

    /// Rule ST-17: a disk that is lost is not made anew.
    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let mut open = self.open.lock();
        if let Some(store) = open.get(hsm) {
            return Ok(store.clone());
        }
        let store = Store::open(&self.path(hsm), Some(&self.room))?;
        open.insert(hsm.clone(), store.clone());
        Ok(store)
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.open.lock().remove(hsm);
        Store::remove(&self.path(hsm))
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        let open = |id: HsmId| {
            let disk = self.open(&id);
            (id, disk)
        };
        Ok(ids_in(&self.folder)?.into_iter().map(open).collect())
    }

    fn closing(&self) -> Vec<Closing> {
        let open = self.open.lock();
        open.values().filter_map(Store::closing).collect()
    }
}

/// Disks in memory, for `--ephemeral` and tests. They outlive a crash of their HSM.
#[derive(Debug, Default)]
pub struct MemoryDisks {
    disks: Mutex<BTreeMap<HsmId, Store>>,
}

impl Disks for MemoryDisks {
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let store = Store::memory();
        self.disks.lock().insert(hsm.clone(), store.clone());
        Ok(store)
    }

    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let disk = self.disks.lock().get(hsm).cloned();
        disk.ok_or_else(|| StoreError::Absent(format!("the disk of {hsm}")))
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
