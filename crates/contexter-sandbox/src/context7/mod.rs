//! A local Context7.

use std::sync::Arc;

use axum::Router;

use crate::error::Error;

/// What the Context7 server takes and holds.
#[derive(Clone, Debug)]
pub struct Context7Config {
    api_key: String,
}

impl Default for Context7Config {
    fn default() -> Self {
        Self {
            api_key: "ctx7sk-sandbox-0123456789".to_owned(),
        }
    }
}

impl Context7Config {
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

/// A local Context7. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Context7 {
    config: Arc<Context7Config>,
}

impl Context7 {
    pub(crate) fn new(config: Context7Config) -> Result<Self, Error> {
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
