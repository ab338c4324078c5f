//! Snapshots, which the server keeps.

use contexter_model::{Error, Snapshot};
use qdrant_client::qdrant::{
    CreateSnapshotRequest, DeleteSnapshotRequest, ListSnapshotsRequest, SnapshotDescription,
};

use super::fault;
use super::store::RemoteStore;

impl RemoteStore {
    pub(super) async fn create_snapshot(&self, collection: String) -> Result<Snapshot, Error> {
        let connection = self.connection();
        let request = CreateSnapshotRequest {
            collection_name: collection,
        };
        let reply = connection
            .answer_within(
                self.snapshot_timeout(),
                connection.snapshots().create(connection.request(request)),
            )
            .await?;
        reply
            .snapshot_description
            .map(snapshot)
            .ok_or_else(|| fault::protocol("the reply describes no snapshot"))
    }

    pub(super) async fn list_snapshots(&self, collection: String) -> Result<Vec<Snapshot>, Error> {
        let connection = self.connection();
        let request = ListSnapshotsRequest {
            collection_name: collection,
        };
        let reply = connection
            .answer(connection.snapshots().list(connection.request(request)))
            .await?;
        let mut snapshots: Vec<_> = reply
            .snapshot_descriptions
            .into_iter()
            .map(snapshot)
            .collect();
        snapshots.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(snapshots)
    }

    pub(super) async fn drop_snapshot(
        &self,
        collection: String,
        snapshot: String,
    ) -> Result<(), Error> {
        let connection = self.connection();
        let request = DeleteSnapshotRequest {
            collection_name: collection,
            snapshot_name: snapshot,
        };
        connection
            .answer(connection.snapshots().delete(connection.request(request)))
            .await
            .map(drop)
    }
}

fn snapshot(description: SnapshotDescription) -> Snapshot {
    Snapshot {
        name: description.name,
        bytes: u64::try_from(description.size).unwrap_or(0),
        created: description.creation_time.map(|time| time.seconds),
        sha256: description.checksum,
    }
}
