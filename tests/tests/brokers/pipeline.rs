//! Ingestion and search in one process, with a bus on a broker.

use std::sync::Arc;
use std::time::Duration;

use contexter_discovery::Discovery;
use contexter_event_bus::{Bus, BusConfig, MessageTransport};
use contexter_local::{DocumentSource, Folder, LocalDocuments, LocalEmbedder};
use contexter_model::{Embed, LibraryId, Query, Retrieve};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_rag::ingest::{
    Environment, Ingestion, IngestionSettings, Ledger, LibraryEmbedded, ProcessingStarted, Progress,
};
use contexter_rag::{
    BatchLimits, Bm25, EmbeddingService, Fusion, HybridSearchEngine, IntegrationError, Mode,
    SearchRequest,
};
use contexter_registry::Registry;
use contexter_resilience::StandardStack;
use contexter_storage::Storage;
use tempfile::TempDir;
use tokio::sync::watch;

pub(crate) struct Pipeline {
    pub(crate) bus: Bus,
    library: LibraryId,
    ingestion: Ingestion,
    engine: HybridSearchEngine,
    ledger: Arc<Ledger>,
    registry: Registry,
    _folder: TempDir,
}

impl Pipeline {
    /// Prepares so many documents, and everything that they are to go through.
    pub(crate) async fn open(transport: Arc<dyn MessageTransport>, documents: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("docs");
        std::fs::create_dir(&source).unwrap();
        for number in 0..documents {
            let text = format!("# Number {number}\n\nA walrus of the name number {number}.\n");
            std::fs::write(source.join(format!("doc{number}.md")), text).unwrap();
        }
        let source = Folder::open(source, None).await.unwrap();
        let library = source.library().id.clone();
        let registry = Registry::new();
        let store = EmbeddedStore::open(folder.path().join("store"));
        let store = Arc::new(EmbeddedQdrant::new(store.await.unwrap()));
        registry.register(store).await.unwrap();
        let documents =
            LocalDocuments::new([DocumentSource::new(source)], StandardStack::default());
        registry.register(Arc::new(documents)).await.unwrap();
        let embedder = LocalEmbedder::lexical();
        let (space, tokens) = (embedder.space(), embedder.token_counter());
        registry.register(Arc::new(embedder)).await.unwrap();

        let discovery =
            Discovery::new(registry.clone()).with_max_response_time(Duration::from_mins(1));
        let (_, embed) = discovery.find::<Embed>().unwrap();
        let embedding = EmbeddingService::new(embed, space, BatchLimits::default());
        let engine = HybridSearchEngine::new(
            "documentation",
            embedding.clone(),
            discovery.find::<Query>().unwrap().1,
            discovery.find::<Retrieve>().unwrap().1,
            Bm25::default(),
            Fusion::Dbsf,
        );
        let bus = Bus::over(transport, &BusConfig::default());
        let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.jsonl")).unwrap());
        let environment = Environment {
            bus: bus.clone(),
            discovery,
            storage: Storage::open(folder.path().join("blobs")).unwrap(),
            ledger: Arc::clone(&ledger),
            embedding,
            tokens,
        };
        let ingestion = Ingestion::open(environment, IngestionSettings::default());
        Self {
            bus,
            library,
            ingestion: ingestion.await.unwrap(),
            engine,
            ledger,
            registry,
            _folder: folder,
        }
    }

    pub(crate) async fn process(&self) -> Result<ProcessingStarted, IntegrationError> {
        self.ingestion
            .process_library_documentation(&self.library)
            .await
    }

    pub(crate) async fn embed(&self) -> Result<LibraryEmbedded, IntegrationError> {
        self.ingestion.embed_library(&self.library).await
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.ingestion.progress()
    }

    pub(crate) fn embedded_documents(&self) -> u64 {
        self.ledger.libraries()[&self.library].embedded_documents
    }

    pub(crate) async fn found(&self, query: &str, mode: Mode) -> Vec<String> {
        let request = SearchRequest::new(query).with_mode(mode);
        let response = self.engine.search(&request).await.unwrap();
        response.hits.into_iter().map(|hit| hit.path).collect()
    }

    pub(crate) async fn close(self) {
        drop(self.ingestion);
        drop(self.engine);
        self.bus.drain(Duration::from_secs(10)).await;
        self.registry.shutdown().await.unwrap();
    }
}
