//! One open collection: who may touch the engine's shard, when, and what happens when it fails.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use contexter_model::{CollectionSpec, Error, ErrorKind};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use qdrant_edge::{EdgeShard, OperationError};
use tokio::sync::Semaphore;

use super::folder::{CollectionFolder, Flushed};
use super::lock::Lock;
use super::{fault, repair};

/// An open collection.
///
/// The engine's shard may be searched from many threads, but only one may change or flush it:
/// `EdgeShard::flush` takes its locks with `try_lock` and panics when it does not get them
/// (`qdrant-edge` 0.7.2, `edge/mod.rs`). `changes` is that one owner: its permit travels into the
/// blocking thread, so a caller who goes away cannot free it too early.
pub(super) struct Collection {
    spec: CollectionSpec,
    folder: CollectionFolder,
    changes: Arc<Semaphore>,
    // Read to use the shard, whatever for; written only to replace it. `None` after a failed
    // reopening. Never held across an await: every use is on a blocking thread.
    shard: RwLock<Option<EdgeShard>>,
    state: State,
    // Dropped after the shard: the folder is free only once the engine has closed its files.
    lock: Arc<Lock>,
}

#[derive(Default)]
struct State {
    /// Something was changed since the last flush.
    unflushed: AtomicBool,
    /// How often changes that were accepted were lost.
    losses: AtomicU64,
    /// How many of these losses a caller was told of. Until then every flush fails.
    told: AtomicU64,
    /// Why the shard must be reopened before it is changed again.
    failure: Mutex<Option<String>>,
}

impl Collection {
    pub(super) fn new(
        spec: CollectionSpec,
        folder: CollectionFolder,
        shard: EdgeShard,
        lock: Arc<Lock>,
    ) -> Self {
        Self {
            spec,
            folder,
            changes: Arc::new(Semaphore::new(1)),
            shard: RwLock::new(Some(shard)),
            state: State::default(),
            lock,
        }
    }

    pub(super) fn spec(&self) -> &CollectionSpec {
        &self.spec
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn folder(&self) -> &CollectionFolder {
        &self.folder
    }

    /// The turn of changes: one permit.
    pub(super) fn changes(&self) -> Arc<Semaphore> {
        Arc::clone(&self.changes)
    }

    /// Returns why the collection does not work as it should.
    pub(super) fn failure(&self) -> Option<String> {
        self.state.failure.lock().clone()
    }

    /// Lets `work` read the shard. Blocks while the shard is being reopened.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&EdgeShard) -> Result<T, OperationError>,
    ) -> Result<T, Error> {
        let shard = self.shard.read();
        let shard = shard.as_ref().ok_or_else(|| self.closed())?;
        match catch_unwind(AssertUnwindSafe(|| work(shard))) {
            Ok(outcome) => outcome.map_err(|source| fault::engine(doing, self.path(), source)),
            Err(panic) => Err(fault::panic(doing, self.path(), &*panic)),
        }
    }

