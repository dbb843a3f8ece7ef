use portcullis_hsm::Image;

use super::disk::Notes;

/// An HSM at an instant, for a backup or a new HSM.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) image: Image,
    pub(crate) notes: Notes,
}

impl Capture {
    /// The content of a backup, which has no notes of deletions.
    ///
    /// Rule BK-02: in a cluster made from it, keys that were deleted since are there again.
    pub(crate) fn of_backup(image: Image) -> Self {
        Self {
            image,
            notes: Notes::default(),
        }
    }
}
