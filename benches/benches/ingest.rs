//! Indexing documents: the ingestion flow against a plain loop over the same parts.
//!
//! Both sides read the same crates from the local registry, cut them with the same chunker, weigh
//! the same words, use the same lexical embedder and end in the same optimized index. The loop goes
//! from document to document and keeps nothing but the index: no ledger, no stored chunks, no
//! events. It cannot be killed and go on, and a second run would do everything again.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use contexter_benches::{MIN_RUNS, Row, grouped, interleaved, size, text};
use contexter_discovery::Discovery;
use contexter_event_bus::{Bus, BusConfig};
use contexter_local::{CargoLock, Lexical, LocalDocuments, LocalEmbedder};
use contexter_model::{Embed, LibraryId, Payload};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_rag::ingest::{Environment, Ingestion, IngestionSettings, Ledger};
use contexter_rag::{BatchLimits, Bm25, Chunker, Chunking, EmbeddingService};
use contexter_registry::Registry;
use contexter_resilience::StandardStack;
use contexter_storage::{Settings, Storage};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams,
    FieldIndexOperations, Modifier, PayloadFieldSchema, PayloadSchemaType, PointInsertOperations,
    PointOperations, PointStructPersisted, SparseVector, UpdateOperation, VectorPersisted,
    VectorStructPersisted,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PEER: &str = "plain loop, no ledger";
/// Libraries in work at the same time, as in the example program.
const LIBRARIES_AT_ONCE: usize = 8;
/// Points in one call of the engine.
const BATCH: usize = 500;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Indexed {
    documents: usize,
    chunks: usize,
}

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let crates = runtime.block_on(text::locked_crates())?;
    let (libraries, expected) = runtime.block_on(choose(&crates, size(10_000, 200)))?;
    let Indexed { documents, chunks } = expected;
    let what = format!(
        "index {} documents of {} crates, {} chunks, lexical embedder",
        grouped(documents),
        grouped(libraries.len()),
        grouped(chunks),
    );
    let run = |name: &str, work: &dyn Fn(&Path) -> Outcome<Indexed>| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let started = now();
        let indexed = work(folder.path()).expect("all of it can be indexed");
        let took = started.elapsed().as_secs_f64();
        assert_eq!(indexed, expected, "{name} indexed something else");
        text::say(&format!("{what}: {name} {took:.2} s"));
        took
    };
    let (ours, peer) = interleaved(
        MIN_RUNS,
        || {
            run("ours", &|folder| {
                runtime.block_on(flow(folder, &crates, &libraries))
            })
        },
        || {
            run(PEER, &|folder| {
                runtime.block_on(plain_loop(folder, &crates, &libraries))
            })
        },
    );
    for (count, unit) in [(documents, "documents/s"), (chunks, "chunks/s")] {
        let row = format!("{what}: {unit}");
        Row::rate(&row, rate(count, ours), rate(count, peer), PEER, unit).print()?;
    }
    Ok(())
}

/// Chooses crates until they have `wanted` chunks together.
async fn choose(crates: &CargoLock, wanted: usize) -> Outcome<(Vec<LibraryId>, Indexed)> {
    let chunker = Chunker::new(Chunking::default(), Arc::new(Lexical::new()));
    let mut chosen = Vec::new();
    let mut expected = Indexed {
        documents: 0,
        chunks: 0,
    };
    for library in text::shuffled(crates).await? {
        for document in text::documents(crates, &library).await? {
            let chunks = chunker.chunk(&document).len();
            expected.chunks += chunks;
            expected.documents += usize::from(chunks > 0);
        }
        chosen.push(library);
        if expected.chunks >= wanted {
            break;
        }
    }
    Ok((chosen, expected))
}

