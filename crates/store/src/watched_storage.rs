//! The storage under redb, watched: which operation failed, and whether the file is where it was.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::Storage;
use crate::room::is_no_room;

/// Storage that remembers what failed first. redb uses no storage again that has failed once, so it
/// is given the same one anew.
#[derive(Debug, Clone)]
pub(crate) struct WatchedStorage {
    backend: Arc<dyn StorageBackend>,
    failure: Arc<Mutex<Option<StorageFailure>>>,
}

/// Why an operation on the storage failed, as far as the store must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageFailure {
    /// A write found no room. Nothing was promised of it yet: the sync comes later.
    NoRoom,
    /// A sync, after which it is unknown what is on the disk; or anything else.
    Unknown,
}

impl WatchedStorage {
    pub(crate) fn on(backend: impl StorageBackend) -> Self {
        Self {
            backend: Arc::new(backend),
            failure: Arc::default(),
        }
    }

    pub(crate) fn of_storage(storage: impl Storage) -> Self {
        Self::on(AdaptedStorage(storage))
    }

    pub(crate) fn of_file(file: File) -> io::Result<Self> {
        FileBackend::new(file)
            .map(Self::on)
            .map_err(io::Error::other)
    }

    /// What has failed since this was last asked.
    pub(crate) fn take_failure(&self) -> Option<StorageFailure> {
        self.failure.lock().take()
    }

    fn note<T>(
        &self,
        outcome: io::Result<T>,
        failure: impl Fn(&io::Error) -> StorageFailure,
    ) -> io::Result<T> {
        if let Err(error) = &outcome {
            self.failure.lock().get_or_insert_with(|| failure(error));
        }
        outcome
    }
}

fn of_write(error: &io::Error) -> StorageFailure {
    if is_no_room(error) {
        StorageFailure::NoRoom
    } else {
        StorageFailure::Unknown
    }
}

const fn unknown(_error: &io::Error) -> StorageFailure {
    StorageFailure::Unknown
}

impl StorageBackend for WatchedStorage {
    fn len(&self) -> io::Result<u64> {
        self.note(self.backend.len(), unknown)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note(self.backend.read(offset, out), unknown)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.backend.set_len(len), of_write)
    }

    /// Rule ST-07: a failed sync is not like a failed write, whatever the reason.
    fn sync_data(&self) -> io::Result<()> {
        self.note(self.backend.sync_data(), unknown)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(self.backend.write(offset, data), of_write)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}

/// [`Storage`] as redb calls it.
#[derive(Debug)]
struct AdaptedStorage<S>(S);

impl<S: Storage> StorageBackend for AdaptedStorage<S> {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.resize(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Where storage lies, so that the next start finds it.
pub trait StorageLocation: Send + Sync + fmt::Debug {
    /// Whether it is still there.
    ///
    /// # Errors
    /// What has become of it.
    fn check(&self) -> Result<(), String>;
}

/// Where a file lies, and which one it is.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
}

impl Whereabouts {
    /// Of a file that is open, so that its inode is not used again.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: identity(path)?,
        })
    }
}

impl StorageLocation for Whereabouts {
    /// Rule ST-21: what is written into a file that was removed or replaced is found by no start.
    fn check(&self) -> Result<(), String> {
        let why = match identity(&self.path) {
            Ok(found) if found == self.file => return Ok(()),
            Ok(_another) => "was replaced".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => "was removed".to_owned(),
            Err(error) => format!("cannot be found any more: {error}"),
        };
        Err(format!("{} {why}", self.path.display()))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
