//! One data folder, and the processes that open it one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contexter_discovery::Discovery;
use contexter_event_bus::{Bus, DeadLetter};
use contexter_model::{EmbeddingSpace, LibraryId, SpaceKind};
use contexter_rag::ingest::{Environment, Ingestion, IngestionSettings, Ledger};
use contexter_rag::{BatchLimits, EmbeddingService, IntegrationError};
use contexter_registry::Registry;
use contexter_service::Handle;
use contexter_storage::Storage;
use tempfile::TempDir;

use super::services::{Adapter, Services, Store};

/// The library that is indexed.
pub(crate) const LIBRARY: &str = "/test/shelf";

/// One data folder, with services over it and a bus inside the process.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) library: LibraryId,
    pub(crate) bus: Bus,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) discovery: Discovery,
    space: &'static str,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = Services::default();
        let registry = Registry::new();
        let adapter = Arc::new(Adapter::of(&services));
        registry.register(adapter).await.unwrap();
        Self {
            services,
            library: LIBRARY.parse().unwrap(),
            bus: Bus::default(),
            ledger: Arc::new(Ledger::open(&folder.path().join("ledger.jsonl")).unwrap()),
            discovery: Discovery::new(registry),
            space: "ours",
            folder,
        }
    }

    pub(crate) fn with_bus(self, bus: Bus) -> Self {
        Self { bus, ..self }
    }

    /// Embeds into another space from now on.
    pub(crate) fn change_space(&mut self, space: &'static str) {
        self.space = space;
    }

    /// Works with another store from now on.
    pub(crate) async fn change_store(&mut self, store: &Store) {
        self.services.store = store.clone();
        let registry = Registry::new();
        let adapter = Arc::new(Adapter::of(&self.services));
        registry.register(adapter).await.unwrap();
        self.discovery = Discovery::new(registry);
    }

    /// Reads the ledger anew, as another process would.
    pub(crate) fn reopen_ledger(&mut self) {
        self.ledger = Arc::new(Ledger::open(&self.journal()).unwrap());
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    pub(crate) fn environment(&self) -> Environment {
        let space = EmbeddingSpace {
            id: self.space.to_owned(),
            dimensions: 2,
            max_tokens: 1_000,
            kind: SpaceKind::Lexical,
        };
        let embedder = Handle::new(self.services.embedder.clone());
        Environment {
            bus: self.bus.clone(),
            discovery: self.discovery.clone(),
            storage: Storage::open(self.folder.path().join("blobs")).unwrap(),
            ledger: Arc::clone(&self.ledger),
            embedding: EmbeddingService::new(embedder, space, BatchLimits::default()),
            tokens: Arc::new(|text: &str| text.len() / 4),
        }
    }

    pub(crate) async fn try_open(&self) -> Result<Ingestion, IntegrationError> {
        Ingestion::open(self.environment(), IngestionSettings::default()).await
    }

    pub(crate) async fn open(&self) -> Ingestion {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn open_with(&self, settings: IngestionSettings) -> Ingestion {
        Ingestion::open(self.environment(), settings).await.unwrap()
    }

    /// Puts so many documents on the shelf.
    pub(crate) fn fill(&self, documents: usize) {
        for number in 0..documents {
            let path = format!("{number:02}.md");
            let text = format!("# Number {number}\n\nThe text of number {number}.\n");
            self.services.shelf.put(&path, &text);
        }
    }

    /// Returns the one dead letter that there is.
    pub(crate) async fn letter(&self) -> DeadLetter {
        assert!(self.bus.idle(Duration::from_mins(10)).await);
        let mut letters = self.bus.dead_letters().await.unwrap();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }
}
