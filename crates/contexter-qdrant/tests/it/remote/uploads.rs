//! Sending points: batches, progress, halves, and a server that is behind.

use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{Count, EnsureCollection, ErrorKind, Filter, Leg, Point, Query, Upsert};
use contexter_qdrant::remote::{MAX_DEPTH, Progress, RemoteStore, UploadConfig};
use contexter_service::Service;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::{StrictModeConfig, UpdateCollection};
use serde_json::{Value, json};

use super::served::{KEY, Served};
use crate::fixture::{CHUNKS, many, point, sparse, spec};

async fn collection(store: &RemoteStore, dimensions: usize) {
    store
        .call(EnsureCollection(spec(dimensions)))
        .await
        .unwrap();
}

async fn count(store: &RemoteStore) -> u64 {
    let count = Count {
        collection: CHUNKS.into(),
        filter: Filter::all(),
    };
    store.call(count).await.unwrap()
}

fn upsert(points: Vec<Point>) -> Upsert {
    Upsert {
        collection: CHUNKS.into(),
        points,
    }
}

/// Sets limits of the collection, as an administrator would.
async fn strict(served: &Served, limits: StrictModeConfig) {
    let mut client = CollectionsClient::connect(served.url()).await.unwrap();
    let mut request = tonic::Request::new(UpdateCollection {
        collection_name: CHUNKS.into(),
        strict_mode_config: Some(StrictModeConfig {
            enabled: Some(true),
            ..limits
        }),
        ..UpdateCollection::default()
    });
    request
        .metadata_mut()
        .insert("api-key", KEY.parse().unwrap());
    client.update(request).await.unwrap();
}

#[tokio::test]
async fn batches_are_bounded_by_count_and_by_bytes() {
    let served = Served::start().await;
    // 384 dimensions are 1,536 bytes and a bit.
    for (points, bytes, batches) in [(10, 1 << 20, 4), (1_000, 16_000, 4), (1_000, 100, 35)] {
        let config = served.config().with_upload(
            UploadConfig::new()
                .with_batch_points(points)
                .with_batch_bytes(bytes)
                .with_concurrency(1),
        );
        let store = RemoteStore::new(&config).unwrap();
        collection(&store, 384).await;
        let before = served.server.changes(CHUNKS).unwrap();
        store.call(upsert(many(1, 35))).await.unwrap();
        let sent = served.server.changes(CHUNKS).unwrap() - before;
        assert_eq!(sent, batches, "{points} points, {bytes} bytes");
        assert_eq!(count(&store).await, 35);
    }
}

#[tokio::test]
async fn progress_tells_what_is_stored() {
    let served = Served::start().await;
    let config = served.config().with_upload(
        UploadConfig::new()
            .with_batch_points(100)
            .with_batch_bytes(1 << 20)
            .with_concurrency(3),
    );
    let store = RemoteStore::new(&config).unwrap();
    collection(&store, 384).await;
    let mut seen: Vec<Progress> = Vec::new();
    store
        .upload(upsert(many(1, 450)), None, |progress| seen.push(progress))
        .await
        .unwrap();

    assert_eq!(seen.len(), 5);
    assert!(
        seen.is_sorted_by(|a, b| a.points < b.points && a.bytes < b.bytes),
        "{seen:?}"
    );
    let last = seen.last().unwrap();
    assert_eq!((last.points, last.of), (450, 450));
    assert!(last.bytes > 450 * 384 * 4, "{last:?}");
}

#[tokio::test]
async fn a_batch_that_the_server_finds_too_large_is_halved() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    collection(&store, 384).await;
    // A bucket of 64 tokens, one for each point, never takes 100 points at once.
    let limits = StrictModeConfig {
        write_rate_limit: Some(64),
        ..StrictModeConfig::default()
    };
    strict(&served, limits).await;
    let error = store.call(upsert(many(1, 100))).await.unwrap_err();
    // Halves fit into the bucket; the second of them has to wait for the bucket to fill.
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(
        error
            .retry_after()
            .is_some_and(|after| after > Duration::ZERO),
        "{error:?}"
    );
    assert_eq!(count(&store).await, 50);
}

