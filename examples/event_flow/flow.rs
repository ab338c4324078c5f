//! The flow: ingestion over documents on disk, the lexical embedder and the embedded engine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contexter_discovery::Discovery;
use contexter_event_bus::Bus;
use contexter_local::{DocumentSource, Folder, LocalDocuments, LocalEmbedder};
use contexter_model::Embed;
use contexter_protocol::IntegrationEvent;
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_rag::ingest::{Environment, Ingestion, IngestionSettings, Ledger};
use contexter_rag::{BatchLimits, EmbeddingService};
use contexter_registry::Registry;
use contexter_resilience::StandardStack;
use contexter_storage::Storage;
use tokio::time::{Instant, sleep};

use crate::watch::{Seen, capabilities, everything};

/// What the flow of a document consists of, from the second half on.
const LAST: &str = "document.processed";
/// How long the last events may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

const DOCUMENTS: [(&str, &str); 3] = [
    (
        "breaker.md",
        "# Circuit breaker\n\nAn open breaker refuses calls until its rest is over.\n",
    ),
    (
        "outbox.md",
        "# Outbox\n\nAn event is published exactly when its change is made.\n",
    ),
    (
        "retry.md",
        "# Retry\n\nA retry waits longer after every failure, up to a cap.\n",
    ),
];

/// Runs the flow on a bus, and shows it.
pub(crate) async fn run(bus: &Bus, transport: &str, documents: Option<PathBuf>) -> Result<()> {
    let data = tempfile::tempdir().context("cannot make a temporary folder")?;
    let documents = match documents {
        Some(folder) => folder,
        None => own_documents(data.path())?,
    };
    capabilities(bus, transport)?;
    let (_watching, seen) = everything(bus).await?;
    announce(bus).await?;

    let folder = Folder::open(documents, None).await?;
    let library = folder.library().id.clone();
    let registry = Registry::new();
    let store = EmbeddedStore::open(data.path().join("store")).await?;
    registry
        .register(Arc::new(EmbeddedQdrant::new(store)))
        .await?;
    let source = DocumentSource::new(folder);
    registry
        .register(Arc::new(LocalDocuments::new(
            [source],
            StandardStack::default(),
        )))
        .await?;
    let embedder = LocalEmbedder::lexical();
    let (space, tokens) = (embedder.space(), embedder.token_counter());
    registry.register(Arc::new(embedder)).await?;
    let discovery = Discovery::new(registry.clone());
    let (_, embed) = discovery.find::<Embed>()?;
    let environment = Environment {
        bus: bus.clone(),
        discovery,
        storage: Storage::open(data.path().join("blobs"))?,
        ledger: Arc::new(Ledger::open(&data.path().join("ledger.jsonl"))?),
        embedding: EmbeddingService::new(embed, space, BatchLimits::default()),
        tokens,
    };
    let ingestion = Ingestion::open(environment, IngestionSettings::default()).await?;
    let started = ingestion.process_library_documentation(&library).await?;
    let ended = ingestion.embed_library(&library).await?;
    all_seen(&seen).await?;
    writeln!(
        std::io::stdout(),
        "{library}: {} documents, {} chunks embedded, {} failed",
        started.document_count,
        ended.chunks,
        ended.failed.len()
    )?;
    drop(ingestion);
    registry.shutdown().await?;
    Ok(())
}

fn own_documents(data: &Path) -> Result<PathBuf> {
    let folder = data.join("example");
    std::fs::create_dir(&folder).context("cannot make a folder for the documents")?;
    for (name, text) in DOCUMENTS {
        std::fs::write(folder.join(name), text).context("cannot write a document")?;
    }
    Ok(folder)
}

/// Publishes one event and says how that was settled: by every handler in this process, by the
/// broker's confirmation on a broker.
async fn announce(bus: &Bus) -> Result<()> {
    let event = IntegrationEvent::builder("event_flow", "flow.announced").build()?;
    if bus
        .capabilities()
        .has(contexter_event_bus::Capability::Settlement)
    {
        let settlement = bus.publish_and_settle(event, SEEN_WITHIN).await?;
        for (subscription, outcome) in settlement.outcomes() {
            writeln!(
                std::io::stdout(),
                "settlement of flow.announced by {subscription}: {outcome:?}"
            )?;
        }
        return Ok(());
    }
    let receipt = bus.publish(event).await?;
    let confirmation = receipt.confirmation().context("no confirmation")?;
    writeln!(
        std::io::stdout(),
        "confirmation of flow.announced by the broker: stored as {}",
        confirmation.id
    )?;
    Ok(())
}

/// Waits until the last event of the flow was shown.
async fn all_seen(seen: &Seen) -> Result<()> {
    let deadline = Instant::now() + SEEN_WITHIN;
    while !seen.lock().contains_key(LAST) {
        ensure!(
            Instant::now() < deadline,
            "{LAST} was published and never came"
        );
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
