//! The embedded engine behind the Qdrant server's own gRPC protocol, for development and tests.
//!
//! [`LocalServer`] holds collections in a folder and answers any client of a Qdrant server. It is one
//! process with one shard for each collection, no replicas, no TLS. It refuses what the server
//! refuses, strict mode included but for its limits in bytes, of the length of single vectors, and of
//! searches of a collection without a graph.
//!
//! | service | offered | not offered: `Unimplemented` |
//! |---|---|---|
//! | `Collections` | create, update, delete, list, exists, info, metadata, strict mode, aliases | clusters, shard keys; datatypes of TurboQuant; another modifier of a sparse vector that is there |
//! | `Points`, changes | upsert, delete, `UpdateBatch`, vectors, payload (set, overwrite, delete, clear), payload indexes of all kinds, names of vectors | indexes for prefixes, for scoring, and of the objects of arrays |
//! | `Points`, reading | get, scroll with an order, count, facets, all filter conditions but slices, prefixes and substrings | the conditions that are missing |
//! | `Query`, `QueryBatch`, `QueryGroups` | nearest by vector, by id and by text for BM25, recommend with all strategies, discover, context, relevance feedback, formula, prefetches, fusion, MMR, order, sampling, points of other collections | `text` queries; `acosh`, `max` and `min` in formulas; the IDF of a part of the points |
//! | the older `Search…`, `Recommend…`, `Discover…` | all, as queries | |
//! | `SearchMatrixPairs`, `SearchMatrixOffsets` | both | |
//! | `Snapshots` | made, listed and deleted | restoring them |
//! | everywhere | health, two API keys, messages compressed by gzip | JSON web tokens |
//!
//! The settings of a collection are those of the engine; for new ones it is closed, opened again and
//! optimized before the answer. Numbers of replicas are written down and told, as by a server of one
//! node. So is what the engine has its own way in: the log, flushes, and the place of the ids.
//!
//! Texts become vectors by the model `qdrant/bm25`, which runs in the engine; for other models, images
//! and objects there is no inference service, and that is what is answered.
//!
//! What is stored survives an orderly stop, not a kill: the engine does not replay its log.

mod auth;
mod catalog;
mod changes;
mod changing;
mod collection;
mod collections;
mod filters;
mod formula;
mod groups;
mod health;
mod inference;
mod info;
mod inputs;
mod lookup;
mod matrix;
mod merging;
mod names;
mod older;
mod operations;
mod options;
mod payload_index;
mod placement;
mod points;
mod quantization;
mod queries;
mod reads;
mod reply;
mod schema;
mod scoring;
mod searching;
mod settings;
mod shard;
mod shard_keys;
mod snapshots;
mod status;
mod strict;
mod valid;
mod vectors;
mod weight;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::snapshots_server::SnapshotsServer;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use self::auth::Doorkeeper;
use self::catalog::Catalog;
use self::collection::Collection;
pub use self::options::Options;
use crate::spec;

/// The version that the server says it has: the one whose protocol it speaks.
pub const VERSION: &str = "1.20.0";

/// The largest request that is read, after it was unpacked if it is compressed; a batch of points stays
/// far below. The vendor's server has a limit on REST only, of 32 MB.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Collections in a folder that answer clients of a Qdrant server.
///
/// Cloning is cheap; all clones are the same collections. Dropping the last one writes everything to
/// the disk.
///
/// # Examples
///
/// ```
/// use contexter_model::ListAliases;
/// use contexter_qdrant::remote::{Config, RemoteStore};
/// use contexter_qdrant::server::{LocalServer, Options};
/// use contexter_service::Service;
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let server = LocalServer::open(folder.path(), Options::default().with_api_key("k3y")).await?;
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
///
/// let config = Config::default().with_url(format!("http://{address}")).with_api_key("k3y");
/// let store = RemoteStore::new(&config)?;
/// assert!(store.call(ListAliases).await?.is_empty());
///
/// drop(store);
/// drop(stop);
/// serving.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalServer {
    catalog: Arc<Catalog>,
    door: Doorkeeper,
    discards_upserts: bool,
}

