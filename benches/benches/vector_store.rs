//! The embedded vector store beside the bare engine, on the same synthetic points.
//!
//! Both sides get the same points in the same batches, flush as often and build the same index. The
//! latency of ours is a call of `Query` with both legs, 100 hits each, and one of `Retrieve` for ten
//! of them; the engine's is its own hybrid query: both legs prefetched, fused, ten hits with their
//! payload. Memory is measured in a process of its own for each side and run.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use contexter_benches::{MIN_RUNS, Row, interleaved, median};
use contexter_model::{
    CollectionSpec, Distance, EmbeddingSpace, EnsureCollection, Filter, Flush, Leg, Optimize,
    Payload, Point, PointId, Query, Retrieve, SpaceKind, SparseVector, Upsert,
};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_service::Service;
use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams,
    FieldIndexOperations, Fusion, Modifier, NamedQuery, PayloadFieldSchema, PayloadSchemaType,
    PointInsertOperations, PointOperations, PointStructPersisted, Prefetch, QueryEnum,
    QueryRequest, ScoringQuery, UpdateOperation, VectorInternal, VectorPersisted,
    VectorStructPersisted, WithPayloadInterface, WithVector,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PEER: &str = "bare qdrant-edge";
const COLLECTION: &str = "chunks";
const DIMENSIONS: usize = 384;
/// Dense vectors lie around this many centres, as those of texts on a few hundred subjects do.
const CENTRES: u64 = 256;
const VOCABULARY: f64 = 50_000.0;
const TERMS: usize = 55;
const QUERY_TERMS: usize = 8;
const BATCH: usize = 500;
const FLUSH_EVERY: usize = 2_000;
const LEG_LIMIT: usize = 100;
const LIMIT: usize = 10;
const QUERIES: u64 = 500;
const SIZES: [(&str, usize); 2] = [("search_10k", 10_000), ("search_100k", 100_000)];
const LARGE: usize = 100_000;

/// The argument with which this program starts itself; `ours` or `peer` follows.
const CHILD: &str = "--measure-memory-of";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == CHILD) {
        let side = arguments.get(at + 1).map(String::as_str);
        let footprint = match side {
            Some("ours") => footprint_of_ours(LARGE)?,
            _ => footprint_of_peer(LARGE)?,
        };
        return Ok(serde_json::to_writer(std::io::stdout(), &footprint)?);
    }
    for (row, size) in SIZES {
        search(row, size)?;
    }
    memory()
}

/// Compares the latency of a hybrid search over `size` points.
fn search(row: &str, size: usize) -> Outcome<()> {
    let runtime = runtime()?;
    let (our_folder, peer_folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let store = runtime.block_on(fill_ours(our_folder.path(), size))?.0;
    let shard = fill_peer(peer_folder.path(), size)?.0;
    let queries: Vec<_> = (0..QUERIES).map(query).collect();

    let (ours, peer) = interleaved(
        MIN_RUNS,
        || {
            let times = queries.iter().map(|query| {
                let query = query.clone();
                let started = now();
                black_box(
                    runtime
                        .block_on(search_ours(&store, query))
                        .expect("ours answers"),
                );
                micros(started.elapsed())
            });
            median(&mut times.collect::<Vec<_>>())
        },
        || {
            let times = queries.iter().map(|query| {
                let query = query.clone();
                let started = now();
                black_box(search_peer(&shard, query).expect("the engine answers"));
                micros(started.elapsed())
            });
            median(&mut times.collect::<Vec<_>>())
        },
    );
    Ok(Row::cost(row, ours, peer, PEER, "µs p50").print()?)
}

/// Compares what it takes to load and index many points.
fn memory() -> Outcome<()> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for run in 0..MIN_RUNS {
        if run % 2 == 0 {
            ours.push(footprint("ours")?);
            peer.push(footprint("peer")?);
        } else {
            peer.push(footprint("peer")?);
            ours.push(footprint("ours")?);
        }
    }
    let medians = |figure: fn(&Footprint) -> f64| {
        let of = |side: &[Footprint]| median(&mut side.iter().map(figure).collect::<Vec<_>>());
        (of(&ours), of(&peer))
    };
    let (a, b) = medians(|footprint| footprint.peak);
    Row::cost("memory_peak_100k", a, b, PEER, "MB").print()?;
    let (a, b) = medians(|footprint| footprint.after);
    Row::cost("memory_after_100k", a, b, PEER, "MB").print()?;
    let (a, b) = medians(|footprint| footprint.disk);
    Row::cost("disk_100k", a, b, PEER, "MB").print()?;
    let (a, b) = medians(|footprint| footprint.upserts);
    Row::rate("upsert_100k", a, b, PEER, "points/s").print()?;
    let (a, b) = medians(|footprint| footprint.optimize);
    Row::cost("optimize_100k", a, b, PEER, "s").print()?;
    Ok(())
}

