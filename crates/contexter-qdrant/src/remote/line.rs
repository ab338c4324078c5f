//! One connection, and the version of the server at its other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use qdrant_client::qdrant::snapshots_client::SnapshotsClient;
use tokio::net::TcpStream;
use tonic::codegen::http::Uri;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::transport::{Channel, Endpoint};

use super::connection::MAX_REPLY_BYTES;
use super::gateway::GrpcOnly;
use super::health::ServerVersion;

/// One connection, made anew when it is needed and gone.
pub(super) struct Line {
    channel: GrpcOnly,
    /// `None` for a channel of the caller's, which does not say when it is made anew.
    watch: Option<Watch>,
}

/// How often a connection was made, and what is known of the server for as long as it is the same.
pub(super) struct Watch {
    made: Arc<AtomicU64>,
    /// The version of the server, and how often the connection had been made when it said so.
    version: Mutex<Option<(u64, ServerVersion)>>,
}

impl Line {
    /// Prepares a connection to `endpoint`; the first call makes it.
    pub(super) fn new(endpoint: &Endpoint, connect_timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        // The endpoint adds TLS itself.
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        let made = Arc::new(AtomicU64::new(0));
        let dialer = Dialer {
            http,
            limit: connect_timeout,
            made: Arc::clone(&made),
        };
        Self {
            channel: GrpcOnly::new(endpoint.connect_with_connector_lazy(dialer)),
            watch: Some(Watch {
                made,
                version: Mutex::new(None),
            }),
        }
    }

    /// Takes a channel of the caller's.
    pub(super) fn given(channel: Channel) -> Self {
        Self {
            channel: GrpcOnly::new(channel),
            watch: None,
        }
    }

    pub(super) fn points(&self) -> PointsClient<GrpcOnly> {
        PointsClient::new(self.channel()).max_decoding_message_size(MAX_REPLY_BYTES)
    }

    pub(super) fn collections(&self) -> CollectionsClient<GrpcOnly> {
        CollectionsClient::new(self.channel()).max_decoding_message_size(MAX_REPLY_BYTES)
    }

    pub(super) fn snapshots(&self) -> SnapshotsClient<GrpcOnly> {
        SnapshotsClient::new(self.channel()).max_decoding_message_size(MAX_REPLY_BYTES)
    }

    pub(super) fn server(&self) -> QdrantClient<GrpcOnly> {
        QdrantClient::new(self.channel()).max_decoding_message_size(MAX_REPLY_BYTES)
    }

    pub(super) fn channel(&self) -> GrpcOnly {
        self.channel.clone()
    }

    /// What is known of the connection.
    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// How often the connection was made, if that is known.
    pub(super) fn made(&self) -> Option<u64> {
        self.watch().map(Watch::made)
    }
}

impl Watch {
    /// How often the connection was made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Returns what the server said of its version, if it is still the same connection.
    pub(super) fn version(&self) -> Option<ServerVersion> {
        let (made, version) = (*self.version.lock())?;
        (made == self.made()).then_some(version)
    }

    /// Keeps what the server said while the connection had been made `made` times.
    pub(super) fn learn(&self, made: u64, version: ServerVersion) {
        *self.version.lock() = Some((made, version));
    }
}

/// Connects, and counts: behind a new connection there may be another server.
#[derive(Clone)]
struct Dialer {
    http: HttpConnector,
    /// How long it may take to find the address and to reach one; the connector limits only the latter.
    limit: Duration,
    made: Arc<AtomicU64>,
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = StdError;
    type Future = BoxFuture<TokioIo<TcpStream>, StdError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.http.poll_ready(cx).map_err(StdError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.http.call(uri));
        let made = Arc::clone(&self.made);
        Box::pin(async move {
            let stream = connecting.await??;
            made.fetch_add(1, Ordering::AcqRel);
            Ok(stream)
        })
    }
}
