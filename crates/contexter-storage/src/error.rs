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
    ///
    /// A `put` of the right bytes does not mend it, because something is stored already: delete
    /// the blob first.
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
            let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
            return full.contains(&io.kind());
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_store(kind: io::ErrorKind) -> StorageError {
        // As the local store does it: its own error around the one of the system.
        let own = StorageError::Folder {
            path: PathBuf::new(),
            source: kind.into(),
        };
        let source = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: own.into(),
        };
        StorageError::store("write", Hash::from_bytes([7; 32]), source)
    }

    #[test]
    fn a_full_disk_and_a_used_up_quota_are_told_apart_from_other_failures() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = of_store(kind);
            assert!(matches!(error, StorageError::Full { .. }), "{error:?}");
            assert!(error.to_string().starts_with("no space is left"), "{error}");
        }
        let error = of_store(io::ErrorKind::PermissionDenied);
        assert!(matches!(error, StorageError::Store { .. }), "{error:?}");
    }
}
