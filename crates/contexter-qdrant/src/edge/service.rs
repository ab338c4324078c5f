//! The capabilities of the store.

use std::sync::Arc;

use contexter_model::{
    CollectionState, Count, Delete, EnsureCollection, Error, Flush, Hit, Optimize, Query,
    QueryReply, Record, Retrieve, Selector, Upsert,
};
use contexter_service::Service;
use qdrant_edge::EdgeShard;

use super::collection::Collection;
use super::search::{self, Passes, Search};
use super::store::EmbeddedStore;
use super::write;
use crate::spec;

/// # Errors
///
/// `Invalid` if the specification is not acceptable or the collection differs from it: the message
/// names every difference, and the embedder that made the collection.
impl Service<EnsureCollection> for EmbeddedStore {
    type Response = CollectionState;
    type Error = Error;

    async fn call(&self, req: EnsureCollection) -> Result<CollectionState, Error> {
        self.ensure(req.0)
            .await
            .map_err(|error| error.with_operation("ensure_collection"))
    }
}

/// # Errors
///
/// `Invalid` if a point has no vector, a wrong dimension or a value that is not finite: the message
/// names the point and nothing is stored. `Unavailable` if the disk is full. After any other error
/// some of the points may be stored; sending all of them again is harmless.
impl Service<Upsert> for EmbeddedStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Upsert) -> Result<(), Error> {
        let store = async {
            let collection = self.collection(&req.collection)?;
            if req.points.is_empty() {
                return Ok(());
            }
            let space = self.space_check();
            self.change(&collection, "store points in", move |collection| {
                for batch in write::batches(req.points, collection.spec())? {
                    space(batch.bytes())?;
                    collection.change("store points in", |shard| batch.store(shard))?;
                }
                Ok(())
            })
            .await
        };
        store.await.map_err(|error| error.with_operation("upsert"))
    }
}

/// # Errors
///
/// Any error means that nothing may be taken for durable. `Unexpected` with "send them again" means
/// that the collection had to be reopened after a failure and changes since the last flush are gone,
/// whoever sent them. Every flush says so until one of its callers has waited for the answer; several
/// callers that store side by side should share what they hear.
///
/// # Cancel safety
///
/// Dropping the call keeps nothing from being flushed, and hides no loss from the next one.
impl Service<Flush> for EmbeddedStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Flush) -> Result<(), Error> {
        let flush = async {
            let collection = self.collection(&req.collection)?;
            let losses = self
                .change(&collection, "flush", Collection::flush_unless_lost)
                .await?;
            // Here, and not on the blocking thread: only who is still waiting is told.
            losses.map_or(Ok(()), |losses| Err(collection.tell(losses)))
        };
        flush.await.map_err(|error| error.with_operation("flush"))
    }
}

/// Includes a flush, which fails as [`Flush`] does but counts as told to nobody. Takes time and memory in
/// proportion to the collection; searches go on meanwhile, changes wait.
impl Service<Optimize> for EmbeddedStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Optimize) -> Result<(), Error> {
        let optimize = async {
            let collection = self.collection(&req.collection)?;
            let space = self.space_check();
            self.change(&collection, "optimize", move |collection| {
                // The engine itself verifies that there is room for a second copy.
                space(0)?;
                collection.flush()?;
                collection.change("optimize", |shard| shard.optimize().map(drop))?;
                collection.flush()
            })
            .await
        };
        optimize
            .await
            .map_err(|error| error.with_operation("optimize"))
    }
}

impl Service<Delete> for EmbeddedStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Delete) -> Result<(), Error> {
        let delete = async {
            let collection = self.collection(&req.collection)?;
            let space = self.space_check();
            match req.selector {
                Selector::Ids(ids) => {
                    self.change(&collection, "delete points from", move |collection| {
                        space(size_of_val(ids.as_slice()))?;
                        collection
                            .change("delete points from", |shard| write::delete_ids(shard, &ids))
                    })
                    .await
                }
                Selector::Filter(filter) => {
                    spec::refuse_empty_filter(&filter, &req.collection)?;
                    let Passes::Some(filter) = Passes::new(filter, collection.spec())? else {
                        return Ok(());
                    };
                    self.change(&collection, "delete points from", move |collection| {
                        space(0)?;
                        collection.change("delete points from", |shard| {
                            write::delete_matching(shard, filter)
                        })
                    })
                    .await
                }
            }
        };
        delete.await.map_err(|error| error.with_operation("delete"))
    }
}

impl Service<Count> for EmbeddedStore {
    type Response = u64;
    type Error = Error;

    async fn call(&self, req: Count) -> Result<u64, Error> {
        let count = async {
            let collection = self.collection(&req.collection)?;
            let filter = Passes::new(req.filter, collection.spec())?;
            self.search(collection, "count points of", |shard| {
                search::count(shard, filter)
            })
            .await
        };
        count.await.map_err(|error| error.with_operation("count"))
    }
}

/// The first leg and the others are searched side by side while there are threads to spare: a single
/// caller gets the answer sooner, and many callers at once take one thread each.
///
/// Ties are in order of id; which of several points with the score of the last place is left out
/// is for the engine to say.
impl Service<Query> for EmbeddedStore {
    type Response = QueryReply;
    type Error = Error;

    async fn call(&self, req: Query) -> Result<QueryReply, Error> {
        self.query(req)
            .await
            .map_err(|error| error.with_operation("query"))
    }
}

impl EmbeddedStore {
    async fn query(&self, req: Query) -> Result<QueryReply, Error> {
        let collection = self.collection(&req.collection)?;
        spec::check_legs(req.legs.len())?;
        let filter = Passes::new(req.filter, collection.spec())?;
        let searches = req
            .legs
            .into_iter()
            .map(|leg| Search::new(leg, filter.clone(), req.limit, collection.spec()))
            .collect::<Result<Vec<_>, Error>>()?;
        let wanted = searches.iter().filter(|search| !search.is_vain()).count();
        if wanted == 0 {
            return Ok(QueryReply {
                rankings: vec![Vec::new(); searches.len()],
            });
        }
        let mut legs = searches.into_iter();
        let first: Vec<Search> = legs.by_ref().take(1).collect();
        let others: Vec<Search> = legs.collect();
        let run = |searches: Vec<Search>| {
            move |shard: &EdgeShard| {
                searches
                    .into_iter()
                    .map(|search| search.run(shard))
                    .collect()
            }
        };
        let turn = self.search_turn().await?;
        let second = (wanted > 1).then(|| self.second_turn()).flatten();
        let rankings: Vec<Vec<Hit>> = if let Some(second) = second {
            let (mut rankings, of_others): (Vec<_>, Vec<_>) = tokio::try_join!(
                self.search_now(turn, Arc::clone(&collection), "search", run(first)),
                self.search_now(second, collection, "search", run(others)),
            )?;
            rankings.extend(of_others);
            rankings
        } else {
            let all = first.into_iter().chain(others).collect();
            self.search_now(turn, collection, "search", run(all))
                .await?
        };
        Ok(QueryReply { rankings })
    }
}

impl Service<Retrieve> for EmbeddedStore {
    type Response = Vec<Record>;
    type Error = Error;

    async fn call(&self, req: Retrieve) -> Result<Vec<Record>, Error> {
        let retrieve = async {
            let collection = self.collection(&req.collection)?;
            if req.ids.is_empty() {
                return Ok(Vec::new());
            }
            self.search(collection, "read points of", move |shard| {
                search::retrieve(shard, &req.ids)
            })
            .await
        };
        retrieve
            .await
            .map_err(|error| error.with_operation("retrieve"))
    }
}
