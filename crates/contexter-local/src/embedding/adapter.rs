//! The local embedder as a service.

use std::sync::Arc;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_breaker::Abandoned;
use contexter_model::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Embeddings, Error, ErrorKind, Purpose, Usage,
};
use contexter_resilience::{BreakerConfig, ResilientAdapter, StackConfig, StandardStack};
use contexter_service::{Clock, DefaultClock, InvalidConfig, Service};
use jiff::Timestamp;

use crate::embedding::{
    AcquireError, EmbedderChoice, Lexical, MiniLm, ModelFile, ModelSources, Notice,
    UnreadableModel, UnusableModel,
};

/// The name of the service.
const NAME: &str = "local_embedding";

/// An embedder on this machine: the service `local_embedding` with the ability
/// `embedding_generation`.
///
/// Calls compute on threads of their own, one call at a time on all of them; calls at once take
/// turns. Around them is a [`StandardStack`], which [`with_stack`](Self::with_stack) replaces.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use contexter_adapter::ServiceAdapter;
/// use contexter_local::LocalEmbedder;
/// use contexter_model::{Embed, Purpose};
/// use contexter_service::Service;
///
/// let embedder = LocalEmbedder::lexical();
/// let texts = vec!["a text".to_owned(), "another".to_owned()];
/// let handle = embedder.capabilities().handle::<Embed>().expect("it embeds");
/// let reply = handle.call(Embed { texts, purpose: Purpose::Document }).await?;
/// assert_eq!(reply.vectors.len(), 2);
/// assert_eq!(reply.vectors[0].len(), embedder.space().dimensions);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LocalEmbedder {
    engine: Engine,
    stack: StandardStack,
    capabilities: Capabilities,
}

/// An embedder that was opened, and what the user should know about the choice.
#[derive(Debug)]
pub struct Selected {
    /// The embedder.
    pub embedder: LocalEmbedder,
    /// Why it is not the one that was hoped for.
    pub notice: Option<String>,
}

impl LocalEmbedder {
    /// Opens the embedder that the user chose, getting its model first if need be.
    ///
    /// [`EmbedderChoice::Auto`] falls back to the lexical embedder and says why in
    /// [`Selected::notice`]. `on_notice` hears of downloads before they start.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the choice needs a model that cannot be had or used.
    ///
    /// # Cancel safety
    ///
    /// As [`ModelSources::acquire`].
    pub async fn open(
        choice: &EmbedderChoice,
        sources: &ModelSources,
        on_notice: impl FnMut(Notice) + Send,
    ) -> Result<Selected, OpenError> {
        let chosen = |embedder| Selected {
            embedder,
            notice: None,
        };
        match choice {
            EmbedderChoice::Lexical => Ok(chosen(Self::lexical())),
            EmbedderChoice::Path(path) => {
                let path = path.clone();
                let model = load(move || Ok(ModelFile::read(&path)?)).await?;
                Ok(chosen(Self::minilm(model)))
            }
            EmbedderChoice::MiniLm => Ok(chosen(Self::minilm(
                acquire_and_load(sources, on_notice).await?,
            ))),
            EmbedderChoice::Auto => match acquire_and_load(sources, on_notice).await {
                Ok(model) => Ok(chosen(Self::minilm(model))),
                Err(error) => Ok(Selected {
                    embedder: Self::lexical(),
                    notice: Some(format!(
                        "using the lexical embedder, which compares wording and not meaning: {error}"
                    )),
                }),
            },
        }
    }

    /// Creates the service around a model.
    #[must_use]
    pub fn minilm(model: MiniLm) -> Self {
        Self::new(Engine::MiniLm(model))
    }

    /// Creates the service around the lexical embedder.
    #[must_use]
    pub fn lexical() -> Self {
        Self::new(Engine::Lexical(Arc::new(Lexical::new())))
    }

    fn new(engine: Engine) -> Self {
        let stack = default_stack().expect("the settings below are in range");
        Self::assemble(engine, stack)
    }

    fn assemble(engine: Engine, stack: StandardStack) -> Self {
        let stack = stack.named(NAME);
        let capabilities = Capabilities::new()
            .with::<Embed>(stack.service(engine.clone()))
            .with::<DescribeSpace>(engine.clone());
        Self {
            engine,
            stack,
            capabilities,
        }
    }

    /// Replaces the mechanisms around the embedding of texts.
    ///
    /// The default is a breaker that has no time limit and does not count calls that were dropped,
    /// and no retry: a machine that is slow is not broken, and computing the same again ends the
    /// same way. A limit must leave room for the largest call, at about 25 texts of 200 tokens a
    /// second and processor core.
    #[must_use]
    pub fn with_stack(self, stack: StandardStack) -> Self {
        Self::assemble(self.engine, stack)
    }

