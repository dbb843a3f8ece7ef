//! How files come and go in a data folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::layout::LOCK;
use super::refusal::{in_use, unusable};

/// Makes an empty folder that only its owner can read, if it is absent.
pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Rule ST-04: one process at a time has a data folder open.
pub(super) fn lock(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join(LOCK))
        .map_err(|error| unusable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

/// Rule ST-28: makes sure that no process has the folder open, for a caller that only reads it. None
/// where there is no such file: then no process has used the folder.
pub(super) fn lock_for_reading(path: &Path) -> Result<Option<File>, String> {
    let file = match File::open(path.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

/// Writes a small file so that it is there whole or not at all, and synced.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(name);
    let making = folder.join(format!("{name}.making"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&making)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&making, &path)?;
    sync_folder(folder)
}

/// As [`write_whole`], unless the file says so already.
///
/// Rule ST-20: so a start needs no room on a full disk.
pub(super) fn write_if_other(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    match read_if_there(&folder.join(name))? {
        Some(there) if there == bytes => Ok(()),
        _ => write_whole(folder, name, bytes),
    }
}

/// The content of a file; none where there is no such file.
pub(super) fn read_if_there(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the disks of HSMs with their folder.
pub(super) fn remove_disks(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        std::fs::remove_file(entry?.path())?;
    }
    std::fs::remove_dir(folder)
}

/// Whether it was there.
pub(super) fn remove_if_there(path: &Path) -> std::io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What came or went in a folder is durable when the folder has been synced.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
