//! Strict mode: limits that a collection sets its callers.
//!
//! <https://qdrant.tech/documentation/guides/administration/#strict-mode>; in which order what is
//! verified, and the texts of refusals, are from the vendor's source (1.19,
//! `lib/collection/src/operations/verification`). Not verified are sizes in bytes, lengths of single
//! vectors, and searches that read all points because the collection has no graph.

mod fields;
mod rate;
mod reads;

use std::fmt::Display;
use std::sync::Arc;

use qdrant_client::qdrant::{Filter, SearchParams, StrictModeConfig};
use qdrant_edge::EdgeShard;
use tonic::Status;

use self::fields::Indexes;
pub(super) use self::rate::Buckets;
pub(super) use self::reads::{Batch, Read};
use super::collection::Collection;
use super::{filters, status};

/// The strict mode of a collection that has it on.
pub(super) struct Strict<'a> {
    limits: &'a StrictModeConfig,
    shard: &'a EdgeShard,
}

/// Lets a read pass, or says which shards there are not, or what strict mode does not allow of it;
/// counts it against the rate.
pub(super) async fn admit<R: Read + Clone + Send + 'static>(
    collection: &Arc<Collection>,
    request: &R,
) -> Result<(), Status> {
    request.shards()?;
    let Some(limits) = collection.strict() else {
        return Ok(());
    };
    let (rate, cost) = (limits.read_rate_limit, request.cost());
    let request = request.clone();
    let verified = collection.read(move |shard| {
        let strict = Strict::new(&limits, shard);
        request.verify(&strict)?;
        strict.timeout(request.timeout())
    });
    verified.await?;
    collection.buckets().read(rate, cost)
}

impl<'a> Strict<'a> {
    pub(super) fn new(limits: &'a StrictModeConfig, shard: &'a EdgeShard) -> Self {
        Self { limits, shard }
    }

    /// Verifies how many points are stored, or have vectors replaced; `what` says which.
    pub(super) fn points(&self, what: &str, points: usize) -> Result<(), Status> {
        at_most(what, Some(count(points)), self.limits.upsert_max_batchsize)?;
        match self.limits.max_points_count {
            Some(most) if count(self.shard.info().points_count) >= most => Err(
                status::bad_request(format_args!("Max points count limit of {most} reached!")),
            ),
            _ => Ok(()),
        }
    }

    /// Verifies that there may be one index more.
    pub(super) fn index(&self) -> Result<(), Status> {
        let indexes = count(self.shard.info().payload_schema.len());
        match self.limits.max_payload_index_count {
            Some(most) if indexes >= most => Err(refused(
                format_args!(
                    "Collection already has the maximum number of payload indices ({most})"
                ),
                "Please delete an existing index before creating a new one.",
            )),
            _ => Ok(()),
        }
    }

    /// Verifies a filter that selects what is changed.
    pub(super) fn write_filter(&self, filter: &Filter) -> Result<(), Status> {
        self.filter(Some(filter), self.limits.unindexed_filtering_update)
    }

    fn read_filter(&self, filter: Option<&Filter>) -> Result<(), Status> {
        self.filter(filter, self.limits.unindexed_filtering_retrieve)
    }

    fn filter(&self, filter: Option<&Filter>, unindexed: Option<bool>) -> Result<(), Status> {
        let Some(filter) = filters::filter(filter.cloned())? else {
            return Ok(());
        };
        if unindexed == Some(false) {
            Indexes::of(self.shard).filter(&filter)?;
        }
        let conditions = count(filter.total_conditions_count());
        if let Some(most) = self.limits.filter_max_conditions
            && conditions > most
        {
            return Err(refused(
                format_args!("Filter condition limit reached ({conditions} > {most})"),
                "Reduce the amount of conditions of your filter.",
            ));
        }
        let size = count(filter.max_condition_input_size());
        if let Some(most) = self.limits.condition_max_size
            && size > most
        {
            return Err(refused(
                format_args!("Condition size limit reached ({size} > {most})"),
                "Reduce the size of your condition.",
            ));
        }
        Ok(())
    }

    fn limit(&self, limit: Option<u64>) -> Result<(), Status> {
        at_most("limit", limit, self.limits.max_query_limit.map(u64::from))
    }

    fn exact(&self, exact: Option<bool>) -> Result<(), Status> {
        if self.limits.search_allow_exact == Some(false) && exact == Some(true) {
            return Err(refused("Exact search disabled!", "Set exact=false."));
        }
        Ok(())
    }

    fn params(&self, params: Option<&SearchParams>) -> Result<(), Status> {
        let Some(params) = params else {
            return Ok(());
        };
        let quantization = params.quantization.as_ref();
        at_most(
            "oversampling",
            quantization.and_then(|quantization| quantization.oversampling),
            self.limits.search_max_oversampling.map(f64::from),
        )?;
        let most = self.limits.search_max_hnsw_ef.map(u64::from);
        at_most("hnsw_ef", params.hnsw_ef, most)?;
        self.exact(params.exact)
    }

    fn timeout(&self, seconds: Option<u64>) -> Result<(), Status> {
        at_most("timeout", seconds, self.limits.max_timeout.map(u64::from))
    }
}

fn refused(what: impl Display, help: impl Display) -> Status {
    status::bad_request(format_args!("{what}. Help: {help}"))
}

fn at_most<T: PartialOrd + Display>(
    name: &str,
    value: Option<T>,
    most: Option<T>,
) -> Result<(), Status> {
    match (value, most) {
        (Some(value), Some(most)) if value > most => Err(refused(
            format_args!("Limit exceeded {value} > {most} for \"{name}\""),
            format_args!("Reduce the \"{name}\" parameter to or below {most}."),
        )),
        _ => Ok(()),
    }
}

fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}