    /// Returns the space of the vectors.
    #[must_use]
    pub fn space(&self) -> EmbeddingSpace {
        self.engine.space()
    }

    /// Returns a counter of tokens as this embedder counts them.
    ///
    /// It is exact for a model and an estimate for the lexical embedder, which has no tokens.
    #[must_use]
    pub fn token_counter(&self) -> Arc<dyn CountTokens> {
        match &self.engine {
            Engine::MiniLm(model) => model.tokenizer(),
            Engine::Lexical(lexical) => Arc::<Lexical>::clone(lexical),
        }
    }
}

#[async_trait]
impl ServiceAdapter for LocalEmbedder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Embeds one word.
    async fn health_check(&self) -> ServiceHealth {
        let started = DefaultClock.now();
        let word = Embed {
            texts: vec!["health".to_owned()],
            purpose: Purpose::Query,
        };
        let outcome = self.engine.call(word).await;
        let took = DefaultClock.now().saturating_duration_since(started);
        let space = self.space();
        let health = match outcome {
            Ok(_) => ServiceHealth::new(HealthStatus::Healthy, took, Timestamp::now()),
            Err(error) => ServiceHealth::new(HealthStatus::Unhealthy, took, Timestamp::now())
                .with_error(error.to_string()),
        };
        health
            .with_detail("space", space.id)
            .with_detail("kind", space.kind.to_string())
            .with_detail("dimensions", space.dimensions)
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

impl ResilientAdapter for LocalEmbedder {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}

fn default_stack() -> Result<StandardStack, InvalidConfig> {
    let breaker = contexter_breaker::Config::new().abandoned(Abandoned::Neutral);
    let breaker = BreakerConfig::from(breaker).timeout(None);
    StandardStack::new(StackConfig::new().breaker(breaker).retry(None))
}

async fn acquire_and_load(
    sources: &ModelSources,
    on_notice: impl FnMut(Notice) + Send,
) -> Result<MiniLm, OpenError> {
    let file = sources
        .acquire(on_notice)
        .await
        .map_err(OpenError::Acquire)?;
    load(move || Ok(file)).await
}

/// Reads and loads a model on a thread that may block.
async fn load(
    read: impl FnOnce() -> Result<ModelFile, OpenError> + Send + 'static,
) -> Result<MiniLm, OpenError> {
    tokio::task::spawn_blocking(move || {
        let file = read()?;
        let origin = file.source().to_string();
        MiniLm::load(file).map_err(|source| OpenError::Unusable { origin, source })
    })
    .await
    .map_err(OpenError::Interrupted)?
}

/// What computes the vectors.
#[derive(Clone, Debug)]
enum Engine {
    MiniLm(MiniLm),
    Lexical(Arc<Lexical>),
}

impl Engine {
    fn space(&self) -> EmbeddingSpace {
        match self {
            Self::MiniLm(model) => model.space().clone(),
            Self::Lexical(lexical) => lexical.space(),
        }
    }
}

impl Service<Embed> for Engine {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, request: Embed) -> Result<Embeddings, Error> {
        let reply = match self {
            Self::MiniLm(model) => model.embed(request.texts).await,
            Self::Lexical(lexical) => embed_lexically(Arc::clone(lexical), request.texts).await,
        };
        reply.map_err(|error| error.with_service(NAME).with_operation("embed"))
    }
}

impl Service<DescribeSpace> for Engine {
    type Response = EmbeddingSpace;
    type Error = Error;

    async fn call(&self, _request: DescribeSpace) -> Result<EmbeddingSpace, Error> {
        Ok(self.space())
    }
}

async fn embed_lexically(lexical: Arc<Lexical>, texts: Vec<String>) -> Result<Embeddings, Error> {
    tokio::task::spawn_blocking(move || {
        let mut tokens = 0;
        let vectors = texts
            .iter()
            .map(|text| {
                let (vector, read) = lexical.embed_and_count(text);
                tokens += read as u64;
                vector
            })
            .collect();
        Embeddings {
            vectors,
            usage: Usage { tokens },
        }
    })
    .await
    .map_err(|failed| {
        Error::new(ErrorKind::Unexpected, "embedding was broken off").with_source(failed)
    })
}

/// Why an embedder cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No source has the model.
    #[error(transparent)]
    Acquire(AcquireError),
    /// The file at the user's path cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableModel),
    /// The file is there but is not usable as the model.
    #[error("{origin} cannot be used as the embedding model")]
    Unusable {
        /// Where the file came from.
        origin: String,
        /// Why.
        source: UnusableModel,
    },
    /// The thread that loaded the model ended early.
    #[error("loading the embedding model was broken off")]
    Interrupted(#[source] tokio::task::JoinError),
}
