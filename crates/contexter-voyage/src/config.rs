//! The settings of the adapter.

use std::path::PathBuf;
use std::time::Duration;

use contexter_config::Secret;
use contexter_resilience::{RetryConfig, StackConfig};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_TEXTS;
use crate::tier::quotas;
use crate::{Model, ModelKind, Tier, base_url_of};

/// The section `services.voyage_ai`.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `api_key` | required | the key; or `api_key_file`, the file that holds it |
/// | `base_url` | by the prefix of the key, see [`base_url_of`] | where the API is, with its version |
/// | `tier` | `tier_1` | `unpaid`, `tier_1`, `tier_2` or `tier_3`: what the account is allowed |
/// | `rate_limit` | that of the tier | requests a minute, of each model |
/// | `token_limit` | that of the tier and the model | tokens a minute, of each model |
/// | `timeout` | 60 s | how long one request may take; with its turn in the quota and its repeats it may take 4 min more, and at least 5 min |
/// | `retry_config` | as [`StackConfig::voyage_ai`] | see [`RetryConfig`] |
/// | `model` | `voyage-4` | what embeds documents |
/// | `query_model` | `model` | what embeds queries; of the same family, so that they share a space |
/// | `output_dimension` | that of the model | the length of the vectors |
/// | `rerank_model` | `rerank-2.5` | what orders documents |
/// | `context_model` | `voyage-context-4` | what embeds chunks that know their document |
/// | `multimodal_model` | `voyage-multimodal-3.5` | what embeds images and videos |
/// | `tokenizer` | none: tokens are estimated | the `tokenizer.json` of `model`, to count exactly; needs the feature `tokenizer` |
/// | `max_batch` | 1,000 | the most texts in one request |
/// | `max_concurrent` | 8 | how many requests are under way at once, of each model |
///
/// # Examples
///
/// ```
/// use contexter_voyage::Config;
///
/// let config: Config = serde_json::from_str(
///     r#"{
///         "api_key": "pa-1234",
///         "rate_limit": 4000,
///         "timeout": 30.0,
///         "retry_config": { "max_attempts": 5, "base_delay": 0.5, "max_delay": 20.0 }
///     }"#,
/// )?;
/// config.validate()?;
/// assert!(!format!("{config:?}").contains("pa-1234"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The key.
    pub api_key: Secret,
    /// Where the API is, with its version; by the prefix of the key if `None`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// What the account is allowed.
    #[serde(default)]
    pub tier: Tier,
    /// Requests a minute, of each model; those of the tier if `None`.
    #[serde(default)]
    pub rate_limit: Option<u64>,
    /// Tokens a minute, of each model; those of the tier if `None`.
    #[serde(default)]
    pub token_limit: Option<u64>,
    /// How long one request may take.
    #[serde(default = "default_timeout", with = "contexter_service::duration")]
    pub timeout: Duration,
    /// How failed requests are repeated.
    #[serde(default)]
    pub retry_config: RetryConfig,
    /// What embeds documents, and queries unless `query_model` says otherwise.
    #[serde(default = "default_model")]
    pub model: String,
    /// What embeds queries.
    #[serde(default)]
    pub query_model: Option<String>,
    /// The length of the vectors; that of the model if `None`.
    #[serde(default)]
    pub output_dimension: Option<u32>,
    /// What orders documents.
    #[serde(default = "default_rerank_model")]
    pub rerank_model: String,
    /// What embeds chunks that know their document.
    #[serde(default = "default_context_model")]
    pub context_model: String,
    /// What embeds images and videos.
    #[serde(default = "default_multimodal_model")]
    pub multimodal_model: String,
    /// The file `tokenizer.json` of the embedding model.
    #[serde(default)]
    pub tokenizer: Option<PathBuf>,
    /// The most texts in one request.
    #[serde(default = "default_max_batch")]
    pub max_batch: usize,
    /// How many requests are under way at once, of each model.
    #[serde(default = "default_max_concurrent")]
    pub max_concurrent: usize,
}

/// A call has at least so long for its turn in the quota and for repeats, besides one request's time.
const QUOTA_WAIT: Duration = Duration::from_mins(4);

fn default_timeout() -> Duration {
    Duration::from_mins(1)
}

fn default_model() -> String {
    "voyage-4".to_owned()
}

fn default_rerank_model() -> String {
    "rerank-2.5".to_owned()
}

fn default_context_model() -> String {
    "voyage-context-4".to_owned()
}

fn default_multimodal_model() -> String {
    "voyage-multimodal-3.5".to_owned()
}

fn default_max_batch() -> usize {
    MAX_TEXTS
}

/// Enough to use all of the largest quota while a request takes seconds, few enough that a caller
/// who gives up wastes little.
fn default_max_concurrent() -> usize {
    8
}

