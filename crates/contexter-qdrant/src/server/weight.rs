//! Changes within the limits of strict mode.

use std::sync::Arc;

use qdrant_client::qdrant::points_update_operation::Operation;
use qdrant_client::qdrant::{Filter, PointsSelector};
use qdrant_edge::{EdgeShard, UpdateOperation};
use tonic::Status;

use super::changes;
use super::collection::{Change, Collection, Wait};
use super::strict::Strict;

/// What strict mode looks at in a change.
#[derive(Default)]
pub(super) struct Weight {
    /// How many points are stored, or have vectors replaced, and what strict mode calls that.
    points: Option<(&'static str, usize)>,
    /// What selects the points that are changed. A condition on points that are named is no such
    /// filter.
    filter: Option<Filter>,
}

/// Carries out one change within the limits of strict mode.
pub(super) async fn change(
    collection: &Arc<Collection>,
    wait: Wait,
    weight: Weight,
    translate: impl FnOnce(&EdgeShard) -> Result<UpdateOperation, Status> + Send + 'static,
) -> Result<Change, Status> {
    let strict = collection.strict();
    let here = Arc::clone(collection);
    collection
        .change(wait, move |shard| {
            if let Some(limits) = &strict {
                let strict = Strict::new(limits, shard);
                if let Some((what, points)) = weight.points {
                    strict.points(what, points)?;
                }
                if let Some(filter) = &weight.filter {
                    strict.write_filter(filter)?;
                }
                let points = weight.points.map_or(1, |(_, points)| points.max(1));
                let cost = u64::try_from(points).unwrap_or(u64::MAX);
                here.buckets().write(limits.write_rate_limit, cost)?;
            }
            translate(shard)
        })
        .await
}

/// What a selection of points weighs.
fn selects(selector: Option<&PointsSelector>) -> Weight {
    Weight {
        points: None,
        filter: changes::filter_of(selector).cloned(),
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
            points: Some(("upsert limit", list.points.len())),
            filter: None,
        },
        Some(Operation::UpdateVectors(update)) => Weight {
            points: Some(("update limit", update.points.len())),
            filter: None,
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
