//! Storing and searching vectors.

use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::{EmbeddingSpace, Error, SparseVector};

/// The id of a stored point.
pub type PointId = uuid::Uuid;

/// What is stored beside the vectors of a point: a JSON object.
pub type Payload = serde_json::Map<String, serde_json::Value>;

/// How near two dense vectors are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distance {
    /// The cosine of the angle between them.
    #[default]
    Cosine,
    /// Their inner product.
    Dot,
    /// Their distance in a straight line.
    Euclid,
}

/// What a collection is made of.
///
/// Every collection has one dense vector, in the given space, and one sparse vector, scored with
/// the inverse document frequency of its terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSpec {
    /// Its name.
    pub name: String,
    /// The space of its dense vectors; recorded, so that another embedder is refused later.
    pub space: EmbeddingSpace,
    /// How near two dense vectors are.
    pub distance: Distance,
    /// The payload fields that filters will name; indexed before anything is stored.
    pub keyword_fields: Vec<String>,
}

/// Creates a collection, or verifies that the existing one is as specified.
///
/// # Behavior
///
/// Verification that fails is [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), names what differs
/// and leaves the collection as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnsureCollection(pub CollectionSpec);

/// The reply to [`EnsureCollection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionState {
    /// Whether the call created it.
    pub created: bool,
    /// How many points it holds.
    pub points: u64,
}

/// One point: at least one of its vectors is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its id.
    pub id: PointId,
    /// Its dense vector, if it has been embedded yet.
    pub dense: Option<Vec<f32>>,
    /// Its sparse vector, if it has one.
    pub sparse: Option<SparseVector>,
    /// What is stored beside them.
    pub payload: Payload,
}

/// Stores points, each replacing whatever its id held before.
///
/// # Behavior
///
/// All points are stored or the call fails. After success they can be searched; they are durable
/// only after the next [`Flush`].
#[derive(Clone, Debug, PartialEq)]
pub struct Upsert {
    /// Into which collection.
    pub collection: String,
    /// The points.
    pub points: Vec<Point>,
}

/// Makes everything that was stored or deleted before durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flush {
    /// Of which collection.
    pub collection: String,
}

/// Builds or improves the indexes of a collection; worth it after a bulk load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimize {
    /// Of which collection.
    pub collection: String,
}

/// One condition on the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The field, one of [`CollectionSpec::keyword_fields`].
    pub field: String,
    /// The field must hold one of these values.
    pub any_of: Vec<String>,
}

/// Which points a call is about: all conditions hold. No condition: all points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The conditions.
    pub must: Vec<Condition>,
}

impl Filter {
    /// Returns a filter that lets every point pass.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Adds the condition that `field` holds `value`.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.must.push(Condition {
            field: field.into(),
            any_of: vec![value.into()],
        });
        self
    }

    /// Returns whether every point passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.must.is_empty()
    }
}

/// One way to search a collection.
#[derive(Clone, Debug, PartialEq)]
pub enum Leg {
    /// By the nearest dense vectors.
    Dense(Vec<f32>),
    /// By the highest sparse scores.
    Sparse(SparseVector),
}

/// Searches a collection along one or more legs, each by itself.
///
/// # Behavior
///
/// Each leg gives its own ranking, best first, ties in order of id; legs are not fused. A leg that
/// matches nothing gives an empty ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which collection.
    pub collection: String,
    /// The legs.
    pub legs: Vec<Leg>,
    /// Which points may be found.
    pub filter: Filter,
    /// How many points each leg returns at most.
    pub limit: usize,
}

/// The reply to [`Query`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryReply {
    /// One ranking for each leg, in the order of the legs.
    pub rankings: Vec<Vec<Hit>>,
}

/// A point that a leg found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The point.
    pub id: PointId,
    /// Its score on that leg; higher is better.
    pub score: f32,
}

/// Reads the payloads of points.
///
/// # Behavior
///
/// Records come in the order of the ids; ids that are not there are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrieve {
    /// From which collection.
    pub collection: String,
    /// Which points.
    pub ids: Vec<PointId>,
}

/// A point's payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The point.
    pub id: PointId,
    /// What is stored beside its vectors.
    pub payload: Payload,
}

/// Which points to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// These; ids that are not there are no error.
    Ids(Vec<PointId>),
    /// All that pass; an empty filter is refused as
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), because it means everything.
    Filter(Filter),
}

/// Deletes points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// From which collection.
    pub collection: String,
    /// Which points.
    pub selector: Selector,
}

/// Counts the points that pass a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of which collection.
    pub collection: String,
    /// Which points.
    pub filter: Filter,
}

macro_rules! capability {
    ($($request:ty => $name:literal, $response:ty;)*) => {$(
        impl Capability for $request {
            const NAME: &'static str = $name;
            type Response = $response;
            type Error = Error;
        }
    )*};
}

capability! {
    EnsureCollection => "vector_storage", CollectionState;
    Upsert => "vector_storage", ();
    Flush => "vector_storage", ();
    Optimize => "vector_storage", ();
    Delete => "vector_storage", ();
    Count => "vector_storage", u64;
    Query => "vector_search", QueryReply;
    Retrieve => "vector_search", Vec<Record>;
}
