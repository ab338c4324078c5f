//! Calls that the server takes in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{
    CreateSnapshot, Delete, EnsureCollection, ErrorKind, PointId, Selector, Upsert,
};
use contexter_qdrant::remote::{QdrantAdapter, RemoteStore};
use contexter_service::{Again, Service, Verdict};
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::{DeletePoints, PointsIdsList, PointsSelector};
use tonic::Status;

use super::before::Before;
use super::served::{KEY, Served};
use crate::fixture::{CHUNKS, many, spec};

/// Answers the calls of `path` that `refused` names, by their number, with `status`; counts them.
async fn refusing(
    path: &'static str,
    refused: fn(usize) -> bool,
    status: fn() -> Status,
) -> (Before, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let before = Before::start(move |called| {
        if called != path {
            return None;
        }
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        refused(number).then(|| status().into_http())
    });
    (before.await, calls)
}

const UPSERT: &str = "/qdrant.Points/Upsert";

async fn refused_upsert(points: u128, status: fn() -> Status) -> (contexter_model::Error, usize) {
    let (before, calls) = refusing(UPSERT, |_| true, status).await;
    let store = RemoteStore::new(&before.config()).unwrap();
    store.call(EnsureCollection(spec(384))).await.unwrap();
    let upsert = Upsert {
        collection: CHUNKS.into(),
        points: many(1, points),
    };
    let error = store.call(upsert).await.unwrap_err();
    (error, calls.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_single_point_that_is_too_large_is_told_at_once() {
    for status in [
        || {
            Status::resource_exhausted(
                "Write rate limit exceeded, request larger than rate limiter capacity, please try \
                 to split your request",
            )
        },
        || Status::resource_exhausted("grpc: received message larger than max (70 vs. 64)"),
    ] {
        let (error, calls) = refused_upsert(1, status).await;
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
        assert_eq!(error.again(), Again::No, "{error:?}");
        assert_eq!(calls, 1);
        // The first half is refused as well.
        let (error, calls) = refused_upsert(4, status).await;
        assert_eq!(error.again(), Again::No, "{error:?}");
        assert_eq!(calls, 3, "4 points, 2 points, 1 point");
    }
}

#[tokio::test]
async fn a_limit_of_calls_is_waited_for_and_not_split() {
    let status = || Status::resource_exhausted("too many requests to the model");
    for points in [1, 4] {
        let (error, calls) = refused_upsert(points, status).await;
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{error:?}");
        let after = Some(Duration::from_secs(5));
        assert_eq!(error.again(), Again::Yes { after }, "{error:?}");
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn a_limit_of_which_nothing_is_said_is_split_and_then_waited_for() {
    let (error, calls) = refused_upsert(4, || Status::resource_exhausted("no")).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    let after = Some(Duration::from_secs(5));
    assert_eq!(error.again(), Again::Yes { after }, "{error:?}");
    assert_eq!(calls, 3, "4 points, 2 points, 1 point");
}

#[tokio::test]
async fn of_many_deletions_only_the_one_that_failed_is_sent_again() {
    let down = || Status::unavailable("down");
    let (before, calls) = refusing("/qdrant.Points/Delete", |number| number == 3, down).await;
    let mut config = before.config();
    config.retry_config.base_delay = Some(Duration::from_millis(1));
    let adapter = QdrantAdapter::new(config).unwrap();
    let capabilities = adapter.capabilities();
    let ensure = capabilities.handle::<EnsureCollection>().unwrap();
    ensure.call(EnsureCollection(spec(3))).await.unwrap();

    let delete = Delete {
        collection: CHUNKS.into(),
        selector: Selector::Ids((1..=2_500).map(PointId::from_u128).collect()),
    };
    let handle = capabilities.handle::<Delete>().unwrap();
    handle.call(delete).await.unwrap();

    assert_eq!(
        calls.load(Ordering::SeqCst),
        4,
        "three calls, one of them twice"
    );
}

#[tokio::test]
async fn a_snapshot_may_take_longer_than_other_calls() {
    let served = Served::start().await;
    let config = served.config().with_timeout(Duration::from_millis(100));
    let adapter = QdrantAdapter::new(config).unwrap();
    let store = RemoteStore::new(&served.config()).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    // The snapshot waits for the change, which nobody waits for.
    let long = Duration::from_secs(3);
    served.server.delay_next_change(CHUNKS, long).unwrap();
    let mut points = PointsClient::connect(served.url()).await.unwrap();
    let mut change = tonic::Request::new(DeletePoints {
        collection_name: CHUNKS.into(),
        points: Some(PointsSelector {
            points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList::default())),
        }),
        ..DeletePoints::default()
    });
    change
        .metadata_mut()
        .insert("api-key", KEY.parse().unwrap());
    points.delete(change).await.unwrap();

    let create = adapter.capabilities().handle::<CreateSnapshot>().unwrap();
    let collection = CHUNKS.to_owned();
    let snapshot = create.call(CreateSnapshot { collection }).await.unwrap();
    assert!(snapshot.name.starts_with(CHUNKS), "{snapshot:?}");
}
