//! The ingestion flow over the embedded engine, with an embedder that can be made to fail.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
use contexter_discovery::Discovery;
use contexter_event_bus::{Bus, BusConfig, EventFilter};
use contexter_model::{
    DocsPage, Document, Embed, Embeddings, Error, ErrorKind, FetchDocs, Format, LibraryId, Purpose,
    Query, Retrieve, Usage,
};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_rag::ingest::{Environment, Ingestion, IngestionSettings, Ledger, Stage};
use contexter_rag::{
    BatchLimits, Bm25, EmbeddingService, Fusion, HybridSearchEngine, Mode, SearchRequest,
};
use contexter_registry::Registry;
use contexter_service::{Handle, Service};
use contexter_storage::Storage;
use parking_lot::Mutex;

/// Documents in memory, by path.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, String>>>);

impl Shelf {
    fn put(&self, path: &str, text: &str) {
        self.0.lock().insert(path.to_owned(), text.to_owned());
    }
}

impl Service<FetchDocs> for Shelf {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, req: FetchDocs) -> Result<DocsPage, Error> {
        let documents = self.0.lock();
        let after = req.cursor.unwrap_or_default();
        let mut page = DocsPage::default();
        for (path, text) in documents.range(after..).take(req.limit + 1) {
            if page.documents.len() == req.limit {
                page.next = Some(path.clone());
                break;
            }
            page.documents.push(Document {
                library: req.library.clone(),
                path: path.clone(),
                title: path.clone(),
                format: Format::Markdown,
                text: text.clone(),
            });
        }
        Ok(page)
    }
}

/// Embeds by hashed wording and counts the documents' texts, unless a text holds the word that makes it fail.
#[derive(Clone, Default)]
struct Embedder {
    poison: Arc<Mutex<Option<&'static str>>>,
    texts: Arc<AtomicUsize>,
}

impl Service<Embed> for Embedder {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        let poison = *self.poison.lock();
        if poison.is_some_and(|word| req.texts.iter().any(|text| text.contains(word))) {
            return Err(Error::new(ErrorKind::Invalid, "a text is poisonous"));
        }
        if req.purpose == Purpose::Document {
            self.texts.fetch_add(req.texts.len(), Ordering::Relaxed);
        }
        let lexical = contexter_local::Lexical::new();
        Ok(Embeddings {
            vectors: req.texts.iter().map(|text| lexical.embed(text)).collect(),
            usage: Usage::default(),
        })
    }
}

struct ShelfAdapter(Capabilities);

#[async_trait]
impl ServiceAdapter for ShelfAdapter {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    async fn health_check(&self) -> ServiceHealth {
        let now = jiff::Timestamp::now();
        ServiceHealth::new(HealthStatus::Healthy, Duration::ZERO, now)
    }
}

struct Bench {
    shelf: Shelf,
    embedder: Embedder,
    library: LibraryId,
}

/// One process over the data folder.
struct Process {
    ingestion: Ingestion,
    engine: HybridSearchEngine,
    ledger: Arc<Ledger>,
    bus: Bus,
    registry: Registry,
}

impl Bench {
    fn new() -> Self {
        Self {
            shelf: Shelf::default(),
            embedder: Embedder::default(),
            library: "/test/shelf".parse().unwrap(),
        }
    }

    async fn open(&self, data: &Path) -> Process {
        self.open_on(Bus::new(&BusConfig::default()), data).await
    }

    async fn open_on(&self, bus: Bus, data: &Path) -> Process {
        let registry = Registry::new();
        let store = EmbeddedStore::open(data.join("store")).await.unwrap();
        registry
            .register(Arc::new(EmbeddedQdrant::new(store)))
            .await
            .unwrap();
        let documents = Capabilities::new().with::<FetchDocs>(self.shelf.clone());
        registry
            .register(Arc::new(ShelfAdapter(documents)))
            .await
            .unwrap();
        let discovery = Discovery::new(registry.clone());
        let space = contexter_local::LocalEmbedder::lexical().space();
        let embedder = Handle::new(self.embedder.clone());
        let embedding = EmbeddingService::new(embedder, space, BatchLimits::default());
        let ledger = Arc::new(Ledger::open(&data.join("ledger.jsonl")).unwrap());
        let engine = HybridSearchEngine::new(
            "documentation",
            embedding.clone(),
            discovery.find::<Query>().unwrap().1,
            discovery.find::<Retrieve>().unwrap().1,
            Bm25::default(),
            Fusion::Dbsf,
        );
        let environment = Environment {
            bus: bus.clone(),
            discovery,
            storage: Storage::open(data.join("blobs")).unwrap(),
            ledger: Arc::clone(&ledger),
            embedding,
            tokens: Arc::new(|text: &str| text.len() / 4),
        };
        let settings = IngestionSettings::default();
        let ingestion = Ingestion::open(environment, settings).await.unwrap();
        Process {
            ingestion,
            engine,
            ledger,
            bus,
            registry,
        }
    }
}

