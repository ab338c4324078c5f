//! What searches are by: vectors, points that stand for theirs, and texts.

use qdrant_client::qdrant::VectorInput;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_edge::{
    Condition, EdgeShard, HasIdCondition, PointId, TypedMultiDenseVector, VectorInternal,
    VectorStructInternal, WithPayloadInterface, WithVector,
};
use tonic::Status;

use super::{inference, status, vectors};

/// The inputs of one query, by one of the collection's vectors.
pub(super) struct Inputs<'a> {
    shard: &'a EdgeShard,
    using: &'a str,
    /// The points that stood for their vectors: they are not to be found.
    points: Vec<PointId>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(shard: &'a EdgeShard, using: &'a str) -> Self {
        Self {
            shard,
            using,
            points: Vec::new(),
        }
    }

    /// The name of the vector.
    pub(super) fn using(&self) -> &'a str {
        self.using
    }

    /// Translates what is searched for; a point is looked up.
    pub(super) fn vector(&mut self, input: Option<VectorInput>) -> Result<VectorInternal, Status> {
        let input = input
            .and_then(|input| input.variant)
            .ok_or_else(|| Status::invalid_argument("VectorInput variant is missing"))?;
        let vector = match input {
            Input::Id(id) => {
                let id = vectors::id(Some(id))?;
                self.points.push(id);
                vector_of(id, self.using, self.shard)?
            }
            Input::Dense(dense) => VectorInternal::Dense(dense.data),
            Input::Sparse(sparse) => {
                VectorInternal::Sparse(vectors::sparse(sparse.indices, sparse.values)?)
            }
            Input::MultiDense(multi) => {
                let rows = vectors::rows(multi);
                let dimensions = rows.first().map_or(0, Vec::len);
                if dimensions == 0 || rows.iter().any(|row| row.len() != dimensions) {
                    return Err(status::wrong("multi-vector has rows of different lengths"));
                }
                VectorInternal::MultiDense(TypedMultiDenseVector {
                    flattened_vectors: rows.concat(),
                    dim: dimensions,
                })
            }
            Input::Document(document) => VectorInternal::Sparse(inference::query(document)?),
            Input::Image(_) | Input::Object(_) => return Err(inference::not_searched()),
        };
        check(&vector, self.using, self.shard)?;
        Ok(vector)
    }

    /// Translates each of `inputs`.
    pub(super) fn vectors(
        &mut self,
        inputs: Vec<VectorInput>,
    ) -> Result<Vec<VectorInternal>, Status> {
        inputs
            .into_iter()
            .map(|input| self.vector(Some(input)))
            .collect()
    }

    /// Adds to a filter that the points which stood for their vectors are not found.
    pub(super) fn without_points(
        self,
        filter: Option<qdrant_edge::Filter>,
    ) -> Option<qdrant_edge::Filter> {
        if self.points.is_empty() {
            return filter;
        }
        let mut filter = filter.unwrap_or_default();
        let those = Condition::HasId(HasIdCondition::from_iter(self.points));
        filter.must_not.get_or_insert_default().push(those);
        Some(filter)
    }
}

/// Returns the vector `using` of a point.
pub(super) fn vector_of(
    id: PointId,
    using: &str,
    shard: &EdgeShard,
) -> Result<VectorInternal, Status> {
    let wanted = WithVector::Selector(vec![using.to_owned()]);
    let records = shard
        .retrieve(&[id], Some(WithPayloadInterface::Bool(false)), Some(wanted))
        .map_err(|error| status::engine(&error))?;
    let record = records
        .into_iter()
        .next()
        .ok_or_else(|| status::not_found(format_args!("No point with id {id} found")))?;
    let vector = match record.vector {
        Some(VectorStructInternal::Single(data)) => Some(VectorInternal::Dense(data)),
        Some(VectorStructInternal::MultiDense(multi)) => Some(VectorInternal::MultiDense(multi)),
        Some(VectorStructInternal::Named(mut named)) => named.remove(using),
        None => None,
    };
    vector.ok_or_else(|| {
        status::wrong(format_args!(
            "Point {id} does not have vector with name '{using}'"
        ))
    })
}

fn check(vector: &VectorInternal, using: &str, shard: &EdgeShard) -> Result<(), Status> {
    let config = shard.config();
    let unknown = || status::wrong(format_args!("Not existing vector name error: {using}"));
    let received = match vector {
        VectorInternal::Sparse(_) if config.sparse_vectors.contains_key(using) => return Ok(()),
        VectorInternal::Sparse(_) if config.vectors.contains_key(using) => {
            return Err(status::wrong(
                "Conversion between sparse and regular vectors failed",
            ));
        }
        VectorInternal::Sparse(_) => return Err(unknown()),
        VectorInternal::Dense(data) => data.len(),
        VectorInternal::MultiDense(multi) => multi.dim,
    };
    if config.sparse_vectors.contains_key(using) {
        return Err(status::wrong(
            "Conversion between sparse and regular vectors failed",
        ));
    }
    let expected = config.vectors.get(using).ok_or_else(unknown)?.size;
    if received != expected {
        return Err(status::wrong(format_args!(
            "Vector dimension error: expected dim: {expected}, got {received}"
        )));
    }
    Ok(())
}
