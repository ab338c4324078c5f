//! Requests for changes of points, as the operations of a batch.

use qdrant_client::qdrant::points_update_operation::{
    ClearPayload, DeletePayload, DeletePoints as DeleteSelected, DeleteVectors, Operation,
    OverwritePayload, PointStructList, SetPayload, UpdateVectors,
};
use qdrant_client::qdrant::{
    ClearPayloadPoints, CreateFieldIndexCollection, CreateVectorNameRequest,
    DeleteFieldIndexCollection, DeletePayloadPoints, DeletePointVectors, DeletePoints,
    DeleteVectorNameRequest, SetPayloadPoints, UpdatePointVectors, UpsertPoints,
};
use tokio::time::Instant;

use super::collection::Wait;

/// What a request for a change says besides the change.
pub(super) struct Asked {
    pub(super) collection: String,
    pub(super) wait: Wait,
    pub(super) since: Instant,
}

/// A request for a change of one collection.
pub(super) trait Request {
    /// Takes out which collection is to be changed, and how long the caller waits.
    fn asked(&mut self) -> Asked;
}

/// A request for a change that is also an operation of a batch.
pub(super) trait Change: Request {
    fn into_operation(self) -> Operation;
}

macro_rules! requests {
    ($($request:ident),*) => {$(
        impl Request for $request {
            fn asked(&mut self) -> Asked {
                let since = Instant::now();
                Asked {
                    collection: std::mem::take(&mut self.collection_name),
                    wait: Wait::new(since, self.wait, self.timeout),
                    since,
                }
            }
        }
    )*};
}

requests! {
    UpsertPoints, DeletePoints, UpdatePointVectors, DeletePointVectors, SetPayloadPoints,
    DeletePayloadPoints, ClearPayloadPoints, CreateFieldIndexCollection, DeleteFieldIndexCollection,
    CreateVectorNameRequest, DeleteVectorNameRequest
}

macro_rules! changes {
    ($($request:ident => |$given:ident| $operation:expr;)*) => {$(
        impl Change for $request {
            fn into_operation(self) -> Operation {
                let $given = self;
                $operation
            }
        }
    )*};
}

changes! {
    UpsertPoints => |upsert| Operation::Upsert(PointStructList {
        points: upsert.points,
        shard_key_selector: upsert.shard_key_selector,
        update_filter: upsert.update_filter,
        update_mode: upsert.update_mode,
    });
    DeletePoints => |delete| Operation::DeletePoints(DeleteSelected {
        points: delete.points,
        shard_key_selector: delete.shard_key_selector,
    });
    UpdatePointVectors => |update| Operation::UpdateVectors(UpdateVectors {
        points: update.points,
        shard_key_selector: update.shard_key_selector,
        update_filter: update.update_filter,
    });
    DeletePointVectors => |delete| Operation::DeleteVectors(DeleteVectors {
        points_selector: delete.points_selector,
        vectors: delete.vectors,
        shard_key_selector: delete.shard_key_selector,
    });
    SetPayloadPoints => |set| Operation::SetPayload(SetPayload {
        payload: set.payload,
        points_selector: set.points_selector,
        shard_key_selector: set.shard_key_selector,
        key: set.key,
    });
    DeletePayloadPoints => |delete| Operation::DeletePayload(DeletePayload {
        keys: delete.keys,
        points_selector: delete.points_selector,
        shard_key_selector: delete.shard_key_selector,
    });
    ClearPayloadPoints => |clear| Operation::ClearPayload(ClearPayload {
        points: clear.points,
        shard_key_selector: clear.shard_key_selector,
    });
}

/// Fields that are not to be set beside the others, but in their place.
pub(super) struct Overwrite(pub(super) SetPayloadPoints);

impl Request for Overwrite {
    fn asked(&mut self) -> Asked {
        self.0.asked()
    }
}

impl Change for Overwrite {
    fn into_operation(self) -> Operation {
        Operation::OverwritePayload(OverwritePayload {
            payload: self.0.payload,
            points_selector: self.0.points_selector,
            shard_key_selector: self.0.shard_key_selector,
            key: self.0.key,
        })
    }
}
