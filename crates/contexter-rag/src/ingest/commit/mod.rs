//! Writes to the vector store in groups, and to the ledger what has become durable.

mod store;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::{Error, ErrorKind, LibraryId, Point};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ledger::{Change, Entry, Ledger};
use super::tracker::Tracker;
use crate::chunk::chunk_id;

pub(super) use store::Store;

/// How many documents may wait to be committed before their handlers wait too.
const QUEUE: usize = 256;
/// A group is written when it has this many points: a flush of the embedded engine costs about as
/// much as storing 300 points, so larger groups gain little and would lose more to a kill.
const GROUP_POINTS: usize = 2_000;
/// Or when its first document has waited this long, or nothing else is under way.
const LINGER: Duration = Duration::from_millis(200);

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
/// A document is done when its points are flushed *and* the ledger says so. Before the first document
/// of a library that the ledger does not know, whatever the store holds of that library is removed: it
/// is from another time, and may be of documents that are no more.
///
/// Dropping the committer drops what it has not written; the ledger then does not know it, and the
/// next run does it again.
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
    // Before the intents, by which the ledger knows a library.
    let libraries = writes.iter().map(|write| write.document().0);
    let mut unknown: BTreeSet<&LibraryId> = libraries.collect();
    unknown.retain(|library| !ledger.knows(&store.place, library));
    store.clear(unknown).await.map_err(shared)?;
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
    let place = store.place.clone();
    on_ledger(ledger, move |ledger| ledger.intend(&place, &intents)).await?;
    let points = writes.iter().flat_map(Write::points);
    store.upsert(points).await.map_err(shared)?;
    store.delete(stale).await.map_err(shared)?;
    store.flush().await.map_err(shared)?;
    let place = store.place.clone();
    on_ledger(ledger, move |ledger| ledger.settle(&place, changes)).await
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
mod tests;
