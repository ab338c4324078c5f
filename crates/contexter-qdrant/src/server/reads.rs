//! Reading and searching points of one collection.

use std::future::Future;
use std::sync::Arc;

use qdrant_client::qdrant::{
    CountPoints, FacetCounts, FacetHit, FacetValue, GetPoints, QueryPoints, RetrievedPoint,
    ScoredPoint, ScrollPoints, ScrollResponse, StrictModeConfig, facet_value,
};
use qdrant_edge::{CountRequest, EdgeShard, FacetRequest, OrderByInterface, ScrollRequest};
use tokio::time::Duration;
use tonic::Status;

use super::collection::Collection;
use super::{filters, queries, reply, status, strict, vectors};

/// The server's default number of points of a page.
const PAGE: u32 = 10;

/// Runs searches one after the other.
pub(super) async fn query(
    collection: &Arc<Collection>,
    searches: Vec<QueryPoints>,
    timeout: Option<u64>,
) -> Result<Vec<Vec<ScoredPoint>>, Status> {
    admit(collection, &searches)?;
    let strict = collection.strict();
    let found = collection.read(move |shard| {
        let rankings = searches.into_iter().map(|search| {
            let found = run(search, strict.as_ref(), shard)?;
            Ok(found.into_iter().map(reply::scored).collect())
        });
        rankings.collect()
    });
    within(timeout, "query", found).await
}

/// Verifies what of searches can be without looking at the collection, and counts them.
pub(super) fn admit(collection: &Collection, searches: &[QueryPoints]) -> Result<(), Status> {
    let Some(strict) = collection.strict() else {
        return Ok(());
    };
    let many = u64::try_from(searches.len()).unwrap_or(u64::MAX);
    if searches.len() > 1 {
        strict::at_most("search_max_batchsize", many, strict.search_max_batchsize)?;
    }
    collection.buckets().read(strict.read_rate_limit, many)?;
    for search in searches {
        let most = strict.max_query_limit.map(u64::from);
        strict::at_most("limit", search.limit.unwrap_or(0), most)?;
        let most = strict.max_timeout.map(u64::from);
        strict::at_most("timeout", search.timeout.unwrap_or(0), most)?;
        let params = search.params.as_ref();
        let exact = params.and_then(|params| params.exact);
        if strict.search_allow_exact == Some(false) && exact == Some(true) {
            return Err(strict::refused(
                "Exact search disabled!",
                "Set exact=false.",
            ));
        }
        let most = strict.search_max_hnsw_ef.map(u64::from);
        let ef = params.and_then(|params| params.hnsw_ef);
        strict::at_most("hnsw_ef", ef.unwrap_or(0), most)?;
    }
    Ok(())
}

/// Runs one search. Blocks.
pub(super) fn run(
    search: QueryPoints,
    strict: Option<&StrictModeConfig>,
    shard: &EdgeShard,
) -> Result<Vec<qdrant_edge::ScoredPoint>, Status> {
    if let Some(strict) = strict {
        strict::filter(strict, search.filter.as_ref(), shard, false)?;
        strict::prefetches(strict, &search.prefetch, shard)?;
    }
    let request = queries::request(search, shard)?;
    if request.limit == 0 {
        return Err(Status::invalid_argument(
            "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
        ));
    }
    shard.query(request).map_err(|error| status::engine(&error))
}

/// Reads points by id.
pub(super) async fn get(
    collection: &Arc<Collection>,
    request: GetPoints,
) -> Result<Vec<RetrievedPoint>, Status> {
    if let Some(strict) = collection.strict() {
        let cost = u64::try_from(request.ids.len()).unwrap_or(u64::MAX);
        collection.buckets().read(strict.read_rate_limit, cost)?;
    }
    let ids = vectors::ids(request.ids)?;
    let with_payload = queries::with_payload(request.with_payload, false)?;
    let with_vectors = queries::with_vectors(request.with_vectors);
    let found = collection.read(move |shard| {
        let records = shard
            .retrieve(&ids, Some(with_payload), Some(with_vectors))
            .map_err(|error| status::engine(&error))?;
        Ok(records.into_iter().map(reply::record).collect())
    });
    within(request.timeout, "retrieve", found).await
}

