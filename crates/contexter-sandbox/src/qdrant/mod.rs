//! A local Qdrant: the embedded engine behind the server's own protocol.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use contexter_qdrant::server::{LocalServer, Options};
use serde_json::json;

use crate::error::Error;
use crate::faults::Server;

/// What the Qdrant server takes.
///
/// | setting | default |
/// |---|---|
/// | `api_key` | `qdrant-sandbox-0123456789` |
/// | `read_only_api_key` | none |
#[derive(Clone, Debug)]
pub struct QdrantConfig {
    api_key: String,
    read_only_api_key: Option<String>,
}

impl Default for QdrantConfig {
    fn default() -> Self {
        Self {
            api_key: "qdrant-sandbox-0123456789".to_owned(),
            read_only_api_key: None,
        }
    }
}

impl QdrantConfig {
    /// Creates the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets a key with which callers may only read.
    #[must_use]
    pub fn read_only_api_key(mut self, key: impl Into<String>) -> Self {
        self.read_only_api_key = Some(key.into());
        self
    }
}

/// A local Qdrant. Clones are the same server; its collections go with the last of them.
#[derive(Clone, Debug)]
pub struct Qdrant {
    api_key: String,
    server: LocalServer,
}

impl Qdrant {
    pub(crate) async fn new(config: QdrantConfig) -> Result<Self, Error> {
        let mut options = Options::default().with_api_key(config.api_key.as_str());
        if let Some(key) = config.read_only_api_key {
            options = options.with_read_only_api_key(key);
        }
        let server = LocalServer::temporary(options)
            .await
            .map_err(|error| Error::Setup {
                server: Server::Qdrant,
                source: Box::new(error),
            })?;
        Ok(Self {
            api_key: config.api_key,
            server,
        })
    }

    pub(crate) fn router(&self) -> Router {
        let grpc = self.server.routes().into_axum_router();
        grpc.layer(middleware::from_fn(only_grpc))
    }

    /// Returns the key that it takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Returns how many changes of a collection were asked for; `None` if there is no such
    /// collection.
    #[must_use]
    pub fn changes(&self, collection: &str) -> Option<u64> {
        self.server.changes(collection).ok()
    }

    /// Makes the next change of a collection take `delay` longer, so that a caller with a shorter
    /// timeout is told that it was accepted but not applied; returns whether there is such a
    /// collection.
    #[must_use]
    pub fn delay_next_change(&self, collection: &str, delay: Duration) -> bool {
        self.server.delay_next_change(collection, delay).is_ok()
    }
}

/// Tells a client of the REST interface that it is at the wrong port.
async fn only_grpc(request: Request, next: Next) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return next.run(request).await;
    }
    let told = json!({
        "status": { "error": "this server speaks gRPC, and has no REST interface" },
        "time": 0.0,
    });
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(told)).into_response()
}
