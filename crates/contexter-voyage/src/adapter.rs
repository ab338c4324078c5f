//! The vendor as a service.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_http::Client as Http;
use contexter_model::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Error, ErrorKind, Rerank,
};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Clock as _, DefaultClock};
use jiff::Timestamp;

use crate::account::UsageSnapshot;
use crate::calls::Calls;
use crate::client::{Client, NAME};
use crate::{Config, EmbedChunks, EmbedMultimodal, EmbedTexts, Jobs, RerankTexts};

/// While a request has succeeded within this time, a health check sends none: the answer would be
/// the same, and an account without a payment method has 3 requests a minute.
const FRESH: Duration = Duration::from_mins(1);

/// A check, all its requests included, ends within this time; a key is checked in a fraction of it, and
/// who watches over services gives a check ten seconds.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// Voyage AI: the service `voyage_ai`.
///
/// | request | ability |
/// |---|---|
/// | [`Embed`], [`DescribeSpace`] | `embedding_generation` |
/// | [`Rerank`] | `rerank` |
/// | [`EmbedTexts`] | `voyage_embeddings`: all that the vendor lets one choose |
/// | [`RerankTexts`] | `voyage_rerank` |
/// | [`EmbedChunks`] | `voyage_contextualized_embeddings` |
/// | [`EmbedMultimodal`] | `voyage_multimodal_embeddings` |
///
/// Requests of any size are cut as [`Packed`](crate::Packed) says, each part under the stack of its
/// model: the vendor counts quotas for each model apart. Batch jobs are in [`jobs`](Self::jobs).
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use contexter_adapter::ServiceAdapter;
/// use contexter_model::{Embed, Purpose};
/// use contexter_service::Service;
/// use contexter_voyage::{Config, VoyageAdapter};
///
/// let voyage = VoyageAdapter::new(Config::new("pa-…").with_model("voyage-4-lite"))?;
/// let embed = voyage.capabilities().handle::<Embed>().ok_or("it embeds")?;
/// let texts = vec!["a text".to_owned()];
/// let reply = embed.call(Embed { texts, purpose: Purpose::Document }).await?;
/// assert_eq!(reply.vectors[0].len(), 1024);
/// println!("{} micro-dollars", voyage.usage().cost_micro_dollars);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct VoyageAdapter {
    calls: Calls,
    stack: StandardStack,
    jobs: Jobs,
    capabilities: Capabilities,
}

/// Puts a [`VoyageAdapter`] together.
#[derive(Default)]
pub struct Builder {
    stack: Option<StandardStack>,
    http: Option<Http>,
    counter: Option<Arc<dyn CountTokens>>,
}

impl Builder {
    /// Puts `stack` around all calls, in place of one for each model with its quotas.
    #[must_use]
    pub fn stack(mut self, stack: StandardStack) -> Self {
        self.stack = Some(stack);
        self
    }

    /// Reaches the vendor by `http`, such as through a proxy, in place of clients of its own: one that
    /// offers [HTTP/2](contexter_http::Config::http2) for calls, and one that does not for the files of
    /// jobs, which may have no announced length. Its read timeout should be no shorter than it takes to
    /// send a file.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// Counts the tokens of texts by `counter`, in place of an estimate or the tokenizer that the
    /// configuration names. It has to count as the models of the configuration do.
    #[must_use]
    pub fn token_counter(mut self, counter: Arc<dyn CountTokens>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for settings that are out of range, a base URL that is not allowed, or
    /// a tokenizer that cannot be read.
    pub fn build(self, config: Config) -> Result<VoyageAdapter, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message).with_service(NAME);
        config
            .validate()
            .map_err(|faults| invalid(format!("the settings do not work: {faults}")))?;
        let counter = match (self.counter, &config.tokenizer) {
            (Some(counter), _) => Some(counter),
            (None, Some(path)) => Some(read_tokenizer(path)?),
            (None, None) => None,
        };
        let client = Client::new(&config, self.http.as_ref())?;
        let jobs = Jobs::new(client.clone(), &config)
            .map_err(|faults| invalid(format!("the settings do not work: {faults}")))?;
        let calls = Calls::new(Arc::new(config), client, self.stack, counter);
        let stack = calls.embedding_stack()?;
        let capabilities = Capabilities::new()
            .with::<Embed>(calls.clone())
            .with::<DescribeSpace>(calls.clone())
            .with::<Rerank>(calls.clone())
            .with::<EmbedTexts>(calls.clone())
            .with::<RerankTexts>(calls.clone())
            .with::<EmbedChunks>(calls.clone())
            .with::<EmbedMultimodal>(calls.clone());
        Ok(VoyageAdapter {
            calls,
            stack,
            jobs,
            capabilities,
        })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("stack", &self.stack)
            .field("http", &self.http)
            .field("token_counter", &self.counter.is_some())
            .finish()
    }
}

