//! How near points of a sample are to one another.

use std::sync::Arc;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::{
    Condition, Filter, HasVectorCondition, SearchMatrixOffsets, SearchMatrixPair,
    SearchMatrixPairs, SearchMatrixPoints,
};
use qdrant_edge::{
    EdgeShard, HasIdCondition, NamedQuery, PointId, QueryEnum, QueryRequest, Sample, ScoredPoint,
    ScoringQuery, WithPayloadInterface, WithVector,
};
use tonic::Status;

use super::collection::Collection;
use super::inputs::vector_of;
use super::queries::size;
use super::{filters, reads, reply, status};

/// The server's default numbers of points, and of neighbours of each (`distance_matrix.rs`).
pub(super) const SAMPLE: u64 = 10;
pub(super) const NEIGHBOURS: u64 = 3;

/// The points of a sample, with the nearest others of each.
pub(super) struct Matrix {
    rows: Vec<(PointId, Vec<ScoredPoint>)>,
}

/// Takes a sample and compares its points.
pub(super) async fn search(
    collection: &Arc<Collection>,
    request: SearchMatrixPoints,
) -> Result<Matrix, Status> {
    let sample = request.sample.unwrap_or(SAMPLE);
    let limit = request.limit.unwrap_or(NEIGHBOURS);
    if sample < 2 || limit == 0 {
        return Err(Status::invalid_argument(
            "Validation error in body: [sample must be 2 or larger, limit must be 1 or larger]",
        ));
    }
    let matrix = reads::admitted(
        collection,
        "search matrix",
        request,
        move |request, shard| {
            let using = request.using.unwrap_or_default();
            let points = sampled(shard, request.filter, &using, size(sample))?;
            let rows = points.iter().map(|id| {
                let others = points.iter().filter(|other| *other != id).copied();
                let nearest = nearest(shard, *id, others.collect(), &using, size(limit))?;
                Ok((*id, nearest))
            });
            let rows = rows.collect::<Result<_, Status>>()?;
            Ok(Matrix { rows })
        },
    );
    matrix.await
}

/// Points that have the vector.
fn sampled(
    shard: &EdgeShard,
    filter: Option<Filter>,
    using: &str,
    sample: usize,
) -> Result<Vec<PointId>, Status> {
    let mut filter = filter.unwrap_or_default();
    filter.must.push(Condition {
        condition_one_of: Some(ConditionOneOf::HasVector(HasVectorCondition {
            has_vector: using.to_owned(),
        })),
    });
    let request = request(
        ScoringQuery::Sample(Sample::Random),
        filters::filter(Some(filter))?,
        sample,
    );
    let found = shard
        .query(request)
        .map_err(|error| status::engine(&error))?;
    Ok(found.into_iter().map(|point| point.id).collect())
}

fn nearest(
    shard: &EdgeShard,
    id: PointId,
    others: Vec<PointId>,
    using: &str,
    limit: usize,
) -> Result<Vec<ScoredPoint>, Status> {
    let nearest = QueryEnum::Nearest(NamedQuery {
        query: vector_of(id, using, shard)?,
        using: Some(using.to_owned()),
    });
    let those = qdrant_edge::Condition::HasId(HasIdCondition::from_iter(others));
    let filter = qdrant_edge::Filter {
        must: Some(vec![those]),
        ..qdrant_edge::Filter::default()
    };
    let request = request(ScoringQuery::Vector(nearest), Some(filter), limit);
    shard.query(request).map_err(|error| status::engine(&error))
}

fn request(query: ScoringQuery, filter: Option<qdrant_edge::Filter>, limit: usize) -> QueryRequest {
    QueryRequest {
        prefetches: Vec::new(),
        query: Some(query),
        filter,
        score_threshold: None,
        limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(false),
    }
}

impl Matrix {
    /// Each pair by its ids.
    pub(super) fn pairs(self) -> SearchMatrixPairs {
        let pairs = self.rows.into_iter().flat_map(|(id, nearest)| {
            nearest.into_iter().map(move |other| SearchMatrixPair {
                a: Some(reply::id(id)),
                b: Some(reply::id(other.id)),
                score: other.score,
            })
        });
        SearchMatrixPairs {
            pairs: pairs.collect(),
        }
    }

    /// Each pair by the places of its points.
    pub(super) fn offsets(self) -> SearchMatrixOffsets {
        let ids: Vec<PointId> = self.rows.iter().map(|(id, _)| *id).collect();
        let place = |id: PointId| ids.iter().position(|there| *there == id);
        let mut offsets = SearchMatrixOffsets::default();
        for (row, (_, nearest)) in (0_u64..).zip(self.rows) {
            for other in nearest {
                let column = place(other.id).and_then(|place| u64::try_from(place).ok());
                let Some(column) = column else { continue };
                offsets.offsets_row.push(row);
                offsets.offsets_col.push(column);
                offsets.scores.push(other.score);
            }
        }
        offsets.ids = ids.into_iter().map(reply::id).collect();
        offsets
    }
}
