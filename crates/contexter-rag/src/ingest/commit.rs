//! Writes to the vector store in groups, and to the ledger what has become durable.

use std::sync::Arc;
use std::time::Duration;

use contexter_model::{
    Delete, Error, ErrorKind, Flush, LibraryId, Point, PointId, Selector, Upsert,
};
use contexter_service::{Handle, Service as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ledger::{Change, Entry, Ledger};
use super::tracker::Tracker;
use crate::chunk::chunk_id;

/// How many documents may wait to be committed before their handlers wait too.
const QUEUE: usize = 256;
/// A group is written when it has this many points: a flush of the embedded engine costs about as
/// much as storing 300 points, so larger groups gain little and would lose more to a kill.
const GROUP_POINTS: usize = 2_000;
/// Or when its first document has waited this long, or nothing else is under way.
const LINGER: Duration = Duration::from_millis(200);
/// The most points in one call of the store.
const CALL_POINTS: usize = 500;

/// The verbs of a vector store that writing needs.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) collection: String,
    pub(super) upsert: Handle<Upsert>,
    pub(super) delete: Handle<Delete>,
    pub(super) flush: Handle<Flush>,
}

/// What to write for one document.
#[derive(Debug)]
pub(super) enum Write {
    /// Replace its points by these.
    Index { entry: Entry, points: Vec<Point> },
    /// Remove it.
    Remove { library: LibraryId, path: String },
}

impl Write {
    fn document(&self) -> (&LibraryId, &str) {
        match self {
            Self::Index { entry, .. } => (&entry.library, &entry.path),
            Self::Remove { library, path } => (library, path),
        }
    }

    /// Whether the chunks stay those of `known`.
    fn keeps(&self, known: &Entry) -> bool {
        match self {
            Self::Index { entry, .. } => {
                entry.chunks == known.chunks && entry.profile == known.profile
            }
            Self::Remove { .. } => false,
        }
    }

    fn points(&self) -> &[Point] {
        match self {
            Self::Index { points, .. } => points,
            Self::Remove { .. } => &[],
        }
    }
}

struct Job {
    write: Write,
    done: oneshot::Sender<Result<(), CommitError>>,
}

/// Why a document could not be committed; shared by the documents of a group.
pub(super) type CommitError = Arc<dyn std::error::Error + Send + Sync>;

/// The one writer of the vector store and the ledger.
///
/// A document is done when its points are flushed *and* the ledger says so. Dropping the committer
/// drops what it has not written; the ledger then does not know it, and the next run does it again.
#[derive(Debug)]
pub(super) struct Committer {
    jobs: mpsc::Sender<Job>,
    worker: JoinHandle<()>,
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Committer {
    /// `tracker` knows what else is under way.
    pub(super) fn new(store: Store, ledger: Arc<Ledger>, tracker: Arc<Tracker>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        Self {
            jobs,
            worker: tokio::spawn(run(store, ledger, tracker, queue)),
        }
    }

    /// Commits one document and returns when it is durable.
    pub(super) async fn commit(&self, write: Write) -> Result<(), CommitError> {
        let gone = || -> CommitError {
            Arc::new(Error::new(ErrorKind::Cancelled, "the committer has ended"))
        };
        let (done, outcome) = oneshot::channel();
        self.jobs
            .send(Job { write, done })
            .await
            .map_err(|_closed| gone())?;
        outcome.await.map_err(|_closed| gone())?
    }
}

async fn run(
    store: Store,
    ledger: Arc<Ledger>,
    tracker: Arc<Tracker>,
    mut queue: mpsc::Receiver<Job>,
) {
    while let Some(first) = queue.recv().await {
        let mut lingered = std::pin::pin!(sleep(LINGER));
        let mut points = first.write.points().len();
        let mut group = vec![first];
        while points < GROUP_POINTS {
            let job = tokio::select! {
                biased;
                job = queue.recv() => job,
                () = tracker.at_most(group.len()) => None,
                () = &mut lingered => None,
            };
            let Some(job) = job else { break };
            points += job.write.points().len();
            group.push(job);
        }
        commit_group(&store, &ledger, group).await;
    }
}

async fn commit_group(store: &Store, ledger: &Arc<Ledger>, group: Vec<Job>) {
    let (writes, dones): (Vec<_>, Vec<_>) =
        group.into_iter().map(|job| (job.write, job.done)).unzip();
    if write_all(store, ledger, &writes).await.is_ok() {
        for done in dones {
            let _ = done.send(Ok(()));
        }
        return;
    }
    // Together in vain: one by one, so that a fault stays with its document.
    for (write, done) in writes.into_iter().zip(dones) {
        let outcome = write_all(store, ledger, std::slice::from_ref(&write)).await;
        let _ = done.send(outcome);
    }
}

async fn write_all(
    store: &Store,
    ledger: &Arc<Ledger>,
    writes: &[Write],
) -> Result<(), CommitError> {
    let mut intents = Vec::new();
    let mut stale = Vec::new();
    let mut changes = Vec::with_capacity(writes.len());
    for write in writes {
        let (library, path) = write.document();
        let keep = u32::try_from(write.points().len()).unwrap_or(u32::MAX);
        let most = ledger.most_points(library, path);
        stale.extend((keep..most).map(|ordinal| chunk_id(library, path, ordinal)));
        // Adding vectors to the same chunks changes nothing that a kill could leave half done.
        let same = ledger
            .entry(library, path)
            .is_some_and(|known| write.keeps(&known));
        if !same {
            intents.push((library.clone(), path.to_owned(), keep.max(most)));
        }
        changes.push(match write {
            Write::Index { entry, .. } => Change::Indexed(entry.clone()),
            Write::Remove { library, path } => Change::Removed {
                library: library.clone(),
                path: path.clone(),
            },
        });
    }
    on_ledger(ledger, move |ledger| ledger.intend(&intents)).await?;
    upsert(store, writes).await.map_err(shared)?;
    delete(store, stale).await.map_err(shared)?;
    let flush = Flush {
        collection: store.collection.clone(),
    };
    store.flush.call(flush).await.map_err(shared)?;
    on_ledger(ledger, move |ledger| ledger.settle(changes)).await
}

async fn upsert(store: &Store, writes: &[Write]) -> Result<(), Error> {
    let mut call: Vec<Point> = Vec::new();
    for point in writes.iter().flat_map(Write::points) {
        call.push(point.clone());
        if call.len() == CALL_POINTS {
            send(store, std::mem::take(&mut call)).await?;
        }
    }
    if call.is_empty() {
        return Ok(());
    }
    send(store, call).await
}

async fn send(store: &Store, points: Vec<Point>) -> Result<(), Error> {
    let collection = store.collection.clone();
    store.upsert.call(Upsert { collection, points }).await
}

async fn delete(store: &Store, ids: Vec<PointId>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let request = Delete {
        collection: store.collection.clone(),
        selector: Selector::Ids(ids),
    };
    store.delete.call(request).await
}

/// Runs a blocking ledger operation off the runtime's workers.
pub(super) async fn on_ledger<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    operation: impl FnOnce(&Ledger) -> Result<T, super::ledger::LedgerError> + Send + 'static,
) -> Result<T, CommitError> {
    let ledger = Arc::clone(ledger);
    match tokio::task::spawn_blocking(move || operation(&ledger)).await {
        Ok(outcome) => outcome.map_err(shared),
        Err(panicked) => Err(shared(panicked)),
    }
}

