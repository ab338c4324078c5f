//! Legs and filters in the engine's terms.

use contexter_model::{
    CollectionSpec, Distance, Error, ErrorKind, Filter, Hit, Leg, Payload, PointId, Record,
};
use qdrant_edge::{
    AnyVariants, CountRequest, EdgeShard, FieldCondition, Match, MatchAny, NamedQuery,
    OperationError, QueryEnum, ScoredPoint, SearchRequest, VectorInternal, WithPayloadInterface,
    WithVector,
};

use super::fault;
use crate::spec::{self, DENSE, SPARSE, best_first};

/// More hits than this for one leg are worth a look at how many points there are.
const LARGE_LIMIT: usize = 10_000;

/// A filter in the engine's terms.
#[derive(Clone, Debug)]
pub(super) enum Passes {
    All,
    None,
    Some(qdrant_edge::Filter),
}

impl Passes {
    /// Translates `filter`, which may only name indexed fields.
    pub(super) fn new(filter: Filter, spec: &CollectionSpec) -> Result<Self, Error> {
        if filter.is_empty() {
            return Ok(Self::All);
        }
        spec::check_filter(&filter, spec)?;
        if spec::lets_nothing_pass(&filter) {
            return Ok(Self::None);
        }
        let mut must = Vec::with_capacity(filter.must.len());
        for condition in filter.must {
            let values = AnyVariants::Strings(condition.any_of.into_iter().collect());
            must.push(qdrant_edge::Condition::Field(FieldCondition::new_match(
                json_path(&condition.field)?,
                Match::Any(MatchAny { any: values }),
            )));
        }
        Ok(Self::Some(qdrant_edge::Filter {
            should: None,
            min_should: None,
            must: Some(must),
            must_not: None,
        }))
    }

    pub(super) fn into_engine(self) -> Option<qdrant_edge::Filter> {
        match self {
            Self::Some(filter) => Some(filter),
            Self::All | Self::None => None,
        }
    }
}

pub(super) fn json_path(field: &str) -> Result<qdrant_edge::JsonPath, Error> {
    field.parse().map_err(|()| {
        fault::error(
            ErrorKind::Invalid,
            format!("field {field:?} cannot be indexed, expected a plain name"),
        )
    })
}

/// One leg, verified against its collection.
#[derive(Debug)]
pub(super) struct Search {
    query: Option<VectorInternal>,
    using: &'static str,
    filter: Passes,
    limit: usize,
    nearer_is_lower: bool,
}

impl Search {
    pub(super) fn new(
        leg: Leg,
        filter: Passes,
        limit: usize,
        spec: &CollectionSpec,
    ) -> Result<Self, Error> {
        let (using, query) = match leg {
            Leg::Dense(vector) => {
                spec::check_dense(&vector, spec, &"query")?;
                (DENSE, Some(VectorInternal::Dense(vector)))
            }
            Leg::Sparse(vector) if vector.is_empty() => (SPARSE, None),
            Leg::Sparse(vector) => {
                let (indices, values) = vector.into_parts();
                let vector = qdrant_edge::SparseVector { indices, values };
                (SPARSE, Some(VectorInternal::Sparse(vector)))
            }
        };
        Ok(Self {
            query,
            using,
            filter,
            limit,
            nearer_is_lower: using == DENSE && spec.distance == Distance::Euclid,
        })
    }

    /// Returns whether the ranking is empty whatever the collection holds.
    pub(super) fn is_vain(&self) -> bool {
        self.query.is_none() || self.limit == 0 || matches!(self.filter, Passes::None)
    }

    /// Returns what is searched for and along which vector; `None` if that finds nothing.
    pub(super) fn into_query(self) -> Option<(VectorInternal, &'static str)> {
        Some((self.query?, self.using))
    }

    pub(super) fn run(self, shard: &EdgeShard) -> Result<Vec<Hit>, OperationError> {
        if self.is_vain() {
            return Ok(Vec::new());
        }
        let Some(query) = self.query else {
            return Ok(Vec::new());
        };
        let limit = if self.limit > LARGE_LIMIT {
            // The engine reserves memory for the limit.
            self.limit.min(shard.info().points_count.max(1))
        } else {
            self.limit
        };
        // `search` is what the engine's `query` runs for each leg, without planning and copies.
        let found = shard.search(SearchRequest {
            query: QueryEnum::Nearest(NamedQuery {
                query,
                using: Some(self.using.to_owned()),
            }),
            filter: self.filter.into_engine(),
            params: None,
            limit,
            offset: 0,
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: Some(WithVector::Bool(false)),
            score_threshold: None,
        })?;
        let mut hits: Vec<Hit> = found
            .iter()
            .filter_map(|point| hit(point, self.nearer_is_lower))
            .collect();
        hits.sort_unstable_by(best_first);
        Ok(hits)
    }
}

fn hit(point: &ScoredPoint, nearer_is_lower: bool) -> Option<Hit> {
    let score = if nearer_is_lower {
        -point.score
    } else {
        point.score
    };
    Some(Hit {
        id: model_id(point.id)?,
        score,
    })
}

/// Returns the model's id; this store never writes the engine's other kind, numbers.
pub(super) fn model_id(id: qdrant_edge::PointId) -> Option<PointId> {
    match id {
        qdrant_edge::PointId::Uuid(id) => Some(id),
        qdrant_edge::PointId::NumId(_) => None,
    }
}

pub(super) fn count(shard: &EdgeShard, filter: Passes) -> Result<u64, OperationError> {
    if matches!(filter, Passes::None) {
        return Ok(0);
    }
    let count = shard.count(CountRequest {
        filter: filter.into_engine(),
        exact: true,
    })?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

pub(super) fn retrieve(shard: &EdgeShard, ids: &[PointId]) -> Result<Vec<Record>, OperationError> {
    let ids: Vec<_> = ids
        .iter()
        .copied()
        .map(qdrant_edge::PointId::Uuid)
        .collect();
    let records = shard.retrieve(&ids, Some(WithPayloadInterface::Bool(true)), None)?;
    Ok(records
        .into_iter()
        .filter_map(|record| {
            Some(Record {
                id: model_id(record.id)?,
                payload: record
                    .payload
                    .map_or_else(Payload::new, |payload| payload.0),
            })
        })
        .collect())
}
