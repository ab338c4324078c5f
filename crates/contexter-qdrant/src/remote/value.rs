//! Payload, ids and vectors in the server's terms, moved rather than copied.

use std::collections::HashMap;

use contexter_model::{Error, ErrorKind, Payload, Point, PointId, SparseVector};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector::Vector as VectorKind;
use qdrant_client::qdrant::vector_output::Vector as VectorOutputKind;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions as VectorsOutputOptions;
use qdrant_client::qdrant::{
    self, DenseVector, ListValue, NamedVectors, NullValue, PointStruct, Struct, Value, Vector,
    VectorOutput, Vectors, VectorsOutput,
};
use serde_json::Value as Json;

use super::fault;
use crate::spec::{DENSE, SPARSE};

/// How deep a payload may be nested. Decoders of Protocol Buffers stop at 100 messages inside one
/// another (`prost` 0.14, `RECURSION_LIMIT`), and an object takes three of them.
pub const MAX_DEPTH: usize = 28;

/// Returns what keeps a payload from being stored as it is.
pub(super) fn check_payload(payload: &Payload, id: PointId) -> Result<(), Error> {
    for (field, value) in payload {
        if let Some(problem) = problem(value, 1) {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!("point {id}: payload field {field:?} {problem}"),
            ));
        }
    }
    Ok(())
}

fn problem(value: &Json, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return Some(format!("is nested deeper than {MAX_DEPTH}"));
    }
    match value {
        Json::Number(number) if number.is_u64() && !number.is_i64() => {
            Some(format!("has the number {number}, larger than {}", i64::MAX))
        }
        Json::Array(values) => values.iter().find_map(|value| problem(value, depth + 1)),
        Json::Object(fields) => fields.values().find_map(|value| problem(value, depth + 1)),
        _ => None,
    }
}

/// Turns a payload that was checked into the server's.
pub(super) fn payload(payload: Payload) -> HashMap<String, Value> {
    payload
        .into_iter()
        .map(|(field, json)| (field, value(json)))
        .collect()
}

/// Turns JSON into the server's value.
pub(super) fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(NullValue::NullValue.into()),
        Json::Bool(truth) => Kind::BoolValue(truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Kind::IntegerValue(integer),
            None => Kind::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(value).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: payload(fields),
        }),
    };
    Value { kind: Some(kind) }
}

/// Turns the server's payload into JSON. Decoding has bounded its depth.
pub(super) fn json_payload(fields: HashMap<String, Value>) -> Payload {
    fields
        .into_iter()
        .map(|(field, value)| (field, json(value)))
        .collect()
}

fn json(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(truth)) => Json::Bool(truth),
        Some(Kind::IntegerValue(integer)) => Json::from(integer),
        // JSON has no infinities and no NaN.
        Some(Kind::DoubleValue(number)) => Json::from(number),
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::ListValue(list)) => Json::Array(list.values.into_iter().map(json).collect()),
        Some(Kind::StructValue(object)) => Json::Object(json_payload(object.fields)),
    }
}

/// Turns an id into the server's.
pub(super) fn id(id: PointId) -> qdrant::PointId {
    qdrant::PointId {
        point_id_options: Some(PointIdOptions::Uuid(id.hyphenated().to_string())),
    }
}

/// Reads an id; `None` for numbers, which these stores never write.
pub(super) fn model_id(id: Option<qdrant::PointId>) -> Result<Option<PointId>, Error> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Uuid(text)) => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(source) => Err(fault::protocol("the reply has an id that is no UUID")
                .with_source(Box::new(source) as Box<dyn std::error::Error + Send + Sync>)),
        },
        Some(PointIdOptions::Num(_)) => Ok(None),
        None => Err(fault::protocol("the reply has a point without an id")),
    }
}

/// A dense vector as the server takes it.
pub(super) fn dense(data: Vec<f32>) -> Vector {
    Vector {
        vector: Some(VectorKind::Dense(DenseVector { data })),
        ..Vector::default()
    }
}

/// A sparse vector as the server takes it.
pub(super) fn sparse(vector: SparseVector) -> qdrant::SparseVector {
    let (indices, values) = vector.into_parts();
    qdrant::SparseVector { values, indices }
}

/// Turns a point that was checked into the server's.
pub(super) fn point(point: Point) -> PointStruct {
    let mut vectors = HashMap::with_capacity(2);
    if let Some(data) = point.dense {
        vectors.insert(DENSE.to_owned(), dense(data));
    }
    // As in the embedded engine there are no empty sparse vectors.
    if let Some(terms) = point.sparse.filter(|terms| !terms.is_empty()) {
        let vector = Vector {
            vector: Some(VectorKind::Sparse(sparse(terms))),
            ..Vector::default()
        };
        vectors.insert(SPARSE.to_owned(), vector);
    }
    PointStruct {
        id: Some(id(point.id)),
        payload: payload(point.payload),
        vectors: Some(Vectors {
            vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors })),
        }),
    }
}

/// Reads the vectors of a point, in the forms of old and new servers.
pub(super) fn vectors(
    vectors: Option<VectorsOutput>,
) -> Result<(Option<Vec<f32>>, Option<SparseVector>), Error> {
    let Some(VectorsOutputOptions::Vectors(named)) =
        vectors.and_then(|vectors| vectors.vectors_options)
    else {
        return Ok((None, None));
    };
    let mut named = named.vectors;
    let dense = named.remove(DENSE).map(dense_of).transpose()?;
    let sparse = named.remove(SPARSE).map(sparse_of).transpose()?;
    Ok((dense, sparse))
}

fn dense_of(output: VectorOutput) -> Result<Vec<f32>, Error> {
    match output.vector {
        Some(VectorOutputKind::Dense(vector)) => Ok(vector.data),
        None => Ok(flat(output).0),
        Some(_) => Err(fault::protocol(
            "the reply has another vector as the dense one",
        )),
    }
}

fn sparse_of(output: VectorOutput) -> Result<SparseVector, Error> {
    let (values, indices) = match output.vector {
        Some(VectorOutputKind::Sparse(vector)) => (vector.values, vector.indices),
        None => flat(output),
        Some(_) => {
            return Err(fault::protocol(
                "the reply has another vector as the sparse one",
            ));
        }
    };
    SparseVector::new(indices, values).map_err(|source| {
        fault::protocol("the reply has a sparse vector that is none").with_source(source)
    })
}

/// The form that servers before 1.16 send.
#[expect(
    deprecated,
    reason = "servers before 1.16 send vectors in these fields"
)]
fn flat(output: VectorOutput) -> (Vec<f32>, Vec<u32>) {
    (
        output.data,
        output.indices.map_or_else(Vec::new, |indices| indices.data),
    )
}

/// Returns whether a point carries the vector called `name`.
pub(super) fn has_vector(point: &PointStruct, name: &str) -> bool {
    match point
        .vectors
        .as_ref()
        .and_then(|vectors| vectors.vectors_options.as_ref())
    {
        Some(VectorsOptions::Vectors(named)) => named.vectors.contains_key(name),
        Some(VectorsOptions::Vector(_)) | None => false,
    }
}
