//! One collection of a local server.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use parking_lot::{Mutex, RwLock};
use qdrant_client::qdrant::{CreateCollection, StrictModeConfig};
use qdrant_edge::{EdgeShard, UpdateOperation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant};
use tonic::Status;

use super::strict::Buckets;
use super::{schema, settings, shard, status};

/// How many blocking threads the calls of one collection take at most.
const THREADS: usize = 8;

/// How many changes of one collection are accepted ahead, as in the vendor's server, whose queue of
/// updates has as many places (1.19, `lib/collection`, `UPDATE_QUEUE_SIZE`).
const QUEUED: usize = 100;

/// The folder of the engine's files within that of the collection.
pub(super) const SHARD: &str = "shard";

/// What became of a change, with its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It is done.
    Applied(u64),
    /// It will be done; nobody waits for it.
    Acknowledged(u64),
    /// It will be done; whoever waited for it waited too long.
    TimedOut(u64),
}

/// How long a caller waits for a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// Whether until it is done; else only until it is accepted.
    applied: bool,
    /// No longer than that.
    until: Option<Instant>,
}

impl Wait {
    /// Reads what a request says that came at `since`; `seconds` are its timeout.
    pub(super) fn new(since: Instant, applied: Option<bool>, seconds: Option<u64>) -> Self {
        Self {
            applied: applied.unwrap_or(false),
            until: seconds.and_then(|seconds| since.checked_add(Duration::from_secs(seconds))),
        }
    }

    /// Until it is done, whether the caller said so or not.
    pub(super) fn to_the_end(self) -> Self {
        Self {
            applied: true,
            ..self
        }
    }
}

/// One collection: a shard of the engine, and how it was created.
pub(super) struct Collection {
    name: String,
    request: Mutex<CreateCollection>,
    shard: RwLock<Option<EdgeShard>>,
    /// One change at a time: the engine's `flush` panics beside another.
    changes: Mutex<()>,
    /// Places of changes that were accepted.
    places: Arc<Semaphore>,
    /// They wait here in the order of their arrival.
    queue: Arc<Semaphore>,
    delay: Mutex<Option<Duration>>,
    threads: Arc<Semaphore>,
    operations: AtomicU64,
    buckets: Buckets,
}

impl Collection {
    /// Creates the collection in an empty folder. Blocks.
    pub(super) fn create(folder: &Path, request: CreateCollection) -> Result<Self, Status> {
        let config = schema::config(&request)?;
        let shard = shard::create(&folder.join(SHARD), config)?;
        Ok(Self::opened(request, shard))
    }

    /// Opens the collection in `folder`. Blocks.
    pub(super) fn load(folder: &Path, request: CreateCollection) -> Result<Self, Status> {
        let shard = shard::load(&folder.join(SHARD), None)?;
        Ok(Self::opened(request, shard))
    }

    fn opened(request: CreateCollection, shard: EdgeShard) -> Self {
        Self {
            name: request.collection_name.clone(),
            request: Mutex::new(request),
            shard: RwLock::new(Some(shard)),
            changes: Mutex::new(()),
            places: Arc::new(Semaphore::new(QUEUED)),
            queue: Arc::new(Semaphore::new(1)),
            delay: Mutex::new(None),
            threads: Arc::new(Semaphore::new(THREADS)),
            operations: AtomicU64::new(0),
            buckets: Buckets::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How the collection was created, with what was changed since.
    pub(super) fn request(&self) -> CreateCollection {
        self.request.lock().clone()
    }

    pub(super) fn set_request(&self, request: CreateCollection) {
        *self.request.lock() = request;
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
        let thread = permit(&self.threads).await?;
        let collection = Arc::clone(self);
        blocking(move || {
            // Given back when the thread is free, also if the caller is gone by then.
            let _thread = thread;
            collection.read_now(work)
        })
        .await
    }

    /// Accepts the operation that `translate` makes, and carries it out when it is its turn.
    ///
    /// Once it is accepted it happens, whoever still waits. All that the caller waits for counts
    /// against its time: for a place, for its turn, and for the engine.
    pub(super) async fn change(
        self: &Arc<Self>,
        wait: Wait,
        translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
    ) -> Result<Change, Status> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let accepting = async {
            let place = permit(&self.places).await?;
            Ok::<_, Status>((place, self.read(translate).await?))
        };
        let (place, operation) = until(wait.until, accepting)
            .await
            .unwrap_or_else(|| Err(status::timed_out("update")))?;
        // Its place in the order is the one of now, not that of the task's first step.
        let mut turn = Box::pin(Arc::clone(&self.queue).acquire_owned());
        let at_once = poll_fn(|cx| Poll::Ready(turn.as_mut().poll(cx))).await;
        let collection = Arc::clone(self);
        let applied = tokio::spawn(async move {
            let _place = place;
            let _turn = match at_once {
                Poll::Ready(turn) => turn,
                Poll::Pending => turn.await,
            }
            .map_err(|_closed| status::going())?;
            collection.apply(operation).await.inspect_err(|status| {
                if !wait.applied {
                    tracing::warn!(error = %status, "an acknowledged change was not carried out");
                }
            })
        });
        if !wait.applied {
            return Ok(Change::Acknowledged(number));
        }
        match until(wait.until, applied).await {
            None => Ok(Change::TimedOut(number)),
            Some(Ok(applied)) => applied.map(|()| Change::Applied(number)),
            Some(Err(ended)) => Err(Status::internal(format!("Service internal error: {ended}"))),
        }
    }

    async fn apply(self: &Arc<Self>, operation: UpdateOperation) -> Result<(), Status> {
        let delay = self.delay.lock().take();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let collection = Arc::clone(self);
        blocking(move || {
            collection.exclusively(|shard| {
                shard
                    .update(operation)
                    .map_err(|error| status::engine(&error))
            })
        })
        .await
    }

    /// Waits until all changes that were accepted so far are carried out.
    pub(super) async fn settled(&self) {
        // Nothing closes the queue.
        drop(self.queue.acquire().await);
    }

    /// Makes the next change take that much longer.
    pub(super) fn delay_next_change(&self, delay: Duration) {
        *self.delay.lock() = Some(delay);
    }

    /// How many changes were asked for.
    pub(super) fn changes(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Lets the engine have the settings of `request`; what is stored stays as it is until it is
    /// optimized. Blocks.
    pub(super) fn configure(&self, request: &CreateCollection) -> Result<(), Status> {
        let changed = || self.read_now(|shard| settings::changed(request, shard));
        // What is nothing new to the engine does not wait for the changes under way.
        if changed()?.is_none() {
            return Ok(());
        }
        let _changing = self.changes.lock();
        match changed()? {
            Some(config) => shard::reopen(&mut self.shard.write(), config),
            None => Ok(()),
        }
    }

    /// Builds indexes, unless the collection has that turned off. Blocks.
    pub(super) fn optimize(&self) -> Result<(), Status> {
        if !settings::may_optimize(&self.request()) {
            return Ok(());
        }
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
        shard::caught(|| work(shard))
    }

    /// Closes the shard; later calls find no collection. Blocks.
    pub(super) fn close(&self) {
        let _changing = self.changes.lock();
        if let Err(status) = shard::close(&mut self.shard.write()) {
            tracing::error!(
                collection = self.name,
                error = %status,
                "closed without its last changes",
            );
        }
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.map_err(|_closed| status::going())
}

/// Waits for `work`; `None` if it is not done by then.
async fn until<F: Future>(deadline: Option<Instant>, work: F) -> Option<F::Output> {
    match deadline {
        None => Some(work.await),
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
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
