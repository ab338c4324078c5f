//! Points and vectors that callers send, in the engine's terms.

use std::collections::HashMap;

use qdrant_client::Payload;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vector::Vector as Kind;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    self, DenseVector, MultiDenseVector, PointStruct, SparseIndices, Value, Vector, Vectors,
};
use qdrant_edge::{
    EdgeConfig, PointStructPersisted, PointVectorsPersisted, SparseVector, VectorPersisted,
    VectorStructPersisted,
};
use tonic::Status;

use super::{inference, status};

/// Translates an id.
pub(super) fn id(id: Option<qdrant::PointId>) -> Result<qdrant_edge::PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(qdrant_edge::PointId::NumId(number)),
        Some(PointIdOptions::Uuid(text)) => text
            .parse()
            .map(qdrant_edge::PointId::Uuid)
            .map_err(|_no| Status::invalid_argument(format!("Unable to parse UUID: {text}"))),
        None => Err(Status::invalid_argument("No ID options provided")),
    }
}

/// Translates ids.
pub(super) fn ids(ids: Vec<qdrant::PointId>) -> Result<Vec<qdrant_edge::PointId>, Status> {
    ids.into_iter().map(|given| id(Some(given))).collect()
}

/// Translates a payload.
pub(super) fn payload(fields: HashMap<String, Value>) -> qdrant_edge::Payload {
    qdrant_edge::Payload(Payload::from(fields).into())
}

/// Translates a point.
pub(super) fn point(
    point: PointStruct,
    config: &EdgeConfig,
) -> Result<PointStructPersisted, Status> {
    Ok(PointStructPersisted {
        id: id(point.id)?,
        vector: vectors(point.vectors, config)?,
        payload: Some(payload(point.payload)),
    })
}

/// Translates new vectors of a point.
pub(super) fn point_vectors(
    point: qdrant::PointVectors,
    config: &EdgeConfig,
) -> Result<PointVectorsPersisted, Status> {
    Ok(PointVectorsPersisted {
        id: id(point.id)?,
        vector: vectors(point.vectors, config)?,
    })
}

fn vectors(vectors: Option<Vectors>, config: &EdgeConfig) -> Result<VectorStructPersisted, Status> {
    match vectors.and_then(|vectors| vectors.vectors_options) {
        None => Ok(VectorStructPersisted::Named(HashMap::new())),
        Some(VectorsOptions::Vector(unnamed)) => {
            let unnamed = vector(unnamed)?;
            check("", &unnamed, config)?;
            Ok(VectorStructPersisted::Named(HashMap::from([(
                String::new(),
                unnamed,
            )])))
        }
        Some(VectorsOptions::Vectors(named)) => {
            let mut translated = HashMap::with_capacity(named.vectors.len());
            for (name, given) in named.vectors {
                let given = vector(given)?;
                check(&name, &given, config)?;
                translated.insert(name, given);
            }
            Ok(VectorStructPersisted::Named(translated))
        }
    }
}

/// Translates one vector.
pub(super) fn vector(vector: Vector) -> Result<VectorPersisted, Status> {
    match form(vector)? {
        Kind::Dense(dense) => Ok(VectorPersisted::Dense(dense.data)),
        Kind::Sparse(given) => sparse(given.indices, given.values).map(VectorPersisted::Sparse),
        Kind::MultiDense(multi) => Ok(VectorPersisted::MultiDense(rows(multi))),
        Kind::Document(document) => inference::document(document).map(VectorPersisted::Sparse),
        Kind::Image(_) | Kind::Object(_) => Err(inference::not_stored()),
    }
}

/// Reads a vector in the forms of old and new clients.
#[expect(
    deprecated,
    reason = "clients before 1.16 send vectors in these fields"
)]
pub(super) fn form(vector: Vector) -> Result<Kind, Status> {
    match (vector.vector, vector.vectors_count) {
        (Some(form), _) => Ok(form),
        (None, Some(count)) if vector.indices.is_none() => cut(&vector.data, count),
        (None, _) => Ok(flat(vector.data, vector.indices)),
    }
}

/// Reads numbers that are a sparse vector where they have indices.
pub(super) fn flat(data: Vec<f32>, indices: Option<SparseIndices>) -> Kind {
    match indices {
        Some(indices) => Kind::Sparse(qdrant::SparseVector {
            values: data,
            indices: indices.data,
        }),
        None => Kind::Dense(DenseVector { data }),
    }
}

/// Cuts a multi-vector into `count` vectors of one length.
fn cut(data: &[f32], count: u32) -> Result<Kind, Status> {
    let wrong = |what: String| {
        Status::invalid_argument(format!(
            "Unable to convert to multi-dense vector: Validation failed: {what}"
        ))
    };
    let rows = usize::try_from(count).unwrap_or(usize::MAX);
    if rows == 0 || data.is_empty() {
        return Err(wrong(format!(
            "Empty multi-vector data with vectors count: {count}"
        )));
    }
    if !data.len().is_multiple_of(rows) {
        return Err(wrong(format!(
            "Data length is not divisible by vectors count. Data length: {}, vectors count: {count}",
            data.len(),
        )));
    }
    let rows = data.chunks(data.len() / rows);
    Ok(Kind::MultiDense(MultiDenseVector {
        vectors: rows.map(|row| DenseVector { data: row.to_vec() }).collect(),
    }))
}

/// Verifies a sparse vector as the server does.
pub(super) fn sparse(indices: Vec<u32>, values: Vec<f32>) -> Result<SparseVector, Status> {
    let mut vector = SparseVector::new(indices, values).map_err(|error| {
        Status::invalid_argument(format!(
            "Validation error in body: [sparse vector: {}]",
            error.to_string().replace('\n', " "),
        ))
    })?;
    vector.sort_by_indices();
    Ok(vector)
}

/// Takes a multi-vector apart.
pub(super) fn rows(multi: MultiDenseVector) -> Vec<Vec<f32>> {
    multi
        .vectors
        .into_iter()
        .map(|vector| vector.data)
        .collect()
}

/// Verifies a vector against the collection.
fn check(name: &str, vector: &VectorPersisted, config: &EdgeConfig) -> Result<(), Status> {
    let unknown = || status::wrong(format_args!("Not existing vector name error: {name}"));
    let dimensions = |received: usize| {
        let expected = config.vectors.get(name).ok_or_else(unknown)?.size;
        if received == expected {
            return Ok(());
        }
        Err(status::wrong(format_args!(
            "Vector dimension error: expected dim: {expected}, got {received}"
        )))
    };
    match vector {
        VectorPersisted::Dense(values) => dimensions(values.len()),
        VectorPersisted::MultiDense(rows) => rows.iter().try_for_each(|row| dimensions(row.len())),
        VectorPersisted::Sparse(_) if config.sparse_vectors.contains_key(name) => Ok(()),
        VectorPersisted::Sparse(_) if config.vectors.contains_key(name) => Err(status::wrong(
            "Conversion between sparse and regular vectors failed",
        )),
        VectorPersisted::Sparse(_) => Err(unknown()),
    }
}
