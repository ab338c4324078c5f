//! The assembly: services, registry, bus and store over one data folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use contexter_adapter::ServiceAdapter;
use contexter_discovery::Discovery;
use contexter_event_bus::{Bus, BusConfig};
use contexter_model::{CountTokens, DescribeSpace, Embed, Query, Rerank, Retrieve, SpaceKind};
use contexter_monitor::{HealthMonitor, HealthReport};
use contexter_rag::ingest::{Division, Environment, Ingestion, IngestionSettings, Ledger};
use contexter_rag::{BatchLimits, Bm25, EmbeddingService, Fusion, HybridSearchEngine};
use contexter_registry::Registry;
use contexter_service::{Handle, Service as _};
use contexter_storage::Storage;

use crate::data::{DataFolder, Held};
use crate::health::HealthFile;
use crate::services::{self, Embedding};
use crate::settings::Settings;

/// A service slower than this is not used. Services in this process answer late while all cores
/// embed, remote ones when they have much to do, and there is no other instance to turn to.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a command does with the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It changes the index, and nobody else does meanwhile.
    Write,
    /// It only looks at it. On a server, others may do what they like.
    Read,
}

/// Everything that a command works with.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) registry: Registry,
    pub(crate) bus: Bus,
    discovery: Discovery,
    storage: Storage,
    embedding: EmbeddingService,
    tokens: Arc<dyn CountTokens>,
    monitor: HealthMonitor,
    data: DataFolder,
    _health: Option<HealthFile>,
    _held: Option<Held>,
}

impl App {
    /// Opens the data folder and registers the services over it; `documents` is the source to
    /// index, if the command has one. A service that is not well is waited for as long as
    /// `patience` says.
    pub(crate) async fn open(
        settings: Settings,
        data: &DataFolder,
        choice: Embedding,
        documents: Option<Arc<dyn ServiceAdapter>>,
        access: Access,
        patience: Duration,
    ) -> Result<Self> {
        let store = services::open_store(&settings, data).await?;
        // One ledger for all stores, so whoever writes it holds the same lock, whatever the store.
        let (held, open): (_, fn(&Path) -> _) = match access {
            Access::Write => (Some(data.hold().await?), Ledger::open),
            Access::Read => (None, Ledger::read),
        };
        let path = data.ledger();
        let ledger = tokio::task::spawn_blocking(move || open(&path)).await??;
        // The embedded engine is held by whoever reads it, too.
        let alone = held.is_some() || settings.services.qdrant.is_none();
        let embedder = services::open_embedder(&settings, data, choice).await?;

        let registry = Registry::new();
        services::register(&registry, store, patience).await?;
        services::register(&registry, embedder.adapter, patience).await?;
        if let Some(documents) = documents {
            services::register(&registry, documents, patience).await?;
        }
        services::wait_until_well(&registry, patience).await;
        let discovery = Discovery::new(registry.clone()).with_max_response_time(PATIENCE);
        let (_, describe) = discovery.find::<DescribeSpace>()?;
        let (_, embed) = discovery.find::<Embed>()?;
        let space = describe.call(DescribeSpace).await?;
        let bus = Bus::new(&BusConfig::default());
        let monitor = HealthMonitor::new(registry.clone()).with_event_bus(bus.clone());
        Ok(Self {
            settings,
            ledger: Arc::new(ledger),
            bus,
            discovery,
            storage: Storage::open_with(data.blobs(), blob_settings())?,
            embedding: EmbeddingService::new(embed, space, BatchLimits::default()),
            tokens: embedder.tokens,
            _health: alone.then(|| HealthFile::keep(data.health(), monitor.clone())),
            _held: held,
            data: data.clone(),
            monitor,
            registry,
        })
    }

    /// Subscribes the ingestion flow.
    pub(crate) async fn ingestion(&self, division: Division) -> Result<Ingestion> {
        let environment = Environment {
            bus: self.bus.clone(),
            discovery: self.discovery.clone(),
            storage: self.storage.clone(),
            ledger: Arc::clone(&self.ledger),
            embedding: self.embedding.clone(),
            tokens: Arc::clone(&self.tokens),
        };
        let settings = IngestionSettings::default()
            .with_collection(&self.settings.collection)
            .with_store(services::store_name(&self.settings))
            .with_division(division);
        let ingestion = Ingestion::open(environment, settings).await?;
        if self.settings.services.qdrant.is_some() {
            self.data
                .record_space(&services::place(&self.settings), self.embedding.space())?;
        }
        Ok(ingestion)
    }

    pub(crate) fn data(&self) -> &DataFolder {
        &self.data
    }

    /// Whether other processes can search while this one works.
    pub(crate) fn is_shared(&self) -> bool {
        self.settings.services.qdrant.is_some()
    }

    /// Makes the search engine over the collection.
    pub(crate) fn search_engine(&self) -> Result<HybridSearchEngine> {
        let fusion = match (&self.settings.search.fusion, self.embedding.space().kind) {
            (Some(fusion), _) => fusion.clone(),
            (None, SpaceKind::Semantic) => Fusion::Dbsf,
            (None, SpaceKind::Lexical) => Fusion::MinMax {
                weights: vec![0.3, 0.7],
            },
        };
        let (_, query) = self.discovery.find::<Query>()?;
        let (_, retrieve) = self.discovery.find::<Retrieve>()?;
        Ok(HybridSearchEngine::new(
            &self.settings.collection,
            self.embedding.clone(),
            query,
            retrieve,
            Bm25::default(),
            fusion,
        ))
    }

    /// Returns what orders hits anew, if the settings do not forbid it and a service can.
    pub(crate) fn reranker(&self) -> Option<Handle<Rerank>> {
        if self.settings.search.rerank == Some(false) {
            return None;
        }
        self.discovery
            .find::<Rerank>()
            .ok()
            .map(|(_, rerank)| rerank)
    }

    /// Fails if another embedder than the present one made the index: its vectors would be compared
    /// with others that mean nothing to them.
    pub(crate) fn require_space_of(&self, data: &DataFolder) -> Result<()> {
        let own = &self.embedding.space().id;
        match services::recorded_space(&self.settings, data) {
            Some(recorded) if recorded.id != *own => bail!(
                "the index in {} was made by the embedder {} ({}) and cannot be searched with \
                 {own}: leave --embedder out, or search with --mode sparse",
                data.path().display(),
                recorded.id,
                recorded.kind,
            ),
            _ => Ok(()),
        }
    }

    /// Returns how every service is, checked now.
    pub(crate) async fn health_report(&self) -> HealthReport {
        self.registry.check_now().await;
        self.monitor.report()
    }

    /// Ends every service, so that the data folder is free when this returns.
    pub(crate) async fn close(self) -> Result<()> {
        self.registry.shutdown().await?;
        Ok(())
    }
}

/// Blobs are not synced one by one: what a power failure damages is noticed when it is read, and
/// made again from its source. The index and the ledger are synced.
fn blob_settings() -> contexter_storage::Settings {
    contexter_storage::Settings::default().with_sync(false)
}

/// Describes a value that is missing, for a message.
pub(crate) fn unknown_library(
    ledger: &Ledger,
    library: &contexter_model::LibraryId,
) -> anyhow::Error {
    let known: Vec<String> = ledger
        .libraries()
        .keys()
        .take(10)
        .map(ToString::to_string)
        .collect();
    anyhow!(
        "library {library} is not indexed; indexed are: {}{}",
        known.join(", "),
        if known.len() == 10 { ", …" } else { "" },
    )
}
