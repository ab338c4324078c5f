//! The service of snapshots: copies of a collection's files.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use qdrant_client::qdrant::snapshots_server;
use qdrant_client::qdrant::{
    CreateFullSnapshotRequest, CreateSnapshotRequest, CreateSnapshotResponse,
    DeleteFullSnapshotRequest, DeleteSnapshotRequest, DeleteSnapshotResponse,
    ListFullSnapshotsRequest, ListSnapshotsRequest, ListSnapshotsResponse, SnapshotDescription,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::auth::may_write;
use super::catalog::Catalog;
use super::collection::{Collection, blocking};
use super::reply::seconds;
use super::status;

type Reply<T> = Result<Response<T>, Status>;

/// Answers what is asked of snapshots.
pub(super) struct Snapshots {
    catalog: Arc<Catalog>,
}

impl Snapshots {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Collection, &Path) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let collection = self.catalog.get(name)?;
        let folder = self.catalog.snapshots(collection.name());
        collection.settled().await;
        blocking(move || work(&collection, &folder)).await
    }
}

#[tonic::async_trait]
impl snapshots_server::Snapshots for Snapshots {
    async fn create(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Reply<CreateSnapshotResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let name = request.into_inner().collection_name;
        let description = self.on_disk(&name, make).await?;
        Ok(Response::new(CreateSnapshotResponse {
            snapshot_description: Some(description),
            time: seconds(since),
        }))
    }

    async fn list(&self, request: Request<ListSnapshotsRequest>) -> Reply<ListSnapshotsResponse> {
        let since = Instant::now();
        let name = request.into_inner().collection_name;
        let listed = self.on_disk(&name, |_, folder| list(folder)).await?;
        Ok(Response::new(ListSnapshotsResponse {
            snapshot_descriptions: listed,
            time: seconds(since),
        }))
    }

    async fn delete(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Reply<DeleteSnapshotResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let request = request.into_inner();
        self.on_disk(&request.collection_name, move |_, folder| {
            let wanted = request.snapshot_name;
            let known = list(folder)?.into_iter().any(|there| there.name == wanted);
            if !known {
                return Err(status::not_found(format_args!(
                    "Snapshot {wanted} does not exist"
                )));
            }
            fs::remove_dir_all(folder.join(wanted)).map_err(|error| failed(&error))
        })
        .await?;
        Ok(Response::new(DeleteSnapshotResponse {
            time: seconds(since),
        }))
    }

    async fn create_full(
        &self,
        _request: Request<CreateFullSnapshotRequest>,
    ) -> Reply<CreateSnapshotResponse> {
        Err(status::not_offered("snapshots of the whole storage"))
    }

    async fn list_full(
        &self,
        _request: Request<ListFullSnapshotsRequest>,
    ) -> Reply<ListSnapshotsResponse> {
        Err(status::not_offered("snapshots of the whole storage"))
    }

    async fn delete_full(
        &self,
        _request: Request<DeleteFullSnapshotRequest>,
    ) -> Reply<DeleteSnapshotResponse> {
        Err(status::not_offered("snapshots of the whole storage"))
    }
}

/// Copies the files of a collection.
fn make(collection: &Collection, folder: &Path) -> Result<SnapshotDescription, Status> {
    let name = format!(
        "{}-{}.snapshot",
        collection.name(),
        Timestamp::now().as_nanosecond(),
    );
    // The name of a collection may be no name of a file, but then it has no separators either.
    let copy = folder.join(&name);
    collection.exclusively(|shard| {
        shard.flush();
        copy_folder(shard.path(), &copy).map_err(|error| failed(&error))
    })?;
    describe(&copy, name).map_err(|error| failed(&error))
}

fn list(folder: &Path) -> Result<Vec<SnapshotDescription>, Status> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut snapshots = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        snapshots.push(describe(&entry.path(), name).map_err(|error| failed(&error))?);
    }
    snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(snapshots)
}

fn describe(path: &Path, name: String) -> io::Result<SnapshotDescription> {
    let made = fs::metadata(path)?.modified()?;
    let since_epoch = made.duration_since(UNIX_EPOCH).unwrap_or_default();
    let creation_time = qdrant_client::qdrant::Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or(0),
    };
    Ok(SnapshotDescription {
        name,
        creation_time: Some(creation_time),
        size: i64::try_from(bytes(path)?).unwrap_or(i64::MAX),
        checksum: None,
    })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let destination = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &destination)?;
        } else {
            fs::copy(entry.path(), destination)?;
        }
    }
    Ok(())
}

fn bytes(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += bytes(&entry?.path())?;
    }
    Ok(sum)
}

fn failed(error: &io::Error) -> Status {
    Status::internal(format!("Service internal error: {error}"))
}