impl Process {
    async fn found(&self, query: &str, mode: Mode) -> Vec<String> {
        let request = SearchRequest::new(query).with_mode(mode);
        let response = self.engine.search(&request).await.unwrap();
        response.hits.into_iter().map(|hit| hit.path).collect()
    }

    async fn close(self) {
        drop(self.ingestion);
        drop(self.engine);
        self.registry.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn every_document_is_found_by_its_words_before_any_is_embedded() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    bench.shelf.put("a.md", "# Walrus\n\nTusks and whiskers.\n");
    bench.shelf.put("b.md", "# Heron\n\nLong legs.\n");
    let process = bench.open(data.path()).await;
    let started = process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    assert_eq!((started.document_count, started.changed), (2, 2));
    assert_eq!(bench.embedder.texts.load(Ordering::Relaxed), 0);
    assert_eq!(process.found("whiskers", Mode::Sparse).await, ["a.md"]);
    assert_eq!(process.found("legs", Mode::Dense).await, [""; 0]);

    let embedded = process
        .ingestion
        .embed_library(&bench.library)
        .await
        .unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (2, 0));
    assert_eq!(process.found("long legs", Mode::Dense).await[0], "b.md");
    assert_eq!(process.found("tusks", Mode::Hybrid).await[0], "a.md");
}

#[tokio::test]
async fn the_flow_of_a_document_shares_a_correlation_and_runs_in_order() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    bench.shelf.put("a.md", "# Walrus\n\nTusks.\n");
    let process = bench.open(data.path()).await;
    let started = process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    process
        .ingestion
        .embed_library(&bench.library)
        .await
        .unwrap();
    let history = process.bus.history(&EventFilter::default()).await.unwrap();
    let types: Vec<&str> = history
        .events
        .iter()
        .map(|event| event.event_type())
        .collect();
    assert_eq!(
        types,
        [
            "document.ingested",
            "embedding.requested",
            "embedding.completed",
            "vector.index_requested",
            "vector.indexed",
            "processing.completed",
            "document.processed",
        ]
    );
    for event in &history.events {
        let correlation = event.correlation_id();
        assert_eq!(correlation, Some(&*started.correlation_id), "{event:?}");
    }
    assert_eq!(
        history.events[2].causation_id(),
        Some(history.events[1].id())
    );
}

