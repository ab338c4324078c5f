//! How long the local server lets its callers wait for a change.

use std::time::Duration;

use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollectionBuilder, Distance, GetPointsBuilder, PointStruct,
    UpdateStatus, UpsertPoints, UpsertPointsBuilder, VectorParamsBuilder,
};
use qdrant_client::{Payload, Qdrant};
use serde_json::json;
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

async fn places() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    let vectors = VectorParamsBuilder::new(2, Distance::Dot);
    let create = CreateCollectionBuilder::new(PLACES).vectors_config(vectors);
    client.create_collection(create).await.unwrap();
    (served, client)
}

fn place(version: u32) -> UpsertPointsBuilder {
    let payload = Payload::try_from(json!({ "version": version })).unwrap();
    let point = PointStruct::new(1, vec![1.0, 2.0], payload);
    UpsertPointsBuilder::new(PLACES, vec![point])
}

async fn status(client: &Qdrant, upsert: impl Into<UpsertPoints>) -> UpdateStatus {
    let reply = client.upsert_points(upsert).await.unwrap();
    reply.result.unwrap().status()
}

#[tokio::test]
async fn who_does_not_wait_is_answered_at_once_and_who_does_not_longer_than_they_want() {
    let (served, client) = places().await;
    let long = Duration::from_hours(1);
    served.server.delay_next_change(PLACES, long).unwrap();

    let acknowledged = status(&client, place(1)).await;
    assert_eq!(acknowledged, UpdateStatus::Acknowledged);
    // It waits for its turn, behind the first one.
    let waited = status(&client, place(2).wait(true).timeout(1)).await;
    assert_eq!(waited, UpdateStatus::WaitTimeout);
    assert_eq!(served.server.changes(PLACES).unwrap(), 2);
}

#[tokio::test]
async fn a_queue_that_is_full_accepts_nothing() {
    let (served, client) = places().await;
    let long = Duration::from_hours(1);
    served.server.delay_next_change(PLACES, long).unwrap();
    let mut accepted = 0;
    let refusal = loop {
        match client.upsert_points(place(1).timeout(1)).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(accepted, 100);
    let qdrant_client::QdrantError::ResponseError { status } = refusal else {
        unreachable!("the server answers with a status, saw {refusal}");
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_nobody_waits_for_keep_their_order() {
    let (_served, client) = places().await;
    for version in 1..=60 {
        let acknowledged = status(&client, place(version)).await;
        assert_eq!(acknowledged, UpdateStatus::Acknowledged);
    }
    let applied = status(&client, place(61).wait(true)).await;
    assert_eq!(applied, UpdateStatus::Completed);
    let get = GetPointsBuilder::new(PLACES, [1.into()]).with_payload(true);
    let point = client.get_points(get).await.unwrap().result.remove(0);
    assert_eq!(point.payload["version"].as_integer(), Some(61));
}

#[tokio::test]
async fn what_was_acknowledged_is_written_when_the_server_ends() {
    let (served, client) = places().await;
    let short = Duration::from_millis(300);
    served.server.delay_next_change(PLACES, short).unwrap();
    status(&client, place(1)).await;

    served.server.flush().await.unwrap();

    let count = CountPointsBuilder::new(PLACES).exact(true);
    assert_eq!(client.count(count).await.unwrap().result.unwrap().count, 1);
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_it_is_acknowledged() {
    let (_served, client) = places().await;
    let short = PointStruct::new(9, vec![1.0], Payload::new());
    let error = client
        .upsert_points(UpsertPointsBuilder::new(PLACES, vec![short]))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("expected dim: 2, got 1"),
        "{error}"
    );
}