impl Config {
    /// The defaults, with a key.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self {
            api_key: api_key.into(),
            base_url: None,
            tier: Tier::default(),
            rate_limit: None,
            token_limit: None,
            timeout: default_timeout(),
            retry_config: RetryConfig::default(),
            model: default_model(),
            query_model: None,
            output_dimension: None,
            rerank_model: default_rerank_model(),
            context_model: default_context_model(),
            multimodal_model: default_multimodal_model(),
            tokenizer: None,
            max_batch: default_max_batch(),
            max_concurrent: default_max_concurrent(),
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets where the API is, with its version: a local server, or a proxy of the vendor.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets what embeds documents, and queries unless [`with_query_model`](Self::with_query_model)
    /// says otherwise.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>) -> Self {
        self.model = name.into();
        self
    }

    /// Sets what embeds queries.
    #[must_use]
    pub fn with_query_model(mut self, name: impl Into<String>) -> Self {
        self.query_model = Some(name.into());
        self
    }

    /// Sets the length of the vectors.
    #[must_use]
    pub fn with_output_dimension(mut self, dimension: u32) -> Self {
        self.output_dimension = Some(dimension);
        self
    }

    /// Sets what orders documents.
    #[must_use]
    pub fn with_rerank_model(mut self, name: impl Into<String>) -> Self {
        self.rerank_model = name.into();
        self
    }

    /// Sets what embeds chunks that know their document.
    #[must_use]
    pub fn with_context_model(mut self, name: impl Into<String>) -> Self {
        self.context_model = name.into();
        self
    }

    /// Sets what embeds images and videos.
    #[must_use]
    pub fn with_multimodal_model(mut self, name: impl Into<String>) -> Self {
        self.multimodal_model = name.into();
        self
    }

    /// Sets the file `tokenizer.json` of the embedding model.
    #[must_use]
    pub fn with_tokenizer(mut self, file: impl Into<PathBuf>) -> Self {
        self.tokenizer = Some(file.into());
        self
    }

    /// Sets what the account is allowed.
    #[must_use]
    pub fn with_tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// Sets the requests a minute, of each model; `None` is what the tier allows.
    #[must_use]
    pub fn with_rate_limit(mut self, requests_per_minute: impl Into<Option<u64>>) -> Self {
        self.rate_limit = requests_per_minute.into();
        self
    }

    /// Sets the tokens a minute, of each model; `None` is what the tier allows.
    #[must_use]
    pub fn with_token_limit(mut self, tokens_per_minute: impl Into<Option<u64>>) -> Self {
        self.token_limit = tokens_per_minute.into();
        self
    }

    /// Sets how long one request may take.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how failed requests are repeated.
    #[must_use]
    pub fn with_retry_config(mut self, retry: RetryConfig) -> Self {
        self.retry_config = retry;
        self
    }

    /// Sets the most texts in one request.
    #[must_use]
    pub fn with_max_batch(mut self, texts: usize) -> Self {
        self.max_batch = texts;
        self
    }

    /// Sets how many requests are under way at once, of each model.
    #[must_use]
    pub fn with_max_concurrent(mut self, requests: usize) -> Self {
        self.max_concurrent = requests;
        self
    }

    /// Returns where the API is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.base_url
            .as_deref()
            .unwrap_or_else(|| base_url_of(self.api_key.expose()))
    }

    /// Returns the settings of the stack around the embedding of documents: those of
    /// [`StackConfig::voyage_ai`] with the quotas of tier and model, and what this section sets; the
    /// deadline is 4 min more than `timeout` if that is more than the preset's. What is more than one
    /// request of the vendor is as many calls under it.
    #[must_use]
    pub fn stack(&self) -> StackConfig {
        self.stack_of(&self.embedding_model())
    }

    /// As [`stack`](Self::stack), around the calls of any model: the vendor counts each one apart.
    #[must_use]
    pub fn stack_of(&self, model: &Model) -> StackConfig {
        let preset = self.stack_without_quotas();
        let requests = self
            .rate_limit
            .unwrap_or_else(|| self.tier.requests_per_minute());
        let tokens = self
            .token_limit
            .unwrap_or_else(|| self.tier.tokens_per_minute(model));
        // A wait for the quota is no failure; but what has waited is to have its own time, too.
        let deadline = preset.deadline.unwrap_or(Duration::from_mins(5));
        let longest = deadline.saturating_sub(self.timeout);
        preset.rate_limit(quotas(model, requests, tokens, longest))
    }

    /// As [`stack`](Self::stack), without quotas: for files and batch jobs, which have others.
    pub(crate) fn stack_without_quotas(&self) -> StackConfig {
        let preset = StackConfig::voyage_ai().rate_limit(None);
        let retry = self.retry_config.over(preset.retry.unwrap_or_default());
        let least = self.timeout.saturating_add(QUOTA_WAIT);
        let deadline = preset.deadline.map_or(least, |usual| usual.max(least));
        preset
            .retry(retry)
            .attempt_timeout(self.timeout)
            .deadline(deadline)
    }

    pub(crate) fn embedding_model(&self) -> Model {
        Model::named(&self.model, ModelKind::Text)
    }
}
