//! Reading all points in order, and fusion by the engine.

use contexter_model::{
    CollectionSpec, Error, ErrorKind, FusedQuery, Hit, Payload, Point, PointId, Scroll, ScrollPage,
    SparseVector, StoreFusion,
};
use contexter_service::Service;
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    EdgeShard, Fusion, NamedQuery, OperationError, Prefetch, QueryEnum, QueryRequest, Record,
    ScoringQuery, ScrollRequest, VectorInternal, VectorStructInternal, WithPayloadInterface,
    WithVector,
};

use super::fault;
use super::search::{self, Passes, Search};
use super::store::EmbeddedStore;
use crate::spec::{self, DENSE, SPARSE};

/// How many points a page holds at most, whatever is asked for.
const MAX_PAGE: usize = 10_000;

/// # Errors
///
/// `Invalid` if the limit is 0 or the filter names a field without an index.
impl Service<Scroll> for EmbeddedStore {
    type Response = ScrollPage;
    type Error = Error;

    async fn call(&self, req: Scroll) -> Result<ScrollPage, Error> {
        let scroll = async {
            if req.limit == 0 {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    "a page of 0 points has no next one, expected at least 1",
                ));
            }
            let collection = self.collection(&req.collection)?;
            let filter = Passes::new(req.filter, collection.spec())?;
            let offset = match req.after {
                None => None,
                // The engine's offset is the first point of a page; ids are ordered as numbers.
                Some(after) => match after.as_u128().checked_add(1) {
                    Some(next) => Some(PointId::from_u128(next)),
                    None => return Ok(ScrollPage::default()),
                },
            };
            if matches!(filter, Passes::None) {
                return Ok(ScrollPage::default());
            }
            let request = ScrollRequest {
                offset: offset.map(qdrant_edge::PointId::Uuid),
                limit: Some(req.limit.min(MAX_PAGE)),
                filter: filter.into_engine(),
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: WithVector::Bool(req.vectors),
                order_by: None,
            };
            self.search(collection, "read points of", |shard| page(shard, request))
                .await
        };
        scroll.await.map_err(|error| error.with_operation("scroll"))
    }
}

fn page(shard: &EdgeShard, request: ScrollRequest) -> Result<ScrollPage, OperationError> {
    let (records, next) = shard.scroll(request)?;
    let points: Vec<_> = records.into_iter().filter_map(point).collect();
    let last = points.last().map(|point| point.id);
    Ok(ScrollPage {
        points,
        next: last.filter(|_| next.is_some()),
    })
}

fn point(record: Record) -> Option<Point> {
    let id = search::model_id(record.id)?;
    let (mut dense, mut sparse) = (None, None);
    if let Some(VectorStructInternal::Named(mut vectors)) = record.vector {
        if let Some(VectorInternal::Dense(data)) = vectors.remove(DENSE) {
            dense = Some(data);
        }
        if let Some(VectorInternal::Sparse(terms)) = vectors.remove(SPARSE) {
            // What was stored was one.
            sparse = SparseVector::new(terms.indices, terms.values).ok();
        }
    }
    let payload = record
        .payload
        .map_or_else(Payload::new, |payload| payload.0);
    Some(Point {
        id,
        dense,
        sparse,
        payload,
    })
}

/// # Errors
///
/// `Invalid` if the fusion or a leg cannot be; `Unsupported` for [`StoreFusion::Distribution`] with a
/// dense leg where the distance is Euclidean.
impl Service<FusedQuery> for EmbeddedStore {
    type Response = Vec<Hit>;
    type Error = Error;

    async fn call(&self, req: FusedQuery) -> Result<Vec<Hit>, Error> {
        let fused = async {
            spec::check_legs(req.legs.len())?;
            spec::check_fusion(&req)?;
            let collection = self.collection(&req.collection)?;
            spec::check_fused_scores(&req.legs, &req.fusion, collection.spec())?;
            let Some(request) = request(req, collection.spec())? else {
                return Ok(Vec::new());
            };
            self.search(collection, "search", |shard| run(shard, request))
                .await
        };
        fused
            .await
            .map_err(|error| error.with_operation("fused_query"))
    }
}

/// Translates the query; `None` if it finds nothing whatever the collection holds.
fn request(req: FusedQuery, spec: &CollectionSpec) -> Result<Option<QueryRequest>, Error> {
    let filter = Passes::new(req.filter, spec)?;
    let nothing = req.limit == 0 || req.leg_limit == 0 || matches!(filter, Passes::None);
    let mut prefetches = Vec::with_capacity(req.legs.len());
    let mut finds = Vec::with_capacity(req.legs.len());
    for leg in req.legs {
        // A leg that finds nothing gives nothing, so it can be left out.
        let leg = Search::new(leg, Passes::All, req.leg_limit, spec)?.into_query();
        finds.push(leg.is_some());
        let Some((query, using)) = leg else {
            continue;
        };
        prefetches.push(Prefetch {
            prefetches: Vec::new(),
            query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
                query,
                using: Some(using.to_owned()),
            }))),
            limit: req.leg_limit,
            params: None,
            filter: None,
            score_threshold: None,
        });
    }
    if nothing || prefetches.is_empty() {
        return Ok(None);
    }
    Ok(Some(QueryRequest {
        prefetches,
        query: Some(ScoringQuery::Fusion(fusion(&req.fusion, &finds)?)),
        // The engine puts it into every prefetch.
        filter: filter.into_engine(),
        score_threshold: None,
        limit: req.limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(false),
    }))
}

fn fusion(fusion: &StoreFusion, finds: &[bool]) -> Result<Fusion, Error> {
    match fusion {
        StoreFusion::Distribution => Ok(Fusion::Dbsf),
        StoreFusion::ReciprocalRank { k, weights } => {
            let weights: Vec<_> = weights
                .iter()
                .zip(finds)
                .filter_map(|(&weight, &finds)| finds.then_some(OrderedFloat(weight)))
                .collect();
            Ok(Fusion::Rrf {
                k: usize::try_from(*k).unwrap_or(usize::MAX),
                weights: (!weights.is_empty()).then_some(weights),
            })
        }
        other => Err(fault::error(
            ErrorKind::Unsupported,
            format!("the engine has no fusion {other:?}"),
        )),
    }
}

fn run(shard: &EdgeShard, mut request: QueryRequest) -> Result<Vec<Hit>, OperationError> {
    // The engine reserves memory for limits.
    let most = shard.info().points_count.max(1);
    request.limit = request.limit.min(most);
    for prefetch in &mut request.prefetches {
        prefetch.limit = prefetch.limit.min(most);
    }
    let found = shard.query(request)?;
    let mut hits: Vec<Hit> = found
        .into_iter()
        .filter_map(|point| {
            Some(Hit {
                id: search::model_id(point.id)?,
                score: point.score,
            })
        })
        .collect();
    hits.sort_unstable_by(spec::best_first);
    Ok(hits)
}
