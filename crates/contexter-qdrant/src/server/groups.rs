//! The best points of each value of a field.

use std::collections::HashMap;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::group_id::Kind;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    Condition, GroupId, GroupsResult, IsEmptyCondition, PayloadIncludeSelector, PointGroup,
    PrefetchQuery, QueryPointGroups, QueryPoints, WithLookup, WithPayloadSelector,
};
use qdrant_edge::{EdgeShard, JsonPath, PointId, ScoredPoint};
use serde_json::Value;
use tonic::Status;

use super::catalog::Catalog;
use super::queries::{path, size, with_payload, with_vectors};
use super::{lookup, reads, reply, status, strict};

/// The server's default numbers of groups, and of points in each (`grouping/group_by.rs`).
pub(super) const GROUPS: u64 = 10;
pub(super) const GROUP_SIZE: u64 = 3;

/// The most points that are looked at.
const MOST: u64 = 1 << 20;

/// By how much more is looked at when there were too few groups.
const GROWTH: u64 = 4;

/// A value that is grouped by: words and whole numbers only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Natural(u64),
    Negative(i64),
}

struct Group {
    key: Key,
    points: Vec<ScoredPoint>,
}

/// Finds groups.
pub(super) async fn query(
    catalog: &Catalog,
    mut request: QueryPointGroups,
) -> Result<GroupsResult, Status> {
    let collection = catalog.get(&request.collection_name)?;
    let limit = request.limit.unwrap_or(GROUPS);
    let group_size = request.group_size.unwrap_or(GROUP_SIZE);
    if limit == 0 || group_size == 0 {
        return Err(Status::invalid_argument(
            "Validation error in body: [limit, group_size: value 0 invalid, must be 1 or larger]",
        ));
    }
    let field = path(&request.group_by)?;
    let payload = with_payload(request.with_payload.take(), false)?;
    let vectors = with_vectors(request.with_vectors.take());
    let (timeout, beside) = (request.timeout, request.with_lookup.take());
    let found = async {
        strict::admit(&collection, &request).await?;
        let mut search = ungrouped(request, group_size);
        lookup::resolve(catalog, &mut search).await?;
        let (limit, group_size) = (size(limit), size(group_size));
        let groups = collection.read(move |shard| {
            let mut wanted = (limit as u64)
                .saturating_mul(group_size as u64)
                .saturating_mul(GROWTH)
                .min(MOST);
            let mut groups = loop {
                search.limit = Some(wanted);
                let found = reads::run(search.clone(), shard)?;
                let is_all = (found.len() as u64) < wanted || wanted == MOST;
                let groups = grouped(found, &field, limit, group_size);
                let is_full = groups.len() == limit
                    && groups.iter().all(|group| group.points.len() == group_size);
                if is_all || is_full {
                    break groups;
                }
                wanted = wanted.saturating_mul(GROWTH).min(MOST);
            };
            fill(&mut groups, shard, &payload, &vectors)?;
            Ok(groups)
        });
        let groups = groups.await?;
        let found = match beside {
            Some(beside) => looked_up(catalog, beside, &groups).await?,
            None => HashMap::new(),
        };
        Ok((groups, found))
    };
    let (groups, found) = reads::within(timeout, "query groups", found).await?;
    let groups = groups.into_iter().map(|group| PointGroup {
        lookup: point_of(&group.key).and_then(|id| found.get(&id).cloned()),
        id: Some(id(group.key)),
        hits: group.points.into_iter().map(reply::scored).collect(),
    });
    Ok(GroupsResult {
        groups: groups.collect(),
    })
}

/// The same search for single points, with the field that they are grouped by.
fn ungrouped(request: QueryPointGroups, group_size: u64) -> QueryPoints {
    let is_empty = Condition {
        condition_one_of: Some(ConditionOneOf::IsEmpty(IsEmptyCondition {
            key: request.group_by.clone(),
        })),
    };
    let mut filter = request.filter.unwrap_or_default();
    filter.must_not.push(is_empty);
    let mut prefetch = request.prefetch;
    widen(&mut prefetch, group_size);
    QueryPoints {
        collection_name: request.collection_name,
        prefetch,
        query: request.query,
        using: request.using,
        filter: Some(filter),
        params: request.params,
        score_threshold: request.score_threshold,
        lookup_from: request.lookup_from,
        with_payload: Some(WithPayloadSelector {
            selector_options: Some(SelectorOptions::Include(PayloadIncludeSelector {
                fields: vec![request.group_by],
            })),
        }),
        timeout: request.timeout,
        ..QueryPoints::default()
    }
}

