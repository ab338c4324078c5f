//! Opening and creating collections and their files.

use std::sync::Arc;
use std::time::Duration;

use contexter_model::{CollectionSpec, CollectionState, Error, ErrorKind};
use qdrant_edge::EdgeShard;

use super::collection::{Collection, OpenFailure, open_shard};
use super::folder::{CollectionFolder, Folder};
use super::store::EmbeddedStore;
use super::threads::blocking;
use super::{fault, search, write};
use crate::spec;

/// How long opening waits for the engine's own lock, which a killed process keeps for a moment, and
/// so does a child that this process is about to start, until it has become another program.
///
/// The folder's lock is ours by then, so nobody else can be using the collection.
const ENGINE_LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often opening tries again for the engine's own lock.
const ENGINE_LOCK_POLL: Duration = Duration::from_millis(50);

impl EmbeddedStore {
    pub(super) async fn ensure(&self, spec: CollectionSpec) -> Result<CollectionState, Error> {
        spec::check(&spec)?;
        // A task of its own: a creation that was begun is ended and taken in, whoever still waits.
        let store = self.clone();
        tokio::spawn(async move { store.ensure_to_the_end(spec).await })
            .await
            .map_err(|ended| {
                fault::error(ErrorKind::Cancelled, "the runtime has ended".to_owned())
                    .with_source(ended)
            })?
    }

    async fn ensure_to_the_end(&self, spec: CollectionSpec) -> Result<CollectionState, Error> {
        let _creation = self.creation_turn().await?;
        if let Some(collection) = self.aliases()?.get(&spec.name) {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!(
                    "{:?} is an alias of collection {collection:?}: a collection cannot have its name",
                    spec.name,
                ),
            ));
        }
        if self.is_collection(&spec.name) {
            let existing = self.collection(&spec.name)?;
            spec::compare(existing.spec(), &spec)?;
            return self.state(existing, false).await;
        }
        let folder = self.folder().clone();
        let destination = folder.collection(&spec.name);
        // An earlier creation, or a deletion, got only so far.
        let is_there = destination.path().exists();
        let space = self.space_check();
        let spec = blocking("create", move || {
            if is_there {
                let there = folder.collection(&spec.name).read_spec()?;
                spec::compare(&there, &spec)?;
                return Ok(there);
            }
            space(0)?;
            create(&folder, &spec)?;
            Ok(spec)
        })
        .await?;
        let shard = load(&destination, false).await?;
        let collection = self.take_in(spec, destination, shard)?;
        self.state(collection, !is_there).await
    }

    async fn state(
        &self,
        collection: Arc<Collection>,
        created: bool,
    ) -> Result<CollectionState, Error> {
        let points = self
            .search(collection, "count", |shard| {
                search::count(shard, search::Passes::All)
            })
            .await?;
        Ok(CollectionState { created, points })
    }
}

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
fn create(folder: &Folder, spec: &CollectionSpec) -> Result<(), Error> {
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
