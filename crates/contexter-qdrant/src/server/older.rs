//! The searches of older clients, as queries.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::target_vector::Target;
use qdrant_client::qdrant::vector::Vector as Kind;
use qdrant_client::qdrant::vector_example::Example;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_client::qdrant::{
    ContextInput, ContextInputPair, DiscoverInput, DiscoverPoints, LookupLocation, PointId, Query,
    QueryPointGroups, QueryPoints, RecommendInput, RecommendPointGroups, RecommendPoints,
    RecommendStrategy, SearchPointGroups, SearchPoints, TargetVector, Vector, VectorExample,
    VectorInput,
};
use tonic::Status;

use super::status;
use super::vectors::{flat, form};

/// Makes a query of the fields that all searches have, and of those that are given.
macro_rules! query {
    ($search:ident => $query:ident { $($field:ident: $value:expr,)* }) => {
        $query {
            $($field: $value,)*
            collection_name: $search.collection_name,
            filter: $search.filter,
            params: $search.params,
            with_vectors: $search.with_vectors,
            with_payload: $search.with_payload,
            timeout: $search.timeout,
            shard_key_selector: $search.shard_key_selector,
            ..$query::default()
        }
    };
}

/// Translates a search.
pub(super) fn search(search: SearchPoints) -> QueryPoints {
    query!(search => QueryPoints {
        query: nearest(flat(search.vector, search.sparse_indices)),
        using: search.vector_name,
        score_threshold: search.score_threshold,
        limit: Some(search.limit),
        offset: search.offset,
    })
}

/// Translates a search for groups.
pub(super) fn search_groups(search: SearchPointGroups) -> QueryPointGroups {
    query!(search => QueryPointGroups {
        query: nearest(flat(search.vector, search.sparse_indices)),
        using: search.vector_name,
        score_threshold: search.score_threshold,
        limit: Some(search.limit.into()),
        group_size: Some(search.group_size.into()),
        group_by: search.group_by,
        with_lookup: search.with_lookup,
    })
}

/// Translates a search like examples.
pub(super) fn recommend(search: RecommendPoints) -> Result<QueryPoints, Status> {
    let has_positive = !search.positive.is_empty() || !search.positive_vectors.is_empty();
    if search.strategy() == RecommendStrategy::AverageVector && !has_positive {
        return Err(status::bad_request(
            "At least one positive vector ID required with this strategy",
        ));
    }
    Ok(query!(search => QueryPoints {
        query: like(
            examples(search.positive, search.positive_vectors)?,
            examples(search.negative, search.negative_vectors)?,
            search.strategy,
        ),
        using: search.using,
        score_threshold: search.score_threshold,
        limit: Some(search.limit),
        offset: search.offset,
        lookup_from: search.lookup_from.map(unnamed),
    }))
}

/// Translates a search for groups like examples.
pub(super) fn recommend_groups(search: RecommendPointGroups) -> Result<QueryPointGroups, Status> {
    Ok(query!(search => QueryPointGroups {
        query: like(
            examples(search.positive, search.positive_vectors)?,
            examples(search.negative, search.negative_vectors)?,
            search.strategy,
        ),
        using: search.using,
        score_threshold: search.score_threshold,
        limit: Some(search.limit.into()),
        group_size: Some(search.group_size.into()),
        group_by: search.group_by,
        lookup_from: search.lookup_from.map(unnamed),
        with_lookup: search.with_lookup,
    }))
}

/// Translates a search for a target within a context, or for the context alone.
pub(super) fn discover(search: DiscoverPoints) -> Result<QueryPoints, Status> {
    let pairs = search.context.into_iter().map(|pair| {
        Ok(ContextInputPair {
            positive: pair.positive.map(example).transpose()?.flatten(),
            negative: pair.negative.map(example).transpose()?.flatten(),
        })
    });
    let context = ContextInput {
        pairs: pairs.collect::<Result<_, Status>>()?,
    };
    let target = search.target.and_then(|TargetVector { target }| target);
    let variant = match target {
        Some(Target::Single(target)) => Variant::Discover(DiscoverInput {
            target: example(target)?,
            context: Some(context),
        }),
        None if context.pairs.is_empty() => {
            return Err(status::wrong("Target or context must be specified"));
        }
        None => Variant::Context(context),
    };
    Ok(query!(search => QueryPoints {
        query: by(variant),
        using: search.using,
        limit: Some(search.limit),
        offset: search.offset,
        lookup_from: search.lookup_from.map(unnamed),
    }))
}

/// Where these searches do not name the vector of the other collection, they mean the one without a
/// name; queries mean the one that they search by.
fn unnamed(from: LookupLocation) -> LookupLocation {
    LookupLocation {
        vector_name: from.vector_name.or(Some(String::new())),
        ..from
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "all who call it fill a field that is optional"
)]
fn by(variant: Variant) -> Option<Query> {
    Some(Query {
        variant: Some(variant),
    })
}

fn nearest(vector: Kind) -> Option<Query> {
    by(Variant::Nearest(input(given(vector))))
}

fn like(
    positive: Vec<VectorInput>,
    negative: Vec<VectorInput>,
    strategy: Option<i32>,
) -> Option<Query> {
    by(Variant::Recommend(RecommendInput {
        positive,
        negative,
        strategy,
    }))
}

fn examples(points: Vec<PointId>, vectors: Vec<Vector>) -> Result<Vec<VectorInput>, Status> {
    let points = points.into_iter().map(|id| Ok(input(Input::Id(id))));
    let vectors = vectors
        .into_iter()
        .map(|vector| Ok(input(given(form(vector)?))));
    points.chain(vectors).collect()
}

fn example(example: VectorExample) -> Result<Option<VectorInput>, Status> {
    Ok(match example.example {
        Some(Example::Id(id)) => Some(input(Input::Id(id))),
        Some(Example::Vector(vector)) => Some(input(given(form(vector)?))),
        None => None,
    })
}

fn given(vector: Kind) -> Input {
    match vector {
        Kind::Dense(dense) => Input::Dense(dense),
        Kind::Sparse(sparse) => Input::Sparse(sparse),
        Kind::MultiDense(multi) => Input::MultiDense(multi),
        Kind::Document(document) => Input::Document(document),
        Kind::Image(image) => Input::Image(image),
        Kind::Object(object) => Input::Object(object),
    }
}

fn input(variant: Input) -> VectorInput {
    VectorInput {
        variant: Some(variant),
    }
}
