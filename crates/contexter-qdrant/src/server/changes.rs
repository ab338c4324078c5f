//! Changes in the engine's terms.

use std::collections::HashMap;

use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_update_operation::{Operation, PointStructList};
use qdrant_client::qdrant::{
    self, CreateFieldIndexCollection, Filter, PointVectors, PointsSelector, ShardKeySelector,
    Value, VectorsSelector,
};
use qdrant_edge::{
    ConditionalInsertOperation, CreateIndex, DeletePayloadOp, EdgeShard, FieldIndexOperations,
    PayloadOps, PointInsertOperations, PointOperations, SetPayloadOp, UpdateMode, UpdateOperation,
    UpdateVectorsOp, VectorOperations,
};
use tonic::Status;

use super::{filters, payload_index, queries, shard_keys, vectors};

/// Which points a change is about.
pub(super) enum Selected {
    Ids(Vec<qdrant_edge::PointId>),
    Filter(qdrant_edge::Filter),
}

/// Translates a selection; one is required.
pub(super) fn selected(selector: Option<PointsSelector>) -> Result<Selected, Status> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(points)) => Ok(Selected::Ids(vectors::ids(points.ids)?)),
        Some(PointsSelectorOneOf::Filter(filter)) => Ok(Selected::Filter(
            filters::filter(Some(filter))?.unwrap_or_default(),
        )),
        None => Err(Status::invalid_argument("PointsSelector is missing")),
    }
}

/// Returns the filter of a selection.
pub(super) fn filter_of(selector: Option<&PointsSelector>) -> Option<&Filter> {
    match selector?.points_selector_one_of.as_ref()? {
        PointsSelectorOneOf::Filter(filter) => Some(filter),
        PointsSelectorOneOf::Points(_) => None,
    }
}

/// Stores points.
pub(super) fn upsert(list: PointStructList, shard: &EdgeShard) -> Result<UpdateOperation, Status> {
    let config = shard.config();
    let mode = list.update_mode();
    let points = list
        .points
        .into_iter()
        .map(|point| vectors::point(point, &config))
        .collect::<Result<_, _>>()?;
    let insert = PointInsertOperations::PointsList(points);
    let condition = filters::filter(list.update_filter)?;
    let operation = match (condition, mode) {
        (None, qdrant::UpdateMode::Upsert) => PointOperations::UpsertPoints(insert),
        (condition, mode) => PointOperations::UpsertPointsConditional(ConditionalInsertOperation {
            points_op: insert,
            condition: condition.unwrap_or_default(),
            update_mode: Some(match mode {
                qdrant::UpdateMode::Upsert => UpdateMode::Upsert,
                qdrant::UpdateMode::InsertOnly => UpdateMode::InsertOnly,
                qdrant::UpdateMode::UpdateOnly => UpdateMode::UpdateOnly,
            }),
        }),
    };
    Ok(UpdateOperation::PointOperation(operation))
}

/// Deletes points.
pub(super) fn delete(selector: Option<PointsSelector>) -> Result<UpdateOperation, Status> {
    Ok(UpdateOperation::PointOperation(match selected(selector)? {
        Selected::Ids(ids) => PointOperations::DeletePoints { ids },
        Selected::Filter(filter) => PointOperations::DeletePointsByFilter(filter),
    }))
}

/// Replaces vectors of points.
pub(super) fn update_vectors(
    points: Vec<PointVectors>,
    condition: Option<Filter>,
    shard: &EdgeShard,
) -> Result<UpdateOperation, Status> {
    let config = shard.config();
    let points = points
        .into_iter()
        .map(|point| vectors::point_vectors(point, &config))
        .collect::<Result<_, _>>()?;
    Ok(UpdateOperation::VectorOperation(
        VectorOperations::UpdateVectors(UpdateVectorsOp {
            points,
            update_filter: filters::filter(condition)?,
        }),
    ))
}

/// Deletes vectors of points.
pub(super) fn delete_vectors(
    selector: Option<PointsSelector>,
    names: Option<VectorsSelector>,
) -> Result<UpdateOperation, Status> {
    let names = names.map(|names| names.names).unwrap_or_default();
    if names.is_empty() {
        return Err(Status::invalid_argument("VectorsSelector is missing"));
    }
    Ok(UpdateOperation::VectorOperation(
        match selected(selector)? {
            Selected::Ids(ids) => VectorOperations::DeleteVectors(ids.into(), names),
            Selected::Filter(filter) => VectorOperations::DeleteVectorsByFilter(filter, names),
        },
    ))
}