#[tokio::test]
async fn two_indexes_on_one_bus_let_each_others_documents_pass() {
    let bus = Bus::new(&BusConfig::default());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (walrus, heron) = (Bench::new(), Bench::new());
    walrus.shelf.put("a.md", "# Walrus\n\nTusks.\n");
    heron.shelf.put("b.md", "# Heron\n\nLong legs.\n");
    let first = walrus.open_on(bus.clone(), first.path()).await;
    let second = heron.open_on(bus.clone(), second.path()).await;
    for (process, bench) in [(&first, &walrus), (&second, &heron)] {
        let library = &bench.library;
        let ingestion = &process.ingestion;
        let started = ingestion.process_library_documentation(library).await;
        assert_eq!(started.unwrap().changed, 1);
        let embedded = ingestion.embed_library(library).await.unwrap();
        assert_eq!((embedded.documents, embedded.failed.len()), (1, 0));
        assert_eq!(bench.embedder.texts.load(Ordering::Relaxed), 1);
    }
    assert_eq!(first.found("tusks legs", Mode::Hybrid).await, ["a.md"]);
    assert_eq!(second.found("tusks legs", Mode::Hybrid).await, ["b.md"]);
    bus.drain(Duration::from_secs(10)).await;
    let stats = bus.stats();
    assert_eq!((stats.failed, stats.dead_lettered), (0, 0), "{stats:?}");
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn one_bad_document_is_listed_stays_searchable_and_is_mended_by_the_next_run() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.shelf.put(
            &format!("{name}.md"),
            &format!("# Letter {name}\n\nThe letter.\n"),
        );
    }
    bench.shelf.put("toad.md", "# Toad\n\nA venomous toad.\n");
    *bench.embedder.poison.lock() = Some("venomous");
    let process = bench.open(data.path()).await;
    process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    let embedded = process
        .ingestion
        .embed_library(&bench.library)
        .await
        .unwrap();
    assert_eq!(embedded.failed.len(), 1);
    assert_eq!(embedded.failed[0].path, "toad.md");
    assert!(
        embedded.failed[0].reason.contains("poisonous"),
        "{}",
        embedded.failed[0].reason
    );
    let letters = process.bus.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    let filter = EventFilter::default();
    let failed = process.bus.history(&filter).await.unwrap().events;
    assert!(
        failed
            .iter()
            .any(|event| event.event_type() == "processing.failed")
    );
    assert_eq!(process.found("toad", Mode::Sparse).await, ["toad.md"]);
    let entry = process.ledger.entry(&bench.library, "toad.md").unwrap();
    assert_eq!(entry.stage, Stage::Lexical);
    process.close().await;

    *bench.embedder.poison.lock() = None;
    let process = bench.open(data.path()).await;
    let started = process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    assert_eq!((started.changed, started.unchanged), (0, 4));
    let embedded = process
        .ingestion
        .embed_library(&bench.library)
        .await
        .unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (1, 0));
    assert_eq!(
        process.found("venomous toad", Mode::Dense).await[0],
        "toad.md"
    );
}

#[tokio::test]
async fn nothing_is_embedded_twice_even_when_the_store_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    bench.shelf.put("a.md", "# Walrus\n\nTusks.\n");
    bench.shelf.put("b.md", "# Heron\n\nLegs.\n");
    for lose_the_store in [false, false, true] {
        if lose_the_store {
            std::fs::remove_dir_all(data.path().join("store")).unwrap();
        }
        let process = bench.open(data.path()).await;
        process
            .ingestion
            .process_library_documentation(&bench.library)
            .await
            .unwrap();
        process
            .ingestion
            .embed_library(&bench.library)
            .await
            .unwrap();
        assert_eq!(bench.embedder.texts.load(Ordering::Relaxed), 2);
        assert_eq!(process.found("tusks", Mode::Hybrid).await[0], "a.md");
        process.close().await;
    }
}

#[tokio::test]
async fn a_shorter_document_leaves_no_old_chunk_behind() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let section = |n: usize| format!("## Part {n}\n\n{}\n\n", format!("ostrich{n} ").repeat(150));
    let long: String = (0..5).map(section).collect();
    bench.shelf.put("a.md", &format!("# Birds\n\n{long}"));
    let process = bench.open(data.path()).await;
    process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    assert_eq!(process.found("ostrich4", Mode::Sparse).await[0], "a.md");
    bench.shelf.put("a.md", "# Birds\n\nNone left.\n");
    process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    assert_eq!(process.found("ostrich4", Mode::Sparse).await, [""; 0]);
    assert!(process.ingestion.remove_unreferenced().await.unwrap() >= 2);
    assert_eq!(process.found("birds", Mode::Sparse).await, ["a.md"]);
}

#[tokio::test]
async fn a_dropped_run_is_taken_up_by_the_next() {
    let data = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    for number in 0..300 {
        bench.shelf.put(
            &format!("{number:03}.md"),
            &format!("# Page {number}\n\nText {number}.\n"),
        );
    }
    let process = bench.open(data.path()).await;
    let mut progress = process.ingestion.progress();
    let run = process
        .ingestion
        .process_library_documentation(&bench.library);
    tokio::select! {
        _ = run => unreachable!("dropped before it ends"),
        _ = progress.wait_for(|progress| progress.documents_seen >= 40) => {}
    }
    let started = process
        .ingestion
        .process_library_documentation(&bench.library)
        .await
        .unwrap();
    assert_eq!(started.document_count, 300);
    let embedded = process
        .ingestion
        .embed_library(&bench.library)
        .await
        .unwrap();
    assert!(embedded.failed.is_empty());
    let counts = process.ledger.libraries()[&bench.library];
    assert_eq!((counts.documents, counts.embedded_documents), (300, 300));
}