/// The flow as a program assembles it.
async fn flow(folder: &Path, crates: &CargoLock, libraries: &[LibraryId]) -> Outcome<Indexed> {
    let registry = Registry::new();
    let store = EmbeddedStore::open(folder.join("store")).await?;
    registry
        .register(Arc::new(EmbeddedQdrant::new(store)))
        .await?;
    let embedder = LocalEmbedder::lexical();
    let (space, tokens) = (embedder.space(), embedder.token_counter());
    registry.register(Arc::new(embedder)).await?;
    let documents = LocalDocuments::new([crates.clone().into()], StandardStack::default());
    registry.register(Arc::new(documents)).await?;
    let discovery = Discovery::new(registry.clone());
    let (_, embed) = discovery.find::<Embed>()?;
    let environment = Environment {
        bus: Bus::new(&BusConfig::default()),
        discovery,
        storage: Storage::open_with(folder.join("blobs"), Settings::default().with_sync(false))?,
        ledger: Arc::new(Ledger::open(&folder.join("ledger.jsonl"))?),
        embedding: EmbeddingService::new(embed, space, BatchLimits::default()),
        tokens,
    };
    let ingestion = Ingestion::open(environment, IngestionSettings::default()).await?;
    let (mut documents, mut chunks) = (0, 0);
    let mut words = stream::iter(libraries)
        .map(|library| ingestion.process_library_documentation(library))
        .buffered(LIBRARIES_AT_ONCE);
    while let Some(started) = words.try_next().await? {
        documents += started.changed;
    }
    let mut vectors = stream::iter(libraries)
        .map(|library| ingestion.embed_library(library))
        .buffered(LIBRARIES_AT_ONCE);
    while let Some(embedded) = vectors.try_next().await? {
        chunks += embedded.chunks;
    }
    drop((words, vectors));
    ingestion.optimize().await?;
    ingestion.remove_unreferenced().await?;
    drop(ingestion);
    registry.shutdown().await?;
    Ok(Indexed {
        documents: usize::try_from(documents)?,
        chunks: usize::try_from(chunks)?,
    })
}

/// What one writes who needs no more than the index.
async fn plain_loop(
    folder: &Path,
    crates: &CargoLock,
    libraries: &[LibraryId],
) -> Outcome<Indexed> {
    let lexical = Arc::new(Lexical::new());
    let shard = new_shard(&folder.join("shard"), lexical.space().dimensions)?;
    let chunker = Chunker::new(Chunking::default(), Arc::<Lexical>::clone(&lexical));
    let bm25 = Bm25::default();
    let mut indexed = Indexed {
        documents: 0,
        chunks: 0,
    };
    let mut points = Vec::new();
    for library in libraries {
        for document in text::documents(crates, library).await? {
            let passages = text::passages(&chunker, &document);
            indexed.documents += usize::from(!passages.is_empty());
            indexed.chunks += passages.len();
            for passage in passages {
                let text = passage.indexed_text();
                let (indices, values) = bm25.document(&text).into_parts();
                points.push(point(
                    &passage,
                    lexical.embed(&text),
                    SparseVector { indices, values },
                ));
            }
            if points.len() >= BATCH {
                upsert(&shard, std::mem::take(&mut points))?;
            }
        }
    }
    upsert(&shard, points)?;
    shard.flush();
    shard.optimize()?;
    shard.flush();
    Ok(indexed)
}

fn new_shard(folder: &Path, dimensions: usize) -> Outcome<EdgeShard> {
    std::fs::create_dir_all(folder)?;
    let dense = EdgeVectorParams::builder(dimensions, qdrant_edge::Distance::Cosine).build();
    let sparse = EdgeSparseVectorParams::builder()
        .modifier(Modifier::Idf)
        .build();
    let config = EdgeConfig::builder()
        .vector("dense", dense)
        .sparse_vector("bm25", sparse)
        .build();
    let shard = EdgeShard::new(folder, config)?;
    shard.update(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: "library".parse().map_err(|()| "no path")?,
            field_schema: Some(PayloadFieldSchema::FieldType(PayloadSchemaType::Keyword)),
        }),
    ))?;
    Ok(shard)
}

fn point(passage: &text::Passage, dense: Vec<f32>, sparse: SparseVector) -> PointStructPersisted {
    let mut payload = Payload::new();
    payload.insert("library".to_owned(), passage.library.as_str().into());
    payload.insert("path".to_owned(), passage.path.as_str().into());
    payload.insert("title".to_owned(), passage.title.as_str().into());
    payload.insert("text".to_owned(), passage.text.as_str().into());
    PointStructPersisted {
        id: qdrant_edge::PointId::Uuid(passage.id()),
        vector: VectorStructPersisted::Named(HashMap::from([
            ("dense".to_owned(), VectorPersisted::Dense(dense)),
            ("bm25".to_owned(), VectorPersisted::Sparse(sparse)),
        ])),
        payload: Some(qdrant_edge::Payload(payload)),
    }
}

fn upsert(shard: &EdgeShard, points: Vec<PointStructPersisted>) -> Outcome<()> {
    if !points.is_empty() {
        shard.update(UpdateOperation::PointOperation(
            PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)),
        ))?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
