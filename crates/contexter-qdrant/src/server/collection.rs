//! One collection of a local server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use qdrant_client::qdrant::{CreateCollection, StrictModeConfig};
use qdrant_edge::{EdgeShard, OperationError, UpdateOperation};
use tokio::sync::Semaphore;
use tokio::time::Duration;
use tonic::Status;

use super::strict::Buckets;
use super::{schema, status};

/// How many blocking threads the calls of one collection take at most.
const THREADS: usize = 8;

/// What became of a change, with its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It is done.
    Applied(u64),
    /// It will be done.
    Accepted(u64),
}

/// One collection: a shard of the engine, and how it was created.
pub(super) struct Collection {
    name: String,
    request: Mutex<CreateCollection>,
    shard: RwLock<Option<EdgeShard>>,
    /// One change at a time: the engine's `flush` panics beside another.
    changes: Mutex<()>,
    /// Changes wait here in the order of their arrival.
    queue: Arc<Semaphore>,
    delay: Mutex<Option<Duration>>,
    threads: Semaphore,
    operations: AtomicU64,
    buckets: Buckets,
}

impl Collection {
    /// Creates the collection in an empty folder. Blocks.
    pub(super) fn create(folder: &Path, request: CreateCollection) -> Result<Self, Status> {
        let config = schema::config(&request)?;
        let shard = folder.join("shard");
        Self::opened(request, move || EdgeShard::new(&shard, config))
    }

    /// Opens the collection in `folder`. Blocks.
    pub(super) fn load(folder: &Path, request: CreateCollection) -> Result<Self, Status> {
        let shard = folder.join("shard");
        Self::opened(request, move || EdgeShard::load(&shard, None))
    }

    fn opened(
        request: CreateCollection,
        open: impl FnOnce() -> Result<EdgeShard, OperationError>,
    ) -> Result<Self, Status> {
        let shard = match catch_unwind(AssertUnwindSafe(open)) {
            Ok(outcome) => outcome.map_err(|error| status::engine(&error))?,
            Err(panic) => return Err(status::panicked(&*panic)),
        };
        Ok(Self {
            name: request.collection_name.clone(),
            request: Mutex::new(request),
            shard: RwLock::new(Some(shard)),
            changes: Mutex::new(()),
            queue: Arc::new(Semaphore::new(1)),
            delay: Mutex::new(None),
            threads: Semaphore::new(THREADS),
            operations: AtomicU64::new(0),
            buckets: Buckets::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How the collection was created, with what was changed since.
    pub(super) fn request(&self) -> CreateCollection {
        self.request.lock().clone()
    }

    pub(super) fn change_request(&self, change: impl FnOnce(&mut CreateCollection)) {
        change(&mut self.request.lock());
    }

    /// The strict mode, if it is on.
    pub(super) fn strict(&self) -> Option<StrictModeConfig> {
        let request = self.request.lock();
        let strict = request.strict_mode_config.as_ref()?;
        strict.enabled.unwrap_or(false).then(|| strict.clone())
    }

    pub(super) fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Lets `work` read the shard on a blocking thread.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&EdgeShard) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let _thread = self.turn().await?;
        let collection = Arc::clone(self);
        blocking(move || collection.read_now(work)).await
    }

    /// Carries out the operation that `translate` makes, when it is its turn, on a blocking thread.
    ///
    /// Once it has a turn the change happens, whoever still waits; after `timeout` it is reported as
    /// accepted.
    pub(super) async fn change(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
    ) -> Result<Change, Status> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let turn = Arc::clone(&self.queue)
            .acquire_owned()
            .await
            .map_err(|_closed| Status::unavailable("the server is going away"))?;
        let delay = self.delay.lock().take();
        let collection = Arc::clone(self);
        let applied = tokio::spawn(async move {
            let _turn = turn;
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            blocking(move || {
                collection.exclusively(|shard| {
                    shard
                        .update(translate(shard)?)
                        .map_err(|error| status::engine(&error))
                })
            })
            .await
        });
        let applied = match timeout {
            None => applied.await,
            Some(timeout) => match tokio::time::timeout(timeout, applied).await {
                Ok(applied) => applied,
                Err(_elapsed) => return Ok(Change::Accepted(number)),
            },
        };
        match applied {
            Ok(applied) => applied.map(|()| Change::Applied(number)),
            Err(ended) => Err(Status::internal(format!("Service internal error: {ended}"))),
        }
    }

    /// Makes the next change take that much longer.
    pub(super) fn delay_next_change(&self, delay: Duration) {
        *self.delay.lock() = Some(delay);
    }

    /// How many changes were asked for.
    pub(super) fn changes(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Builds indexes. Blocks.
    pub(super) fn optimize(&self) -> Result<(), Status> {
        self.exclusively(|shard| {
            shard
                .optimize()
                .map(drop)
                .map_err(|error| status::engine(&error))
        })
    }

    /// Writes everything to the disk. Blocks.
    pub(super) fn flush(&self) -> Result<(), Status> {
        self.exclusively(|shard| {
            shard.flush();
            Ok(())
        })
    }

    /// Lets `work` have the shard while nothing changes it. Blocks.
    pub(super) fn exclusively<T>(
        &self,
        work: impl FnOnce(&EdgeShard) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let _changing = self.changes.lock();
        self.read_now(work)
    }

    /// Lets `work` read the shard. Blocks.
    fn read_now<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T, Status>) -> Result<T, Status> {
        let shard = self.shard.read();
        let shard = shard
            .as_ref()
            .ok_or_else(|| status::no_collection(&self.name))?;
        match catch_unwind(AssertUnwindSafe(|| work(shard))) {
            Ok(outcome) => outcome,
            Err(panic) => Err(status::panicked(&*panic)),
        }
    }

    /// Closes the shard; later calls find no collection. Blocks.
    pub(super) fn close(&self) {
        let _changing = self.changes.lock();
        if let Some(shard) = self.shard.write().take()
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(shard)))
        {
            tracing::error!(
                collection = self.name,
                error = %status::panicked(&*panic),
                "closed without its last changes",
            );
        }
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Status> {
        self.threads
            .acquire()
            .await
            .map_err(|_closed| Status::unavailable("the server is going away"))
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs `work` on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(ended) => Err(Status::internal(format!("Service internal error: {ended}"))),
    }
}