#[tokio::test]
async fn what_was_accepted_but_not_applied_in_time_is_waited_for_and_not_sent_again() {
    let served = Served::start().await;
    let config = served.config().with_timeout(Duration::from_secs(1));
    let store = RemoteStore::new(&config).unwrap();
    collection(&store, 3).await;
    let before = served.server.changes(CHUNKS).unwrap();
    served
        .server
        .delay_next_change(CHUNKS, Duration::from_millis(1_300))
        .unwrap();

    let points = vec![point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a")];
    store.call(upsert(points)).await.unwrap();

    assert_eq!(
        count(&store).await,
        1,
        "it can be searched when the call ends"
    );
    let changes = served.server.changes(CHUNKS).unwrap() - before;
    assert_eq!(
        changes, 2,
        "the batch once, and the change that waits behind it"
    );
}

#[tokio::test]
async fn strict_mode_says_what_it_wants() {
    let served = Served::start().await;
    let adapter = served.adapter();
    let store = adapter.store();
    collection(store, 3).await;
    let limits = StrictModeConfig {
        max_query_limit: Some(10),
        upsert_max_batchsize: Some(5),
        unindexed_filtering_retrieve: Some(false),
        unindexed_filtering_update: Some(false),
        ..StrictModeConfig::default()
    };
    strict(&served, limits).await;
    let query = |limit| Query {
        collection: CHUNKS.into(),
        legs: vec![Leg::Sparse(sparse(&[(7, 1.0)]))],
        filter: Filter::all().and("library", "a"),
        limit,
    };
    store.call(query(10)).await.unwrap();
    let error = store.call(query(11)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("Help: Reduce the \"limit\" parameter"),
        "{error}"
    );
    let points = (1..=6).map(|n| point(n, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"));
    let error = store.call(upsert(points.collect())).await.unwrap_err();
    assert!(error.message().contains("\"upsert limit\""), "{error}");
}

#[tokio::test]
async fn a_payload_that_the_server_cannot_hold_is_named() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    collection(&store, 3).await;
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let with = |value: Value| {
        let mut point = point(1, &[1.0, 0.0, 0.0], &[], "a");
        point.payload.insert("extra".into(), value);
        upsert(vec![point])
    };
    let error = store.call(with(json!(u64::MAX))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("\"extra\" has the number 18446744073709551615"),
        "{error}"
    );
    let error = store.call(with(nested(MAX_DEPTH))).await.unwrap_err();
    assert!(
        error.message().contains("\"extra\" is nested deeper than"),
        "{error}"
    );
    assert_eq!(count(&store).await, 0);

    let objects = (1..MAX_DEPTH).fold(json!(1), |inner, _| json!({ "a": inner }));
    store.call(with(objects)).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn a_dropped_upload_leaves_the_collection_usable() {
    let served = Served::start().await;
    let config = served.config().with_upload(
        UploadConfig::new()
            .with_batch_points(10)
            .with_batch_bytes(1 << 20)
            .with_concurrency(2),
    );
    let store = RemoteStore::new(&config).unwrap();
    collection(&store, 384).await;
    let mut batches = 0;
    let (first, begun) = tokio::sync::oneshot::channel();
    let mut first = Some(first);
    let upload = store.upload(upsert(many(1, 2_000)), None, |_| {
        batches += 1;
        if let Some(first) = first.take() {
            let _ = first.send(());
        }
    });
    tokio::select! {
        _ = upload => panic!("two hundred batches end before the first is told of"),
        _ = begun => {}
    }
    store.call(upsert(many(1, 20))).await.unwrap();
    assert!(count(&store).await >= 20);
}

#[tokio::test]
async fn uploads_go_through_the_stack_batch_by_batch() {
    let served = Served::start().await;
    let config = served.config().with_upload(
        UploadConfig::new()
            .with_batch_points(10)
            .with_batch_bytes(1 << 20)
            .with_concurrency(2),
    );
    let adapter = contexter_qdrant::remote::QdrantAdapter::new(config).unwrap();
    let capabilities = adapter.capabilities();
    let ensure = capabilities.handle::<EnsureCollection>().unwrap();
    ensure.call(EnsureCollection(spec(384))).await.unwrap();
    let upload = capabilities.handle::<Upsert>().unwrap();
    upload.call(upsert(many(1, 95))).await.unwrap();
    assert_eq!(count(adapter.store()).await, 95);
}
