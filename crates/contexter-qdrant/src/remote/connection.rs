//! Connections to one server.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use contexter_config::{Secret, Secrets};
use contexter_model::{Error, ErrorKind};
use prost::Message;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::snapshots_client::SnapshotsClient;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status, TimeoutExpired};

use super::codec::Encoded;
use super::config::{Config, GRACE};
use super::fault;
use super::gateway::GrpcOnly;
use super::line::Line;

/// The largest reply that is read: ten thousand points of 4,096 dimensions with their payload.
pub const MAX_REPLY_BYTES: usize = 256 << 20;

/// How long a connection may be silent before it is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long that answer may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The window in which an upload flows without waiting for the other side: the 64 KiB of HTTP/2
/// would stop a batch of points some sixty times. It bounds what the server sends; the server sets
/// its own for what it receives.
const WINDOW: u32 = 4 << 20;

/// Connections to one server, which calls take turns on.
///
/// The vendor's `Qdrant` type repeats every call once, writes included, and its pool cannot be told
/// not to (`qdrant-client` 1.20, `channel_pool.rs`): a call that timed out would take twice as long
/// and an upload would arrive twice. So its generated clients are used over channels of our own;
/// repeating is left to the stack around the calls.
#[derive(Clone)]
pub(super) struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    lines: Vec<Line>,
    next: AtomicUsize,
    key: Option<MetadataValue<Ascii>>,
    secrets: Secrets,
    endpoint: String,
    /// How long one call may take, from its first byte to the last of its reply.
    timeout: Duration,
    /// In seconds, as the server takes it.
    server_timeout: u64,
}

impl Connection {
    /// Prepares the connections; they are made by the first call that needs them.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let address = config.endpoint();
        let unusable = |source: tonic::transport::Error| {
            fault::error(
                ErrorKind::Invalid,
                format!("cannot connect to {address} as configured"),
            )
            .with_source(source)
        };
        let mut endpoint = Endpoint::from_shared(address.clone())
            .and_then(|endpoint| {
                endpoint.user_agent(concat!("contexter/", env!("CARGO_PKG_VERSION")))
            })
            .map_err(unusable)?
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        if address.starts_with("https://") {
            let mut tls = ClientTlsConfig::new()
                .with_enabled_roots()
                .timeout(config.connect_timeout);
            if let Some(file) = &config.ca_file {
                let pem = std::fs::read(file).map_err(|source| {
                    fault::error(
                        ErrorKind::Invalid,
                        format!("cannot read ca_file {}", file.display()),
                    )
                    .with_source(source)
                })?;
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(unusable)?;
        }
        let lines = (0..config.connections)
            .map(|_| Line::new(&endpoint, config.connect_timeout))
            .collect();
        Self::over(lines, config)
    }

    /// Takes a channel of the caller's.
    pub(super) fn given(channel: Channel, config: &Config) -> Result<Self, Error> {
        Self::over(vec![Line::given(channel)], config)
    }

    fn over(lines: Vec<Line>, config: &Config) -> Result<Self, Error> {
        let key = match &config.api_key {
            None => None,
            Some(key) => {
                let mut value = MetadataValue::try_from(key.expose()).map_err(|_invalid| {
                    // Its cause shows the key.
                    fault::error(ErrorKind::Invalid, "the api_key is no visible ASCII text")
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let rounded_up = u64::from(config.timeout.subsec_nanos() > 0);
        Ok(Self {
            inner: Arc::new(Inner {
                lines,
                next: AtomicUsize::new(0),
                key,
                secrets: Secrets::new(config.api_key.as_ref().map(Secret::expose)),
                endpoint: config.endpoint(),
                // Before the stack gives up: this error says whose it is. The server's own comes
                // first.
                timeout: config.timeout.saturating_add(GRACE),
                server_timeout: config.timeout.as_secs().saturating_add(rounded_up),
            }),
        })
    }

    /// Where the server is.
    pub(super) fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// How many seconds the server may take for one call.
    pub(super) fn server_timeout(&self) -> u64 {
        self.inner.server_timeout
    }

    /// Returns the connection whose turn it is.
    pub(super) fn line(&self) -> &Line {
        let turn = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let lines = &self.inner.lines;
        lines
            .get(turn % lines.len())
            .expect("a configuration has at least one connection")
    }

    pub(super) fn points(&self) -> PointsClient<GrpcOnly> {
        self.line().points()
    }

    pub(super) fn collections(&self) -> CollectionsClient<GrpcOnly> {
        self.line().collections()
    }

    pub(super) fn snapshots(&self) -> SnapshotsClient<GrpcOnly> {
        self.line().snapshots()
    }

    /// Adds the key to a request.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.inner.key {
            request.metadata_mut().insert("api-key", key.clone());
        }
        request
    }

    /// Waits for the whole reply to a call, as long as a call may take.
    pub(super) fn answer<R>(
        &self,
        call: impl Future<Output = Result<Response<R>, Status>> + Send,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        self.answer_within(self.inner.timeout, call)
    }

    /// As [`answer`](Self::answer), for calls that may take another time.
    pub(super) fn answer_within<R>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<R>, Status>> + Send,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let answer = timed(limit, call);
        async move { answer.await.map_err(|status| self.failed(status)) }
    }

    /// As [`answer`](Self::answer), for callers that look at the status themselves.
    pub(super) fn status_or_answer<R>(
        &self,
        call: impl Future<Output = Result<Response<R>, Status>> + Send,
    ) -> impl Future<Output = Result<R, Status>> + Send {
        timed(self.inner.timeout, call)
    }

    /// Maps a call that did not succeed.
    pub(super) fn failed(&self, status: Status) -> Error {
        fault::status(status, &self.inner.secrets, self.endpoint())
    }

    /// Calls the method at `path` with a message that is encoded already.
    ///
    /// A batch is encoded once, whatever becomes of its first attempt, and what is sent again is a
    /// reference.
    pub(super) async fn send<R: Message + Default + 'static>(
        &self,
        path: &'static str,
        message: Bytes,
    ) -> Result<R, Error> {
        let mut grpc = Grpc::new(self.line().channel()).max_decoding_message_size(MAX_REPLY_BYTES);
        self.answer(async {
            grpc.ready().await.map_err(Status::from_error)?;
            grpc.unary(
                self.request(message),
                PathAndQuery::from_static(path),
                Encoded::new(),
            )
            .await
        })
        .await
    }
}

/// Waits for the whole reply to a call.
///
/// The limit is here and not in the endpoint, where `tonic` stops counting at the head of the reply: a
/// server that sends no more than that would never be given up. The call, of many kilobytes, is boxed, so
/// that those who wait for it do not each hold its size.
fn timed<R>(
    limit: Duration,
    call: impl Future<Output = Result<Response<R>, Status>> + Send,
) -> impl Future<Output = Result<R, Status>> + Send {
    let call = Box::pin(tokio::time::timeout(limit, call));
    async move {
        match call.await {
            Ok(reply) => reply.map(Response::into_inner),
            Err(_elapsed) => Err(Status::from_error(Box::new(TimeoutExpired(())))),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.inner.endpoint)
            .field("connections", &self.inner.lines.len())
            .finish_non_exhaustive()
    }
}
