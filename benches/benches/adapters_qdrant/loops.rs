//! What one writes by hand on the vendor's client.

use std::error::Error;

use contexter_model::{Leg, Point};
use qdrant_client::qdrant::{
    NamedVectors, PointStruct, Query, QueryBatchPointsBuilder, QueryPoints, QueryPointsBuilder,
    UpdateStatus, UpsertPointsBuilder, Vector, VectorInput,
};
use qdrant_client::{Payload, Qdrant};

use crate::data::COLLECTION;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Stores points, one batch after the other.
pub(crate) async fn upsert(client: &Qdrant, points: Vec<Point>, batch: usize) -> Outcome<()> {
    let mut points = points.into_iter();
    loop {
        let batch: Vec<_> = points.by_ref().take(batch).map(point).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let request = UpsertPointsBuilder::new(COLLECTION, batch).wait(true);
        let reply = client.upsert_points(request).await?;
        let status = reply.result.map(|result| result.status());
        if status != Some(UpdateStatus::Completed) {
            return Err(format!("a batch ended as {status:?}").into());
        }
    }
}

fn point(point: Point) -> PointStruct {
    let mut vectors = NamedVectors::default();
    if let Some(dense) = point.dense {
        vectors = vectors.add_vector("dense", Vector::new_dense(dense));
    }
    if let Some(sparse) = point.sparse {
        let (indices, values) = sparse.into_parts();
        vectors = vectors.add_vector("bm25", Vector::new_sparse(indices, values));
    }
    PointStruct::new(point.id.to_string(), vectors, Payload::from(point.payload))
}

/// Runs both legs in one call and returns how many hits there are.
pub(crate) async fn query(client: &Qdrant, legs: Vec<Leg>, limit: usize) -> Outcome<usize> {
    let searches: Vec<QueryPoints> = legs
        .into_iter()
        .map(|leg| {
            let (input, using) = match leg {
                Leg::Dense(vector) => (VectorInput::new_dense(vector), "dense"),
                Leg::Sparse(terms) => {
                    let (indices, values) = terms.into_parts();
                    (VectorInput::new_sparse(indices, values), "bm25")
                }
            };
            QueryPointsBuilder::new(COLLECTION)
                .query(Query::new_nearest(input))
                .using(using)
                .limit(u64::try_from(limit).unwrap_or(u64::MAX))
                .build()
        })
        .collect();
    let reply = client
        .query_batch(QueryBatchPointsBuilder::new(COLLECTION, searches))
        .await?;
    Ok(reply
        .result
        .iter()
        .map(|ranking| ranking.result.len())
        .sum())
}
