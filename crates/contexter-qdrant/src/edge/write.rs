//! Changes in the engine's terms.

use std::collections::{HashMap, HashSet};

use contexter_model::{CollectionSpec, Distance, Error, ErrorKind, Point, PointId};
use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams,
    FieldIndexOperations, Modifier, OperationError, PayloadFieldSchema, PayloadSchemaType,
    PointInsertOperations, PointOperations, PointStructPersisted, UpdateOperation,
    VectorOperations, VectorPersisted, VectorStructPersisted, WithPayloadInterface, WithVector,
};

use super::fault;
use crate::spec::{self, DENSE, SPARSE};

/// How many points go to the engine at once; it writes each batch to its log as one record.
const BATCH_POINTS: usize = 500;

/// About how many bytes go to the engine at once, well below its log's 32 MiB parts.
const BATCH_BYTES: usize = 8 << 20;

/// The engine's configuration of a collection.
pub(super) fn config(spec: &CollectionSpec) -> Result<EdgeConfig, Error> {
    let distance = match spec.distance {
        Distance::Cosine => qdrant_edge::Distance::Cosine,
        Distance::Dot => qdrant_edge::Distance::Dot,
        Distance::Euclid => qdrant_edge::Distance::Euclid,
        other => {
            return Err(fault::error(
                ErrorKind::Unsupported,
                format!("the engine has no distance {other:?}"),
            ));
        }
    };
    Ok(EdgeConfig::builder()
        .vector(
            DENSE,
            EdgeVectorParams::builder(spec.space.dimensions, distance).build(),
        )
        .sparse_vector(
            SPARSE,
            EdgeSparseVectorParams::builder()
                .modifier(Modifier::Idf)
                .build(),
        )
        .build())
}

/// Indexes the fields that filters may name.
pub(super) fn index_fields(
    shard: &EdgeShard,
    fields: Vec<qdrant_edge::JsonPath>,
) -> Result<(), OperationError> {
    for field_name in fields {
        shard.update(UpdateOperation::FieldIndexOperation(
            FieldIndexOperations::CreateIndex(CreateIndex {
                field_name,
                field_schema: Some(PayloadFieldSchema::FieldType(PayloadSchemaType::Keyword)),
            }),
        ))?;
    }
    Ok(())
}

/// Points that one operation of the engine stores.
#[derive(Debug, Default)]
pub(super) struct Batch {
    points: Vec<PointStructPersisted>,
    without_dense: Vec<qdrant_edge::PointId>,
    without_sparse: Vec<qdrant_edge::PointId>,
    bytes: usize,
}

impl Batch {
    /// Returns about how many bytes the points take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, point: Point) {
        let id = qdrant_edge::PointId::Uuid(point.id);
        self.bytes += size(&point);
        let mut vectors = HashMap::with_capacity(2);
        match point.dense {
            Some(dense) => {
                vectors.insert(DENSE.to_owned(), VectorPersisted::Dense(dense));
            }
            None => self.without_dense.push(id),
        }
        match point.sparse {
            // The engine has no empty sparse vectors; without one, no sparse search finds it.
            Some(sparse) if !sparse.is_empty() => {
                let (indices, values) = sparse.into_parts();
                vectors.insert(
                    SPARSE.to_owned(),
                    VectorPersisted::Sparse(qdrant_edge::SparseVector { indices, values }),
                );
            }
            _ => self.without_sparse.push(id),
        }
        self.points.push(PointStructPersisted {
            id,
            vector: VectorStructPersisted::Named(vectors),
            payload: Some(qdrant_edge::Payload(point.payload)),
        });
    }

    /// Stores the points, each replacing whatever its id held.
    pub(super) fn store(self, shard: &EdgeShard) -> Result<(), OperationError> {
        // For a point that it has indexed already, the engine keeps the vectors that the new
        // version lacks (it merges on copy); these must go.
        let stale_dense = existing(shard, self.without_dense)?;
        let stale_sparse = existing(shard, self.without_sparse)?;
        shard.update(UpdateOperation::PointOperation(
            PointOperations::UpsertPoints(PointInsertOperations::PointsList(self.points)),
        ))?;
        delete_vectors(shard, stale_dense, DENSE)?;
        delete_vectors(shard, stale_sparse, SPARSE)
    }
}

fn existing(
    shard: &EdgeShard,
    ids: Vec<qdrant_edge::PointId>,
) -> Result<Vec<qdrant_edge::PointId>, OperationError> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let records = shard.retrieve(
        &ids,
        Some(WithPayloadInterface::Bool(false)),
        Some(WithVector::Bool(false)),
    )?;
    Ok(records.into_iter().map(|record| record.id).collect())
}

fn delete_vectors(
    shard: &EdgeShard,
    ids: Vec<qdrant_edge::PointId>,
    name: &str,
) -> Result<(), OperationError> {
    if ids.is_empty() {
        return Ok(());
    }
    shard.update(UpdateOperation::VectorOperation(
        VectorOperations::DeleteVectors(ids.into(), vec![name.to_owned()]),
    ))
}

/// Verifies `points` and cuts them into batches; of points with the same id the last one stays.
pub(super) fn batches(points: Vec<Point>, spec: &CollectionSpec) -> Result<Vec<Batch>, Error> {
    for point in &points {
        spec::check_point(point, spec)?;
    }
    let mut seen = HashSet::with_capacity(points.len());
    let mut last: Vec<Point> = points
        .into_iter()
        .rev()
        .filter(|point| seen.insert(point.id))
        .collect();
    last.reverse();

    let mut batches: Vec<Batch> = Vec::with_capacity(last.len().div_ceil(BATCH_POINTS));
    for point in last {
        match batches.last_mut() {
            Some(batch) if batch.points.len() < BATCH_POINTS && batch.bytes < BATCH_BYTES => {
                batch.push(point);
            }
            _ => {
                let mut batch = Batch::default();
                batch.push(point);
                batches.push(batch);
            }
        }
    }
    Ok(batches)
}

/// Estimates the bytes that a point takes in the log; what JSON costs beyond its text is ignored.
fn size(point: &Point) -> usize {
    const ID: usize = 16;
    let dense = point.dense.as_ref().map_or(0, |dense| 4 * dense.len());
    let sparse = point
        .sparse
        .as_ref()
        .map_or(0, |sparse| 8 * sparse.values().len());
    let payload: usize = point
        .payload
        .iter()
        .map(|(key, value)| key.len() + json_size(value))
        .sum();
    ID + dense + sparse + payload
}

fn json_size(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(values) => values.iter().map(json_size).sum(),
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len() + json_size(value))
            .sum(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 8,
    }
}

/// Deletes points by id, in bounded batches.
pub(super) fn delete_ids(shard: &EdgeShard, ids: &[PointId]) -> Result<(), OperationError> {
    for batch in ids.chunks(BATCH_POINTS) {
        let ids = batch
            .iter()
            .copied()
            .map(qdrant_edge::PointId::Uuid)
            .collect();
        shard.update(UpdateOperation::PointOperation(
            PointOperations::DeletePoints { ids },
        ))?;
    }
    Ok(())
}

/// Deletes the points that pass `filter`.
pub(super) fn delete_matching(
    shard: &EdgeShard,
    filter: qdrant_edge::Filter,
) -> Result<(), OperationError> {
    shard.update(UpdateOperation::PointOperation(
        PointOperations::DeletePointsByFilter(filter),
    ))
}