/// Lets prefetches find enough for groups, as the server does.
fn widen(prefetches: &mut [PrefetchQuery], group_size: u64) {
    for prefetch in prefetches {
        let limit = prefetch.limit.unwrap_or(GROUPS);
        prefetch.limit = Some(limit.saturating_mul(group_size).min(MOST));
        widen(&mut prefetch.prefetch, group_size);
    }
}

fn grouped(found: Vec<ScoredPoint>, field: &JsonPath, limit: usize, size: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for point in found {
        let Some(payload) = &point.payload else {
            continue;
        };
        let values = field.value_get(&payload.0);
        let keys: Vec<Key> = values.into_iter().flat_map(keys).collect();
        for key in keys {
            let place = *places.entry(key.clone()).or_insert_with(|| {
                groups.push(Group {
                    key,
                    points: Vec::new(),
                });
                groups.len() - 1
            });
            // The best groups come first, and those behind the last one are not told.
            let Some(group) = groups.get_mut(place).filter(|_| place < limit) else {
                continue;
            };
            let is_there = group.points.iter().any(|there| there.id == point.id);
            if group.points.len() < size && !is_there {
                group.points.push(point.clone());
            }
        }
    }
    groups.truncate(limit);
    groups
}

fn keys(value: &Value) -> Vec<Key> {
    match value {
        Value::Array(values) => values.iter().flat_map(keys).collect(),
        Value::String(text) => vec![Key::Text(text.clone())],
        Value::Number(number) => {
            let natural = number.as_u64().map(Key::Natural);
            let key = natural.or_else(|| number.as_i64().map(Key::Negative));
            key.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Reads what the caller wants of the points.
fn fill(
    groups: &mut [Group],
    shard: &EdgeShard,
    payload: &qdrant_edge::WithPayloadInterface,
    vectors: &qdrant_edge::WithVector,
) -> Result<(), Status> {
    let points = groups.iter().flat_map(|group| &group.points);
    let ids: Vec<PointId> = points.map(|point| point.id).collect();
    let records = shard
        .retrieve(&ids, Some(payload.clone()), Some(vectors.clone()))
        .map_err(|error| status::engine(&error))?;
    let records: HashMap<_, _> = records
        .into_iter()
        .map(|record| (record.id, record))
        .collect();
    for point in groups.iter_mut().flat_map(|group| &mut group.points) {
        let record = records.get(&point.id);
        point.payload = record.and_then(|record| record.payload.clone());
        point.vector = record.and_then(|record| record.vector.clone());
    }
    Ok(())
}

/// Reads the points of another collection whose ids the groups have.
async fn looked_up(
    catalog: &Catalog,
    beside: WithLookup,
    groups: &[Group],
) -> Result<HashMap<PointId, qdrant_client::qdrant::RetrievedPoint>, Status> {
    let collection = catalog.get(&beside.collection)?;
    let payload = with_payload(beside.with_payload, true)?;
    let vectors = with_vectors(beside.with_vectors);
    let ids: Vec<PointId> = groups
        .iter()
        .filter_map(|group| point_of(&group.key))
        .collect();
    collection
        .read(move |shard| {
            let records = shard
                .retrieve(&ids, Some(payload), Some(vectors))
                .map_err(|error| status::engine(&error))?;
            let records = records.into_iter();
            Ok(records
                .map(|found| (found.id, reply::record(found)))
                .collect())
        })
        .await
}

fn point_of(key: &Key) -> Option<PointId> {
    match key {
        Key::Text(text) => text.parse().ok().map(PointId::Uuid),
        Key::Natural(number) => Some(PointId::NumId(*number)),
        Key::Negative(_) => None,
    }
}

fn id(key: Key) -> GroupId {
    GroupId {
        kind: Some(match key {
            Key::Text(text) => Kind::StringValue(text),
            Key::Natural(number) => Kind::UnsignedValue(number),
            Key::Negative(number) => Kind::IntegerValue(number),
        }),
    }
}
