//! Searching, counting and reading points.

use std::collections::HashMap;

use contexter_model::{
    Count, Distance, Error, ErrorKind, Filter, FusedQuery, Hit, Leg, Point, PointId, Query,
    QueryReply, Record, Retrieve, Scroll, ScrollPage, StoreFusion,
};
use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_input::Variant as InputVariant;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorsOptions;
use qdrant_client::qdrant::{
    CountPoints, DenseVector, Fusion, GetPoints, PrefetchQuery, Query as ServerQuery,
    QueryBatchPoints, QueryPoints, Rrf, ScoredPoint, ScrollPoints, VectorInput, VectorsSelector,
    WithPayloadSelector, WithVectorsSelector,
};

use super::store::RemoteStore;
use super::write::IDS_AT_ONCE;
use super::{fault, filter, value};
use crate::spec::{self, DENSE, SPARSE};

/// More hits than this are worth a look at how many points there are: a server reserves memory for
/// the limit.
const LARGE_LIMIT: usize = 10_000;

/// How many points a page of [`Scroll`] holds at most, whatever is asked for.
const MAX_PAGE: usize = 10_000;

impl RemoteStore {
    pub(super) async fn query(&self, req: Query) -> Result<QueryReply, Error> {
        spec::check_legs(req.legs.len())?;
        let name = req.collection.as_str();
        self.with_spec(name, |spec| async move {
            spec::check_filter(&req.filter, &spec)?;
            let nothing = req.limit == 0 || spec::lets_nothing_pass(&req.filter);
            let mut rankings = vec![Vec::new(); req.legs.len()];
            let mut asked = Vec::with_capacity(req.legs.len());
            let mut searches = Vec::with_capacity(req.legs.len());
            let filter = filter::filter(req.filter);
            let limit = self.limit(name, req.limit).await?;
            for (at, leg) in req.legs.into_iter().enumerate() {
                let nearer_is_lower =
                    matches!(leg, Leg::Dense(_)) && spec.distance == Distance::Euclid;
                let Some((query, using)) = nearest(leg, &spec)? else {
                    continue;
                };
                if nothing {
                    continue;
                }
                asked.push((at, nearer_is_lower));
                searches.push(QueryPoints {
                    collection_name: name.to_owned(),
                    query: Some(query),
                    using: Some(using.to_owned()),
                    filter: filter.clone(),
                    limit: Some(limit),
                    with_payload: Some(payload(false)),
                    with_vectors: Some(vectors(None)),
                    ..QueryPoints::default()
                });
            }
            if searches.is_empty() {
                return Ok(QueryReply { rankings });
            }
            let found = self.query_batch(name, searches).await?;
            for ((at, nearer_is_lower), found) in asked.into_iter().zip(found) {
                if let Some(ranking) = rankings.get_mut(at) {
                    *ranking = hits(found, nearer_is_lower)?;
                }
            }
            Ok(QueryReply { rankings })
        })
        .await
    }

    pub(super) async fn fused_query(&self, req: FusedQuery) -> Result<Vec<Hit>, Error> {
        spec::check_legs(req.legs.len())?;
        spec::check_fusion(&req)?;
        let name = req.collection.as_str();
        self.with_spec(name, |spec| async move {
            spec::check_filter(&req.filter, &spec)?;
            let nothing =
                req.limit == 0 || req.leg_limit == 0 || spec::lets_nothing_pass(&req.filter);
            let leg_limit = self.limit(name, req.leg_limit).await?;
            let mut prefetch = Vec::with_capacity(req.legs.len());
            let mut finds = Vec::with_capacity(req.legs.len());
            for leg in req.legs {
                // A leg that finds nothing gives nothing, so it can be left out.
                let nearest = nearest(leg, &spec)?;
                finds.push(nearest.is_some());
                let Some((query, using)) = nearest else {
                    continue;
                };
                prefetch.push(PrefetchQuery {
                    query: Some(query),
                    using: Some(using.to_owned()),
                    limit: Some(leg_limit),
                    ..PrefetchQuery::default()
                });
            }
            if nothing || prefetch.is_empty() {
                return Ok(Vec::new());
            }
            let fused = QueryPoints {
                collection_name: name.to_owned(),
                prefetch,
                query: Some(fusion(&req.fusion, &finds)?),
                // The server puts the outer filter into every prefetch.
                filter: filter::filter(req.filter),
                limit: Some(self.limit(name, req.limit).await?),
                with_payload: Some(payload(false)),
                with_vectors: Some(vectors(None)),
                ..QueryPoints::default()
            };
            let mut found = self.query_batch(name, vec![fused]).await?;
            hits(found.pop().unwrap_or_default(), false)
        })
        .await
    }

