//! What the engine found, in the protocol's terms.

use std::collections::HashMap;

use qdrant_client::Payload;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vector_output::Vector as Kind;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    DenseVector, MultiDenseVector, NamedVectorsOutput, OrderValue, PointId, RetrievedPoint,
    ScoredPoint, SparseIndices, SparseVector, UpdateResult, UpdateStatus, Value, VectorOutput,
    VectorsOutput, order_value,
};
use qdrant_edge::{VectorInternal, VectorStructInternal};
use tokio::time::Instant;

use super::collection::Change;

/// How long a call took, in seconds.
pub(super) fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Reports a change.
pub(super) fn updated(change: Change) -> UpdateResult {
    let (operation, status) = match change {
        Change::Applied(number) => (number, UpdateStatus::Completed),
        Change::Acknowledged(number) => (number, UpdateStatus::Acknowledged),
        Change::TimedOut(number) => (number, UpdateStatus::WaitTimeout),
    };
    UpdateResult {
        operation_id: Some(operation),
        status: status.into(),
    }
}

/// Translates an id.
pub(super) fn id(id: qdrant_edge::PointId) -> PointId {
    let options = match id {
        qdrant_edge::PointId::NumId(number) => PointIdOptions::Num(number),
        qdrant_edge::PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.to_string()),
    };
    PointId {
        point_id_options: Some(options),
    }
}

/// Translates a payload.
pub(super) fn payload(payload: Option<qdrant_edge::Payload>) -> HashMap<String, Value> {
    payload.map_or_else(HashMap::new, |payload| Payload::from(payload.0).into())
}

/// Translates a point that was searched for.
pub(super) fn scored(point: qdrant_edge::ScoredPoint) -> ScoredPoint {
    ScoredPoint {
        id: Some(id(point.id)),
        payload: payload(point.payload),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vectors),
        shard_key: None,
        order_value: point.order_value.map(order_value),
    }
}

/// Translates a point that was read.
pub(super) fn record(record: qdrant_edge::Record) -> RetrievedPoint {
    RetrievedPoint {
        id: Some(id(record.id)),
        payload: payload(record.payload),
        vectors: record.vector.map(vectors),
        shard_key: None,
        order_value: record.order_value.map(order_value),
    }
}

fn order_value(value: qdrant_edge::OrderValue) -> OrderValue {
    let variant = match value {
        qdrant_edge::OrderValue::Int(value) => order_value::Variant::Int(value),
        qdrant_edge::OrderValue::Float(value) => order_value::Variant::Float(value),
    };
    OrderValue {
        variant: Some(variant),
    }
}

fn vectors(vectors: VectorStructInternal) -> VectorsOutput {
    let options = match vectors {
        VectorStructInternal::Single(data) => {
            VectorsOptions::Vector(vector(VectorInternal::Dense(data)))
        }
        VectorStructInternal::MultiDense(multi) => {
            VectorsOptions::Vector(vector(VectorInternal::MultiDense(multi)))
        }
        VectorStructInternal::Named(named) => VectorsOptions::Vectors(NamedVectorsOutput {
            vectors: named
                .into_iter()
                .map(|(name, given)| (name, vector(given)))
                .collect(),
        }),
    };
    VectorsOutput {
        vectors_options: Some(options),
    }
}

/// Fills the fields of old and of new clients, as the server does.
#[expect(
    deprecated,
    reason = "clients before 1.16 read vectors from these fields"
)]
fn vector(vector: VectorInternal) -> VectorOutput {
    match vector {
        VectorInternal::Dense(data) => VectorOutput {
            data: data.clone(),
            vector: Some(Kind::Dense(DenseVector { data })),
            ..VectorOutput::default()
        },
        VectorInternal::Sparse(sparse) => VectorOutput {
            data: sparse.values.clone(),
            indices: Some(SparseIndices {
                data: sparse.indices.clone(),
            }),
            vector: Some(Kind::Sparse(SparseVector {
                values: sparse.values,
                indices: sparse.indices,
            })),
            ..VectorOutput::default()
        },
        VectorInternal::MultiDense(multi) => {
            let rows = multi.flattened_vectors.chunks(multi.dim.max(1));
            let vectors: Vec<_> = rows.map(|row| DenseVector { data: row.to_vec() }).collect();
            VectorOutput {
                vectors_count: u32::try_from(vectors.len()).ok(),
                data: multi.flattened_vectors,
                vector: Some(Kind::MultiDense(MultiDenseVector { vectors })),
                ..VectorOutput::default()
            }
        }
    }
}