/// What one side takes to load and index its points.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Footprint {
    /// The most memory it held at any time, MB.
    peak: f64,
    /// The memory it holds once it has indexed and searched, MB.
    after: f64,
    /// What its files take, MB.
    disk: f64,
    /// Points stored per second, flushes included.
    upserts: f64,
    /// How long building the index took, seconds.
    optimize: f64,
}

/// Measures one side in a process of its own.
fn footprint(side: &str) -> Outcome<Footprint> {
    let output = Command::new(env::current_exe()?)
        .args([CHILD, side])
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("measuring {side} failed: {reason}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn footprint_of_ours(size: usize) -> Outcome<Footprint> {
    let runtime = runtime()?;
    let folder = tempfile::tempdir()?;
    let (store, times) = runtime.block_on(fill_ours(folder.path(), size))?;
    let peak = memory_of_process("VmHWM")?;
    for n in 0..QUERIES {
        runtime.block_on(search_ours(&store, query(n)))?;
    }
    times.footprint(peak, folder.path())
}

fn footprint_of_peer(size: usize) -> Outcome<Footprint> {
    let folder = tempfile::tempdir()?;
    let (shard, times) = fill_peer(folder.path(), size)?;
    let peak = memory_of_process("VmHWM")?;
    for n in 0..QUERIES {
        search_peer(&shard, query(n))?;
    }
    times.footprint(peak, folder.path())
}

struct Times {
    size: usize,
    upsert: Duration,
    optimize: Duration,
}

impl Times {
    fn footprint(&self, peak: f64, folder: &Path) -> Outcome<Footprint> {
        Ok(Footprint {
            peak,
            after: memory_of_process("VmRSS")?,
            disk: megabytes(disk(folder)?),
            upserts: count(self.size) / self.upsert.as_secs_f64(),
            optimize: self.optimize.as_secs_f64(),
        })
    }
}

async fn fill_ours(folder: &Path, size: usize) -> Outcome<(EmbeddedStore, Times)> {
    let store = EmbeddedStore::open(folder).await?;
    let spec = CollectionSpec {
        name: COLLECTION.to_owned(),
        space: EmbeddingSpace {
            id: "synthetic".to_owned(),
            dimensions: DIMENSIONS,
            max_tokens: 256,
            kind: SpaceKind::Semantic,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["library".to_owned()],
    };
    store.call(EnsureCollection(spec)).await?;
    let collection = || COLLECTION.to_owned();
    let mut upsert = Duration::ZERO;
    for first in (0..size).step_by(BATCH) {
        let points = (first..size.min(first + BATCH)).map(point).collect();
        let started = now();
        let request = Upsert {
            collection: collection(),
            points,
        };
        store.call(request).await?;
        if (first + BATCH).is_multiple_of(FLUSH_EVERY) {
            store
                .call(Flush {
                    collection: collection(),
                })
                .await?;
        }
        upsert += started.elapsed();
    }
    let started = now();
    store
        .call(Optimize {
            collection: collection(),
        })
        .await?;
    store
        .call(Flush {
            collection: collection(),
        })
        .await?;
    let optimize = started.elapsed();
    let times = Times {
        size,
        upsert,
        optimize,
    };
    Ok((store, times))
}

fn fill_peer(folder: &Path, size: usize) -> Outcome<(EdgeShard, Times)> {
    let dense = EdgeVectorParams::builder(DIMENSIONS, qdrant_edge::Distance::Cosine).build();
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
    let mut upsert = Duration::ZERO;
    for first in (0..size).step_by(BATCH) {
        let points: Vec<_> = (first..size.min(first + BATCH)).map(point).collect();
        let started = now();
        let points = points.into_iter().map(engine_point).collect();
        shard.update(UpdateOperation::PointOperation(
            PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)),
        ))?;
        if (first + BATCH).is_multiple_of(FLUSH_EVERY) {
            shard.flush();
        }
        upsert += started.elapsed();
    }
    let started = now();
    shard.optimize()?;
    shard.flush();
    let optimize = started.elapsed();
    let times = Times {
        size,
        upsert,
        optimize,
    };
    Ok((shard, times))
}

fn engine_point(point: Point) -> PointStructPersisted {
    let mut vectors = HashMap::new();
    if let Some(dense) = point.dense {
        vectors.insert("dense".to_owned(), VectorPersisted::Dense(dense));
    }
    if let Some(sparse) = point.sparse {
        vectors.insert(
            "bm25".to_owned(),
            VectorPersisted::Sparse(engine_sparse(sparse)),
        );
    }
    PointStructPersisted {
        id: qdrant_edge::PointId::Uuid(point.id),
        vector: VectorStructPersisted::Named(vectors),
        payload: Some(qdrant_edge::Payload(point.payload)),
    }
}

