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

/// Reads the points that pass a filter, page by page, in order of id.
///
/// # Behavior
///
/// Pages do not overlap and leave nothing out of what is there throughout; what is stored or deleted
/// meanwhile may be seen or not. Vectors are as the store keeps them: those of
/// [`Distance::Cosine`] may come back at length one.
///
/// # Examples
///
/// ```
/// use contexter_model::{Filter, Scroll};
///
/// let first = Scroll::new("chunks", 500).filter(Filter::all().and("library", "tokio"));
/// assert_eq!(first.after, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scroll {
    /// Which collection.
    pub collection: String,
    /// Which points.
    pub filter: Filter,
    /// The last point of the page before this one; `None` for the first page.
    pub after: Option<PointId>,
    /// How many points a page holds at most; at least 1.
    pub limit: usize,
    /// Whether the points come with their vectors.
    pub vectors: bool,
}

impl Scroll {
    /// Asks for the first `limit` points of a collection, without their vectors.
    #[must_use]
    pub fn new(collection: impl Into<String>, limit: usize) -> Self {
        Self {
            collection: collection.into(),
            filter: Filter::all(),
            after: None,
            limit,
            vectors: false,
        }
    }

    /// Leaves out the points that do not pass.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Asks for the page that follows the point `after`.
    #[must_use]
    pub fn after(mut self, after: Option<PointId>) -> Self {
        self.after = after;
        self
    }

    /// Asks for the vectors too.
    #[must_use]
    pub fn with_vectors(mut self) -> Self {
        self.vectors = true;
        self
    }
}

/// The reply to [`Scroll`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrollPage {
    /// The points; without vectors unless they were asked for.
    pub points: Vec<Point>,
    /// What [`Scroll::after`] is for the next page; `None` after the last.
    pub next: Option<PointId>,
}

/// How a store joins the rankings of several legs into one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StoreFusion {
    /// Reciprocal ranks: a leg gives the point at position `p`, counted from 0, the score
    /// `1 / (k + p)`, or `1 / ((p + 1) / w + k - 1)` with the weight `w`.
    ///
    /// A weight therefore stretches or compresses ranks, it does not multiply scores: with weight 3
    /// the third place of a leg counts like the first of a leg with weight 1.
    ReciprocalRank {
        /// At least 1; 60 of the literature, which counts positions from 1, is 61 here.
        k: u32,
        /// One for each leg, all greater than 0; empty if all legs weigh the same.
        weights: Vec<f32>,
    },
    /// Distribution-based scores: those of a leg are mapped so that three standard deviations around
    /// their mean become 0 to 1, then added up.
    Distribution,
}

/// Searches a collection along several legs and has the store join the rankings.
///
/// # Behavior
///
/// One ranking, best first, ties in order of id. A leg that matches nothing gives nothing. Scores are
/// of the fusion's scale, which is no distance's.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedQuery {
    /// Which collection.
    pub collection: String,
    /// The legs; at least one.
    pub legs: Vec<Leg>,
    /// How many points of each leg take part.
    pub leg_limit: usize,
    /// How the rankings are joined.
    pub fusion: StoreFusion,
    /// Which points may be found.
    pub filter: Filter,
    /// How many points are returned at most.
    pub limit: usize,
}

/// Makes an alias name a collection, whatever it named before, in one step.
///
/// An alias stands for its collection in every request, so that a collection can be built anew under
/// another name while the old one still serves, and then take its place.
///
/// # Behavior
///
/// Nobody sees a moment without the alias. An alias cannot have the name of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchAlias {
    /// The alias.
    pub alias: String,
    /// The collection that it names from now on.
    pub collection: String,
}

/// The reply to [`SwitchAlias`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasSwitched {
    /// The collection that the alias named before, if there was one.
    pub previous: Option<String>,
}

/// Forgets an alias; one that is not there is no error. Its collection stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropAlias {
    /// The alias.
    pub alias: String,
}

/// Lists all aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAliases;

/// An alias and the collection that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias {
    /// The alias.
    pub alias: String,
    /// The collection.
    pub collection: String,
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

/// Makes a copy of a collection that can be restored later, where the store keeps such copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// Of which collection.
    pub collection: String,
}

/// Lists the snapshots of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSnapshots {
    /// Of which collection.
    pub collection: String,
}

/// Deletes a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropSnapshot {
    /// Of which collection.
    pub collection: String,
    /// Which one.
    pub snapshot: String,
}

/// A copy of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name, unique in its collection.
    pub name: String,
    /// How many bytes it takes.
    pub bytes: u64,
    /// When it was made, in seconds since 1970, if the store says so.
    pub created: Option<i64>,
    /// The SHA-256 of the file in hexadecimal digits, if the store says so.
    pub sha256: Option<String>,
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
    SwitchAlias => "vector_storage", AliasSwitched;
    DropAlias => "vector_storage", ();
    ListAliases => "vector_storage", Vec<Alias>;
    DropCollection => "vector_storage", bool;
    CreateSnapshot => "vector_storage", Snapshot;
    ListSnapshots => "vector_storage", Vec<Snapshot>;
    DropSnapshot => "vector_storage", ();
    Query => "vector_search", QueryReply;
    FusedQuery => "vector_search", Vec<Hit>;
    Retrieve => "vector_search", Vec<Record>;
    Scroll => "vector_search", ScrollPage;
}