/// Sets or overwrites fields of payloads.
pub(super) fn set_payload(
    payload: HashMap<String, Value>,
    selector: Option<PointsSelector>,
    key: Option<&str>,
    overwrite: bool,
) -> Result<UpdateOperation, Status> {
    let (points, filter) = match selected(selector)? {
        Selected::Ids(ids) => (Some(ids), None),
        Selected::Filter(filter) => (None, Some(filter)),
    };
    let set = SetPayloadOp {
        payload: vectors::payload(payload),
        points,
        filter,
        key: key.map(queries::path).transpose()?,
    };
    Ok(UpdateOperation::PayloadOperation(if overwrite {
        PayloadOps::OverwritePayload(set)
    } else {
        PayloadOps::SetPayload(set)
    }))
}

/// Deletes fields of payloads.
pub(super) fn delete_payload(
    keys: &[String],
    selector: Option<PointsSelector>,
) -> Result<UpdateOperation, Status> {
    let (points, filter) = match selected(selector)? {
        Selected::Ids(ids) => (Some(ids), None),
        Selected::Filter(filter) => (None, Some(filter)),
    };
    let keys = keys.iter().map(|key| queries::path(key));
    Ok(UpdateOperation::PayloadOperation(
        PayloadOps::DeletePayload(DeletePayloadOp {
            keys: keys.collect::<Result<_, _>>()?,
            points,
            filter,
        }),
    ))
}

/// Deletes payloads.
pub(super) fn clear_payload(selector: Option<PointsSelector>) -> Result<UpdateOperation, Status> {
    Ok(UpdateOperation::PayloadOperation(
        match selected(selector)? {
            Selected::Ids(points) => PayloadOps::ClearPayload { points },
            Selected::Filter(filter) => PayloadOps::ClearPayloadByFilter(filter),
        },
    ))
}

/// Creates an index.
pub(super) fn create_index(
    request: &CreateFieldIndexCollection,
) -> Result<UpdateOperation, Status> {
    let index = CreateIndex {
        field_name: queries::path(&request.field_name)?,
        field_schema: Some(payload_index::schema(request)?),
    };
    Ok(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::CreateIndex(index),
    ))
}

/// Deletes an index.
pub(super) fn delete_index(field: &str) -> Result<UpdateOperation, Status> {
    Ok(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::DeleteIndex(queries::path(field)?),
    ))
}

/// Returns which shards an operation is for.
#[expect(deprecated, reason = "older clients send these operations")]
fn shard_keys_of(operation: &Operation) -> Option<&ShardKeySelector> {
    match operation {
        Operation::Upsert(list) => list.shard_key_selector.as_ref(),
        Operation::DeletePoints(delete) => delete.shard_key_selector.as_ref(),
        Operation::SetPayload(set) => set.shard_key_selector.as_ref(),
        Operation::OverwritePayload(set) => set.shard_key_selector.as_ref(),
        Operation::DeletePayload(keys) => keys.shard_key_selector.as_ref(),
        Operation::ClearPayload(clear) => clear.shard_key_selector.as_ref(),
        Operation::UpdateVectors(update) => update.shard_key_selector.as_ref(),
        Operation::DeleteVectors(delete) => delete.shard_key_selector.as_ref(),
        Operation::DeleteDeprecated(_) | Operation::ClearPayloadDeprecated(_) => None,
    }
}

/// Translates one operation of a batch.
#[expect(deprecated, reason = "older clients send these operations")]
pub(super) fn operation(
    operation: Option<Operation>,
    shard: &EdgeShard,
) -> Result<UpdateOperation, Status> {
    shard_keys::refuse(operation.as_ref().and_then(shard_keys_of))?;
    match operation {
        Some(Operation::Upsert(list)) => upsert(list, shard),
        Some(Operation::DeleteDeprecated(selector)) => delete(Some(selector)),
        Some(Operation::DeletePoints(points)) => delete(points.points),
        Some(Operation::SetPayload(set)) => {
            set_payload(set.payload, set.points_selector, set.key.as_deref(), false)
        }
        Some(Operation::OverwritePayload(set)) => {
            set_payload(set.payload, set.points_selector, set.key.as_deref(), true)
        }
        Some(Operation::DeletePayload(keys)) => delete_payload(&keys.keys, keys.points_selector),
        Some(Operation::ClearPayload(points)) => clear_payload(points.points),
        Some(Operation::ClearPayloadDeprecated(selector)) => clear_payload(Some(selector)),
        Some(Operation::UpdateVectors(update)) => {
            update_vectors(update.points, update.update_filter, shard)
        }
        Some(Operation::DeleteVectors(delete)) => {
            delete_vectors(delete.points_selector, delete.vectors)
        }
        None => Err(Status::invalid_argument(
            "Operation is missing in PointsUpdateOperation",
        )),
    }
}
