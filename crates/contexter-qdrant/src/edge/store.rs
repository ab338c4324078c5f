//! Opening a data folder, finding and creating its collections.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use contexter_model::{CollectionSpec, Error, ErrorKind};
use parking_lot::RwLock;
use qdrant_edge::EdgeShard;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::collection::Collection;
use super::fault;
use super::folder::{CollectionFolder, Folder};
use super::lock::Lock;
use super::opening::load;
use super::options::Options;
use super::repair;
use super::threads::{blocking, has_cores, search_threads, turn};

/// A vector store in a folder on disk, run by the Qdrant engine inside this process.
///
/// Implements [`Service`](contexter_service::Service) for every vector capability of
/// `contexter-model`. Cloning is cheap; all clones are the same open folder.
///
/// [`close`](Self::close) flushes and releases the folder. Dropping the last clone does the same,
/// but blocks its thread meanwhile and can only log an error.
///
/// Every collection has one dense vector and one sparse vector whose scores the engine multiplies
/// by the inverse document frequency of each term. Limits: names of collections are up to 128
/// letters, digits, `-` and `_`; names of indexed fields are letters, digits and `_`.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Folder,
    options: Options,
    /// Bounds the blocking threads that searches take.
    searches: Arc<Semaphore>,
    /// One search may take two of them.
    side_by_side: bool,
    /// One creation of a collection at a time.
    creations: Arc<Semaphore>,
    open: RwLock<Option<Open>>,
}

struct Open {
    collections: BTreeMap<String, Arc<Collection>>,
    aliases: BTreeMap<String, String>,
    lock: Arc<Lock>,
}

impl EmbeddedStore {
    /// Opens the data folder at `path` with the default [`Options`], creating it if need be.
    ///
    /// # Errors
    ///
    /// See [`open_with`](Self::open_with).
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, Options::default()).await
    }

    /// Opens the data folder at `path`, creating it if need be, with all its collections.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `Unavailable` | another process holds the folder (the message names it), or the disk is full |
    /// | `Invalid` | the path is a file, the folder holds other files, or its data are damaged |
    /// | `Unsupported` | a newer version of this crate wrote the folder |
    /// | `Unauthorized` | the folder cannot be read or written |
    ///
    /// In all cases the folder's content stays as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases the folder.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let folder = Folder::new(path.as_ref());
        folder.claimable()?;
        let lock = Arc::new(Lock::acquire(&folder.lock_path(), options.lock_wait).await?);
        // Again: another process may have put something there since.
        folder.claimable()?;
        folder.mark()?;
        let aliases = folder.read_aliases()?;
        let after_crash = !lock.is_clean();
        let mut collections = BTreeMap::new();
        for collection in folder.collections()? {
            let spec = collection.read_spec()?;
            let shard = load(&collection, after_crash).await?;
            let collection = Collection::new(spec, collection, shard, Arc::clone(&lock));
            let collection = Arc::new(collection);
            if after_crash || collection.folder().is_in_repair() {
                let repaired = Arc::clone(&collection);
                blocking("repair", move || repair::deduplicate(&repaired)).await?;
            }
            collections.insert(collection.spec().name.clone(), collection);
        }
        lock.set_clean(true);
        // With the lock, which whoever gives up waiting for this must not take away from under it.
        let (rubbish, held) = (folder.clone(), Arc::clone(&lock));
        let cleared = blocking("clear away", move || {
            let _held = held;
            rubbish.clear_away()
        });
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "rubbish not removed");
        }
        Ok(Self {
            inner: Arc::new(Inner {
                folder,
                options,
                searches: Arc::new(Semaphore::new(search_threads())),
                side_by_side: has_cores(),
                creations: Arc::new(Semaphore::new(1)),
                open: RwLock::new(Some(Open {
                    collections,
                    aliases,
                    lock,
                })),
            }),
        })
    }

    /// Returns the data folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.folder.root()
    }

    /// Returns what the open collections are made of, by name.
    #[must_use]
    pub fn collections(&self) -> Vec<CollectionSpec> {
        self.open_collections()
            .iter()
            .map(|collection| collection.spec().clone())
            .collect()
    }

    /// Flushes and closes all collections and releases the folder; later calls are refused.
    ///
    /// Waits for changes that are under way, of collections and of aliases too. Harmless when it is
    /// closed already.
    ///
    /// # Errors
    ///
    /// The first error of a flush; everything is closed nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the rest to the drop of the last clone.
    pub async fn close(&self) -> Result<(), Error> {
        // Who creates or deletes works on files that belong to nobody else while the lock is held.
        let _turn = self.creation_turn().await?;
        let Some(open) = self.inner.open.write().take() else {
            return Ok(());
        };
        let mut outcome = Ok(());
        for collection in open.collections.into_values() {
            let flushed = Self::change_of(&collection, "flush", Collection::flush).await;
            blocking("close", move || {
                collection.close();
                Ok(())
            })
            .await?;
            outcome = outcome.and(flushed);
        }
        outcome
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.open.read().is_none()
    }

    pub(super) fn open_collections(&self) -> Vec<Arc<Collection>> {
        self.inner
            .open
            .read()
            .as_ref()
            .map(|open| open.collections.values().map(Arc::clone).collect())
            .unwrap_or_default()
    }

    pub(super) fn collection(&self, name: &str) -> Result<Arc<Collection>, Error> {
        let open = self.inner.open.read();
        let open = open.as_ref().ok_or_else(|| self.closed())?;
        let named = open.aliases.get(name).map_or(name, String::as_str);
        open.collections.get(named).map(Arc::clone).ok_or_else(|| {
            fault::error(
                ErrorKind::NotFound,
                format!("no collection {name:?} in {}", self.path().display()),
            )
        })
    }

    fn closed(&self) -> Error {
        fault::error(
            ErrorKind::Unavailable,
            format!("{} was closed", self.path().display()),
        )
    }

    /// Runs `work`, which only reads, on a blocking thread once one is free.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        collection: Arc<Collection>,
        doing: &'static str,
        work: impl FnOnce(&EdgeShard) -> Result<T, qdrant_edge::OperationError> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.search_turn().await?;
        self.search_now(turn, collection, doing, work).await
    }

    /// Waits for a thread to search on.
    pub(super) async fn search_turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        turn(&self.inner.searches).await
    }

    /// Takes a second thread for a search that has one, if there is one to spare.
    pub(super) fn second_turn(&self) -> Option<OwnedSemaphorePermit> {
        let searches = Arc::clone(&self.inner.searches);
        let turn = self
            .inner
            .side_by_side
            .then(|| searches.try_acquire_owned());
        turn?.ok()
    }

    /// Runs `work`, which only reads, on a blocking thread.
    pub(super) async fn search_now<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        collection: Arc<Collection>,
        doing: &'static str,
        work: impl FnOnce(&EdgeShard) -> Result<T, qdrant_edge::OperationError> + Send + 'static,
    ) -> Result<T, Error> {
        blocking(doing, move || {
            let _turn = turn;
            collection.read(doing, work)
        })
        .await
    }

    /// Runs `work` on a blocking thread when it is its turn to change the collection.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        collection: &Arc<Collection>,
        doing: &'static str,
        work: impl FnOnce(&Collection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        Self::change_of(collection, doing, work).await
    }

    async fn change_of<T: Send + 'static>(
        collection: &Arc<Collection>,
        doing: &'static str,
        work: impl FnOnce(&Collection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = turn(&collection.changes()).await?;
        let collection = Arc::clone(collection);
        blocking(doing, move || {
            let _permit = permit;
            work(&collection)
        })
        .await
    }

    /// Refuses a change of about `bytes` that the disk may not hold.
    ///
    /// A change takes its bytes in the log and in the segments; a third time covers their indexes.
    pub(super) fn space_check(&self) -> impl Fn(usize) -> Result<(), Error> + Send + 'static {
        let path = self.path().to_owned();
        let reserve = self.inner.options.reserve;
        move |bytes| {
            let free =
                fs4::available_space(&path).map_err(|source| fault::io("read", &path, source))?;
            let needed = u64::try_from(bytes)
                .unwrap_or(u64::MAX)
                .saturating_mul(3)
                .saturating_add(reserve);
            if free < needed {
                return Err(fault::error(
                    ErrorKind::Unavailable,
                    format!(
                        "{}: {free} bytes are free, {needed} are needed",
                        fault::no_space(&path.display().to_string()),
                    ),
                ));
            }
            Ok(())
        }
    }
}

