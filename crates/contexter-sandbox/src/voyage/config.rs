//! What the Voyage AI server takes and allows.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::voyage::embed::Embedder;

/// How much the account may use, <https://docs.voyageai.com/docs/rate-limits>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
    /// No payment method on file: 3 requests and 10,000 tokens a minute.
    Unpaid,
    /// The documented limits of each model.
    #[default]
    One,
    /// Twice as much.
    Two,
    /// Three times as much.
    Three,
}

/// What the Voyage AI server takes and allows.
///
/// | setting | default |
/// |---|---|
/// | [`api_key`](Self::api_key) | `pa-sandbox-0123456789` |
/// | [`tier`](Self::tier) | [`Tier::One`] |
/// | [`requests_per_minute`](Self::requests_per_minute), [`tokens_per_minute`](Self::tokens_per_minute) | those of the tier |
/// | [`retry_after`](Self::retry_after) | no header: the vendor documents none |
/// | [`embedder`](Self::embedder) | [`Embedder::lexical`] |
/// | [`foreign_key`](Self::foreign_key), [`retired`](Self::retired) | none |
#[derive(Clone, Debug)]
pub struct VoyageConfig {
    pub(super) api_key: String,
    pub(super) foreign_keys: Vec<String>,
    pub(super) tier: Tier,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) retry_after: bool,
    pub(super) retired: BTreeMap<String, String>,
    pub(super) embedder: Embedder,
}

impl Default for VoyageConfig {
    fn default() -> Self {
        Self {
            api_key: "pa-sandbox-0123456789".to_owned(),
            foreign_keys: Vec::new(),
            tier: Tier::default(),
            requests_per_minute: None,
            tokens_per_minute: None,
            retry_after: false,
            retired: BTreeMap::new(),
            embedder: Embedder::lexical(),
        }
    }
}

impl VoyageConfig {
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

    /// Adds a key that was issued for another host, and so is answered with 403.
    #[must_use]
    pub fn foreign_key(mut self, key: impl Into<String>) -> Self {
        self.foreign_keys.push(key.into());
        self
    }

    /// Sets how much the account may use.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// Sets how many requests a minute each model takes, whatever the tier says.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u64) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Sets how many tokens a minute each model takes, whatever the tier says.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// Says whether a 429 has `retry-after` and `x-ratelimit-reset`.
    #[must_use]
    pub fn retry_after(mut self, sent: bool) -> Self {
        self.retry_after = sent;
        self
    }

    /// Retires a model: it is answered with 410 and the name of its replacement.
    #[must_use]
    pub fn retired(mut self, model: impl Into<String>, replacement: impl Into<String>) -> Self {
        self.retired.insert(model.into(), replacement.into());
        self
    }

    /// Sets what computes the vectors.
    #[must_use]
    pub fn embedder(mut self, embedder: Embedder) -> Self {
        self.embedder = embedder;
        self
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.api_key.is_empty() {
            return Err(Error::Invalid("the key of Voyage AI is empty".to_owned()));
        }
        for (name, limit) in [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
        ] {
            if limit == Some(0) {
                return Err(Error::Invalid(format!("{name} is at least 1, got 0")));
            }
        }
        Ok(())
    }
}
