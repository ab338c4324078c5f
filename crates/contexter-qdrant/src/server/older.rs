//! The searches of older clients, as queries.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::target_vector::Target;
use qdrant_client::qdrant::vector::Vector as Kind;
use qdrant_client::qdrant::vector_example::Example;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_client::qdrant::{
    ContextInput, ContextInputPair, DenseVector, DiscoverInput, DiscoverPoints, MultiDenseVector,
    PointId, Query, QueryPointGroups, QueryPoints, RecommendInput, RecommendPointGroups,
    RecommendPoints, SearchPointGroups, SearchPoints, SparseIndices, SparseVector, TargetVector,
    Vector, VectorExample, VectorInput,
};
use tonic::Status;

use super::status;

/// Translates a search.
pub(super) fn search(search: SearchPoints) -> QueryPoints {
    QueryPoints {
        collection_name: search.collection_name,
        query: nearest(search.vector, search.sparse_indices),
        using: search.vector_name,
        filter: search.filter,
        params: search.params,
        score_threshold: search.score_threshold,
        limit: Some(search.limit),
        offset: search.offset,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        timeout: search.timeout,
        ..QueryPoints::default()
    }
}

/// Translates a search for groups.
pub(super) fn search_groups(search: SearchPointGroups) -> QueryPointGroups {
    QueryPointGroups {
        collection_name: search.collection_name,
        query: nearest(search.vector, search.sparse_indices),
        using: search.vector_name,
        filter: search.filter,
        params: search.params,
        score_threshold: search.score_threshold,
        limit: Some(search.limit.into()),
        group_size: Some(search.group_size.into()),
        group_by: search.group_by,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        with_lookup: search.with_lookup,
        timeout: search.timeout,
        ..QueryPointGroups::default()
    }
}

/// Translates a search like examples.
pub(super) fn recommend(search: RecommendPoints) -> QueryPoints {
    QueryPoints {
        collection_name: search.collection_name,
        query: like(
            (search.positive, search.positive_vectors),
            (search.negative, search.negative_vectors),
            search.strategy,
        ),
        using: search.using,
        filter: search.filter,
        params: search.params,
        score_threshold: search.score_threshold,
        limit: Some(search.limit),
        offset: search.offset,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        lookup_from: search.lookup_from,
        timeout: search.timeout,
        ..QueryPoints::default()
    }
}

/// Translates a search for groups like examples.
pub(super) fn recommend_groups(search: RecommendPointGroups) -> QueryPointGroups {
    QueryPointGroups {
        collection_name: search.collection_name,
        query: like(
            (search.positive, search.positive_vectors),
            (search.negative, search.negative_vectors),
            search.strategy,
        ),
        using: search.using,
        filter: search.filter,
        params: search.params,
        score_threshold: search.score_threshold,
        limit: Some(search.limit.into()),
        group_size: Some(search.group_size.into()),
        group_by: search.group_by,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        lookup_from: search.lookup_from,
        with_lookup: search.with_lookup,
        timeout: search.timeout,
        ..QueryPointGroups::default()
    }
}

/// Translates a search for a target within a context, or for the context alone.
pub(super) fn discover(search: DiscoverPoints) -> Result<QueryPoints, Status> {
    let pairs = search.context.into_iter().map(|pair| ContextInputPair {
        positive: pair.positive.and_then(example),
        negative: pair.negative.and_then(example),
    });
    let context = ContextInput {
        pairs: pairs.collect(),
    };
    let target = search.target.and_then(|TargetVector { target }| target);
    let variant = match target {
        Some(Target::Single(target)) => Variant::Discover(DiscoverInput {
            target: example(target),
            context: Some(context),
        }),
        None if context.pairs.is_empty() => {
            return Err(status::wrong("Target or context must be specified"));
        }
        None => Variant::Context(context),
    };
    Ok(QueryPoints {
        collection_name: search.collection_name,
        query: query(variant),
        using: search.using,
        filter: search.filter,
        params: search.params,
        limit: Some(search.limit),
        offset: search.offset,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        lookup_from: search.lookup_from,
        timeout: search.timeout,
        ..QueryPoints::default()
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "all who call it fill a field that is optional"
)]
fn query(variant: Variant) -> Option<Query> {
    Some(Query {
        variant: Some(variant),
    })
}

fn nearest(data: Vec<f32>, indices: Option<SparseIndices>) -> Option<Query> {
    query(Variant::Nearest(input(flat(data, indices))))
}

fn flat(data: Vec<f32>, indices: Option<SparseIndices>) -> Input {
    match indices {
        Some(indices) => Input::Sparse(SparseVector {
            values: data,
            indices: indices.data,
        }),
        None => Input::Dense(DenseVector { data }),
    }
}

fn like(
    positive: (Vec<PointId>, Vec<Vector>),
    negative: (Vec<PointId>, Vec<Vector>),
    strategy: Option<i32>,
) -> Option<Query> {
    let examples = |(points, vectors): (Vec<PointId>, Vec<Vector>)| {
        let points = points.into_iter().map(|id| input(Input::Id(id)));
        points.chain(vectors.into_iter().map(given)).collect()
    };
    query(Variant::Recommend(RecommendInput {
        positive: examples(positive),
        negative: examples(negative),
        strategy,
    }))
}

fn example(example: VectorExample) -> Option<VectorInput> {
    Some(match example.example? {
        Example::Id(id) => input(Input::Id(id)),
        Example::Vector(vector) => given(vector),
    })
}

/// Translates a vector in the forms of old and new clients.
#[expect(
    deprecated,
    reason = "clients before 1.16 send vectors in these fields"
)]
fn given(vector: Vector) -> VectorInput {
    input(match vector.vector {
        Some(Kind::Dense(dense)) => Input::Dense(dense),
        Some(Kind::Sparse(sparse)) => Input::Sparse(sparse),
        Some(Kind::MultiDense(multi)) => Input::MultiDense(multi),
        Some(Kind::Document(document)) => Input::Document(document),
        Some(Kind::Image(image)) => Input::Image(image),
        Some(Kind::Object(object)) => Input::Object(object),
        None => match vector
            .vectors_count
            .and_then(|rows| usize::try_from(rows).ok())
        {
            Some(rows) if vector.indices.is_none() => {
                let length = vector.data.len().div_ceil(rows.max(1)).max(1);
                let rows = vector.data.chunks(length);
                Input::MultiDense(MultiDenseVector {
                    vectors: rows.map(|row| DenseVector { data: row.to_vec() }).collect(),
                })
            }
            _ => flat(vector.data, vector.indices),
        },
    })
}

fn input(variant: Input) -> VectorInput {
    VectorInput {
        variant: Some(variant),
    }
}
