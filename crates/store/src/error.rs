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
    /// The file is in use by another process.
    InUse(String),
    /// The file was written by another version of Portcullis.
    OtherSchema(String),
    /// The file is damaged, or was written by something else.
    Unreadable(String),
}

impl StoreError {
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
            Self::InUse(path) => write!(formatter, "{path} is in use by another process"),
            Self::OtherSchema(why) | Self::Unreadable(why) => {
                write!(formatter, "the store cannot be read: {why}")
            }
        }
    }
}

impl std::error::Error for StoreError {}
