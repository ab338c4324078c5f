//! Messages that are compressed.

use qdrant_client::config::CompressionEncoding;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::{
    CountPoints, CountPointsBuilder, CreateCollectionBuilder, Distance, ListCollectionsRequest,
    PointStruct, UpsertPointsBuilder, VectorParamsBuilder,
};
use qdrant_client::{Payload, Qdrant};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request};

use super::served::{KEY, Served};

const PLACES: &str = "places";

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("api-key", KEY.parse().unwrap());
    request
}

#[tokio::test]
async fn a_client_that_compresses_is_served_by_every_service() {
    let served = Served::start().await;
    let client = Qdrant::from_url(&served.url())
        .api_key(KEY)
        .compression(Some(CompressionEncoding::Gzip))
        .skip_compatibility_check()
        .build()
        .unwrap();
    client.health_check().await.unwrap();
    let create = CreateCollectionBuilder::new(PLACES)
        .vectors_config(VectorParamsBuilder::new(2, Distance::Dot));
    client.create_collection(create).await.unwrap();
    let point = PointStruct::new(1, vec![1.0, 2.0], Payload::new());
    let upsert = UpsertPointsBuilder::new(PLACES, vec![point]).wait(true);
    client.upsert_points(upsert).await.unwrap();
    let count = client.count(CountPointsBuilder::new(PLACES)).await.unwrap();
    assert_eq!(count.result.unwrap().count, 1);
    let snapshots = client.list_snapshots(PLACES).await.unwrap();
    assert!(snapshots.snapshot_descriptions.is_empty());
}

#[tokio::test]
async fn answers_are_compressed_for_who_accepts_that() {
    let served = Served::start().await;
    for (accepts, expected) in [(true, Some("gzip")), (false, None)] {
        let mut client = CollectionsClient::connect(served.url()).await.unwrap();
        if accepts {
            client = client.accept_compressed(Gzip);
        }
        let answer = client.list(with_key(ListCollectionsRequest {})).await;
        let answer = answer.unwrap();
        let encoding = answer.metadata().get("grpc-encoding");
        assert_eq!(encoding.map(|name| name.to_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_request_that_unpacks_to_more_than_is_read_is_refused() {
    let served = Served::start().await;
    let client = PointsClient::connect(served.url()).await.unwrap();
    let mut client = client.send_compressed(Gzip);
    // A thousandth of it on the wire.
    let request = CountPoints {
        collection_name: "a".repeat((64 << 20) + 1),
        ..CountPoints::default()
    };
    let refused = client.count(with_key(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let limit = "size limit, of 67108864 bytes, exceeded while decompressing";
    assert!(refused.message().contains(limit), "{refused}");
}
