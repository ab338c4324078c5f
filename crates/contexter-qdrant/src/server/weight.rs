//! Changes within the limits of strict mode.

use std::sync::Arc;

use qdrant_client::qdrant::points_update_operation::Operation;
use qdrant_client::qdrant::{Filter, PointsSelector};
use qdrant_edge::{EdgeShard, UpdateOperation};
use tonic::Status;

use super::collection::{Change, Collection, Wait};
use super::{changes, strict};

/// What strict mode looks at in a change.
#[derive(Default)]
pub(super) struct Weight {
    pub(super) points: usize,
    pub(super) filters: Vec<Filter>,
}

/// Carries out one change within the limits of strict mode.
pub(super) async fn change(
    collection: &Arc<Collection>,
    wait: Wait,
    weight: Weight,
    translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
) -> Result<Change, Status> {
    let strict = collection.strict();
    if let Some(strict) = &strict {
        let points = u64::try_from(weight.points).unwrap_or(u64::MAX);
        strict::at_most("upsert_max_batchsize", points, strict.upsert_max_batchsize)?;
        collection
            .buckets()
            .write(strict.write_rate_limit, points.max(1))?;
    }
    collection
        .change(wait, move |shard| {
            if let Some(strict) = &strict {
                for filter in &weight.filters {
                    strict::filter(strict, Some(filter), shard, true)?;
                }
                let there = shard.info().points_count.saturating_add(weight.points);
                let there = u64::try_from(there).unwrap_or(u64::MAX);
                if weight.points > 0 {
                    strict::at_most("max_points_count", there, strict.max_points_count)?;
                }
            }
            translate(shard)
        })
        .await
}

/// What a selection of points weighs.
fn selects(selector: Option<&PointsSelector>) -> Weight {
    Weight {
        points: 0,
        filters: changes::filter_of(selector).cloned().into_iter().collect(),
    }
}

/// What one operation of a batch weighs.
#[expect(deprecated, reason = "older clients send these operations")]
pub(super) fn weight_of(operation: Option<&Operation>) -> Weight {
    match operation {
        Some(Operation::DeleteDeprecated(points) | Operation::ClearPayloadDeprecated(points)) => {
            selects(Some(points))
        }
        Some(Operation::Upsert(list)) => Weight {
            points: list.points.len(),
            filters: list.update_filter.clone().into_iter().collect(),
        },
        Some(Operation::DeletePoints(delete)) => selects(delete.points.as_ref()),
        Some(Operation::SetPayload(set)) => selects(set.points_selector.as_ref()),
        Some(Operation::OverwritePayload(set)) => selects(set.points_selector.as_ref()),
        Some(Operation::DeletePayload(keys)) => selects(keys.points_selector.as_ref()),
        Some(Operation::ClearPayload(clear)) => selects(clear.points.as_ref()),
        Some(Operation::DeleteVectors(delete)) => selects(delete.points_selector.as_ref()),
        _ => Weight::default(),
    }
}
