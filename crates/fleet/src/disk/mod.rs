//! The disks of HSMs: where they come from, and what lies on one.

mod disks;
pub(crate) mod layout;
mod sealed;

pub use disks::{Disks, FileDisks, FoundDisk, MemoryDisks};
pub(crate) use sealed::{DiskContents, DiskNotes, HsmDisk, Writes, key_of_record};
