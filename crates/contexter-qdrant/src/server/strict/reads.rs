//! What strict mode looks at in each kind of read.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    CountPoints, FacetCounts, GetPoints, PrefetchQuery, Query, QueryPointGroups, QueryPoints,
    ScrollPoints, SearchMatrixPoints,
};
use tonic::Status;

use super::fields::Indexes;
use super::{Strict, at_most, count};
use crate::server::{formula, groups, matrix, queries, reads, shard_keys};

/// A read of one collection.
pub(in crate::server) trait Read {
    /// Says what strict mode does not allow of it.
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status>;

    /// How many seconds the caller waits.
    fn timeout(&self) -> Option<u64>;

    /// Says which of the shards that it names by their keys there is not.
    fn shards(&self) -> Result<(), Status>;

    /// What it takes from the rate.
    fn cost(&self) -> u64 {
        1
    }
}

/// What all requests say in the same fields.
macro_rules! as_in_all {
    () => {
        fn timeout(&self) -> Option<u64> {
            self.timeout
        }

        fn shards(&self) -> Result<(), Status> {
            shard_keys::refuse(self.shard_key_selector.as_ref())
        }
    };
}

/// Searches of one collection in one call; only the time of all of them counts.
#[derive(Clone)]
pub(in crate::server) struct Batch {
    pub(in crate::server) searches: Vec<QueryPoints>,
    pub(in crate::server) timeout: Option<u64>,
}

impl Read for Batch {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        at_most(
            "search batch size",
            Some(count(self.searches.len())),
            strict.limits.search_max_batchsize,
        )?;
        self.searches
            .iter()
            .try_for_each(|search| search.verify(strict))
    }

    fn timeout(&self) -> Option<u64> {
        self.timeout
    }

    fn shards(&self) -> Result<(), Status> {
        self.searches.iter().try_for_each(Read::shards)
    }

    fn cost(&self) -> u64 {
        count(self.searches.len())
    }
}

impl Read for QueryPoints {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        prefetches(strict, &self.prefetch)?;
        ranking(strict, self.query.as_ref())?;
        strict.limit(Some(self.limit.unwrap_or(queries::LIMIT)))?;
        strict.read_filter(self.filter.as_ref())?;
        strict.params(self.params.as_ref())
    }

    as_in_all!();
}

/// What is prefetched for groups is not looked at, nor by the vendor's server.
impl Read for QueryPointGroups {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        ranking(strict, self.query.as_ref())?;
        if strict.limits.unindexed_filtering_retrieve == Some(false) {
            Indexes::of(strict.shard).grouped_by(&queries::path(&self.group_by)?)?;
        }
        let groups = self.limit.unwrap_or(groups::GROUPS);
        let size = self.group_size.unwrap_or(groups::GROUP_SIZE);
        strict.limit(Some(groups.saturating_mul(size)))?;
        strict.read_filter(self.filter.as_ref())?;
        strict.params(self.params.as_ref())
    }

    as_in_all!();
}

impl Read for ScrollPoints {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        strict.limit(self.limit.map(u64::from))?;
        strict.read_filter(self.filter.as_ref())
    }

    as_in_all!();
}

impl Read for CountPoints {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        strict.read_filter(self.filter.as_ref())?;
        strict.exact(Some(self.exact.unwrap_or(reads::COUNTS_EXACTLY)))
    }

    as_in_all!();
}

impl Read for FacetCounts {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        strict.limit(Some(self.limit.unwrap_or(reads::FACETS)))?;
        strict.read_filter(self.filter.as_ref())
    }

    as_in_all!();
}

impl Read for GetPoints {
    fn verify(&self, _strict: &Strict<'_>) -> Result<(), Status> {
        Ok(())
    }

    as_in_all!();

    fn cost(&self) -> u64 {
        count(self.ids.len())
    }
}

impl Read for SearchMatrixPoints {
    fn verify(&self, strict: &Strict<'_>) -> Result<(), Status> {
        let sample = self.sample.unwrap_or(matrix::SAMPLE);
        let limit = self.limit.unwrap_or(matrix::NEIGHBOURS);
        strict.limit(Some(limit.saturating_mul(sample)))?;
        strict.read_filter(self.filter.as_ref())
    }

    as_in_all!();

    fn cost(&self) -> u64 {
        self.sample.unwrap_or(matrix::SAMPLE)
    }
}

fn prefetches(strict: &Strict<'_>, prefetches: &[PrefetchQuery]) -> Result<(), Status> {
    for prefetch in prefetches {
        self::prefetches(strict, &prefetch.prefetch)?;
        ranking(strict, prefetch.query.as_ref())?;
        strict.limit(Some(prefetch.limit.unwrap_or(queries::LIMIT)))?;
        strict.read_filter(prefetch.filter.as_ref())?;
        strict.params(prefetch.params.as_ref())?;
    }
    Ok(())
}

/// Verifies that what a formula reads has indexes.
fn ranking(strict: &Strict<'_>, query: Option<&Query>) -> Result<(), Status> {
    let Some(Variant::Formula(formula)) = query.and_then(|query| query.variant.as_ref()) else {
        return Ok(());
    };
    if strict.limits.unindexed_filtering_retrieve != Some(false) {
        return Ok(());
    }
    Indexes::of(strict.shard).expression(&formula::expression(formula.expression.clone())?)
}
