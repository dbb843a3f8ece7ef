//! Why a data folder cannot be opened, as texts for the user.

use std::path::Path;

use portcullis_store::StoreError;

pub(super) fn unusable(path: &Path, error: impl std::fmt::Display) -> String {
    format!(
        "The data folder {} cannot be used: {error}. Name a folder of your own with --data, or \
         one that can be made, or use --ephemeral.",
        path.display()
    )
}

pub(super) fn in_use(path: &Path) -> String {
    format!(
        "The data folder {} is in use by another Portcullis. Stop that one, or choose another \
         folder with --data, or use --ephemeral.",
        path.display()
    )
}

pub(super) fn unreadable(path: &Path, error: &StoreError) -> String {
    match error {
        StoreError::InUse(_) => in_use(path),
        StoreError::Conflict { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Closed(_)
        | StoreError::Full(_)
        | StoreError::Vanished(_)
        | StoreError::Absent(_)
        | StoreError::OtherSchema(_)
        | StoreError::Unreadable(_) => format!(
            "The data folder cannot be read: {error}. Put the file back from a copy, or load a \
             snapshot into another folder."
        ),
    }
}
