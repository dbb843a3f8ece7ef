use portcullis_hsm::Image;

use crate::disk::DiskNotes;

/// An HSM at an instant, for a backup or a new HSM.
#[derive(Debug)]
pub struct Capture {
    /// Users, keys and identity.
    pub image: Image,
    pub(crate) notes: DiskNotes,
}

impl Capture {
    /// The content of a backup, which has no notes of deletions.
    ///
    /// Rule BK-02: in a cluster made from it, keys that were deleted since are there again.
    #[must_use]
    pub fn of_backup(image: Image) -> Self {
        Self {
            image,
            notes: DiskNotes::default(),
        }
    }
}
