//! The storage itself.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use contexter_protocol::Hash;
use futures_util::{Stream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compression::{Undecodable, compress, declared_size, decompress, largest_frame};
use crate::{StorageError, hash};

/// The ending of every blob's name.
const ENDING: &str = "zst";
/// Blobs below this size are worked on in place; larger ones on a thread for blocking work.
const INLINE: usize = 16 * 1024;

/// How blobs are kept.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `level` | 3 | zstd level; 3 is zstd's own default |
/// | `max_size` | 1 GiB | the largest blob, uncompressed, to be stored or read |
/// | `sync` | `true` | whether a blob is on the disk, not only in its cache, when `put` returns |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The zstd level.
    pub level: i32,
    /// The largest blob in bytes, uncompressed.
    pub max_size: u64,
    /// Whether a blob is on the disk when `put` returns.
    pub sync: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: zstd::DEFAULT_COMPRESSION_LEVEL,
            max_size: 1024 * 1024 * 1024,
            sync: true,
        }
    }
}

impl Settings {
    /// Sets the zstd level; zstd itself clamps it to what it knows.
    #[must_use]
    pub const fn with_level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Sets the largest blob in bytes, uncompressed.
    #[must_use]
    pub const fn with_max_size(mut self, max_size: u64) -> Self {
        self.max_size = max_size;
        self
    }

    /// Says whether a blob is on the disk when `put` returns.
    #[must_use]
    pub const fn with_sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }
}

/// Blobs in an object store, compressed and named by their content.
///
/// Cloning is cheap and all clones reach the same blobs. A kill at any moment leaves whole blobs
/// only: each is written aside and then renamed.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    settings: Settings,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("store", &format_args!("{}", self.store))
            .field("settings", &self.settings)
            .finish()
    }
}

impl Storage {
    /// Opens the local folder `path` with the default settings, creating it if it is not there.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError::Folder`] if the folder cannot be created or is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::open_with(path, Settings::default())
    }

    /// Opens the local folder `path`, creating it if it is not there.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError::Folder`] if the folder cannot be created or is none.
    pub fn open_with(path: impl AsRef<Path>, settings: Settings) -> Result<Self, StorageError> {
        let path = path.as_ref();
        let folder = |source| StorageError::Folder {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(folder)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|error| folder(std::io::Error::other(error)))?
            .with_fsync(settings.sync);
        Ok(Self::over(Arc::new(store), settings))
    }

    /// Keeps blobs in any object store; `sync` is then the store's own affair.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, settings: Settings) -> Self {
        Self { store, settings }
    }

    /// Stores bytes and returns their name; bytes that are stored already are not written again.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError`] if they are too large, there is no room, or the store fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stores the whole blob or nothing.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<Hash, StorageError> {
        let bytes = bytes.into();
        let (size, limit) = (bytes.len() as u64, self.settings.max_size);
        if size > limit {
            return Err(StorageError::TooLarge { size, limit });
        }
        let name = {
            let bytes = bytes.clone();
            off_runtime(bytes.len(), move || hash(&bytes)).await?
        };
        if self.contains(&name).await? {
            return Ok(name);
        }
        let level = self.settings.level;
        let frame = off_runtime(bytes.len(), move || compress(&bytes, level)).await?;
        let frame = frame.map_err(|error| StorageError::Store {
            action: "compress",
            hash: name,
            source: object_store::Error::Generic {
                store: "zstd",
                source: error.into(),
            },
        })?;
        self.store
            .put(&location(&name), frame.into())
            .await
            .map_err(|error| StorageError::store("write", name, error))?;
        Ok(name)
    }

    /// Reads a blob and verifies it.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError::NotFound`], [`StorageError::Corrupt`] if what is stored is not what
    /// the name says, or another [`StorageError`] if the store fails.
    pub async fn get(&self, name: &Hash) -> Result<Bytes, StorageError> {
        let read = |error| StorageError::store("read", *name, error);
        let found = self.store.get(&location(name)).await.map_err(read)?;
        let (wanted, limit) = (*name, self.settings.max_size);
        let too_large = move || StorageError::TooLarge {
            size: limit.saturating_add(1),
            limit,
        };
        // Before the file is read: a huge one must not fill the memory.
        if found.meta.size > largest_frame(limit) {
            return Err(too_large());
        }
        let frame = found.bytes().await.map_err(read)?;
        let work = declared_size(&frame).map_or(usize::MAX, |size| {
            usize::try_from(size).unwrap_or(usize::MAX)
        });
        let corrupt = move |reason| StorageError::Corrupt {
            hash: wanted,
            reason,
        };
        off_runtime(work, move || match decompress(&frame, limit) {
            Ok(bytes) if hash(&bytes) == wanted => Ok(Bytes::from(bytes)),
            Ok(_) => Err(corrupt("its content has another hash")),
            Err(Undecodable::Damaged) => Err(corrupt("it does not decompress")),
            Err(Undecodable::TooLarge) => Err(too_large()),
        })
        .await?
    }

    /// Returns whether a blob is stored, without reading it.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError`] if the store fails.
    pub async fn contains(&self, name: &Hash) -> Result<bool, StorageError> {
        match self.store.head(&location(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StorageError::store("look up", *name, error)),
        }
    }

    /// Deletes a blob; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// Returns [`StorageError`] if the store fails.
    pub async fn delete(&self, name: &Hash) -> Result<(), StorageError> {
        match self.store.delete(&location(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StorageError::store("delete", *name, error)),
        }
    }

    /// Lists the names of all blobs, in no particular order; files of others are passed over.
    pub fn list(&self) -> impl Stream<Item = Result<Hash, StorageError>> + Send + 'static {
        self.store.list(None).filter_map(|found| async move {
            match found {
                Ok(object) => name_of(&object.location).map(Ok),
                Err(source) => Some(Err(StorageError::List { source })),
            }
        })
    }

    /// Stores a value as JSON.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`StorageError::Json`] for a value that JSON cannot hold.
    pub async fn put_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Hash, StorageError> {
        let bytes = serde_json::to_vec(value).map_err(|source| StorageError::Json {
            subject: std::any::type_name::<T>().to_owned(),
            source,
        })?;
        self.put(bytes).await
    }

    /// Reads a value that was stored as JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and [`StorageError::Json`] for a blob that holds something else.
    pub async fn get_json<T: DeserializeOwned>(&self, name: &Hash) -> Result<T, StorageError> {
        let bytes = self.get(name).await?;
        serde_json::from_slice(&bytes).map_err(|source| StorageError::Json {
            subject: format!("blob {name}"),
            source,
        })
    }
}

/// Runs work on bytes: at once if they are few, else on a thread for blocking work.
async fn off_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    if bytes < INLINE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_ended| StorageError::Cancelled)
}

/// Returns where a blob is kept: `ab/cdef….zst`, so that no folder grows too long.
fn location(name: &Hash) -> Location {
    let digits = name.to_string();
    let (folder, rest) = digits.split_at(2);
    Location::from(format!("{folder}/{rest}.{ENDING}"))
}

fn name_of(location: &Location) -> Option<Hash> {
    let (folder, file) = location.as_ref().split_once('/')?;
    let rest = file.strip_suffix(ENDING)?.strip_suffix('.')?;
    format!("{folder}{rest}").parse().ok()
}