fn shared(error: impl std::error::Error + Send + Sync + 'static) -> CommitError {
    Arc::new(error)
}

#[cfg(test)]
mod tests {
    use contexter_service::Service;
    use parking_lot::Mutex;

    use super::*;
    use crate::ingest::ledger::Stage;

    /// Counts flushes: one for each group.
    #[derive(Clone, Default)]
    struct Counting(Arc<Mutex<usize>>);

    impl Service<Upsert> for Counting {
        type Response = ();
        type Error = Error;

        async fn call(&self, _req: Upsert) -> Result<(), Error> {
            Ok(())
        }
    }

    impl Service<Delete> for Counting {
        type Response = ();
        type Error = Error;

        async fn call(&self, _req: Delete) -> Result<(), Error> {
            Ok(())
        }
    }

    impl Service<Flush> for Counting {
        type Response = ();
        type Error = Error;

        async fn call(&self, _req: Flush) -> Result<(), Error> {
            *self.0.lock() += 1;
            Ok(())
        }
    }

    struct Fixture {
        committer: Committer,
        tracker: Arc<Tracker>,
        flushes: Counting,
        _folder: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let flushes = Counting::default();
        let store = Store {
            collection: "c".to_owned(),
            upsert: Handle::new(flushes.clone()),
            delete: Handle::new(flushes.clone()),
            flush: Handle::new(flushes.clone()),
        };
        let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.jsonl")).unwrap());
        let tracker = Arc::new(Tracker::default());
        Fixture {
            committer: Committer::new(store, ledger, Arc::clone(&tracker)),
            tracker,
            flushes,
            _folder: folder,
        }
    }

    fn write(path: &str) -> Write {
        let nothing = contexter_storage::hash(b"");
        let entry = Entry {
            library: "/a/b".parse().unwrap(),
            path: path.to_owned(),
            document: nothing,
            chunks: nothing,
            chunk_count: 0,
            stage: Stage::Lexical,
            profile: String::new(),
        };
        Write::Index {
            entry,
            points: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_holds_all_that_is_under_way_is_written_at_once() {
        let Fixture {
            committer,
            tracker,
            flushes,
            _folder,
        } = fixture();
        let library = "/a/b".parse().unwrap();
        let _ended = [
            tracker.expect(&library, "1", "run"),
            tracker.expect(&library, "2", "run"),
        ];
        let started = tokio::time::Instant::now();
        let (first, second) =
            tokio::join!(committer.commit(write("1")), committer.commit(write("2")));
        first.and(second).unwrap();
        assert!(started.elapsed() < LINGER, "{:?}", started.elapsed());
        assert_eq!(*flushes.0.lock(), 1, "both in one group");
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_for_what_is_under_way_but_not_for_ever() {
        let Fixture {
            committer,
            tracker,
            flushes: _,
            _folder,
        } = fixture();
        let library = "/a/b".parse().unwrap();
        let _ended = [
            tracker.expect(&library, "1", "run"),
            tracker.expect(&library, "2", "run"),
        ];
        let started = tokio::time::Instant::now();
        committer.commit(write("1")).await.unwrap();
        assert!(started.elapsed() >= LINGER, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_while_a_driver_has_more() {
        let Fixture {
            committer,
            tracker,
            flushes: _,
            _folder,
        } = fixture();
        let library = "/a/b".parse().unwrap();
        let _ended = tracker.expect(&library, "1", "run");
        let more = tracker.more_to_come();
        let started = tokio::time::Instant::now();
        let waiting = LINGER / 2;
        let commit = committer.commit(write("1"));
        let driver = async {
            sleep(waiting).await;
            drop(more);
        };
        let (written, ()) = tokio::join!(commit, driver);
        written.unwrap();
        let took = started.elapsed();
        assert!(took >= waiting && took < LINGER, "{took:?}");
    }
}
