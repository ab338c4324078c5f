//! How the server answers.

use contexter_config::Secret;

/// How a [`LocalServer`](super::LocalServer) answers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The key that callers must show; none by default, and then everybody may do everything.
    pub api_key: Option<Secret>,
    /// A key with which callers may only read.
    pub read_only_api_key: Option<Secret>,
    /// Whether points are decoded and acknowledged but not stored; off by default.
    pub discards_upserts: bool,
}

impl Options {
    /// Sets the key that callers must show.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets a key with which callers may only read.
    #[must_use]
    pub fn with_read_only_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.read_only_api_key = Some(key.into());
        self
    }

    /// Acknowledges points without storing them, to measure what a client costs.
    #[must_use]
    pub fn with_discarded_upserts(mut self) -> Self {
        self.discards_upserts = true;
        self
    }
}