impl LocalServer {
    /// Opens the collections in `folder`, creating it if need be.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or an engine has one of its collections open.
    pub async fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let folder = folder.as_ref().to_owned();
        Self::opened(options, move || Catalog::open(&folder)).await
    }

    /// Starts with no collections, in a folder that is removed with the last clone.
    ///
    /// # Errors
    ///
    /// If no folder can be made.
    pub async fn temporary(options: Options) -> Result<Self, Error> {
        Self::opened(options, Catalog::temporary).await
    }

    async fn opened(
        options: Options,
        open: impl FnOnce() -> Result<Catalog, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let opened = tokio::task::spawn_blocking(open).await;
        let catalog = opened.map_err(|ended| {
            spec::error(ErrorKind::Unexpected, "opening the collections stopped").with_source(ended)
        })??;
        Ok(Self {
            catalog: Arc::new(catalog),
            discards_upserts: options.discards_upserts,
            door: Doorkeeper::new(options),
        })
    }

    /// Returns the services, to be mounted in a server of one's own: `into_axum_router` makes them
    /// part of any HTTP/2 server.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let catalog = || Arc::clone(&self.catalog);
        // Answers are compressed only for callers who accept that.
        let gzip = CompressionEncoding::Gzip;
        let points = PointsServer::new(points::Points::new(catalog(), self.discards_upserts))
            .accept_compressed(gzip)
            .send_compressed(gzip)
            .max_decoding_message_size(MAX_REQUEST_BYTES)
            .max_encoding_message_size(usize::MAX);
        let collections = CollectionsServer::new(collections::Collections::new(catalog()))
            .accept_compressed(gzip)
            .send_compressed(gzip)
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        let snapshots = SnapshotsServer::new(snapshots::Snapshots::new(catalog()))
            .accept_compressed(gzip)
            .send_compressed(gzip);
        let health = QdrantServer::new(health::Health)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        // The vendor's server answers health checks without a key.
        Routes::new(health)
            .add_service(InterceptedService::new(points, self.door.clone()))
            .add_service(InterceptedService::new(collections, self.door.clone()))
            .add_service(InterceptedService::new(snapshots, self.door.clone()))
    }

    /// Serves on `listener` until `stop` ends, then lets calls under way end and writes everything to
    /// the disk.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends all connections; what is stored is written when the last clone is
    /// dropped.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let served = Server::builder()
            .add_routes(self.routes())
            .serve_with_incoming_shutdown(incoming, stop)
            .await;
        self.flush().await?;
        served.map_err(|source| {
            spec::error(ErrorKind::Unavailable, "the local server stopped").with_source(source)
        })
    }

    /// Makes the next change of a collection take `delay` longer: a caller with a shorter `timeout`
    /// is told that the change was accepted and not applied in time, as by a server that is behind.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such collection.
    pub fn delay_next_change(&self, collection: &str, delay: Duration) -> Result<(), Error> {
        self.collection(collection)?.delay_next_change(delay);
        Ok(())
    }

    /// Returns how many changes of a collection were asked for since the server was opened.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such collection.
    pub fn changes(&self, collection: &str) -> Result<u64, Error> {
        Ok(self.collection(collection)?.changes())
    }

    fn collection(&self, name: &str) -> Result<Arc<Collection>, Error> {
        let found = self.catalog.get(name);
        found.map_err(|status| spec::error(ErrorKind::NotFound, status.message()))
    }

    /// Carries out what was acknowledged, and writes everything to the disk.
    ///
    /// # Errors
    ///
    /// If the engine cannot.
    pub async fn flush(&self) -> Result<(), Error> {
        for collection in self.catalog.collections() {
            collection.settled().await;
        }
        let catalog = Arc::clone(&self.catalog);
        let flushed = tokio::task::spawn_blocking(move || catalog.flush()).await;
        flushed.map_err(|ended| {
            spec::error(ErrorKind::Unexpected, "the engine failed to flush").with_source(ended)
        })
    }
}

impl fmt::Debug for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalServer")
            .field("folder", &self.catalog.root())
            .finish_non_exhaustive()
    }
}
