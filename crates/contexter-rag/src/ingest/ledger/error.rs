//! Why a journal cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// The version of the journal's format.
pub(super) const VERSION: u32 = 1;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A line is not what the format allows.
    #[error("{}:{line} is damaged: move the data folder away and index again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file does not begin as a journal.
    #[error("{} is no index journal", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by another version.
    #[error("{} has format {version}, this program reads format {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The journal was opened for reading.
    #[error("{} was opened for reading only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The journal describes another collection by now.
    #[error("{} does not describe the collection {collection:?}", path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// The collection that was written.
        collection: String,
    },
    /// Another ingestion of this process works on the index. Two would take each other's events.
    #[error("{} is in use by another ingestion", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl LedgerError {
    pub(super) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }
}
