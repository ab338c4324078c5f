//! Opening and creating the files of a collection.

use std::time::Duration;

use contexter_model::{CollectionSpec, Error};
use qdrant_edge::EdgeShard;

use super::collection::{OpenFailure, open_shard};
use super::folder::{CollectionFolder, Folder};
use super::threads::blocking;
use super::{fault, search, write};

/// How long opening waits for the engine's own lock, which a killed process keeps for a moment, and
/// so does a child that this process is about to start, until it has become another program.
///
/// The folder's lock is ours by then, so nobody else can be using the collection.
const ENGINE_LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often opening tries again for the engine's own lock.
const ENGINE_LOCK_POLL: Duration = Duration::from_millis(50);

/// Loads a collection, waiting a moment for the engine's own lock.
pub(super) async fn load(folder: &CollectionFolder, after_crash: bool) -> Result<EdgeShard, Error> {
    let deadline = tokio::time::Instant::now() + ENGINE_LOCK_WAIT;
    loop {
        let folder = folder.clone();
        let opened = blocking("open", move || Ok(open_shard(&folder, after_crash))).await?;
        match opened {
            Ok(shard) => return Ok(shard),
            Err(OpenFailure::Locked(_)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(ENGINE_LOCK_POLL).await;
            }
            Err(failure) => return Err(failure.into_error()),
        }
    }
}

/// Creates the files of an empty collection under its final name, or leaves nothing there.
pub(super) fn create(folder: &Folder, spec: &CollectionSpec) -> Result<(), Error> {
    let unfinished = folder.unfinished(&spec.name)?;
    let path = unfinished.shard();
    let config = write::config(spec)?;
    let fields = spec
        .keyword_fields
        .iter()
        .map(|field| search::json_path(field))
        .collect::<Result<Vec<_>, Error>>()?;
    let created = std::panic::catch_unwind(|| {
        let shard = EdgeShard::new(&path, config)?;
        write::index_fields(&shard, fields)?;
        shard.flush();
        drop(shard);
        Ok(())
    });
    match created {
        Ok(outcome) => outcome.map_err(|source| fault::engine("create", &path, source))?,
        Err(panic) => return Err(fault::panic("create", &path, &*panic)),
    }
    unfinished.write_spec(spec)?;
    unfinished.finish(&folder.collection(&spec.name))
}
