//! Strict mode: limits that a collection sets its callers.
//!
//! <https://qdrant.tech/documentation/guides/administration/#strict-mode>

use std::collections::HashSet;

use parking_lot::Mutex;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{Condition, Filter, PrefetchQuery, StrictModeConfig};
use qdrant_edge::EdgeShard;
use tokio::time::{Duration, Instant};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Refuses what strict mode does not allow.
pub(super) fn refused(what: impl std::fmt::Display, help: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Bad request: {what}. Help: {help}"))
}

/// Verifies that `value` of the setting `name` is at most `most`.
pub(super) fn at_most(name: &str, value: u64, most: Option<u64>) -> Result<(), Status> {
    match most {
        Some(most) if value > most => Err(refused(
            format_args!("Limit exceeded {value} > {most} for \"{name}\""),
            format_args!("Reduce the \"{name}\" parameter to or below {most}."),
        )),
        _ => Ok(()),
    }
}

/// Verifies a filter; `update` says whether it selects what is changed.
pub(super) fn filter(
    strict: &StrictModeConfig,
    filter: Option<&Filter>,
    shard: &EdgeShard,
    update: bool,
) -> Result<(), Status> {
    let Some(filter) = filter else {
        return Ok(());
    };
    let mut conditions = Vec::new();
    collect(filter, &mut conditions);
    at_most(
        "filter_max_conditions",
        u64::try_from(conditions.len()).unwrap_or(u64::MAX),
        strict.filter_max_conditions,
    )?;
    let unindexed_allowed = if update {
        strict.unindexed_filtering_update
    } else {
        strict.unindexed_filtering_retrieve
    };
    let indexed: HashSet<String> = if unindexed_allowed == Some(false) {
        let fields = shard.info().payload_schema.into_keys();
        fields.map(|field| field.to_string()).collect()
    } else {
        HashSet::new()
    };
    for condition in conditions {
        at_most(
            "condition_max_size",
            size(condition),
            strict.condition_max_size,
        )?;
        if unindexed_allowed != Some(false) {
            continue;
        }
        let key = match &condition.condition_one_of {
            Some(ConditionOneOf::Field(field)) => &field.key,
            Some(ConditionOneOf::IsEmpty(field)) => &field.key,
            Some(ConditionOneOf::IsNull(field)) => &field.key,
            _ => continue,
        };
        if !indexed.contains(key) {
            return Err(refused(
                format_args!(
                    "Index required but not found for \"{key}\" of one of the following types: \
                     [keyword]"
                ),
                "Create an index for this key or use a different filter.",
            ));
        }
    }
    Ok(())
}

/// Verifies the filters of prefetches, and of those within them.
pub(super) fn prefetches(
    strict: &StrictModeConfig,
    prefetches: &[PrefetchQuery],
    shard: &EdgeShard,
) -> Result<(), Status> {
    for prefetch in prefetches {
        filter(strict, prefetch.filter.as_ref(), shard, false)?;
        self::prefetches(strict, &prefetch.prefetch, shard)?;
    }
    Ok(())
}

fn collect<'a>(filter: &'a Filter, into: &mut Vec<&'a Condition>) {
    let min_should = filter.min_should.iter().flat_map(|min| &min.conditions);
    let all = filter
        .must
        .iter()
        .chain(&filter.should)
        .chain(&filter.must_not)
        .chain(min_should);
    for condition in all {
        match &condition.condition_one_of {
            Some(ConditionOneOf::Filter(inner)) => collect(inner, into),
            _ => into.push(condition),
        }
    }
}

fn size(condition: &Condition) -> u64 {
    let values = match &condition.condition_one_of {
        Some(ConditionOneOf::HasId(ids)) => ids.has_id.len(),
        Some(ConditionOneOf::Field(field)) => {
            match field.r#match.as_ref().and_then(|m| m.match_value.as_ref()) {
                Some(MatchValue::Keywords(any) | MatchValue::ExceptKeywords(any)) => {
                    any.strings.len()
                }
                Some(MatchValue::Integers(any) | MatchValue::ExceptIntegers(any)) => {
                    any.integers.len()
                }
                _ => 1,
            }
        }
        _ => 1,
    };
    u64::try_from(values).unwrap_or(u64::MAX)
}

/// The rate limits of a collection.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    read: Mutex<Option<Bucket>>,
    write: Mutex<Option<Bucket>>,
}

impl Buckets {
    /// Takes `cost` from the read limit.
    pub(super) fn read(&self, per_minute: Option<u32>, cost: u64) -> Result<(), Status> {
        take(&self.read, per_minute, cost, "Read")
    }

    /// Takes `cost` from the write limit.
    pub(super) fn write(&self, per_minute: Option<u32>, cost: u64) -> Result<(), Status> {
        take(&self.write, per_minute, cost, "Write")
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    since: Instant,
}

#[expect(clippy::cast_precision_loss, reason = "costs are far below 2^52")]
fn take(
    bucket: &Mutex<Option<Bucket>>,
    per_minute: Option<u32>,
    cost: u64,
    what: &str,
) -> Result<(), Status> {
    let Some(per_minute) = per_minute else {
        return Ok(());
    };
    let size = f64::from(per_minute);
    let cost = cost as f64;
    if cost > size {
        // Without a time to wait: it would never pass.
        return Err(Status::new(
            Code::ResourceExhausted,
            format!(
                "Rate limiting exceeded: {what} rate limit exceeded, request larger than rate \
                 limiter capacity, please try to split your request",
            ),
        ));
    }
    let now = Instant::now();
    let mut bucket = bucket.lock();
    let there = bucket.get_or_insert(Bucket {
        tokens: size,
        since: now,
    });
    let passed = now.duration_since(there.since).as_secs_f64();
    there.tokens = (there.tokens + passed * size / 60.0).min(size);
    there.since = now;
    if there.tokens >= cost {
        there.tokens -= cost;
        return Ok(());
    }
    let wait = Duration::from_secs_f64((cost - there.tokens) * 60.0 / size);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut status = Status::new(
        Code::ResourceExhausted,
        format!(
            "Rate limiting exceeded: {what} rate limit exceeded: Operation requires {cost} tokens \
             but only {tokens:.1} were available. Retry after {seconds}s",
            tokens = there.tokens,
        ),
    );
    status
        .metadata_mut()
        .insert("retry-after", MetadataValue::from(seconds));
    Err(status)
}
