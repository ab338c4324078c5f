//! A server's collections, without any mechanism around them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::{CollectionSpec, Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Cx, InvalidConfig};
use qdrant_client::qdrant::{CollectionInfo, GetCollectionInfoRequest};
use tonic::transport::Channel;

use super::config::Config;
use super::connection::Connection;
use super::expected::CollectionConfig;
use super::known::Known;
use super::sending::UploadConfig;
use super::{fault, record};

/// The collections of a Qdrant server.
///
/// Implements [`Service`](contexter_service::Service) for every vector capability of
/// `contexter-model`, aliases and snapshots included. Nothing is retried, limited or remembered but
/// what collections are made of; [`QdrantAdapter`](super::QdrantAdapter) puts a stack around it.
/// Cloning is cheap; all clones share the connections.
///
/// The connections are made by the calls that need them.
#[derive(Clone)]
pub struct RemoteStore {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    known: Known,
    expected: CollectionConfig,
    upload: UploadConfig,
    optimize_timeout: Duration,
    snapshot_timeout: Duration,
}

impl RemoteStore {
    /// Prepares connections as configured; the server is not asked for anything yet.
    ///
    /// # Errors
    ///
    /// `Invalid` if a setting cannot be used (all of them are named) or `ca_file` cannot be read.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(config: &Config) -> Result<Self, Error> {
        config.validate().map_err(invalid)?;
        Ok(Self::over(Connection::new(config)?, config))
    }

    /// Takes a channel of the caller's in place of connections as configured: through a proxy, with a
    /// client certificate, or over another socket. Of the configuration, `connect_timeout`, `connections`
    /// and `ca_file` mean nothing then; `url` or `host` should be what the channel leads to, as it is what
    /// errors name, and what decides whether a key would travel in clear text.
    ///
    /// A channel does not say when it connects anew, to another server perhaps: before each fusion with
    /// weights, which [older servers would ignore](super::WEIGHTED_FUSION_VERSION), the server is asked
    /// for its version.
    ///
    /// # Errors
    ///
    /// `Invalid` if a setting cannot be used; all of them are named.
    pub fn with_channel(config: &Config, channel: Channel) -> Result<Self, Error> {
        config.validate().map_err(invalid)?;
        Ok(Self::over(Connection::given(channel, config)?, config))
    }

    fn over(connection: Connection, config: &Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                connection,
                known: Known::default(),
                expected: config.collection_config,
                upload: config.upload,
                optimize_timeout: config.optimize_timeout,
                snapshot_timeout: config.snapshot_timeout,
            }),
        }
    }

    /// Returns the address of the server.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.inner.connection.endpoint()
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(super) fn known(&self) -> &Known {
        &self.inner.known
    }

    pub(super) fn expected(&self) -> CollectionConfig {
        self.inner.expected
    }

    pub(super) fn upload_config(&self) -> UploadConfig {
        self.inner.upload
    }

    pub(super) fn optimize_timeout(&self) -> Duration {
        self.inner.optimize_timeout
    }

    pub(super) fn snapshot_timeout(&self) -> Duration {
        self.inner.snapshot_timeout
    }

    /// Asks the server for a collection.
    pub(super) async fn info(&self, name: &str) -> Result<CollectionInfo, Error> {
        let connection = self.connection();
        let request = GetCollectionInfoRequest {
            collection_name: name.to_owned(),
        };
        let reply = connection
            .answer(connection.collections().get(connection.request(request)))
            .await?;
        reply
            .result
            .ok_or_else(|| fault::protocol("the reply describes no collection"))
    }

    /// Returns what the collection or alias `name` is made of.
    pub(super) async fn spec(&self, name: &str) -> Result<Arc<CollectionSpec>, Error> {
        if let Some(spec) = self.known().get(name) {
            return Ok(spec);
        }
        let spec = record::read(name, &self.info(name).await?)?;
        Ok(self.known().learn(name, spec))
    }

    /// Runs `work` with what the collection is made of, asked for under `stack`; afterwards that is
    /// asked for anew if the server found something wrong, which may be because it has changed.
    pub(super) async fn with_spec<T, Fut>(
        &self,
        name: &str,
        stack: Option<&StandardStack>,
        work: impl FnOnce(Arc<CollectionSpec>) -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        let spec = under(stack, || self.spec(name)).await?;
        let outcome = work(spec).await;
        if let Err(error) = &outcome
            && matches!(
                error.kind(),
                // A reply that does not fit may be that of another collection behind an alias.
                ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Protocol
            )
        {
            self.known().forget(name);
        }
        outcome
    }
}

/// Maps settings that cannot be used.
pub(super) fn invalid(faults: InvalidConfig) -> Error {
    fault::error(ErrorKind::Invalid, faults.to_string()).with_source(faults)
}

/// Runs one call of several under the stack, if there is one.
pub(super) async fn under<V, Op, Fut>(
    stack: Option<&StandardStack>,
    operation: Op,
) -> Result<V, Error>
where
    V: Send,
    Op: Fn() -> Fut + Clone + Send + Sync,
    Fut: Future<Output = Result<V, Error>> + Send,
{
    match stack {
        Some(stack) => stack.run(Cx::new(), move |_cx| operation()).await,
        None => operation().await,
    }
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStore")
            .field("connection", &self.inner.connection)
            .field("upload", &self.inner.upload)
            .finish_non_exhaustive()
    }
}
