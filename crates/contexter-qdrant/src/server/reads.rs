//! Reading and searching points of one collection.

use std::future::Future;
use std::sync::Arc;

use qdrant_client::qdrant::{
    CountPoints, FacetCounts, FacetHit, FacetValue, GetPoints, QueryPoints, RetrievedPoint,
    ScoredPoint, ScrollPoints, ScrollResponse, facet_value,
};
use qdrant_edge::{CountRequest, EdgeShard, FacetRequest, OrderByInterface, ScrollRequest};
use tokio::time::Duration;
use tonic::Status;

use super::collection::Collection;
use super::{filters, queries, reply, status, strict, valid, vectors};

/// The server's default number of points of a page.
const PAGE: u32 = 10;

/// The server's default number of values of a facet.
pub(super) const FACETS: u64 = 10;

/// Whether the server counts exactly by default.
pub(super) const COUNTS_EXACTLY: bool = true;

/// Runs searches one after the other.
pub(super) async fn query(
    collection: &Arc<Collection>,
    searches: Vec<QueryPoints>,
) -> Result<Vec<Vec<ScoredPoint>>, Status> {
    let found = collection.read(move |shard| {
        let rankings = searches.into_iter().map(|search| {
            let found = run(search, shard)?;
            Ok(found.into_iter().map(reply::scored).collect())
        });
        rankings.collect()
    });
    found.await
}

/// Runs one search. Blocks.
pub(super) fn run(
    search: QueryPoints,
    shard: &EdgeShard,
) -> Result<Vec<qdrant_edge::ScoredPoint>, Status> {
    let request = queries::request(search, shard)?;
    valid::at_least("limit", Some(request.limit), 1)?;
    shard.query(request).map_err(|error| status::engine(&error))
}

/// Reads within the limits of strict mode, and no longer than the caller wants to wait.
pub(super) async fn admitted<R: strict::Read + Clone + Send + 'static, T: Send + 'static>(
    collection: &Arc<Collection>,
    what: &str,
    request: R,
    read: impl FnOnce(R, &EdgeShard) -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    let timeout = request.timeout();
    let found = async {
        strict::admit(collection, &request).await?;
        collection.read(move |shard| read(request, shard)).await
    };
    within(timeout, what, found).await
}

/// Reads points by id.
pub(super) async fn get(
    collection: &Arc<Collection>,
    request: GetPoints,
) -> Result<Vec<RetrievedPoint>, Status> {
    let found = admitted(collection, "retrieve", request, |request, shard| {
        let ids = vectors::ids(request.ids)?;
        let with_payload = queries::with_payload(request.with_payload, false)?;
        let with_vectors = queries::with_vectors(request.with_vectors);
        let records = shard
            .retrieve(&ids, Some(with_payload), Some(with_vectors))
            .map_err(|error| status::engine(&error))?;
        Ok(records.into_iter().map(reply::record).collect())
    });
    found.await
}

/// Reads a page of points.
pub(super) async fn scroll(
    collection: &Arc<Collection>,
    request: ScrollPoints,
) -> Result<ScrollResponse, Status> {
    valid::at_least("limit", request.limit, 1)?;
    let page = admitted(collection, "scroll", request, |request, shard| {
        let offset = request.offset.map(|offset| vectors::id(Some(offset)));
        let order_by = request.order_by.as_ref().map(queries::order_by);
        let (records, next) = shard
            .scroll(ScrollRequest {
                offset: offset.transpose()?,
                limit: Some(queries::size(request.limit.unwrap_or(PAGE).into())),
                filter: filters::filter(request.filter)?,
                with_payload: Some(queries::with_payload(request.with_payload, false)?),
                with_vector: queries::with_vectors(request.with_vectors),
                order_by: order_by.transpose()?.map(OrderByInterface::Struct),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(ScrollResponse {
            next_page_offset: next.map(reply::id),
            result: records.into_iter().map(reply::record).collect(),
            ..ScrollResponse::default()
        })
    });
    page.await
}

/// Counts points.
pub(super) async fn count(
    collection: &Arc<Collection>,
    request: CountPoints,
) -> Result<u64, Status> {
    let count = admitted(collection, "count", request, |request, shard| {
        let count = shard
            .count(CountRequest {
                filter: filters::filter(request.filter)?,
                exact: request.exact.unwrap_or(COUNTS_EXACTLY),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    });
    count.await
}

/// Counts points by the value of a field.
pub(super) async fn facet(
    collection: &Arc<Collection>,
    request: FacetCounts,
) -> Result<Vec<FacetHit>, Status> {
    let hits = admitted(collection, "facet", request, |request, shard| {
        let found = shard
            .facet(FacetRequest {
                key: queries::path(&request.key)?,
                limit: queries::size(request.limit.unwrap_or(FACETS)),
                filter: filters::filter(request.filter)?,
                exact: request.exact.unwrap_or(false),
            })
            .map_err(|error| status::engine(&error))?;
        Ok(found.hits.into_iter().map(facet_hit).collect())
    });
    hits.await
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
