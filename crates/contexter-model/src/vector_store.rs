//! Storing vectors: collections, and the points in them.

use serde::{Deserialize, Serialize};

use crate::capability::capability;
use crate::{EmbeddingSpace, Filter, SparseVector};

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

/// Deletes a collection with all its points, and the aliases that name it.
///
/// # Behavior
///
/// Gives whether it was there. Only its own name deletes it, an alias does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCollection {
    /// The collection.
    pub collection: String,
}

capability! {
    EnsureCollection => "vector_storage", CollectionState;
    Upsert => "vector_storage", ();
    Flush => "vector_storage", ();
    Optimize => "vector_storage", ();
    Delete => "vector_storage", ();
    DropCollection => "vector_storage", bool;
}
