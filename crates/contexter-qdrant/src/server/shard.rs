//! The engine's shard of one collection: opened, closed, and kept from taking the server down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qdrant_edge::{EdgeConfig, EdgeShard};
use tonic::Status;

use super::status;

/// Makes a shard in an empty folder.
pub(super) fn create(folder: &Path, config: EdgeConfig) -> Result<EdgeShard, Status> {
    caught(|| EdgeShard::new(folder, config).map_err(|error| status::engine(&error)))
}

/// Opens the shard in `folder`, with other settings if there are any.
pub(super) fn load(folder: &Path, config: Option<EdgeConfig>) -> Result<EdgeShard, Status> {
    caught(|| EdgeShard::load(folder, config).map_err(|error| status::engine(&error)))
}

/// Closes a shard and opens it with other settings; if the engine refuses them, with those that it
/// had.
pub(super) fn reopen(shard: &mut Option<EdgeShard>, config: EdgeConfig) -> Result<(), Status> {
    let Some(open) = shard.as_ref() else {
        return Err(status::going());
    };
    let folder = open.path().to_owned();
    // Before it is closed: what cannot be written now would be lost, and opening it writes its settings
    // down, for which there must be room.
    caught(|| {
        open.flush();
        let saved = open.config().save(&folder);
        saved.map_err(|error| status::engine(&error))
    })?;
    if let Err(status) = close(shard) {
        tracing::warn!(folder = %folder.display(), error = %status, "closed with an error");
    }
    match load(&folder, Some(config)) {
        Ok(opened) => {
            *shard = Some(opened);
            Ok(())
        }
        Err(refused) => {
            let opened = load(&folder, None).inspect_err(|error| {
                let folder = folder.display();
                tracing::error!(%folder, %error, %refused, "cannot be opened again");
            });
            *shard = Some(opened?);
            Err(refused)
        }
    }
}

/// Closes a shard, which writes everything to the disk.
pub(super) fn close(shard: &mut Option<EdgeShard>) -> Result<(), Status> {
    let shard = shard.take();
    caught(|| {
        drop(shard);
        Ok(())
    })
}

/// Runs `work`; the engine panics where it does not know what else to do.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Status>) -> Result<T, Status> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome,
        Err(panic) => Err(status::panicked(&*panic)),
    }
}
