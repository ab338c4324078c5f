//! Searching, counting and reading points.

use std::collections::HashMap;

use contexter_model::{
    Count, Distance, Error, ErrorKind, Filter, FusedQuery, Hit, Leg, PointId, Query, QueryReply,
    Record, Retrieve, Scroll, ScrollPage, StoreFusion,
};
use contexter_resilience::StandardStack;
use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_input::Variant as InputVariant;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorsOptions;
use qdrant_client::qdrant::{
    CountPoints, DenseVector, Fusion, GetPoints, PrefetchQuery, Query as ServerQuery,
    QueryBatchPoints, QueryPoints, Rrf, ScoredPoint, ScrollPoints, VectorInput, VectorsSelector,
    WithPayloadSelector, WithVectorsSelector,
};

use super::health::{ServerVersion, WEIGHTED_FUSION_VERSION};
use super::store::{RemoteStore, under};
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
        self.with_spec(name, None, |spec| async move {
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
            let found = self.query_batch(name, searches, None).await?;
            for ((at, nearer_is_lower), found) in asked.into_iter().zip(found) {
                if let Some(ranking) = rankings.get_mut(at) {
                    *ranking = value::hits(found, nearer_is_lower)?;
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
        self.with_spec(name, None, |spec| async move {
            spec::check_fused_scores(&req.legs, &req.fusion, &spec)?;
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
            let (query, needs) = fusion(&req.fusion, &finds)?;
            let fused = QueryPoints {
                collection_name: name.to_owned(),
                prefetch,
                query: Some(query),
                // The server puts the outer filter into every prefetch.
                filter: filter::filter(req.filter),
                limit: Some(self.limit(name, req.limit).await?),
                with_payload: Some(payload(false)),
                with_vectors: Some(vectors(None)),
                ..QueryPoints::default()
            };
            let mut found = self.query_batch(name, vec![fused], needs).await?;
            value::hits(found.pop().unwrap_or_default(), false)
        })
        .await
    }

    /// Runs several searches in one call; the rankings come in their order.
    ///
    /// What they need goes to no server that lacks it, and if the connection was made anew
    /// meanwhile, whoever answered is asked as well.
    async fn query_batch(
        &self,
        name: &str,
        searches: Vec<QueryPoints>,
        needs: Option<Needs>,
    ) -> Result<Vec<Vec<ScoredPoint>>, Error> {
        let connection = self.connection();
        let line = connection.line();
        let made = line.made();
        if let Some((what, since)) = needs {
            self.require(line, what, since).await?;
        }
        let asked = searches.len();
        let request = QueryBatchPoints {
            collection_name: name.to_owned(),
            query_points: searches,
            timeout: Some(connection.server_timeout()),
            ..QueryBatchPoints::default()
        };
        let reply = connection
            .answer(line.points().query_batch(connection.request(request)))
            .await?;
        if let Some((what, since)) = needs
            && line.made() != made
        {
            self.require(line, what, since).await?;
        }
        let rankings: Vec<_> = reply
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
        self.with_spec(name, None, |spec| async move {
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
            .answer(connection.points().count(connection.request(request)))
            .await?;
        reply
            .result
            .map(|result| result.count)
            .ok_or_else(|| fault::protocol("the reply has no count"))
    }

    /// Reads points, so many at a time, each time under `stack`.
    pub(super) async fn retrieve(
        &self,
        req: Retrieve,
        stack: Option<&StandardStack>,
    ) -> Result<Vec<Record>, Error> {
        let name = req.collection.as_str();
        self.with_spec(name, stack, |_spec| async move {
            let mut there: HashMap<PointId, Record> = HashMap::with_capacity(req.ids.len());
            for ids in req.ids.chunks(IDS_AT_ONCE) {
                let found = under(stack, || self.get(name, ids)).await?;
                there.extend(found.into_iter().map(|record| (record.id, record)));
            }
            Ok(req.ids.iter().filter_map(|id| there.remove(id)).collect())
        })
        .await
    }

    async fn get(&self, name: &str, ids: &[PointId]) -> Result<Vec<Record>, Error> {
        let connection = self.connection();
        let request = GetPoints {
            collection_name: name.to_owned(),
            ids: ids.iter().copied().map(value::id).collect(),
            with_payload: Some(payload(true)),
            with_vectors: Some(vectors(None)),
            timeout: Some(connection.server_timeout()),
            ..GetPoints::default()
        };
        let reply = connection
            .answer(connection.points().get(connection.request(request)))
            .await?;
        value::records(reply.result)
    }

    pub(super) async fn scroll(&self, req: Scroll) -> Result<ScrollPage, Error> {
        if req.limit == 0 {
            return Err(fault::error(
                ErrorKind::Invalid,
                "a page of 0 points has no next one, expected at least 1",
            ));
        }
        let name = req.collection.as_str();
        self.with_spec(name, None, |spec| async move {
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
                    .answer(connection.points().scroll(connection.request(request)))
                    .await?;
                points.extend(value::points(reply.result, spec.space.dimensions)?);
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

/// What a search needs, and the first version of the server that has it.
type Needs = (&'static str, ServerVersion);

/// Turns a fusion that was checked into the server's, with what that needs; `finds` says which legs
/// take part.
fn fusion(fusion: &StoreFusion, finds: &[bool]) -> Result<(ServerQuery, Option<Needs>), Error> {
    let mut needs = None;
    let variant = match fusion {
        StoreFusion::Distribution => Variant::Fusion(Fusion::Dbsf.into()),
        StoreFusion::ReciprocalRank { k, weights } => {
            let mut weights: Vec<f32> = weights
                .iter()
                .zip(finds)
                .filter_map(|(&weight, &finds)| finds.then_some(weight))
                .collect();
            // A weight of 1 changes nothing, and servers of any version fuse without weights.
            if weights.iter().all(|weight| weight.total_cmp(&1.0).is_eq()) {
                weights.clear();
            }
            if !weights.is_empty() {
                let what = "reciprocal rank fusion with weights";
                needs = Some((what, WEIGHTED_FUSION_VERSION));
            }
            Variant::Rrf(Rrf {
                k: Some(*k),
                weights,
            })
        }
        other => {
            return Err(fault::error(
                ErrorKind::Unsupported,
                format!("the server has no fusion {other:?}"),
            ));
        }
    };
    let query = ServerQuery {
        variant: Some(variant),
    };
    Ok((query, needs))
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