#[cfg(feature = "tokenizer")]
fn read_tokenizer(path: &std::path::Path) -> Result<Arc<dyn CountTokens>, Error> {
    Ok(Arc::new(crate::TokenizerFile::read(path)?))
}

#[cfg(not(feature = "tokenizer"))]
fn read_tokenizer(_path: &std::path::Path) -> Result<Arc<dyn CountTokens>, Error> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "the feature `tokenizer` is not built in",
    ))
}

impl VoyageAdapter {
    /// Makes the adapter, with a stack for each model: [`Config::stack_of`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::builder().build(config)
    }

    /// Makes the adapter, with `stack` around all calls.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn with_stack(config: Config, stack: StandardStack) -> Result<Self, Error> {
        Self::builder().stack(stack).build(config)
    }

    /// Makes the adapter with an HTTP client of the caller's, such as through a proxy or with further
    /// certificates, and with `stack` around all calls. Its time limits should be no shorter than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn with_http(config: Config, http: &Http, stack: StandardStack) -> Result<Self, Error> {
        Self::builder()
            .http(http.clone())
            .stack(stack)
            .build(config)
    }

    /// Begins an adapter with more to choose.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the space of the vectors of [`Embed`].
    #[must_use]
    pub fn space(&self) -> EmbeddingSpace {
        self.calls.space()
    }

    /// Returns what was used since the adapter was made, and what it cost.
    #[must_use]
    pub fn usage(&self) -> UsageSnapshot {
        self.calls.client().usage()
    }

    /// Returns a counter of tokens as the embedding of documents counts them: exact with a
    /// tokenizer, and otherwise a bound that learns.
    #[must_use]
    pub fn token_counter(&self) -> Arc<dyn CountTokens> {
        self.calls.token_counter()
    }

    /// Asks whether the key is taken and embedding works, for at most [`CHECK_LIMIT`].
    async fn check(&self) -> Result<(), Error> {
        let check = async {
            // The list of jobs costs no tokens. Only its success is believed: a host may serve no jobs,
            // and an account none of them. And it says nothing about trouble with embeddings.
            if !self.calls.client().account().is_troubled() && self.jobs.are_listed().await {
                return Ok(());
            }
            self.calls.probe().await
        };
        tokio::time::timeout(CHECK_LIMIT, check)
            .await
            .unwrap_or_else(|_elapsed| {
                let message = format!("no answer to a check within {CHECK_LIMIT:?}");
                Err(Error::new(ErrorKind::Timeout, message).with_service(NAME))
            })
    }

    /// Returns the files and batch jobs of the account.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }
}

#[async_trait]
impl ServiceAdapter for VoyageAdapter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks as the health check does, and fails if the key is refused.
    async fn initialize(&self) -> Result<(), AdapterError> {
        match self.check().await {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Err(error.into()),
            // A vendor that is away or throttles for now may serve when it is needed.
            _ => Ok(()),
        }
    }

    /// Asks nothing while a request has succeeded in the last minute and none has failed since. One that
    /// was given up before its answer came, by the stack or by a caller, counts as failed: all that follows
    /// is that word. Otherwise asks for the list of jobs, which costs no tokens; and where that is refused,
    /// or the last request failed, embeds one word, which costs a few. Nothing is repeated or waits for the
    /// quota, and all ends within 5 s. A vendor that throttles, and a quota that is used up, is degraded.
    async fn health_check(&self) -> ServiceHealth {
        let started = DefaultClock.now();
        let client = self.calls.client();
        let account = client.account();
        let fresh = account.has_succeeded_within(FRESH, started) && !account.is_troubled();
        let outcome = if fresh { Ok(()) } else { self.check().await };
        let took = DefaultClock.now().saturating_duration_since(started);
        let health = |status| ServiceHealth::new(status, took, Timestamp::now());
        let health = match outcome {
            Ok(()) => health(HealthStatus::Healthy),
            Err(error) if is_throttled(&error) => {
                health(HealthStatus::Degraded).with_error(error.to_string())
            }
            Err(error) => health(HealthStatus::Unhealthy).with_error(error.to_string()),
        };
        let (space, usage) = (self.space(), self.usage());
        health
            .with_detail("base_url", client.api().base_url())
            .with_detail("model", self.calls.config().model.as_str())
            .with_detail("space", space.id)
            .with_detail("dimensions", space.dimensions)
            .with_detail("probed", !fresh)
            .with_detail("tokens", usage.tokens)
            .with_detail("cost_micro_dollars", usage.cost_micro_dollars)
    }

    /// Lets go of calls that wait for others; those under way end by themselves.
    async fn shutdown(&self) {
        self.calls.close();
    }

    /// The state of the stack around the embedding of documents.
    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

fn is_throttled(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RateLimited | ErrorKind::QuotaExhausted
    )
}

impl ResilientAdapter for VoyageAdapter {
    /// The stack around the embedding of documents.
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}
