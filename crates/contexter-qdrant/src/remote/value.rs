//! Payload, ids and vectors in the server's terms, moved rather than copied.

use std::collections::HashMap;

use contexter_model::{Error, ErrorKind, Hit, Payload, Point, PointId, Record, SparseVector};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector::Vector as VectorKind;
use qdrant_client::qdrant::vector_output::Vector as VectorOutputKind;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions as VectorsOutputOptions;
use qdrant_client::qdrant::{
    self, DenseVector, ListValue, NamedVectors, NullValue, PointStruct, RetrievedPoint,
    ScoredPoint, Struct, Value, Vector, VectorOutput, Vectors, VectorsOutput,
};
use serde_json::Value as Json;

use super::fault;
use crate::spec::{self, DENSE, SPARSE};

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

/// Reads points that were searched for, in order; `nearer_is_lower` says that the scores are distances.
///
/// # Errors
///
/// `Protocol` if a point has no id or a score that is not finite: it has no place in an order.
pub(super) fn hits(found: Vec<ScoredPoint>, nearer_is_lower: bool) -> Result<Vec<Hit>, Error> {
    let mut hits = Vec::with_capacity(found.len());
    for point in found {
        let Some(id) = model_id(point.id)? else {
            continue;
        };
        if !point.score.is_finite() {
            return Err(fault::protocol(format!(
                "the reply has the score {} for point {id}",
                point.score,
            )));
        }
        let score = if nearer_is_lower {
            -point.score
        } else {
            point.score
        };
        hits.push(Hit { id, score });
    }
    hits.sort_unstable_by(spec::best_first);
    Ok(hits)
}

/// Reads points without their vectors.
pub(super) fn records(found: Vec<RetrievedPoint>) -> Result<Vec<Record>, Error> {
    let mut records = Vec::with_capacity(found.len());
    for point in found {
        if let Some(id) = model_id(point.id)? {
            let payload = json_payload(point.payload);
            records.push(Record { id, payload });
        }
    }
    Ok(records)
}

/// Reads points with the vectors that were asked for.
///
/// # Errors
///
/// `Protocol` if a point has no id or a vector that this collection cannot have.
pub(super) fn points(found: Vec<RetrievedPoint>, dimensions: usize) -> Result<Vec<Point>, Error> {
    let mut points = Vec::with_capacity(found.len());
    for point in found {
        if let Some(id) = model_id(point.id)? {
            let (dense, sparse) = vectors(point.vectors, dimensions)?;
            points.push(Point {
                id,
                dense,
                sparse,
                payload: json_payload(point.payload),
            });
        }
    }
    Ok(points)
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
fn vectors(
    vectors: Option<VectorsOutput>,
    dimensions: usize,
) -> Result<(Option<Vec<f32>>, Option<SparseVector>), Error> {
    let Some(VectorsOutputOptions::Vectors(named)) =
        vectors.and_then(|vectors| vectors.vectors_options)
    else {
        return Ok((None, None));
    };
    let mut named = named.vectors;
    let dense = named.remove(DENSE).map(dense_of).transpose()?;
    if let Some(dense) = &dense
        && (dense.len() != dimensions || dense.iter().any(|value| !value.is_finite()))
    {
        return Err(fault::protocol(format!(
            "the reply has a dense vector of {} values, expected {dimensions} finite ones",
            dense.len(),
        )));
    }
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

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::{NamedVectorsOutput, vector_output};

    use super::*;

    fn scored(score: f32) -> ScoredPoint {
        ScoredPoint {
            id: Some(id(PointId::from_u128(7))),
            score,
            ..ScoredPoint::default()
        }
    }

    fn with_dense(data: Vec<f32>) -> RetrievedPoint {
        let output = VectorOutput {
            vector: Some(vector_output::Vector::Dense(DenseVector { data })),
            ..VectorOutput::default()
        };
        let vectors = NamedVectorsOutput {
            vectors: HashMap::from([(DENSE.to_owned(), output)]),
        };
        RetrievedPoint {
            id: Some(id(PointId::from_u128(7))),
            vectors: Some(VectorsOutput {
                vectors_options: Some(VectorsOutputOptions::Vectors(vectors)),
            }),
            ..RetrievedPoint::default()
        }
    }

    #[test]
    fn a_score_without_a_place_in_an_order_is_refused() {
        assert!(hits(vec![scored(0.5)], false).is_ok());
        for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = hits(vec![scored(0.5), scored(score)], true).err();
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Protocol));
        }
    }

    #[test]
    fn a_vector_that_the_collection_cannot_have_is_refused() {
        assert!(points(vec![with_dense(vec![1.0, 2.0])], 2).is_ok());
        for data in [vec![], vec![1.0], vec![1.0, f32::NAN]] {
            let error = points(vec![with_dense(data)], 2).err();
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Protocol));
        }
    }
}
