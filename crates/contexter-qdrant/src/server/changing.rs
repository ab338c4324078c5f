//! Changes of one collection, whatever they are called.

use qdrant_client::qdrant::PointsOperationResponse;
use qdrant_edge::{EdgeShard, UpdateOperation};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::auth::may_write;
use super::changes;
use super::collection::Change;
use super::operations::{self, Asked};
use super::points::{Points, Reply};
use super::reply::{self, seconds};
use super::weight::{Weight, change, weight_of};

impl Points {
    /// Carries out one change of points.
    pub(super) async fn change(
        &self,
        request: Request<impl operations::Change>,
    ) -> Reply<PointsOperationResponse> {
        may_write(&request)?;
        let mut request = request.into_inner();
        let asked = request.asked();
        let operation = Some(request.into_operation());
        let weight = weight_of(operation.as_ref());
        self.translated(asked, weight, |shard| changes::operation(operation, shard))
            .await
    }

    /// Carries out the change that `translate` makes.
    pub(super) async fn translated(
        &self,
        asked: Asked,
        weight: Weight,
        translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
    ) -> Reply<PointsOperationResponse> {
        let collection = self.catalog.get(&asked.collection)?;
        let change = change(&collection, asked.wait, weight, translate).await?;
        Ok(updated(change, asked.since))
    }
}

/// Tells what became of a change that was asked for at `since`.
pub(super) fn updated(change: Change, since: Instant) -> Response<PointsOperationResponse> {
    Response::new(PointsOperationResponse {
        result: Some(reply::updated(change)),
        time: seconds(since),
        ..PointsOperationResponse::default()
    })
}
