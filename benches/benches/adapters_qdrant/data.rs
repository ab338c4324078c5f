//! Seeded points and queries.

use contexter_model::{
    CollectionSpec, Distance, EmbeddingSpace, Filter, Leg, Payload, Point, PointId, Query,
    SpaceKind, SparseVector,
};
use rand::{RngExt as _, SeedableRng as _};

pub(crate) const COLLECTION: &str = "chunks";
pub(crate) const DIMENSIONS: usize = 384;

/// How many terms a chunk has, about as in documentation.
const TERMS: u32 = 40;

pub(crate) fn spec() -> CollectionSpec {
    CollectionSpec {
        name: COLLECTION.to_owned(),
        space: EmbeddingSpace {
            id: "bench".to_owned(),
            dimensions: DIMENSIONS,
            max_tokens: 256,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["library".to_owned()],
    }
}

pub(crate) fn points(count: usize) -> Vec<Point> {
    (0..count).map(point).collect()
}

fn point(n: usize) -> Point {
    let seed = u64::try_from(n).unwrap_or(u64::MAX);
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let dense = (0..DIMENSIONS)
        .map(|_| random.random_range(-0.5..0.5))
        .collect();
    let (indices, values) = (0..TERMS)
        .map(|term| (term * 1_000 + random.random_range(0..1_000), 1.5_f32))
        .unzip();
    let text = "what a chunk of documentation says, in a few hundred letters. ".repeat(6);
    let payload = [
        ("library", format!("library-{}", n % 20)),
        ("document", format!("guide/part-{n}.md")),
        ("text", text),
    ];
    Point {
        id: PointId::from_u128(u128::from(seed) + 1),
        dense: Some(dense),
        sparse: SparseVector::new(indices, values).ok(),
        payload: Payload::from_iter(payload.map(|(field, value)| (field.to_owned(), value.into()))),
    }
}

/// Both legs of a query for one of the points.
pub(crate) fn legs(round: usize, count: usize) -> Vec<Leg> {
    let wanted = point(round * 7_919 % count);
    let dense = wanted.dense.map(Leg::Dense);
    let sparse = wanted.sparse.map(Leg::Sparse);
    dense.into_iter().chain(sparse).collect()
}

pub(crate) fn query(legs: Vec<Leg>, limit: usize) -> Query {
    Query {
        collection: COLLECTION.to_owned(),
        legs,
        filter: Filter::all(),
        limit,
    }
}
