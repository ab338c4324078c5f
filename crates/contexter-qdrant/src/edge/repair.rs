//! Making a collection whole after its process was killed, or its engine failed.

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

/// Removes all but the newest copy of each point.
///
/// A point that is changed after it was indexed moves to another segment, and a segment that was
/// optimized replaces its sources. A process that dies in the middle leaves both copies on disk;
/// the engine's server removes the older one when it starts, the embedded engine does not
/// (`qdrant-edge` 0.7.2, `load_segments`). They would count twice, and a search could find the
/// older one.
pub(super) fn deduplicate(collection: &Collection) -> Result<(), Error> {
    finish(collection)?;
    let doubled = || collection.read("verify", doubled);
    let first = doubled()?;
    if first.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        path = %collection.path().display(),
        points = first.len(),
        "removing copies that a killed process or a failed change left behind",
    );
    // Storing the newest version once more makes the engine delete older ones, and the one in an
    // indexed segment.
    for ids in first.chunks(PAGE) {
        collection.change("repair", |shard| store(shard, newest(shard, ids)?))?;
    }
    collection.write()?;
    // What is left are copies of the same version in segments without an index.
    for ids in doubled()?.chunks(PAGE) {
        let points = collection.read("repair", |shard| newest(shard, ids))?;
        collection.folder().write_repair(&points)?;
        collection.change("repair", |shard| {
            let ids = ids.to_vec();
            shard.update(UpdateOperation::PointOperation(
                PointOperations::DeletePoints { ids },
            ))
        })?;
        finish(collection)?;
    }
    Ok(())
}

/// Stores the points of a repair that was begun.
///
/// A kill between deleting the copies and flushing the point that replaces them would lose it, so
/// the points are in a file of their own until then.
fn finish(collection: &Collection) -> Result<(), Error> {
    let Some(points) = collection.folder().read_repair()? else {
        return Ok(());
    };
    collection.change("repair", |shard| store(shard, points))?;
    collection.write()?;
    collection.folder().end_repair()
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

fn newest(shard: &EdgeShard, ids: &[PointId]) -> Result<Vec<PointStructPersisted>, OperationError> {
    let records = shard.retrieve(
        ids,
        Some(WithPayloadInterface::Bool(true)),
        Some(WithVector::Bool(true)),
    )?;
    Ok(records.into_iter().map(point).collect())
}

fn store(shard: &EdgeShard, points: Vec<PointStructPersisted>) -> Result<(), OperationError> {
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