/// Reads a page of points.
pub(super) async fn scroll(
    collection: &Arc<Collection>,
    request: ScrollPoints,
) -> Result<ScrollResponse, Status> {
    let limit = request.limit.unwrap_or(PAGE);
    if limit == 0 {
        return Err(Status::invalid_argument(
            "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
        ));
    }
    let strict = collection.strict();
    if let Some(strict) = &strict {
        collection.buckets().read(strict.read_rate_limit, 1)?;
        let most = strict.max_query_limit.map(u64::from);
        strict::at_most("limit", limit.into(), most)?;
    }
    let with_payload = queries::with_payload(request.with_payload, false)?;
    let with_vector = queries::with_vectors(request.with_vectors);
    let order_by = request
        .order_by
        .as_ref()
        .map(queries::order_by)
        .transpose()?;
    let offset = request.offset.map(|offset| vectors::id(Some(offset)));
    let offset = offset.transpose()?;
    let filter = request.filter;
    let page = collection.read(move |shard| {
        if let Some(strict) = &strict {
            strict::filter(strict, filter.as_ref(), shard, false)?;
        }
        let (records, next) = shard
            .scroll(ScrollRequest {
                offset,
                limit: Some(queries::size(limit.into())),
                filter: filters::filter(filter)?,
                with_payload: Some(with_payload),
                with_vector,
                order_by: order_by.map(OrderByInterface::Struct),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(ScrollResponse {
            next_page_offset: next.map(reply::id),
            result: records.into_iter().map(reply::record).collect(),
            ..ScrollResponse::default()
        })
    });
    within(request.timeout, "scroll", page).await
}

/// Counts points.
pub(super) async fn count(
    collection: &Arc<Collection>,
    request: CountPoints,
) -> Result<u64, Status> {
    let strict = collection.strict();
    if let Some(strict) = &strict {
        collection.buckets().read(strict.read_rate_limit, 1)?;
    }
    let timeout = request.timeout;
    let count = collection.read(move |shard| {
        if let Some(strict) = &strict {
            strict::filter(strict, request.filter.as_ref(), shard, false)?;
        }
        let count = shard
            .count(CountRequest {
                filter: filters::filter(request.filter)?,
                exact: request.exact.unwrap_or(true),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    });
    within(timeout, "count", count).await
}

/// Counts points by the value of a field.
pub(super) async fn facet(
    collection: &Arc<Collection>,
    request: FacetCounts,
) -> Result<Vec<FacetHit>, Status> {
    let strict = collection.strict();
    if let Some(strict) = &strict {
        collection.buckets().read(strict.read_rate_limit, 1)?;
    }
    let timeout = request.timeout;
    let hits = collection.read(move |shard| {
        if let Some(strict) = &strict {
            strict::filter(strict, request.filter.as_ref(), shard, false)?;
        }
        let found = shard
            .facet(FacetRequest {
                key: queries::path(&request.key)?,
                limit: queries::size(request.limit.unwrap_or(10)),
                filter: filters::filter(request.filter)?,
                exact: request.exact.unwrap_or(false),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(found.hits.into_iter().map(facet_hit).collect())
    });
    within(timeout, "facet", hits).await
}

/// Waits for what is read no longer than the caller wants to, for a thread as well as for the engine.
pub(super) async fn within<T>(
    seconds: Option<u64>,
    what: &str,
    read: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match seconds {
        None => read.await,
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), read)
            .await
            .unwrap_or_else(|_elapsed| Err(status::timed_out(what))),
    }
}

fn facet_hit(hit: qdrant_edge::FacetValueHit) -> FacetHit {
    let variant = match hit.value {
        qdrant_edge::FacetValue::Keyword(text) => facet_value::Variant::StringValue(text),
        qdrant_edge::FacetValue::Int(number) => facet_value::Variant::IntegerValue(number),
        qdrant_edge::FacetValue::Uuid(number) => {
            facet_value::Variant::StringValue(uuid::Uuid::from_u128(number).to_string())
        }
        qdrant_edge::FacetValue::Bool(truth) => facet_value::Variant::BoolValue(truth),
    };
    FacetHit {
        value: Some(FacetValue {
            variant: Some(variant),
        }),
        count: u64::try_from(hit.count).unwrap_or(u64::MAX),
    }
}
