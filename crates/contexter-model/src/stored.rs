//! Reading what is stored: by id, page by page, or its number.

use crate::capability::capability;
use crate::{Filter, Payload, Point, PointId};

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
/// [`Distance::Cosine`](crate::Distance::Cosine) may come back at length one.
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

capability! {
    Count => "vector_storage", u64;
    Retrieve => "vector_search", Vec<Record>;
    Scroll => "vector_search", ScrollPage;
}
