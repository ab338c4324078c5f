//! Searching vectors: along legs, each by itself or joined by the store.

use crate::capability::capability;
use crate::{Filter, PointId, SparseVector};

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

capability! {
    Query => "vector_search", QueryReply;
    FusedQuery => "vector_search", Vec<Hit>;
}
