//! Searches in the engine's terms.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::start_from::Value as StartFrom;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorsOptions;
use qdrant_client::qdrant::{
    self, Direction, OrderBy, PrefetchQuery, QueryPoints, SearchPoints, VectorInput,
    WithPayloadSelector, WithVectorsSelector,
};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition, EdgeShard, Fusion, HasIdCondition, JsonPath, Mmr, NamedQuery, PayloadSelector,
    PayloadSelectorExclude, Prefetch, QueryEnum, QueryRequest, Sample, ScoringQuery, SearchParams,
    TypedMultiDenseVector, VectorInternal, VectorStructInternal, WithPayloadInterface, WithVector,
};
use serde_json::json;
use tonic::Status;

use super::{filters, status, vectors};

/// The server's default number of hits.
const LIMIT: u64 = 10;

/// The server's default for reciprocal rank fusion (1.19, `reciprocal_rank_fusion.rs`).
const RRF_K: u32 = 2;

/// How deep prefetches may be nested: the engine recurses.
const MAX_DEPTH: usize = 16;

/// Translates a query; ids become the vectors of their points.
pub(super) fn request(query: QueryPoints, shard: &EdgeShard) -> Result<QueryRequest, Status> {
    if query.query.is_none() && !query.prefetch.is_empty() {
        return Err(status::wrong("cannot have prefetches without a query"));
    }
    let limit = size(query.limit.unwrap_or(LIMIT));
    let prefetches = query
        .prefetch
        .into_iter()
        .map(|prefetch| prefetch_of(prefetch, shard, 1))
        .collect::<Result<Vec<_>, _>>()?;
    let (scoring, exclude) = scoring(
        query.query,
        query.using.unwrap_or_default(),
        limit,
        prefetches.len(),
        shard,
    )?;
    Ok(QueryRequest {
        prefetches,
        query: scoring,
        filter: without(filters::filter(query.filter)?, exclude),
        score_threshold: query.score_threshold.map(OrderedFloat),
        limit,
        offset: size(query.offset.unwrap_or(0)),
        params: query.params.as_ref().map(params),
        with_vector: with_vectors(query.with_vectors),
        with_payload: with_payload(query.with_payload, false)?,
    })
}

