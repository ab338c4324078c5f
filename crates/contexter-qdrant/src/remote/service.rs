//! The capabilities of the store.

use std::sync::OnceLock;

use contexter_model::{
    Alias, AliasSwitched, CollectionState, Count, CreateSnapshot, Delete, DropAlias,
    DropCollection, DropSnapshot, EnsureCollection, Error, ErrorKind, Flush, FusedQuery, Hit,
    ListAliases, ListSnapshots, Optimize, Query, QueryReply, Record, Retrieve, Scroll, ScrollPage,
    Snapshot, SwitchAlias, Upsert,
};
use contexter_service::Service;

use super::fault;
use super::store::RemoteStore;

/// # Errors
///
/// `Invalid` if the specification is not acceptable or the collection differs from it: the message
/// names every difference, and the embedder that made the collection.
impl Service<EnsureCollection> for RemoteStore {
    type Response = CollectionState;
    type Error = Error;

    async fn call(&self, req: EnsureCollection) -> Result<CollectionState, Error> {
        self.ensure(&req.0, None)
            .await
            .map_err(|error| error.with_operation("ensure_collection"))
    }
}

/// # Errors
///
/// `Invalid` if a point has no vector, a wrong dimension, a value that is not finite or a payload that
/// the server cannot hold: the message names the point and nothing is sent. After any other error
/// some of the points may be stored; sending all of them again is harmless.
impl Service<Upsert> for RemoteStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Upsert) -> Result<(), Error> {
        self.upload(req, None, |_| {})
            .await
            .map_err(|error| error.with_operation("upsert"))
    }
}

/// Verifies that the collection is there. The server writes its log before it answers, so what was
/// stored is durable already.
impl Service<Flush> for RemoteStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Flush) -> Result<(), Error> {
        let flush = async {
            if self.exists(&req.collection).await?
                || self.alias_named(&req.collection).await?.is_some()
            {
                return Ok(());
            }
            Err(fault::error(
                ErrorKind::NotFound,
                format!("no collection {:?} on {}", req.collection, self.endpoint()),
            ))
        };
        flush.await.map_err(|error| error.with_operation("flush"))
    }
}

/// Waits until the server's optimizer is done, at most `optimize_timeout`.
impl Service<Optimize> for RemoteStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Optimize) -> Result<(), Error> {
        self.optimize(&req.collection, None)
            .await
            .map_err(|error| error.with_operation("optimize"))
    }
}

/// Ties are in order of id; which of several points with the score of the last place is left out is
/// for the server to say.
impl Service<Query> for RemoteStore {
    type Response = QueryReply;
    type Error = Error;

    async fn call(&self, req: Query) -> Result<QueryReply, Error> {
        RemoteStore::query(self, req)
            .await
            .map_err(|error| error.with_operation("query"))
    }
}

macro_rules! services {
    ($($request:ident => $response:ty, $operation:literal, |$store:ident, $req:ident| $call:expr;)*) => {$(
        impl Service<$request> for RemoteStore {
            type Response = $response;
            type Error = Error;

            async fn call(&self, $req: $request) -> Result<$response, Error> {
                let $store = self;
                $call
                    .await
                    .map_err(|error: Error| error.with_operation($operation))
            }
        }
    )*};
}

services! {
    Delete => (), "delete", |store, req| store.delete(req, None);
    Count => u64, "count", |store, req| store.count(req);
    FusedQuery => Vec<Hit>, "fused_query", |store, req| store.fused_query(req);
    Retrieve => Vec<Record>, "retrieve", |store, req| store.retrieve(req, None);
    Scroll => ScrollPage, "scroll", |store, req| store.scroll(req);
    SwitchAlias => AliasSwitched, "switch_alias",
        |store, req| async move {
            store.switch_alias(&req.alias, &req.collection, &OnceLock::new()).await
        };
    DropAlias => (), "drop_alias", |store, req| store.drop_alias(&req.alias);
    ListAliases => Vec<Alias>, "list_aliases", |store, _req| store.aliases();
    DropCollection => bool, "drop_collection",
        |store, req| store.drop_collection(&req.collection);
    CreateSnapshot => Snapshot, "create_snapshot",
        |store, req| store.create_snapshot(req.collection);
    ListSnapshots => Vec<Snapshot>, "list_snapshots",
        |store, req| store.list_snapshots(req.collection);
    DropSnapshot => (), "drop_snapshot",
        |store, req| store.drop_snapshot(req.collection, req.snapshot);
}
