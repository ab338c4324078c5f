//! Searches in the engine's terms.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::start_from::Value as StartFrom;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorsOptions;
use qdrant_client::qdrant::{
    self, Direction, OrderBy, PrefetchQuery, Query, QueryPoints, WithPayloadSelector,
    WithVectorsSelector,
};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    AcornSearchParams, EdgeShard, JsonPath, PayloadSelector, PayloadSelectorExclude, Prefetch,
    QuantizationSearchParams, QueryRequest, SearchParams, WithPayloadInterface, WithVector,
};
use serde_json::json;
use tonic::Status;

use super::inputs::Inputs;
use super::scoring::scoring;
use super::{filters, status, valid};

/// The server's default number of hits.
pub(super) const LIMIT: u64 = 10;

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
    let using = query.using.unwrap_or_default();
    check(query.query.as_ref(), &using, query.score_threshold)?;
    let mut inputs = Inputs::new(shard, &using);
    let scoring = scoring(query.query, limit, prefetches.len(), &mut inputs)?;
    Ok(QueryRequest {
        prefetches,
        query: scoring,
        filter: inputs.without_points(filters::filter(query.filter)?),
        score_threshold: query.score_threshold.map(OrderedFloat),
        limit,
        offset: size(query.offset.unwrap_or(0)),
        params: query.params.as_ref().map(params).transpose()?,
        with_vector: with_vectors(query.with_vectors),
        with_payload: with_payload(query.with_payload, false)?,
    })
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
    valid::at_least("prefetch.limit", prefetch.limit, 1)?;
    let limit = size(prefetch.limit.unwrap_or(LIMIT));
    let prefetches = prefetch
        .prefetch
        .into_iter()
        .map(|inner| prefetch_of(inner, shard, depth + 1))
        .collect::<Result<Vec<_>, _>>()?;
    let using = prefetch.using.unwrap_or_default();
    check(prefetch.query.as_ref(), &using, prefetch.score_threshold)?;
    let mut inputs = Inputs::new(shard, &using);
    let scoring = scoring(prefetch.query, limit, prefetches.len(), &mut inputs)?;
    Ok(Prefetch {
        prefetches,
        query: scoring,
        limit,
        params: prefetch.params.as_ref().map(params).transpose()?,
        filter: inputs.without_points(filters::filter(prefetch.filter)?),
        score_threshold: prefetch.score_threshold.map(OrderedFloat),
    })
}

/// Refuses what a query does not look at (1.19, `universal_query/collection_query.rs`).
fn check(query: Option<&Query>, using: &str, score_threshold: Option<f32>) -> Result<(), Status> {
    let variant = query.and_then(|query| query.variant.as_ref());
    match variant {
        None if score_threshold.is_some() => Err(status::bad_request(
            "A query is needed to use the score_threshold. Can't have score_threshold without \
             defining a query.",
        )),
        Some(Variant::OrderBy(_)) if score_threshold.is_some() => Err(status::bad_request(
            "Can't use score_threshold with an order_by query.",
        )),
        Some(Variant::Fusion(_) | Variant::Rrf(_)) if !using.is_empty() => Err(
            status::bad_request("Fusion queries cannot be combined with the 'using' field."),
        ),
        _ => Ok(()),
    }
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

fn params(params: &qdrant::SearchParams) -> Result<SearchParams, Status> {
    if params.idf.as_ref().is_some_and(|idf| idf.corpus.is_some()) {
        return Err(status::not_offered("the IDF of a part of the points"));
    }
    valid::at_least("params.hnsw_ef", params.hnsw_ef, 1)?;
    Ok(SearchParams {
        hnsw_ef: params.hnsw_ef.map(size),
        exact: params.exact.unwrap_or(false),
        quantization: params.quantization.as_ref().map(quantization).transpose()?,
        indexed_only: params.indexed_only.unwrap_or(false),
        acorn: params.acorn.as_ref().map(acorn).transpose()?,
    })
}

fn quantization(
    params: &qdrant::QuantizationSearchParams,
) -> Result<QuantizationSearchParams, Status> {
    valid::at_least("params.quantization.oversampling", params.oversampling, 1.0)?;
    Ok(QuantizationSearchParams {
        ignore: params.ignore.unwrap_or(false),
        rescore: params.rescore,
        oversampling: params.oversampling,
    })
}

fn acorn(params: &qdrant::AcornSearchParams) -> Result<AcornSearchParams, Status> {
    let most = params.max_selectivity;
    valid::within("params.acorn.max_selectivity", most, &(0.0..=1.0))?;
    Ok(AcornSearchParams {
        enable: params.enable.unwrap_or(false),
        max_selectivity: most.map(OrderedFloat),
    })
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
