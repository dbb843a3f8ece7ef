use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// What a commit or two need when the file system has no room left. A record of 600 bytes takes some
/// ten pages of 4 KiB while it is committed, and gives most of them back.
const HALF_BYTES: u64 = 128 << 10;

const FILE: &str = "reserve";

/// The room that the stores of one folder share, with a part of it in reserve.
///
/// Rule ST-24: a commit that finds no room gets one half of the reserve, and from then on every store
/// of the folder refuses writes before they begin, until the reserve is whole again. So a full disk
/// is met between two changes, not in the midst of one. The other half is for what was begun, and for
/// the few writes without which a restart could not take up the connections of key stores.
#[derive(Debug, Clone)]
pub struct Room(Arc<Reserve>);

#[derive(Debug)]
struct Reserve {
    path: PathBuf,
    file: Mutex<Option<File>>,
    /// How many halves of the reserve are in place.
    halves: AtomicU64,
}

const WHOLE: u64 = 2;

impl Room {
    /// That of a folder, whose reserve is taken if there is room for it.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let room = Self(Arc::new(Reserve {
            path: folder.join(FILE),
            file: Mutex::default(),
            halves: AtomicU64::new(0),
        }));
        if !room.look_for_reserve() {
            room.say_full();
        }
        room
    }

    /// Whether the reserve is whole. Takes it back if it was used and there is room.
    pub(crate) fn holds(&self) -> bool {
        if !self.is_full() {
            return true;
        }
        let found = self.look_for_reserve();
        if found {
            let path = self.0.path.display();
            tracing::warn!(%path, "the disk has room again: writes are taken");
        }
        found
    }

    /// Whether a part of the reserve was used.
    pub(crate) fn is_full(&self) -> bool {
        self.halves() < WHOLE
    }

    /// Whether there is anything in reserve.
    pub(crate) fn has_last(&self) -> bool {
        self.halves() > 0
    }

    fn halves(&self) -> u64 {
        self.0.halves.load(Ordering::Acquire)
    }

    /// Gives a half of the reserve to a commit that finds no room: the last one only to one that is
    /// pressing. Whether there was one.
    pub(crate) fn give_away(&self, pressing: bool) -> bool {
        let file = self.0.file.lock();
        let left = match self.halves() {
            WHOLE => WHOLE - 1,
            0 => return false,
            _ if !pressing => return false,
            _ => 0,
        };
        if left + 1 == WHOLE {
            self.say_full();
        }
        self.0.halves.store(left, Ordering::Release);
        let cut = |file: &File| file.set_len(left * HALF_BYTES).is_ok();
        file.as_ref().is_some_and(cut)
    }

    /// Whether a commit may take that many bytes: a few come from the reserve if need be.
    pub(crate) fn has(&self, bytes: u64) -> bool {
        if bytes <= HALF_BYTES {
            return true;
        }
        let file = self.0.file.lock();
        let found = file.as_ref().and_then(|file| fstatvfs(file).ok());
        found.is_none_or(|found| found.f_bavail.saturating_mul(found.f_frsize) >= bytes)
    }

    /// What a caller is told that finds it full.
    pub(crate) fn tell(&self) -> String {
        format!("there is no room for {}", self.0.path.display())
    }

    fn say_full(&self) {
        tracing::error!(
            "the disk is full: {}; writes are refused until there is room, and everything else goes on",
            self.tell()
        );
    }

    /// As much of it as there is room for: what is there from before counts.
    fn look_for_reserve(&self) -> bool {
        let mut file = self.0.file.lock();
        let halves = match open(&mut file, &self.0.path) {
            Ok(Some(file)) => allocate(file),
            Ok(None) => WHOLE,
            Err(_no_room) => 0,
        };
        self.0.halves.store(halves, Ordering::Release);
        halves == WHOLE
    }
}

/// None when the folder takes no such file for another reason than room: then a full disk is met when
/// it is written to.
fn open<'a>(slot: &'a mut Option<File>, path: &Path) -> std::io::Result<Option<&'a File>> {
    if slot.is_none() {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        match opened {
            Ok(file) => *slot = Some(file),
            Err(error) if is_no_room(&error) => return Err(error),
            Err(_other) => {}
        }
    }
    Ok(slot.as_ref())
}

/// How many halves of the reserve the file holds then.
fn allocate(file: &File) -> u64 {
    for halves in (1..=WHOLE).rev() {
        match fallocate(file, FallocateFlags::empty(), 0, halves * HALF_BYTES) {
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {}
            Ok(()) => return halves,
            // A file system that promises nothing: then what a write says must do.
            Err(_) => return WHOLE,
        }
    }
    0
}

/// Whether an operation failed because there is no room.
pub(crate) fn is_no_room(error: &std::io::Error) -> bool {
    let kinds = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ];
    kinds.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule ST-24
    #[test]
    fn the_reserve_is_given_away_by_halves_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::in_folder(folder.path());
        let bytes = || std::fs::metadata(folder.path().join(FILE)).unwrap().len();
        assert!(room.holds() && !room.is_full());
        assert_eq!(bytes(), WHOLE * HALF_BYTES);
        assert!(room.give_away(false) && room.is_full() && room.has_last());
        assert_eq!(bytes(), HALF_BYTES);
        assert!(!room.give_away(false), "the rest is for what presses");
        assert!(room.give_away(true) && !room.has_last());
        assert_eq!(bytes(), 0);
        assert!(!room.give_away(true), "it is gone");
        assert!(room.holds() && !room.is_full());
        assert_eq!(bytes(), WHOLE * HALF_BYTES);
        assert!(room.has(1) && !room.has(u64::MAX));
    }
}
