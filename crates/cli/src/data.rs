use std::path::PathBuf;

/// Where state is kept.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// In memory: it is gone when the process ends.
    Memory,
    /// In the files of this data folder.
    Folder(PathBuf),
}