/// Translates one of the older searches.
pub(super) fn search(search: SearchPoints) -> QueryPoints {
    let input = match search.sparse_indices {
        Some(indices) => Input::Sparse(qdrant::SparseVector {
            values: search.vector,
            indices: indices.data,
        }),
        None => Input::Dense(qdrant::DenseVector {
            data: search.vector,
        }),
    };
    QueryPoints {
        collection_name: search.collection_name,
        query: Some(qdrant::Query {
            variant: Some(Variant::Nearest(VectorInput {
                variant: Some(input),
            })),
        }),
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

fn prefetch_of(
    prefetch: PrefetchQuery,
    shard: &EdgeShard,
    depth: usize,
) -> Result<Prefetch, Status> {
    if depth > MAX_DEPTH {
        return Err(status::wrong(format_args!(
            "prefetches depth {depth} exceeds max depth {MAX_DEPTH}"
        )));
    }
    if prefetch.query.is_none() && !prefetch.prefetch.is_empty() {
        return Err(status::wrong("cannot have prefetches without a query"));
    }
    let limit = size(prefetch.limit.unwrap_or(LIMIT));
    let prefetches = prefetch
        .prefetch
        .into_iter()
        .map(|inner| prefetch_of(inner, shard, depth + 1))
        .collect::<Result<Vec<_>, _>>()?;
    let (scoring, exclude) = scoring(
        prefetch.query,
        prefetch.using.unwrap_or_default(),
        limit,
        prefetches.len(),
        shard,
    )?;
    Ok(Prefetch {
        prefetches,
        query: scoring,
        limit,
        params: prefetch.params.as_ref().map(params),
        filter: without(filters::filter(prefetch.filter)?, exclude),
        score_threshold: prefetch.score_threshold.map(OrderedFloat),
    })
}

type Excluded = Option<qdrant_edge::PointId>;

fn scoring(
    query: Option<qdrant::Query>,
    using: String,
    limit: usize,
    prefetches: usize,
    shard: &EdgeShard,
) -> Result<(Option<ScoringQuery>, Excluded), Status> {
    let Some(query) = query else {
        return Ok((None, None));
    };
    let variant = query
        .variant
        .ok_or_else(|| Status::invalid_argument("Query variant is missing"))?;
    let scoring = match variant {
        Variant::Nearest(input) => {
            let (vector, exclude) = vector(Some(input), &using, shard)?;
            let nearest = QueryEnum::Nearest(NamedQuery {
                query: vector,
                using: Some(using),
            });
            return Ok((Some(ScoringQuery::Vector(nearest)), exclude));
        }
        Variant::NearestWithMmr(nearest) => {
            let (vector, exclude) = vector(nearest.nearest, &using, shard)?;
            let mmr = nearest.mmr.unwrap_or_default();
            let diversity = mmr.diversity.unwrap_or(0.5);
            if !(0.0..=1.0).contains(&diversity) {
                return Err(status::wrong("diversity must be in the range [0, 1]"));
            }
            let candidates = mmr
                .candidates_limit
                .map_or(limit, |given| size(given.into()));
            let mmr = Mmr {
                vector,
                using,
                lambda: OrderedFloat(1.0 - diversity),
                candidates_limit: candidates,
            };
            return Ok((Some(ScoringQuery::Mmr(mmr)), exclude));
        }
        Variant::Fusion(fusion) => ScoringQuery::Fusion(match fusion_kind(fusion)? {
            qdrant::Fusion::Rrf => Fusion::Rrf {
                k: size(RRF_K.into()),
                weights: None,
            },
            qdrant::Fusion::Dbsf => Fusion::Dbsf,
        }),
        Variant::Rrf(rrf) => {
            let k = rrf.k.unwrap_or(RRF_K);
            if k == 0 {
                return Err(Status::invalid_argument(
                    "Validation error in body: [rrf.k: value 0 invalid, must be 1 or larger]",
                ));
            }
            if !rrf.weights.is_empty() && rrf.weights.len() != prefetches {
                return Err(status::wrong(format_args!(
                    "RRF weights count ({}) must match prefetch count ({prefetches})",
                    rrf.weights.len(),
                )));
            }
            let weights = rrf
                .weights
                .into_iter()
                .map(OrderedFloat)
                .collect::<Vec<_>>();
            ScoringQuery::Fusion(Fusion::Rrf {
                k: size(k.into()),
                weights: (!weights.is_empty()).then_some(weights),
            })
        }
        Variant::OrderBy(order) => ScoringQuery::OrderBy(order_by(&order)?),
        Variant::Sample(_) => ScoringQuery::Sample(Sample::Random),
        Variant::Recommend(_) => return Err(status::not_offered("recommend queries")),
        Variant::Discover(_) => return Err(status::not_offered("discover queries")),
        Variant::Context(_) => return Err(status::not_offered("context queries")),
        Variant::Formula(_) => return Err(status::not_offered("formula queries")),
        Variant::RelevanceFeedback(_) => return Err(status::not_offered("feedback queries")),
        Variant::Text(_) => return Err(status::not_offered("text queries")),
    };
    if matches!(scoring, ScoringQuery::Fusion(_)) && prefetches == 0 {
        return Err(status::wrong("cannot do Fusion without prefetches"));
    }
    Ok((Some(scoring), None))
}

fn fusion_kind(fusion: i32) -> Result<qdrant::Fusion, Status> {
    qdrant::Fusion::try_from(fusion)
        .map_err(|_unknown| Status::invalid_argument(format!("Unknown fusion method: {fusion}")))
}

/// Translates what is searched for; an id is looked up, and its point is to be left out.
fn vector(
    input: Option<VectorInput>,
    using: &str,
    shard: &EdgeShard,
) -> Result<(VectorInternal, Excluded), Status> {
    let input = input
        .and_then(|input| input.variant)
        .ok_or_else(|| Status::invalid_argument("VectorInput variant is missing"))?;
    let (vector, exclude) = match input {
        Input::Id(id) => {
            let id = vectors::id(Some(id))?;
            (vector_of(id, using, shard)?, Some(id))
        }
        Input::Dense(dense) => (VectorInternal::Dense(dense.data), None),
        Input::Sparse(sparse) => {
            let sparse = vectors::sparse(sparse.indices, sparse.values)?;
            (VectorInternal::Sparse(sparse), None)
        }
        Input::MultiDense(multi) => {
            let rows = vectors::rows(multi);
            let dimensions = rows.first().map_or(0, Vec::len);
            if dimensions == 0 || rows.iter().any(|row| row.len() != dimensions) {
                return Err(status::wrong("multi-vector has rows of different lengths"));
            }
            let multi = TypedMultiDenseVector {
                flattened_vectors: rows.concat(),
                dim: dimensions,
            };
            (VectorInternal::MultiDense(multi), None)
        }
        Input::Document(_) | Input::Image(_) | Input::Object(_) => {
            return Err(Status::internal(vectors::NO_INFERENCE));
        }
    };
    check(&vector, using, shard)?;
    Ok((vector, exclude))
}

fn vector_of(
    id: qdrant_edge::PointId,
    using: &str,
    shard: &EdgeShard,
) -> Result<VectorInternal, Status> {
    let wanted = WithVector::Selector(vec![using.to_owned()]);
    let records = shard
        .retrieve(&[id], Some(WithPayloadInterface::Bool(false)), Some(wanted))
        .map_err(|error| status::engine(&error))?;
    let record = records
        .into_iter()
        .next()
        .ok_or_else(|| status::not_found(format_args!("No point with id {id} found")))?;
    let vector = match record.vector {
        Some(VectorStructInternal::Single(data)) => Some(VectorInternal::Dense(data)),
        Some(VectorStructInternal::MultiDense(multi)) => Some(VectorInternal::MultiDense(multi)),
        Some(VectorStructInternal::Named(mut named)) => named.remove(using),
        None => None,
    };
    vector.ok_or_else(|| {
        status::wrong(format_args!(
            "Point {id} does not have vector with name '{using}'"
        ))
    })
}

fn check(vector: &VectorInternal, using: &str, shard: &EdgeShard) -> Result<(), Status> {
    let config = shard.config();
    let unknown = || status::wrong(format_args!("Not existing vector name error: {using}"));
    let received = match vector {
        VectorInternal::Sparse(_) if config.sparse_vectors.contains_key(using) => return Ok(()),
        VectorInternal::Sparse(_) if config.vectors.contains_key(using) => {
            return Err(status::wrong(
                "Conversion between sparse and regular vectors failed",
            ));
        }
        VectorInternal::Sparse(_) => return Err(unknown()),
        VectorInternal::Dense(data) => data.len(),
        VectorInternal::MultiDense(multi) => multi.dim,
    };
    if config.sparse_vectors.contains_key(using) {
        return Err(status::wrong(
            "Conversion between sparse and regular vectors failed",
        ));
    }
    let expected = config.vectors.get(using).ok_or_else(unknown)?.size;
    if received != expected {
        return Err(status::wrong(format_args!(
            "Vector dimension error: expected dim: {expected}, got {received}"
        )));
    }
    Ok(())
}

fn without(filter: Option<qdrant_edge::Filter>, id: Excluded) -> Option<qdrant_edge::Filter> {
    let Some(id) = id else {
        return filter;
    };
    let mut filter = filter.unwrap_or_default();
    let not_it = Condition::HasId(HasIdCondition::from_iter([id]));
    filter.must_not.get_or_insert_default().push(not_it);
    Some(filter)
}

/// Translates an order.
pub(super) fn order_by(order: &OrderBy) -> Result<qdrant_edge::OrderBy, Status> {
    let direction = match order.direction() {
        Direction::Asc => "asc",
        Direction::Desc => "desc",
    };
    let start_from = match order
        .start_from
        .as_ref()
        .and_then(|from| from.value.as_ref())
    {
        None => json!(null),
        Some(StartFrom::Float(value)) => json!(value),
        Some(StartFrom::Integer(value)) => json!(value),
        Some(StartFrom::Datetime(text)) => json!(text),
        Some(StartFrom::Timestamp(time)) => {
            let time = jiff::Timestamp::new(time.seconds, time.nanos)
                .map_err(|_out_of_range| Status::invalid_argument("Malformed start_from"))?;
            json!(time.to_string())
        }
    };
    let order = json!({"key": order.key, "direction": direction, "start_from": start_from});
    serde_json::from_value(order)
        .map_err(|error| status::wrong(format_args!("Malformed order_by: {error}")))
}

fn params(params: &qdrant::SearchParams) -> SearchParams {
    SearchParams {
        hnsw_ef: params.hnsw_ef.map(size),
        exact: params.exact.unwrap_or(false),
        indexed_only: params.indexed_only.unwrap_or(false),
        ..SearchParams::default()
    }
}

/// Translates which fields are wanted.
pub(super) fn with_payload(
    selector: Option<WithPayloadSelector>,
    default: bool,
) -> Result<WithPayloadInterface, Status> {
    match selector.and_then(|selector| selector.selector_options) {
        None => Ok(WithPayloadInterface::Bool(default)),
        Some(PayloadOptions::Enable(enable)) => Ok(WithPayloadInterface::Bool(enable)),
        Some(PayloadOptions::Include(include)) => {
            Ok(WithPayloadInterface::Fields(paths(&include.fields)?))
        }
        Some(PayloadOptions::Exclude(exclude)) => Ok(WithPayloadInterface::Selector(
            PayloadSelector::Exclude(PayloadSelectorExclude {
                exclude: paths(&exclude.fields)?,
            }),
        )),
    }
}

/// Translates which vectors are wanted.
pub(super) fn with_vectors(selector: Option<WithVectorsSelector>) -> WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        None => WithVector::Bool(false),
        Some(VectorsOptions::Enable(enable)) => WithVector::Bool(enable),
        Some(VectorsOptions::Include(include)) => WithVector::Selector(include.names),
    }
}

fn paths(fields: &[String]) -> Result<Vec<JsonPath>, Status> {
    fields.iter().map(|field| path(field)).collect()
}

/// Parses the path of a field.
pub(super) fn path(field: &str) -> Result<JsonPath, Status> {
    field
        .parse()
        .map_err(|()| Status::invalid_argument(format!("Invalid json path: '{field}'")))
}

/// Takes a number of the protocol as one of this machine.
pub(super) fn size(value: u64) -> usize {
    // The engine adds limit and offset, and reserves memory for them.
    const MOST: usize = 1 << 24;
    usize::try_from(value).unwrap_or(MOST).min(MOST)
}
