//! Why a blob could not be stored or read.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use contexter_protocol::Hash;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The folder cannot be used.
    #[error("cannot use the storage folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no such blob.
    #[error("no blob {hash} is stored")]
    NotFound {
        /// The blob.
        hash: Hash,
    },
    /// What is stored under the name is something else: a damaged disk or a stranger's file.
    #[error("blob {hash} is damaged: {reason}")]
    Corrupt {
        /// The blob.
        hash: Hash,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The blob is larger than the storage accepts.
    #[error("a blob of {size} bytes is too large, at most {limit} are accepted")]
    TooLarge {
        /// Its size, or the least that it can be.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// There is no room left.
    #[error("no space is left for blob {hash}")]
    Full {
        /// The blob.
        hash: Hash,
        /// What the store said.
        source: object_store::Error,
    },
    /// A value cannot be written as JSON, or a blob does not hold the JSON that was expected.
    #[error("{subject} is not the JSON that was expected")]
    Json {
        /// The blob or the value.
        subject: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("cannot {action} blob {hash}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The blob.
        hash: Hash,
        /// What the store said.
        source: object_store::Error,
    },
    /// The listing of all blobs failed.
    #[error("cannot list the blobs")]
    List {
        /// What the store said.
        source: object_store::Error,
    },
    /// Compression or hashing did not end, because the runtime is shutting down.
    #[error("the work on a blob was cancelled")]
    Cancelled,
}

impl StorageError {
    /// Returns whether the named blob is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(crate) fn store(action: &'static str, hash: Hash, source: object_store::Error) -> Self {
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound { hash },
            full if is_storage_full(&full) => Self::Full { hash, source: full },
            source => Self::Store {
                action,
                hash,
                source,
            },
        }
    }
}

fn is_storage_full(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::StorageFull;
        }
        cause = error.source();
    }
    false
}
