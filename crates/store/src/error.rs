use std::fmt;

/// Why a commit did not happen, or a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The record at `key` is not as expected: read again, decide again. Nothing was written.
    Conflict {
        /// The first key that was not as expected.
        key: String,
    },
    /// A key or value is larger than a store takes. Nothing was written.
    TooLarge {
        /// The key, shortened.
        key: String,
    },
    /// The store has closed, or its disk failed.
    Closed(String),
    /// The disk has no room. Nothing was written; when there is room, writes are taken again.
    Full(String),
    /// The file was removed or replaced while it was open. Nothing is written any more.
    Vanished(String),
    /// There is no such file.
    Absent(String),
    /// The file is in use by another process.
    InUse(String),
    /// The file was written by another version of Portcullis.
    OtherSchema(String),
    /// The file is damaged, or was written by something else.
    Unreadable(String),
}

impl StoreError {
    /// What a user is told whose change is refused though it is right: what happened, why, and what
    /// to do. None for what is a defect or a broken disk.
    #[must_use]
    pub fn for_users(&self) -> Option<String> {
        match self {
            Self::Full(_) => Some(
                "The change could not be stored: the disk that holds the data folder is full. Make \
                 room on it, then try again. Everything that is stored can be read and used \
                 meanwhile."
                    .to_owned(),
            ),
            Self::Vanished(_) => Some(
                "The change could not be stored: the data folder was removed or replaced while it \
                 was in use, and nothing written now would be found again. Stop Portcullis, put the \
                 folder back, and start it again."
                    .to_owned(),
            ),
            Self::Conflict { .. }
            | Self::TooLarge { .. }
            | Self::Closed(_)
            | Self::Absent(_)
            | Self::InUse(_)
            | Self::OtherSchema(_)
            | Self::Unreadable(_) => None,
        }
    }

    /// The record that was not as expected.
    #[must_use]
    pub fn conflict(&self) -> Option<&str> {
        if let Self::Conflict { key } = self {
            Some(key)
        } else {
            None
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { key } => write!(formatter, "the record {key} has changed meanwhile"),
            Self::TooLarge { key } => write!(formatter, "the record {key} is too large"),
            Self::Closed(why) => write!(formatter, "the store is closed: {why}"),
            Self::Full(why) => write!(formatter, "the disk is full: {why}"),
            Self::Vanished(why) => write!(formatter, "the store is gone: {why}"),
            Self::Absent(path) => write!(formatter, "{path} is not there; it was lost"),
            Self::InUse(path) => write!(formatter, "{path} is in use by another process"),
            Self::OtherSchema(why) | Self::Unreadable(why) => {
                write!(formatter, "the store cannot be read: {why}")
            }
        }
    }
}

impl std::error::Error for StoreError {}