    /// Lets `work` change the shard; the caller holds the permit of [`changes`](Self::changes).
    ///
    /// After a failure that may have left the engine between two states, the next change finds the
    /// shard reopened from disk.
    pub(super) fn change<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&EdgeShard) -> Result<T, OperationError>,
    ) -> Result<T, Error> {
        self.recover()?;
        self.state.unflushed.store(true, Ordering::Relaxed);
        let outcome = self.read(doing, work);
        if let Err(error) = &outcome
            && !matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Cancelled)
        {
            self.fail(error);
        }
        outcome
    }

    /// Makes all changes durable; the caller holds the permit of [`changes`](Self::changes).
    ///
    /// Fails while there are losses that no caller was told of, and takes none of them for told.
    pub(super) fn flush(&self) -> Result<(), Error> {
        match self.flush_unless_lost()? {
            None => Ok(()),
            Some(_) => Err(self.lost()),
        }
    }

    /// Makes all changes durable, or returns the number of losses if a caller is still to be
    /// [told](Self::tell) of the last; the caller holds the permit of [`changes`](Self::changes).
    pub(super) fn flush_unless_lost(&self) -> Result<Option<u64>, Error> {
        self.recover()?;
        let losses = self.state.losses.load(Ordering::Relaxed);
        if losses > self.state.told.load(Ordering::Relaxed) {
            return Ok(Some(losses));
        }
        self.write().map(|()| None)
    }

    /// Takes note that somebody is told of so many losses, and returns what to say. Not for a thread
    /// that works on for a caller who may be gone.
    pub(super) fn tell(&self, losses: u64) -> Error {
        self.state.told.fetch_max(losses, Ordering::Relaxed);
        self.lost()
    }

    fn lost(&self) -> Error {
        fault::error(
            ErrorKind::Unexpected,
            format!(
                "changes of {} since its last flush were lost: send them again",
                self.path().display(),
            ),
        )
    }

    /// Writes all changes to the disk, whatever was lost before; the caller holds the permit of
    /// [`changes`](Self::changes).
    pub(super) fn write(&self) -> Result<(), Error> {
        let points = self.read("flush", |shard| {
            shard.flush();
            Ok(shard.info().points_count)
        })?;
        self.state.unflushed.store(false, Ordering::Relaxed);
        let flushed = Flushed {
            points: u64::try_from(points).unwrap_or(u64::MAX),
            at: Timestamp::now(),
        };
        // Only shown by `inspect`: the flush has succeeded without it.
        if let Err(error) = self.folder.write_flushed(flushed) {
            tracing::warn!(path = %self.path().display(), %error, "count not written");
        }
        Ok(())
    }

    fn fail(&self, error: &Error) {
        tracing::error!(
            path = %self.path().display(),
            %error,
            cause = std::error::Error::source(error).map(tracing::field::display),
            "collection failed, reopening it before the next change",
        );
        *self.state.failure.lock() = Some(error.to_string());
    }

    /// Reopens the shard if an earlier change failed, and makes it whole; a closed collection stays
    /// closed.
    fn recover(&self) -> Result<(), Error> {
        if self.failure().is_none() {
            return match &*self.shard.read() {
                Some(_) => Ok(()),
                None => Err(self.closed()),
            };
        }
        // If this is not brought to its end, the next holder of the folder does it.
        self.lock.set_clean(false);
        let mut slot = self.shard.write();
        if let Some(shard) = slot.take() {
            let kept = catch_unwind(AssertUnwindSafe(|| shard.flush())).is_ok();
            if !kept && self.state.unflushed.load(Ordering::Relaxed) {
                self.state.losses.fetch_add(1, Ordering::Relaxed);
            }
            self.end(shard);
        }
        *slot = Some(open_shard(&self.folder, true).map_err(OpenFailure::into_error)?);
        drop(slot);
        *self.state.failure.lock() = None;
        if let Err(error) = repair::deduplicate(self) {
            self.fail(&error);
            return Err(error);
        }
        tracing::info!(path = %self.path().display(), "collection reopened");
        Ok(())
    }

    fn closed(&self) -> Error {
        let reason = self.failure().unwrap_or_else(|| "it was closed".to_owned());
        fault::error(
            ErrorKind::Unavailable,
            format!("{} is not open: {reason}", self.path().display()),
        )
    }

    /// Closes the shard, flushing it; later calls are refused.
    pub(super) fn close(&self) {
        *self.state.failure.lock() = None;
        if let Some(shard) = self.shard.write().take() {
            self.end(shard);
        }
    }

    /// Drops `shard`, which flushes it and panics if that fails: what is on the disk then may be
    /// between two states.
    fn end(&self, shard: EdgeShard) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(shard))) {
            self.lock.set_clean(false);
            let path = self.path();
            let error = fault::panic("close", path, &*panic);
            tracing::error!(
                path = %path.display(),
                %error,
                "collection closed without its last changes",
            );
        }
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens the engine's files of a collection.
///
/// `after_crash` says that half-finished segments may lie about, which the engine then removes.
pub(super) fn open_shard(
    folder: &CollectionFolder,
    after_crash: bool,
) -> Result<EdgeShard, OpenFailure> {
    let path = folder.shard();
    complete(&path, after_crash).map_err(OpenFailure::Failed)?;
    forget_old_log(&path);
    match catch_unwind(|| EdgeShard::load(&path, None)) {
        Ok(Ok(shard)) => Ok(shard),
        Ok(Err(source)) if fault::is_locked(&source) => {
            let message = format!("{} is in use by another process", path.display());
            Err(OpenFailure::Locked(
                fault::error(ErrorKind::Unavailable, message).with_source(source),
            ))
        }
        Ok(Err(source)) => Err(unloadable(&path, fault::engine("open", &path, source))),
        Err(panic) => Err(unloadable(&path, fault::panic("open", &path, &*panic))),
    }
}

/// Why a shard did not open.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// Somebody holds the engine's own lock; perhaps not for long.
    Locked(Error),
    /// Anything else.
    Failed(Error),
}

impl OpenFailure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Locked(error) | Self::Failed(error) => error,
        }
    }
}

fn unloadable(shard: &Path, error: Error) -> OpenFailure {
    OpenFailure::Failed(match error.kind() {
        ErrorKind::Unavailable => error,
        _ => damaged(shard, "the engine cannot load it").with_source(error),
    })
}

/// Verifies that the files are there which the engine would silently create anew, or delete.
fn complete(shard: &Path, after_crash: bool) -> Result<(), Error> {
    for file in ["edge_config.json", "segments", "wal"] {
        if !shard.join(file).exists() {
            return Err(damaged(shard, &format!("{file} is missing")));
        }
    }
    let segments = shard.join("segments");
    let io = |source| fault::io("read", &segments, source);
    let mut whole = 0;
    for entry in fs::read_dir(&segments).map_err(io)? {
        let segment = entry.map_err(io)?.path();
        if !segment.is_dir() || segment.extension().is_some_and(|kind| kind == "deleted") {
            continue;
        }
        if segment.join("version.info").exists() {
            whole += 1;
        } else if !after_crash {
            return Err(damaged(
                shard,
                &format!("{} has no version.info", segment.display()),
            ));
        }
    }
    if whole == 0 {
        return Err(damaged(shard, "it has no complete segment"));
    }
    Ok(())
}

fn damaged(shard: &Path, how: &str) -> Error {
    fault::error(
        ErrorKind::Invalid,
        format!("collection data {} is damaged: {how}", shard.display()),
    )
}

/// Removes those parts of the engine's log that nothing will ever read.
///
/// The engine never acknowledges its log, so it would grow for ever, and never replays it. What it
/// takes from it is the number of the next operation: the start of the last closed part plus the
/// lengths of that part and of the open one. Two closed parts stay, in case the last is empty.
fn forget_old_log(shard: &Path) {
    let Ok(entries) = fs::read_dir(shard.join("wal")) else {
        return;
    };
    let mut closed: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let start = name.to_str()?.strip_prefix("closed-")?.parse().ok()?;
            Some((start, entry.path()))
        })
        .collect();
    closed.sort_unstable();
    let kept = closed.len().saturating_sub(2);
    for (_, path) in closed.iter().take(kept) {
        // Oldest first, so that what remains is contiguous whenever this stops.
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "old log not removed");
            return;
        }
    }
}

#[cfg(test)]
mod tests;
