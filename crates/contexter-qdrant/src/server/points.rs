//! The service of points.

use std::sync::Arc;

use qdrant_client::qdrant::points_server;
use qdrant_client::qdrant::{
    ClearPayloadPoints, CountPoints, CountResponse, CountResult, CreateFieldIndexCollection,
    CreateVectorNameRequest, DeleteFieldIndexCollection, DeletePayloadPoints, DeletePointVectors,
    DeletePoints, DeleteVectorNameRequest, DiscoverBatchPoints, DiscoverBatchResponse,
    DiscoverPoints, DiscoverResponse, FacetCounts, FacetResponse, GetPoints, GetResponse,
    PointsOperationResponse, QueryBatchPoints, QueryBatchResponse, QueryGroupsResponse,
    QueryPointGroups, QueryPoints, QueryResponse, RecommendBatchPoints, RecommendBatchResponse,
    RecommendGroupsResponse, RecommendPointGroups, RecommendPoints, RecommendResponse,
    ScrollPoints, ScrollResponse, SearchBatchPoints, SearchBatchResponse, SearchGroupsResponse,
    SearchMatrixOffsetsResponse, SearchMatrixPairsResponse, SearchMatrixPoints, SearchPointGroups,
    SearchPoints, SearchResponse, SetPayloadPoints, UpdateBatchPoints, UpdateBatchResponse,
    UpdatePointVectors, UpsertPoints,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::auth::may_write;
use super::catalog::Catalog;
use super::changing::updated;
use super::collection::{Change, Wait};
use super::operations::{Asked, Request as _};
use super::reply::{self, seconds};
use super::strict::Strict;
use super::weight::{Weight, change, weight_of};
use super::{changes, groups, matrix, names, older, operations, reads};

/// What is answered.
pub(super) type Reply<T> = Result<Response<T>, Status>;

/// Answers with a result, and how long it took.
macro_rules! answer {
    ($since:ident, $response:ident { $field:ident: $value:expr }) => {
        Ok(Response::new($response {
            $field: $value,
            time: seconds($since),
            ..$response::default()
        }))
    };
}

/// Answers what is asked of points.
pub(super) struct Points {
    pub(super) catalog: Arc<Catalog>,
    /// Whether points are acknowledged and not stored.
    discards: bool,
}

impl Points {
    pub(super) fn new(catalog: Arc<Catalog>, discards: bool) -> Self {
        Self { catalog, discards }
    }
}

#[tonic::async_trait]
impl points_server::Points for Points {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Reply<PointsOperationResponse> {
        if self.discards {
            let since = Instant::now();
            may_write(&request)?;
            self.catalog.get(&request.get_ref().collection_name)?;
            return Ok(updated(Change::Applied(0), since));
        }
        self.change(request).await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn get(&self, request: Request<GetPoints>) -> Reply<GetResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        answer!(
            since,
            GetResponse {
                result: reads::get(&collection, request).await?
            }
        )
    }

    async fn update_vectors(
        &self,
        request: Request<UpdatePointVectors>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn delete_vectors(
        &self,
        request: Request<DeletePointVectors>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn set_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn overwrite_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request.map(operations::Overwrite)).await
    }

    async fn delete_payload(
        &self,
        request: Request<DeletePayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn clear_payload(
        &self,
        request: Request<ClearPayloadPoints>,
    ) -> Reply<PointsOperationResponse> {
        self.change(request).await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let mut request = request.into_inner();
        let asked = request.asked();
        let strict = self.catalog.get(&asked.collection)?.strict();
        self.translated(asked, Weight::default(), move |shard| {
            if let Some(strict) = strict {
                Strict::new(&strict, shard).index()?;
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
        let mut request = request.into_inner();
        let (asked, field) = (request.asked(), request.field_name);
        self.translated(asked, Weight::default(), move |_| {
            changes::delete_index(&field)
        })
        .await
    }

    async fn search(&self, request: Request<SearchPoints>) -> Reply<SearchResponse> {
        let since = Instant::now();
        let query = older::search(request.into_inner());
        let found = self.found(query).await?;
        answer!(since, SearchResponse { result: found })
    }

    async fn search_batch(
        &self,
        request: Request<SearchBatchPoints>,
    ) -> Reply<SearchBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let searches = request.search_points.into_iter().map(older::search);
        let (name, timeout) = (request.collection_name, request.timeout);
        let found = self.all_found(&name, searches.collect(), timeout).await?;
        answer!(since, SearchBatchResponse { result: found })
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
        answer!(
            since,
            CountResponse {
                result: Some(CountResult { count })
            }
        )
    }

    async fn update_batch(
        &self,
        request: Request<UpdateBatchPoints>,
    ) -> Reply<UpdateBatchResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let wait = Wait::new(since, request.wait, request.timeout);
        let mut result = Vec::with_capacity(request.operations.len());
        for operation in request.operations {
            let operation = operation.operation;
            let weight = weight_of(operation.as_ref());
            let change = change(&collection, wait, weight, |shard| {
                changes::operation(operation, shard)
            });
            result.push(reply::updated(change.await?));
        }
        Ok(Response::new(UpdateBatchResponse {
            result,
            time: seconds(since),
            ..UpdateBatchResponse::default()
        }))
    }

    async fn query(&self, request: Request<QueryPoints>) -> Reply<QueryResponse> {
        let since = Instant::now();
        let found = self.found(request.into_inner()).await?;
        answer!(since, QueryResponse { result: found })
    }

    async fn query_batch(&self, request: Request<QueryBatchPoints>) -> Reply<QueryBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let (name, timeout) = (request.collection_name, request.timeout);
        let found = self.all_found(&name, request.query_points, timeout).await?;
        answer!(since, QueryBatchResponse { result: found })
    }

    async fn facet(&self, request: Request<FacetCounts>) -> Reply<FacetResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        answer!(
            since,
            FacetResponse {
                hits: reads::facet(&collection, request).await?
            }
        )
    }

    async fn create_vector_name(
        &self,
        request: Request<CreateVectorNameRequest>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let mut request = request.into_inner();
        let Asked {
            collection,
            wait,
            since,
        } = request.asked();
        let (name, config) = (request.vector_name, request.vector_config);
        let change = names::create(&self.catalog, collection, wait, name, config).await?;
        Ok(updated(change, since))
    }

    async fn delete_vector_name(
        &self,
        request: Request<DeleteVectorNameRequest>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let mut request = request.into_inner();
        let Asked {
            collection,
            wait,
            since,
        } = request.asked();
        let name = request.vector_name;
        let change = names::delete(&self.catalog, collection, wait, name).await?;
        Ok(updated(change, since))
    }

    async fn search_groups(
        &self,
        request: Request<SearchPointGroups>,
    ) -> Reply<SearchGroupsResponse> {
        let since = Instant::now();
        let search = older::search_groups(request.into_inner());
        let found = groups::query(&self.catalog, search).await?;
        answer!(
            since,
            SearchGroupsResponse {
                result: Some(found)
            }
        )
    }

    async fn recommend(&self, request: Request<RecommendPoints>) -> Reply<RecommendResponse> {
        let since = Instant::now();
        let found = self.found(older::recommend(request.into_inner())?).await?;
        answer!(since, RecommendResponse { result: found })
    }

    async fn recommend_batch(
        &self,
        request: Request<RecommendBatchPoints>,
    ) -> Reply<RecommendBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let searches = request.recommend_points.into_iter().map(older::recommend);
        let searches = searches.collect::<Result<_, _>>()?;
        let (name, timeout) = (request.collection_name, request.timeout);
        let found = self.all_found(&name, searches, timeout).await?;
        answer!(since, RecommendBatchResponse { result: found })
    }

    async fn recommend_groups(
        &self,
        request: Request<RecommendPointGroups>,
    ) -> Reply<RecommendGroupsResponse> {
        let since = Instant::now();
        let search = older::recommend_groups(request.into_inner())?;
        let found = groups::query(&self.catalog, search).await?;
        answer!(
            since,
            RecommendGroupsResponse {
                result: Some(found)
            }
        )
    }

    async fn discover(&self, request: Request<DiscoverPoints>) -> Reply<DiscoverResponse> {
        let since = Instant::now();
        let found = self.found(older::discover(request.into_inner())?).await?;
        answer!(since, DiscoverResponse { result: found })
    }

    async fn discover_batch(
        &self,
        request: Request<DiscoverBatchPoints>,
    ) -> Reply<DiscoverBatchResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let searches = request.discover_points.into_iter().map(older::discover);
        let searches = searches.collect::<Result<_, _>>()?;
        let (name, timeout) = (request.collection_name, request.timeout);
        let found = self.all_found(&name, searches, timeout).await?;
        answer!(since, DiscoverBatchResponse { result: found })
    }

    async fn query_groups(&self, request: Request<QueryPointGroups>) -> Reply<QueryGroupsResponse> {
        let since = Instant::now();
        let found = groups::query(&self.catalog, request.into_inner()).await?;
        answer!(
            since,
            QueryGroupsResponse {
                result: Some(found)
            }
        )
    }

    async fn search_matrix_pairs(
        &self,
        request: Request<SearchMatrixPoints>,
    ) -> Reply<SearchMatrixPairsResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let pairs = matrix::search(&collection, request).await?.pairs();
        answer!(
            since,
            SearchMatrixPairsResponse {
                result: Some(pairs)
            }
        )
    }

    async fn search_matrix_offsets(
        &self,
        request: Request<SearchMatrixPoints>,
    ) -> Reply<SearchMatrixOffsetsResponse> {
        let since = Instant::now();
        let request = request.into_inner();
        let collection = self.catalog.get(&request.collection_name)?;
        let offsets = matrix::search(&collection, request).await?.offsets();
        answer!(
            since,
            SearchMatrixOffsetsResponse {
                result: Some(offsets)
            }
        )
    }
}
