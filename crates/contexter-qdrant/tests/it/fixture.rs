//! Stores, collections and points for the tests.

use std::path::Path;

use contexter_model::{
    CollectionSpec, Count, Distance, EmbeddingSpace, EnsureCollection, Error, Filter, Flush, Hit,
    Leg, Payload, Point, PointId, Query, Retrieve, SpaceKind, SparseVector, Upsert,
};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_service::Service;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

pub(crate) const CHUNKS: &str = "chunks";

pub(crate) fn spec(dimensions: usize) -> CollectionSpec {
    CollectionSpec {
        name: CHUNKS.into(),
        space: EmbeddingSpace {
            id: "letters-1".into(),
            dimensions,
            max_tokens: 64,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["library".into(), "kind".into()],
    }
}

pub(crate) async fn store(path: &Path, dimensions: usize) -> EmbeddedStore {
    let store = EmbeddedStore::open(path).await.unwrap();
    store
        .call(EnsureCollection(spec(dimensions)))
        .await
        .unwrap();
    store
}

pub(crate) fn id(n: u128) -> PointId {
    PointId::from_u128(n)
}

pub(crate) fn sparse(pairs: &[(u32, f32)]) -> SparseVector {
    let (indices, values) = pairs.iter().copied().unzip();
    SparseVector::new(indices, values).unwrap()
}

pub(crate) fn payload(pairs: &[(&str, &str)]) -> Payload {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), Value::from(value)))
        .collect()
}

pub(crate) fn point(n: u128, dense: &[f32], pairs: &[(u32, f32)], library: &str) -> Point {
    Point {
        id: id(n),
        dense: (!dense.is_empty()).then(|| dense.to_vec()),
        sparse: (!pairs.is_empty()).then(|| sparse(pairs)),
        payload: payload(&[("library", library)]),
    }
}

pub(crate) async fn upsert(store: &EmbeddedStore, points: Vec<Point>) -> Result<(), Error> {
    store
        .call(Upsert {
            collection: CHUNKS.into(),
            points,
        })
        .await
}

pub(crate) async fn flush(store: &EmbeddedStore) -> Result<(), Error> {
    store
        .call(Flush {
            collection: CHUNKS.into(),
        })
        .await
}

pub(crate) async fn count(store: &EmbeddedStore, filter: Filter) -> u64 {
    store
        .call(Count {
            collection: CHUNKS.into(),
            filter,
        })
        .await
        .unwrap()
}

pub(crate) async fn search(
    store: &EmbeddedStore,
    leg: Leg,
    filter: Filter,
    limit: usize,
) -> Result<Vec<Hit>, Error> {
    let reply = store
        .call(Query {
            collection: CHUNKS.into(),
            legs: vec![leg],
            filter,
            limit,
        })
        .await?;
    assert_eq!(reply.rankings.len(), 1);
    Ok(reply.rankings.into_iter().next().unwrap())
}

pub(crate) async fn found(store: &EmbeddedStore, leg: Leg) -> Vec<u128> {
    ids(&search(store, leg, Filter::all(), 100).await.unwrap())
}

pub(crate) fn ids(hits: &[Hit]) -> Vec<u128> {
    hits.iter().map(|hit| hit.id.as_u128()).collect()
}

pub(crate) async fn payload_of(store: &EmbeddedStore, n: u128) -> Option<Payload> {
    let records = store
        .call(Retrieve {
            collection: CHUNKS.into(),
            ids: vec![id(n)],
        })
        .await
        .unwrap();
    records.into_iter().next().map(|record| record.payload)
}

/// Enough points, made from a seed, that `Optimize` builds an index: 384 dimensions, 7,000 points.
pub(crate) fn many(first: u128, count: u128) -> Vec<Point> {
    (first..first + count)
        .map(|n| {
            let seed = u64::try_from(n).unwrap();
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let dense: Vec<f32> = (0..384).map(|_| random.random_range(-0.5..0.5)).collect();
            let term = u32::try_from(n % 97).unwrap();
            point(n, &dense, &[(term, 1.0), (1_000, 0.5)], "bulk")
        })
        .collect()
}