fn engine_sparse(vector: SparseVector) -> qdrant_edge::SparseVector {
    let (indices, values) = vector.into_parts();
    qdrant_edge::SparseVector { indices, values }
}

async fn search_ours(
    store: &EmbeddedStore,
    (dense, sparse): (Vec<f32>, SparseVector),
) -> Outcome<usize> {
    let found = store
        .call(Query {
            collection: COLLECTION.to_owned(),
            legs: vec![Leg::Dense(dense), Leg::Sparse(sparse)],
            filter: Filter::all(),
            limit: LEG_LIMIT,
        })
        .await?;
    // Fusion is another crate's work: half of the ten come from each leg.
    let ids = found
        .rankings
        .iter()
        .flat_map(|hits| hits.iter().take(LIMIT / 2))
        .map(|hit| hit.id)
        .collect();
    let records = store
        .call(Retrieve {
            collection: COLLECTION.to_owned(),
            ids,
        })
        .await?;
    Ok(records.len())
}

fn search_peer(shard: &EdgeShard, (dense, sparse): (Vec<f32>, SparseVector)) -> Outcome<usize> {
    let leg = |query: VectorInternal, using: &str| Prefetch {
        prefetches: Vec::new(),
        query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
            query,
            using: Some(using.to_owned()),
        }))),
        limit: LEG_LIMIT,
        params: None,
        filter: None,
        score_threshold: None,
    };
    let found = shard.query(QueryRequest {
        prefetches: vec![
            leg(VectorInternal::Dense(dense), "dense"),
            leg(VectorInternal::Sparse(engine_sparse(sparse)), "bm25"),
        ],
        query: Some(ScoringQuery::Fusion(Fusion::Dbsf)),
        filter: None,
        score_threshold: None,
        limit: LIMIT,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(true),
    })?;
    Ok(found.len())
}

/// Makes the point of this number, always the same.
fn point(n: usize) -> Point {
    let n = u64::try_from(n).unwrap_or(u64::MAX);
    let mut random = StdRng::seed_from_u64(n);
    let centre = random.random_range(0..CENTRES);
    let mut payload = Payload::new();
    payload.insert(
        "library".to_owned(),
        format!("/crates/library-{}", n % 40).into(),
    );
    payload.insert(
        "path".to_owned(),
        format!("src/module_{}.rs", n % 900).into(),
    );
    let text: String = (0..540)
        .map(|at| match at % 7 {
            6 => ' ',
            _ => char::from(random.random_range(b'a'..=b'z')),
        })
        .collect();
    payload.insert("text".to_owned(), text.into());
    Point {
        id: PointId::from_u128(
            u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        ),
        dense: Some(dense(centre, &mut random)),
        sparse: Some(sparse(TERMS, &mut random)),
        payload,
    }
}

/// Makes the query of this number, always the same; no point has its seed.
fn query(n: u64) -> (Vec<f32>, SparseVector) {
    let mut random = StdRng::seed_from_u64(u64::MAX - n);
    let centre = random.random_range(0..CENTRES);
    (dense(centre, &mut random), sparse(QUERY_TERMS, &mut random))
}

fn dense(centre: u64, random: &mut StdRng) -> Vec<f32> {
    let mut of_centre = StdRng::seed_from_u64(centre << 40);
    (0..DIMENSIONS)
        .map(|_| of_centre.random_range(-1.0..1.0_f32) + random.random_range(-1.0..1.0_f32))
        .collect()
}

/// Draws terms as texts have them: the nth most frequent word about 1/n as often as the first.
fn sparse(terms: usize, random: &mut StdRng) -> SparseVector {
    let mut weights = HashMap::new();
    while weights.len() < terms {
        // The inverse of Zipf's distribution function, up to rounding.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the size of the vocabulary"
        )]
        let term = VOCABULARY.powf(random.random_range(0.0..1.0)) as u32;
        weights.insert(term, random.random_range(0.5..2.0_f32));
    }
    let (indices, values) = weights.into_iter().unzip();
    SparseVector::new(indices, values).expect("terms are distinct and weights are finite")
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Reads a figure of this process's memory in MB; Linux only.
fn memory_of_process(field: &str) -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kilobytes: u64 = kilobytes.ok_or("no such figure")?.parse()?;
    Ok(megabytes(kilobytes * 1024))
}

/// Adds up what the files under `folder` take on the disk.
fn disk(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += disk(&entry.path())?;
        } else {
            bytes += on_disk(&entry.metadata()?);
        }
    }
    Ok(bytes)
}

/// Holes in a file take nothing.
#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
