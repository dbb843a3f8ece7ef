use std::path::PathBuf;

/// Where state is kept.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// Nowhere.
    Memory,
    /// In this folder.
    Folder(PathBuf),
}
