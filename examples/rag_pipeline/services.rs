//! Which services a command works with: those that the settings have a section for, and in place
//! of the others those of this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use contexter_adapter::ServiceAdapter;
use contexter_local::{EmbedderChoice, LocalEmbedder, ModelSources};
use contexter_model::{CountTokens, EmbeddingSpace, Error, SpaceKind};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore, Options, inspect};
use contexter_qdrant::remote::QdrantAdapter;
use contexter_registry::Registry;
use contexter_service::{Again, Verdict as _};
use contexter_voyage::VoyageAdapter;

use crate::data::DataFolder;
use crate::settings::Settings;

/// How long a remote service that is not well at the start is waited for: longer than the adapters
/// take to ask again, so that one reply that went wrong ends no run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
/// How long another process may hold the embedded engine: a search or a look at the status ends by
/// then.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long one that is not well is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What embeds text.
#[derive(Clone, Debug)]
pub(crate) enum Embedding {
    /// Voyage AI, as the settings have it.
    Remote,
    /// A model of this process.
    Local(EmbedderChoice),
}

impl fmt::Display for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote => f.write_str("voyage_ai"),
            Self::Local(choice) => choice.fmt(f),
        }
    }
}

/// An embedder, and what counts tokens as it does.
pub(crate) struct Embedder {
    pub(crate) adapter: Arc<dyn ServiceAdapter>,
    pub(crate) tokens: Arc<dyn CountTokens>,
}

/// Opens the store: a Qdrant server, or the embedded engine over the data folder.
pub(crate) async fn open_store(
    settings: &Settings,
    data: &DataFolder,
) -> Result<Arc<dyn ServiceAdapter>> {
    if let Some(config) = &settings.services.qdrant {
        return Ok(Arc::new(QdrantAdapter::new(*config.clone())?));
    }
    let options = Options::default().with_lock_wait(LOCK_WAIT);
    let store = EmbeddedStore::open_with(data.store(), options).await?;
    let stack = settings.services.embedded_qdrant.clone();
    let stack = stack.unwrap_or_default().build()?;
    Ok(Arc::new(EmbeddedQdrant::with_stack(store, stack)))
}

/// Names the store, so that the ledger tells its collections from those of another one.
pub(crate) fn store_name(settings: &Settings) -> String {
    match &settings.services.qdrant {
        Some(config) => config.endpoint(),
        None => "the embedded engine".to_owned(),
    }
}

/// Names the collection among those of all stores.
pub(crate) fn place(settings: &Settings) -> String {
    format!("{} in {}", settings.collection, store_name(settings))
}

/// Opens the embedder.
pub(crate) async fn open_embedder(
    settings: &Settings,
    data: &DataFolder,
    choice: Embedding,
) -> Result<Embedder> {
    let choice = match (choice, &settings.services.voyage_ai) {
        (Embedding::Local(choice), _) => choice,
        (Embedding::Remote, Some(config)) => {
            let voyage = VoyageAdapter::new(*config.clone())?;
            return Ok(Embedder {
                tokens: voyage.token_counter(),
                adapter: Arc::new(voyage),
            });
        }
        (Embedding::Remote, None) => bail!("services.voyage_ai is not configured"),
    };
    let embedder = open_local(settings, data, choice).await?;
    Ok(Embedder {
        tokens: embedder.token_counter(),
        adapter: Arc::new(embedder),
    })
}

async fn open_local(
    settings: &Settings,
    data: &DataFolder,
    choice: EmbedderChoice,
) -> Result<LocalEmbedder> {
    let sources = ModelSources::default().offline(settings.offline);
    let recorded = recorded_space(settings, data).map(|space| space.kind);
    let choice = match (choice, recorded) {
        (EmbedderChoice::Auto, Some(SpaceKind::Lexical)) => {
            eprintln!(
                "note: this index was made with the lexical embedder, which compares wording and \
                 not meaning; index into a new folder to change that"
            );
            EmbedderChoice::Lexical
        }
        // An index made by a model cannot be searched by wording: fail rather than fall back.
        (EmbedderChoice::Auto, Some(SpaceKind::Semantic)) => EmbedderChoice::MiniLm,
        (choice, _) => choice,
    };
    let selected = LocalEmbedder::open(&choice, &sources, |notice| eprintln!("{notice}"))
        .await
        .context("the embedder cannot be used (try --embedder lexical in a new data folder)")?;
    if let Some(notice) = selected.notice {
        eprintln!("note: {notice}");
    }
    Ok(match settings.services.local_embedding.clone() {
        Some(stack) => selected.embedder.with_stack(stack.build()?),
        None => selected.embedder,
    })
}

/// Which embedder made the collection, if it is there: the embedded engine tells, of a collection
/// on a server the data folder does.
pub(crate) fn recorded_space(settings: &Settings, data: &DataFolder) -> Option<EmbeddingSpace> {
    let collection = &settings.collection;
    if settings.services.qdrant.is_some() {
        return data.recorded_space(&place(settings));
    }
    let found = inspect(data.store()).ok()?.collections;
    let mut specs = found.into_iter().map(|found| found.spec);
    specs
        .find(|spec| spec.name == *collection)
        .map(|spec| spec.space)
}

/// Registers a service. One that cannot be reached just now is tried again for a while; a key that
/// is refused is not.
pub(crate) async fn register(
    registry: &Registry,
    adapter: Arc<dyn ServiceAdapter>,
    patience: Duration,
) -> Result<()> {
    let name = adapter.name().to_owned();
    let mut last = String::new();
    let again = async {
        loop {
            match registry.register(Arc::clone(&adapter)).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    if patience.is_zero() || !is_passing(&error) {
                        return Err(error);
                    }
                    let said = brief(&error);
                    if said != last {
                        eprintln!("note: {said}; trying again for {} s", patience.as_secs());
                        last = said;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    // Even without patience a first try is made.
    match tokio::time::timeout(patience.max(PAUSE * 10), again).await {
        Ok(registered) => registered,
        Err(_elapsed) if last.is_empty() => Err(anyhow!("{name} does not answer")),
        Err(_elapsed) => Err(anyhow!("{last}; tried for {} s", patience.as_secs())),
    }
}

/// Says what is wrong up to the adapter's own words; its causes are for logs.
fn brief(error: &anyhow::Error) -> String {
    let mut said = Vec::new();
    for cause in error.chain() {
        said.push(cause.to_string());
        if cause.is::<Error>() {
            break;
        }
    }
    said.join(": ")
}

/// Waits until every service is well: a single reply that went wrong is no reason to give up.
pub(crate) async fn wait_until_well(registry: &Registry, patience: Duration) {
    let mut told = false;
    let well = async {
        loop {
            let unwell = registry.adapters().into_iter();
            let unwell: Vec<_> = unwell
                .filter(|service| !service.health.is_healthy())
                .collect();
            if unwell.is_empty() {
                return;
            }
            if !std::mem::replace(&mut told, true) {
                for service in unwell {
                    let why = service.health.error_message.unwrap_or_default();
                    eprintln!("note: waiting for {}: {why}", service.name);
                }
            }
            tokio::time::sleep(PAUSE).await;
            registry.check_now().await;
        }
    };
    // Who needs a service that is still not well says so.
    let _ = tokio::time::timeout(patience, well).await;
}

fn is_passing(error: &anyhow::Error) -> bool {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    cause.is_some_and(|cause| cause.again() != Again::No)
}