    /// Runs several searches in one call; the rankings come in their order.
    async fn query_batch(
        &self,
        name: &str,
        searches: Vec<QueryPoints>,
    ) -> Result<Vec<Vec<ScoredPoint>>, Error> {
        let connection = self.connection();
        let asked = searches.len();
        let request = QueryBatchPoints {
            collection_name: name.to_owned(),
            query_points: searches,
            timeout: Some(connection.server_timeout()),
            ..QueryBatchPoints::default()
        };
        let reply = connection
            .points()
            .query_batch(connection.request(request))
            .await
            .map_err(|status| connection.failed(status))?;
        let rankings: Vec<_> = reply
            .into_inner()
            .result
            .into_iter()
            .map(|ranking| ranking.result)
            .collect();
        if rankings.len() != asked {
            return Err(fault::protocol(format!(
                "the reply has {} rankings, {asked} were asked for",
                rankings.len(),
            )));
        }
        Ok(rankings)
    }

    /// Bounds a limit by what there is.
    async fn limit(&self, name: &str, limit: usize) -> Result<u64, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
        if limit <= LARGE_LIMIT {
            return Ok(wanted);
        }
        Ok(wanted.min(self.count_all(name).await?.max(1)))
    }

    pub(super) async fn count(&self, req: Count) -> Result<u64, Error> {
        let name = req.collection.as_str();
        self.with_spec(name, |spec| async move {
            spec::check_filter(&req.filter, &spec)?;
            if spec::lets_nothing_pass(&req.filter) {
                return Ok(0);
            }
            self.count_passing(name, req.filter).await
        })
        .await
    }

    pub(super) async fn count_all(&self, name: &str) -> Result<u64, Error> {
        self.count_passing(name, Filter::all()).await
    }

    async fn count_passing(&self, name: &str, filter: Filter) -> Result<u64, Error> {
        let connection = self.connection();
        let request = CountPoints {
            collection_name: name.to_owned(),
            filter: filter::filter(filter),
            exact: Some(true),
            timeout: Some(connection.server_timeout()),
            ..CountPoints::default()
        };
        let reply = connection
            .points()
            .count(connection.request(request))
            .await
            .map_err(|status| connection.failed(status))?;
        reply
            .into_inner()
            .result
            .map(|result| result.count)
            .ok_or_else(|| fault::protocol("the reply has no count"))
    }

    pub(super) async fn retrieve(&self, req: Retrieve) -> Result<Vec<Record>, Error> {
        let name = req.collection.as_str();
        self.with_spec(name, |_spec| async move {
            let connection = self.connection();
            let mut there: HashMap<PointId, Record> = HashMap::with_capacity(req.ids.len());
            for ids in req.ids.chunks(IDS_AT_ONCE) {
                let request = GetPoints {
                    collection_name: name.to_owned(),
                    ids: ids.iter().copied().map(value::id).collect(),
                    with_payload: Some(payload(true)),
                    with_vectors: Some(vectors(None)),
                    timeout: Some(connection.server_timeout()),
                    ..GetPoints::default()
                };
                let reply = connection
                    .points()
                    .get(connection.request(request))
                    .await
                    .map_err(|status| connection.failed(status))?;
                for point in reply.into_inner().result {
                    if let Some(id) = value::model_id(point.id)? {
                        let payload = value::json_payload(point.payload);
                        there.insert(id, Record { id, payload });
                    }
                }
            }
            Ok(req.ids.iter().filter_map(|id| there.remove(id)).collect())
        })
        .await
    }

    pub(super) async fn scroll(&self, req: Scroll) -> Result<ScrollPage, Error> {
        if req.limit == 0 {
            return Err(fault::error(
                ErrorKind::Invalid,
                "a page of 0 points has no next one, expected at least 1",
            ));
        }
        let name = req.collection.as_str();
        self.with_spec(name, |spec| async move {
            spec::check_filter(&req.filter, &spec)?;
            if spec::lets_nothing_pass(&req.filter) {
                return Ok(ScrollPage::default());
            }
            let mut offset = match req.after {
                None => None,
                // The server's offset is the first point of a page; ids are ordered as numbers.
                Some(after) => match after.as_u128().checked_add(1) {
                    Some(next) => Some(value::id(PointId::from_u128(next))),
                    None => return Ok(ScrollPage::default()),
                },
            };
            let limit = req.limit.min(MAX_PAGE);
            let connection = self.connection();
            let mut points = Vec::new();
            loop {
                let request = ScrollPoints {
                    collection_name: name.to_owned(),
                    filter: filter::filter(req.filter.clone()),
                    offset,
                    limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
                    with_payload: Some(payload(true)),
                    with_vectors: Some(vectors(req.vectors.then_some([DENSE, SPARSE]))),
                    timeout: Some(connection.server_timeout()),
                    ..ScrollPoints::default()
                };
                let reply = connection
                    .points()
                    .scroll(connection.request(request))
                    .await
                    .map_err(|status| connection.failed(status))?
                    .into_inner();
                for found in reply.result {
                    if let Some(id) = value::model_id(found.id)? {
                        let (dense, sparse) = value::vectors(found.vectors)?;
                        points.push(Point {
                            id,
                            dense,
                            sparse,
                            payload: value::json_payload(found.payload),
                        });
                    }
                }
                let last = points.last().map(|point| point.id);
                match reply.next_page_offset {
                    None => return Ok(ScrollPage { points, next: None }),
                    Some(_) if last.is_some() => return Ok(ScrollPage { points, next: last }),
                    // Nothing but points of other programs, which have numbers as ids.
                    Some(next) => offset = Some(next),
                }
            }
        })
        .await
    }
}

