//! The service of points.

use std::sync::Arc;

use qdrant_client::qdrant::points_server;
use qdrant_client::qdrant::points_update_operation::PointStructList;
use qdrant_client::qdrant::{
    BatchResult, ClearPayloadPoints, CountPoints, CountResponse, CountResult,
    CreateFieldIndexCollection, CreateVectorNameRequest, DeleteFieldIndexCollection,
    DeletePayloadPoints, DeletePointVectors, DeletePoints, DeleteVectorNameRequest,
    DiscoverBatchPoints, DiscoverBatchResponse, DiscoverPoints, DiscoverResponse, FacetCounts,
    FacetResponse, GetPoints, GetResponse, PointsOperationResponse, QueryBatchPoints,
    QueryBatchResponse, QueryGroupsResponse, QueryPointGroups, QueryPoints, QueryResponse,
    RecommendBatchPoints, RecommendBatchResponse, RecommendGroupsResponse, RecommendPointGroups,
    RecommendPoints, RecommendResponse, ScrollPoints, ScrollResponse, SearchBatchPoints,
    SearchBatchResponse, SearchGroupsResponse, SearchMatrixOffsetsResponse,
    SearchMatrixPairsResponse, SearchMatrixPoints, SearchPointGroups, SearchPoints, SearchResponse,
    SetPayloadPoints, UpdateBatchPoints, UpdateBatchResponse, UpdatePointVectors, UpsertPoints,
};
use qdrant_edge::{EdgeShard, UpdateOperation};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::auth::may_write;
use super::catalog::Catalog;
use super::collection::Change;
use super::reply::{self, seconds};
use super::weight::{Weight, change, selects, weight_of};
use super::{changes, queries, reads, status, strict};

type Reply<T> = Result<Response<T>, Status>;

/// Answers what is asked of points.
pub(super) struct Points {
    catalog: Arc<Catalog>,
    /// Whether points are acknowledged and not stored.
    discards: bool,
}

impl Points {
    pub(super) fn new(catalog: Arc<Catalog>, discards: bool) -> Self {
        Self { catalog, discards }
    }

    /// Carries out one change; `wait` says whether the caller waits for it, and how many seconds.
    async fn change(
        &self,
        name: &str,
        wait: (Option<bool>, Option<u64>),
        weight: Weight,
        translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
    ) -> Reply<PointsOperationResponse> {
        let since = Instant::now();
        let collection = self.catalog.get(name)?;
        let (wait, timeout) = wait;
        let change = change(&collection, timeout, weight, translate).await?;
        Ok(Response::new(PointsOperationResponse {
            result: Some(reply::updated(change, wait.unwrap_or(false))),
            time: seconds(since),
            ..PointsOperationResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl points_server::Points for Points {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        if self.discards {
            self.catalog.get(&request.collection_name)?;
            return Ok(Response::new(PointsOperationResponse {
                result: Some(reply::updated(Change::Applied(0), true)),
                ..PointsOperationResponse::default()
            }));
        }
        let weight = Weight {
            points: request.points.len(),
            filters: request.update_filter.clone().into_iter().collect(),
        };
        let list = PointStructList {
            points: request.points,
            shard_key_selector: None,
            update_filter: request.update_filter,
            update_mode: request.update_mode,
        };
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            |shard| changes::upsert(list, shard),
        )
        .await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points.as_ref());
        let points = request.points;
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            |_| changes::delete(points),
        )
        .await
    }

    async fn get(&self, request: Request<GetPoints>) -> Reply<GetResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        Ok(Response::new(GetResponse {
            result: reads::get(&collection, request).await?,
            time: seconds(since),
            ..GetResponse::default()
        }))
    }

