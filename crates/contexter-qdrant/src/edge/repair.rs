//! Making a collection whole after its process was killed.

use std::collections::HashMap;

use contexter_model::Error;
use qdrant_edge::{
    Condition, CountRequest, EdgeShard, Filter, HasIdCondition, OperationError, PointId,
    PointInsertOperations, PointOperations, PointStructPersisted, Record, ScrollRequest,
    UpdateOperation, VectorInternal, VectorPersisted, VectorStructInternal, VectorStructPersisted,
    WithPayloadInterface, WithVector,
};

use super::collection::Collection;

/// How many ids are looked at at once.
const PAGE: usize = 1_000;

/// Removes older copies of points.
///
/// A point that is changed after it was indexed moves to another segment, and a segment that was
/// optimized replaces its sources. A process that dies in the middle leaves both copies on disk;
/// the engine's server removes the older one when it starts, the embedded engine does not
/// (`qdrant-edge` 0.7.2, `load_segments`). They would count twice, and a search could find the
/// older one. Storing the newest version once more makes the engine delete the others.
pub(super) fn deduplicate(collection: &Collection) -> Result<(), Error> {
    let doubled = collection.read("verify", doubled)?;
    if doubled.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        path = %collection.path().display(),
        points = doubled.len(),
        "removing older copies that a killed process left behind",
    );
    for page in doubled.chunks(PAGE) {
        collection.change("repair", |shard| store_again(shard, page))?;
    }
    collection.flush()
}

/// Returns the points that are in more than one segment.
fn doubled(shard: &EdgeShard) -> Result<Vec<PointId>, OperationError> {
    let mut doubled = Vec::new();
    if shard.info().segments_count < 2 {
        return Ok(doubled);
    }
    let mut offset = None;
    loop {
        let (records, next) = shard.scroll(ScrollRequest {
            offset,
            limit: Some(PAGE),
            filter: None,
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        })?;
        let ids: Vec<PointId> = records.iter().map(|record| record.id).collect();
        if copies(shard, &ids)? > ids.len() {
            for id in ids {
                if copies(shard, &[id])? > 1 {
                    doubled.push(id);
                }
            }
        }
        match next {
            Some(next) => offset = Some(next),
            None => return Ok(doubled),
        }
    }
}

/// Counts the points with one of `ids` in all segments; the engine does not merge copies here.
fn copies(shard: &EdgeShard, ids: &[PointId]) -> Result<usize, OperationError> {
    let condition = ids.iter().copied().collect::<HasIdCondition>();
    shard.count(CountRequest {
        filter: Some(Filter {
            should: None,
            min_should: None,
            must: Some(vec![Condition::HasId(condition)]),
            must_not: None,
        }),
        exact: true,
    })
}

fn store_again(shard: &EdgeShard, ids: &[PointId]) -> Result<(), OperationError> {
    let records = shard.retrieve(
        ids,
        Some(WithPayloadInterface::Bool(true)),
        Some(WithVector::Bool(true)),
    )?;
    let points = records.into_iter().map(point).collect();
    shard.update(UpdateOperation::PointOperation(
        PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)),
    ))
}

fn point(record: Record) -> PointStructPersisted {
    let mut vectors = HashMap::new();
    if let Some(VectorStructInternal::Named(named)) = record.vector {
        for (name, vector) in named {
            let vector = match vector {
                VectorInternal::Dense(dense) => VectorPersisted::Dense(dense),
                VectorInternal::Sparse(sparse) => VectorPersisted::Sparse(sparse),
                // Collections of this store have no vectors of this kind.
                VectorInternal::MultiDense(_) => continue,
            };
            vectors.insert(name, vector);
        }
    }
    PointStructPersisted {
        id: record.id,
        vector: VectorStructPersisted::Named(vectors),
        payload: record.payload,
    }
}
