//! What lies beside a store's file: the revision that was acknowledged last.
//!
//! ```text
//! "portcullis guard" ‖ revision (8 bytes, little endian) ‖ its complement
//! ```
//!
//! It is written without a sync of its own: the kernel has it when the process is killed, and brings
//! it to the disk within seconds. After a power cut it may be older than the store, never newer.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"portcullis guard";
const RECORD_BYTES: usize = 32;
const EXTENSION: &str = "guard";

/// The file beside a store's.
#[derive(Debug)]
pub(crate) struct GuardFile {
    path: PathBuf,
    /// None when it cannot be written: then less is known after a kill.
    file: Option<File>,
}

impl GuardFile {
    /// The guard of the store at `path`, which is made when there is none.
    pub(crate) fn beside(path: &Path) -> Self {
        let path = path_beside(path);
        let file = open(&path).inspect_err(|error| warn(&path, error)).ok();
        Self { path, file }
    }

    /// Writes down that a revision is about to be acknowledged.
    pub(crate) fn note(&mut self, revision: u64) {
        let Some(file) = &self.file else {
            return;
        };
        // What is acknowledged is synced all the same.
        if let Err(error) = file.write_all_at(&encode(revision), 0) {
            warn(&self.path, &error);
            self.file = None;
        }
    }
}

/// Rule ST-26: a store whose last acknowledged write is gone is told from one that is whole.
pub(crate) fn check(path: &Path, found: u64) -> Result<(), String> {
    match acknowledged(path) {
        Some(acknowledged) if acknowledged > found => Err(format!(
            "revision {acknowledged} was acknowledged, and the file ends at {found}: it is damaged, \
             or an older copy. To go on with what is left, remove {}",
            path_beside(path).display()
        )),
        _ => Ok(()),
    }
}

/// The revision that was acknowledged last, as far as that was written down.
fn acknowledged(path: &Path) -> Option<u64> {
    let mut record = [0; RECORD_BYTES];
    let file = File::open(path_beside(path)).ok()?;
    file.read_exact_at(&mut record, 0).ok()?;
    decode(&record)
}

fn warn(path: &Path, error: &io::Error) {
    let path = path.display();
    tracing::warn!(%path, %error, "what is acknowledged cannot be written down a second time");
}

/// Removes the guard of a store that is removed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path_beside(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path_beside(path: &Path) -> PathBuf {
    path.with_extension(EXTENSION)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn encode(revision: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let parts = MAGIC
        .iter()
        .copied()
        .chain(revision.to_le_bytes())
        .chain((!revision).to_le_bytes());
    record
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<u64> {
    let (revision, rest) = record.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (complement, _) = rest.split_first_chunk()?;
    let revision = u64::from_le_bytes(*revision);
    (u64::from_le_bytes(*complement) == !revision).then_some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule ST-26
    #[test]
    fn a_revision_reads_back_and_anything_else_is_none() {
        let record = encode(41);
        assert_eq!(decode(&record), Some(41));
        for at in 0..RECORD_BYTES {
            let mut other = record;
            other[at] ^= 1;
            assert_eq!(decode(&other), None, "byte {at}");
        }
        assert_eq!(decode(&[0; RECORD_BYTES]), None);
    }

    /// Rule ST-26
    #[test]
    fn what_is_noted_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let mut guard = GuardFile::beside(&path);
        assert_eq!(acknowledged(&path), None);
        guard.note(7);
        guard.note(8);
        assert_eq!(acknowledged(&path), Some(8));
        assert!(check(&path, 8).is_ok() && check(&path, 7).is_err());
        remove(&path).unwrap();
        assert_eq!(acknowledged(&path), None);
    }
}