    async fn update_vectors(
        &self,
        request: Request<UpdatePointVectors>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let (points, filter) = (request.points, request.update_filter);
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            Weight::default(),
            |shard| changes::update_vectors(points, filter, shard),
        )
        .await
    }

    async fn delete_vectors(
        &self,
        request: Request<DeletePointVectors>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points_selector.as_ref());
        let (points, vectors) = (request.points_selector, request.vectors);
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            |_| changes::delete_vectors(points, vectors),
        )
        .await
    }

    async fn set_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points_selector.as_ref());
        let (payload, points, key) = (request.payload, request.points_selector, request.key);
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            move |_| changes::set_payload(payload, points, key.as_deref(), false),
        )
        .await
    }

    async fn overwrite_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points_selector.as_ref());
        let (payload, points, key) = (request.payload, request.points_selector, request.key);
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            move |_| changes::set_payload(payload, points, key.as_deref(), true),
        )
        .await
    }

    async fn delete_payload(
        &self,
        request: Request<DeletePayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points_selector.as_ref());
        let (keys, points) = (request.keys, request.points_selector);
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            move |_| changes::delete_payload(&keys, points),
        )
        .await
    }

    async fn clear_payload(
        &self,
        request: Request<ClearPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let weight = selects(request.points.as_ref());
        let points = request.points;
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            weight,
            |_| changes::clear_payload(points),
        )
        .await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let (name, wait) = (
            request.collection_name.clone(),
            (request.wait, request.timeout),
        );
        let strict = self.catalog.get(&name)?.strict();
        self.change(&name, wait, Weight::default(), move |shard| {
            if let Some(strict) = strict {
                let indexes = u64::try_from(shard.info().payload_schema.len()).unwrap_or(u64::MAX);
                strict::at_most(
                    "max_payload_index_count",
                    indexes.saturating_add(1),
                    strict.max_payload_index_count,
                )?;
            }
            changes::create_index(&request)
        })
        .await
    }

    async fn delete_field_index(
        &self,
        request: Request<DeleteFieldIndexCollection>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let request = request.into_inner();
        let field = request.field_name;
        self.change(
            &request.collection_name,
            (request.wait, request.timeout),
            Weight::default(),
            move |_| changes::delete_index(&field),
        )
        .await
    }

    async fn search(&self, request: Request<SearchPoints>) -> Reply<SearchResponse> {
        let since = Instant::now();
        let query = queries::search(request.into_inner());
        let collection = self.catalog.get(&query.collection_name)?;
        let found = reads::query(&collection, vec![query]).await?;
        Ok(Response::new(SearchResponse {
            result: found.into_iter().next().unwrap_or_default(),
            time: seconds(since),
            ..SearchResponse::default()
        }))
    }

    async fn search_batch(
        &self,
        request: Request<SearchBatchPoints>,
    ) -> Reply<SearchBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let searches = request.search_points.into_iter().map(queries::search);
        let searches = searches.collect();
        let collection = self.catalog.get(&request.collection_name)?;
        let found = reads::query(&collection, searches).await?;
        Ok(Response::new(SearchBatchResponse {
            result: batch(found),
            time: seconds(since),
            ..SearchBatchResponse::default()
        }))
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Reply<ScrollResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let mut page = reads::scroll(&collection, request).await?;
        page.time = seconds(since);
        Ok(Response::new(page))
    }

    async fn count(&self, request: Request<CountPoints>) -> Reply<CountResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let count = reads::count(&collection, request).await?;
        Ok(Response::new(CountResponse {
            result: Some(CountResult { count }),
            time: seconds(since),
            ..CountResponse::default()
        }))
    }

    async fn update_batch(
        &self,
        request: Request<UpdateBatchPoints>,
    ) -> Reply<UpdateBatchResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let wait = request.wait.unwrap_or(false);
        let mut result = Vec::with_capacity(request.operations.len());
        for operation in request.operations {
            let operation = operation.operation;
            let weight = weight_of(operation.as_ref());
            let change = change(&collection, request.timeout, weight, |shard| {
                changes::operation(operation, shard)
            });
            result.push(reply::updated(change.await?, wait));
        }
        Ok(Response::new(UpdateBatchResponse {
            result,
            time: seconds(since),
            ..UpdateBatchResponse::default()
        }))
    }

    async fn query(&self, request: Request<QueryPoints>) -> Reply<QueryResponse> {
        let since = Instant::now();
        let query = request.into_inner();
        let collection = self.catalog.get(&query.collection_name)?;
        let found = reads::query(&collection, vec![query]).await?;
        Ok(Response::new(QueryResponse {
            result: found.into_iter().next().unwrap_or_default(),
            time: seconds(since),
            ..QueryResponse::default()
        }))
    }

    async fn query_batch(&self, request: Request<QueryBatchPoints>) -> Reply<QueryBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let found = reads::query(&collection, request.query_points).await?;
        Ok(Response::new(QueryBatchResponse {
            result: batch(found),
            time: seconds(since),
            ..QueryBatchResponse::default()
        }))
    }

    async fn facet(&self, request: Request<FacetCounts>) -> Reply<FacetResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        Ok(Response::new(FacetResponse {
            hits: reads::facet(&collection, request).await?,
            time: seconds(since),
            ..FacetResponse::default()
        }))
    }

    async fn create_vector_name(
        &self,
        _request: Request<CreateVectorNameRequest>,
    ) -> Reply<PointsOperationResponse> {
        Err(status::not_offered("changing the vectors of a collection"))
    }

    async fn delete_vector_name(
        &self,
        _request: Request<DeleteVectorNameRequest>,
    ) -> Reply<PointsOperationResponse> {
        Err(status::not_offered("changing the vectors of a collection"))
    }

    async fn search_groups(
        &self,
        _request: Request<SearchPointGroups>,
    ) -> Reply<SearchGroupsResponse> {
        Err(status::not_offered("groups"))
    }

    async fn recommend(&self, _request: Request<RecommendPoints>) -> Reply<RecommendResponse> {
        Err(status::not_offered("recommend queries"))
    }

    async fn recommend_batch(
        &self,
        _request: Request<RecommendBatchPoints>,
    ) -> Reply<RecommendBatchResponse> {
        Err(status::not_offered("recommend queries"))
    }

    async fn recommend_groups(
        &self,
        _request: Request<RecommendPointGroups>,
    ) -> Reply<RecommendGroupsResponse> {
        Err(status::not_offered("recommend queries"))
    }

    async fn discover(&self, _request: Request<DiscoverPoints>) -> Reply<DiscoverResponse> {
        Err(status::not_offered("discover queries"))
    }

    async fn discover_batch(
        &self,
        _request: Request<DiscoverBatchPoints>,
    ) -> Reply<DiscoverBatchResponse> {
        Err(status::not_offered("discover queries"))
    }

    async fn query_groups(
        &self,
        _request: Request<QueryPointGroups>,
    ) -> Reply<QueryGroupsResponse> {
        Err(status::not_offered("groups"))
    }

    async fn search_matrix_pairs(
        &self,
        _request: Request<SearchMatrixPoints>,
    ) -> Reply<SearchMatrixPairsResponse> {
        Err(status::not_offered("matrices"))
    }

    async fn search_matrix_offsets(
        &self,
        _request: Request<SearchMatrixPoints>,
    ) -> Reply<SearchMatrixOffsetsResponse> {
        Err(status::not_offered("matrices"))
    }
}

fn batch(rankings: Vec<Vec<qdrant_client::qdrant::ScoredPoint>>) -> Vec<BatchResult> {
    rankings
        .into_iter()
        .map(|result| BatchResult { result })
        .collect()
}