impl EmbeddedStore {
    /// Waits until nobody else creates, deletes or renames.
    pub(super) async fn creation_turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        turn(&self.inner.creations).await
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.inner.folder
    }

    /// Returns which collection each alias names.
    pub(super) fn aliases(&self) -> Result<BTreeMap<String, String>, Error> {
        let open = self.inner.open.read();
        Ok(open.as_ref().ok_or_else(|| self.closed())?.aliases.clone())
    }

    /// Returns whether there is a collection of that very name.
    pub(super) fn is_collection(&self, name: &str) -> bool {
        let open = self.inner.open.read();
        open.as_ref()
            .is_some_and(|open| open.collections.contains_key(name))
    }

    /// Takes in aliases that were written down.
    pub(super) fn set_aliases(&self, aliases: BTreeMap<String, String>) -> Result<(), Error> {
        let mut open = self.inner.open.write();
        open.as_mut().ok_or_else(|| self.closed())?.aliases = aliases;
        Ok(())
    }

    /// Takes in a collection that was opened.
    pub(super) fn take_in(
        &self,
        spec: CollectionSpec,
        folder: CollectionFolder,
        shard: EdgeShard,
    ) -> Result<Arc<Collection>, Error> {
        let mut open = self.inner.open.write();
        let open = open.as_mut().ok_or_else(|| self.closed())?;
        let lock = Arc::clone(&open.lock);
        let collection = Arc::new(Collection::new(spec, folder, shard, lock));
        let name = collection.spec().name.clone();
        open.collections.insert(name, Arc::clone(&collection));
        Ok(collection)
    }

    /// Takes a collection out; calls that have it end as they may.
    pub(super) fn take(&self, name: &str) -> Result<Option<Arc<Collection>>, Error> {
        let mut open = self.inner.open.write();
        let open = open.as_mut().ok_or_else(|| self.closed())?;
        Ok(open.collections.remove(name))
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("path", &self.path())
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
