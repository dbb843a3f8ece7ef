use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// What a commit or two need when the file system has no room left. A record of 600 bytes takes some
/// ten pages of 4 KiB while it is committed, and gives most of them back.
const FIRST_BYTES: u64 = 128 << 10;

/// What a restart needs to connect key stores again: a commit of the control plane, and one of each
/// HSM that they use.
const LAST_BYTES: u64 = 256 << 10;

/// With so much left on the file system a pressing commit is worth a try: it overwrites, and most of
/// its pages are in the file already.
const TRY_BYTES: u64 = 32 << 10;

const FILE: &str = "reserve";

/// The room that the stores of one folder share, with a part of it in reserve.
///
/// Rule ST-24: a commit that finds no room gets the first part of the reserve, and from then on every
/// store of the folder refuses writes before they begin, until the reserve is whole again. So a full
/// disk is met between two changes, not in the midst of one. The last part is for what was begun, and
/// for the few writes without which a restart could not take up the connections of key stores.
#[derive(Debug, Clone)]
pub struct Room(Arc<Reserve>);

#[derive(Debug)]
struct Reserve {
    path: PathBuf,
    file: Mutex<Option<File>>,
    /// How many of the two parts are in place.
    parts: AtomicU8,
}

const WHOLE: u8 = 2;
const LAST: u8 = 1;

/// How many bytes so many parts have.
const fn bytes_of(parts: u8) -> u64 {
    match parts {
        0 => 0,
        LAST => LAST_BYTES,
        _ => LAST_BYTES + FIRST_BYTES,
    }
}

impl Room {
    /// That of a folder, whose reserve is taken if there is room for it.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let room = Self(Arc::new(Reserve {
            path: folder.join(FILE),
            file: Mutex::default(),
            parts: AtomicU8::new(0),
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
        self.parts() < WHOLE
    }

    /// Whether a pressing commit may find room.
    pub(crate) fn has_last(&self) -> bool {
        self.parts() > 0 || self.free_bytes() >= TRY_BYTES
    }

    fn parts(&self) -> u8 {
        self.0.parts.load(Ordering::Acquire)
    }

    /// Gives a part of the reserve to a commit that finds no room: the last one only to one that is
    /// pressing. Whether there was one.
    pub(crate) fn give_away(&self, pressing: bool) -> bool {
        let file = self.0.file.lock();
        let left = match self.parts() {
            WHOLE => LAST,
            LAST if pressing => 0,
            _ => return false,
        };
        if left == LAST {
            self.say_full();
        }
        self.0.parts.store(left, Ordering::Release);
        let cut = |file: &File| file.set_len(bytes_of(left)).is_ok();
        file.as_ref().is_some_and(cut)
    }

    /// Whether a commit may take that many bytes: a few come from the reserve if need be.
    pub(crate) fn has(&self, bytes: u64) -> bool {
        bytes <= FIRST_BYTES || self.free_bytes() >= bytes
    }

    /// How many bytes the file system has for us; any number where it does not say.
    fn free_bytes(&self) -> u64 {
        let file = self.0.file.lock();
        let found = file.as_ref().and_then(|file| fstatvfs(file).ok());
        found.map_or(u64::MAX, |found| {
            found.f_bavail.saturating_mul(found.f_frsize)
        })
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
        let parts = match open(&mut file, &self.0.path) {
            Ok(Some(file)) => allocate(file),
            Ok(None) => WHOLE,
            Err(_no_room) => 0,
        };
        self.0.parts.store(parts, Ordering::Release);
        parts == WHOLE
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

/// How many parts of the reserve the file holds then.
fn allocate(file: &File) -> u8 {
    for parts in [WHOLE, LAST] {
        match fallocate(file, FallocateFlags::empty(), 0, bytes_of(parts)) {
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {}
            Ok(()) => return parts,
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
    fn the_reserve_is_given_away_in_parts_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::in_folder(folder.path());
        let bytes = || std::fs::metadata(folder.path().join(FILE)).unwrap().len();
        assert!(room.holds() && !room.is_full());
        assert_eq!(bytes(), bytes_of(WHOLE));
        assert!(room.give_away(false) && room.is_full() && room.has_last());
        assert_eq!(bytes(), LAST_BYTES);
        assert!(!room.give_away(false), "the rest is for what presses");
        assert!(room.give_away(true) && room.parts() == 0);
        assert_eq!(bytes(), 0);
        assert!(!room.give_away(true), "it is gone");
        assert!(room.holds() && !room.is_full());
        assert_eq!(bytes(), bytes_of(WHOLE));
        assert!(room.has(1) && !room.has(u64::MAX));
    }
}
