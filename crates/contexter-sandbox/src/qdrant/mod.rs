//! A local Qdrant.

use std::sync::Arc;

use axum::Router;

use crate::error::Error;

/// What the Qdrant server takes.
#[derive(Clone, Debug)]
pub struct QdrantConfig {
    api_key: String,
}

impl Default for QdrantConfig {
    fn default() -> Self {
        Self {
            api_key: "qdrant-sandbox-0123456789".to_owned(),
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
}

/// A local Qdrant. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Qdrant {
    config: Arc<QdrantConfig>,
}

impl Qdrant {
    pub(crate) fn new(config: QdrantConfig) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
    }

    /// Returns the key that it takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.config.api_key
    }
}