/// Turns a leg into the server's query; `None` if it finds nothing.
fn nearest(
    leg: Leg,
    spec: &contexter_model::CollectionSpec,
) -> Result<Option<(ServerQuery, &'static str)>, Error> {
    let (input, using) = match leg {
        Leg::Dense(data) => {
            spec::check_dense(&data, spec, &"query")?;
            (InputVariant::Dense(DenseVector { data }), DENSE)
        }
        Leg::Sparse(terms) if terms.is_empty() => return Ok(None),
        Leg::Sparse(terms) => (InputVariant::Sparse(value::sparse(terms)), SPARSE),
    };
    Ok(Some((nearest_to(input), using)))
}

fn nearest_to(input: InputVariant) -> ServerQuery {
    ServerQuery {
        variant: Some(Variant::Nearest(VectorInput {
            variant: Some(input),
        })),
    }
}

/// Turns a fusion that was checked into the server's; `finds` says which legs take part.
fn fusion(fusion: &StoreFusion, finds: &[bool]) -> Result<ServerQuery, Error> {
    let variant = match fusion {
        StoreFusion::Distribution => Variant::Fusion(Fusion::Dbsf.into()),
        StoreFusion::ReciprocalRank { k, weights } => Variant::Rrf(Rrf {
            k: Some(*k),
            weights: weights
                .iter()
                .zip(finds)
                .filter_map(|(&weight, &finds)| finds.then_some(weight))
                .collect(),
        }),
        other => {
            return Err(fault::error(
                ErrorKind::Unsupported,
                format!("the server has no fusion {other:?}"),
            ));
        }
    };
    Ok(ServerQuery {
        variant: Some(variant),
    })
}

fn hits(found: Vec<ScoredPoint>, nearer_is_lower: bool) -> Result<Vec<Hit>, Error> {
    let mut hits = Vec::with_capacity(found.len());
    for point in found {
        if let Some(id) = value::model_id(point.id)? {
            let score = if nearer_is_lower {
                -point.score
            } else {
                point.score
            };
            hits.push(Hit { id, score });
        }
    }
    hits.sort_unstable_by(spec::best_first);
    Ok(hits)
}

fn payload(wanted: bool) -> WithPayloadSelector {
    WithPayloadSelector {
        selector_options: Some(PayloadOptions::Enable(wanted)),
    }
}

fn vectors(wanted: Option<[&str; 2]>) -> WithVectorsSelector {
    let options = match wanted {
        None => VectorsOptions::Enable(false),
        Some(names) => VectorsOptions::Include(VectorsSelector {
            names: names.map(str::to_owned).to_vec(),
        }),
    };
    WithVectorsSelector {
        selector_options: Some(options),
    }
}
