//! Vectors of a collection that are changed after it was created, through the vendor's own client.

use std::collections::HashMap;

use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, CreateVectorNameRequestBuilder, DeletePointVectorsBuilder,
    DeleteVectorNameRequestBuilder, DenseVectorCreationConfigBuilder, Distance, Modifier,
    PointStruct, PointVectors, PointsIdsList, Query, QueryPointsBuilder,
    SparseVectorCreationConfigBuilder, UpdatePointVectorsBuilder, UpsertPointsBuilder, Vector,
    VectorInput, VectorParamsBuilder, Vectors, VectorsSelector,
    create_vector_name_request::VectorConfig, point_id::PointIdOptions,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

async fn places() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    let request = CreateCollectionBuilder::new(PLACES)
        .vectors_config(VectorParamsBuilder::new(2, Distance::Cosine));
    client.create_collection(request).await.unwrap();
    let point = PointStruct::new(1, vec![1.0, 0.0], Payload::new());
    let request = UpsertPointsBuilder::new(PLACES, vec![point]).wait(true);
    client.upsert_points(request).await.unwrap();
    (served, client)
}

fn dense(size: u64) -> VectorConfig {
    VectorConfig::DenseConfig(DenseVectorCreationConfigBuilder::new(size, Distance::Dot).build())
}

fn words() -> VectorConfig {
    let sparse = SparseVectorCreationConfigBuilder::default().modifier(Modifier::Idf);
    VectorConfig::SparseConfig(sparse.build())
}

async fn create(client: &Qdrant, name: &str, config: VectorConfig) -> Result<(), QdrantError> {
    let request = CreateVectorNameRequestBuilder::new(PLACES, name, config);
    client.create_vector_name(request).await.map(drop)
}

async fn nearest(client: &Qdrant, using: &str, query: Query) -> Result<Vec<u64>, QdrantError> {
    let query = QueryPointsBuilder::new(PLACES).query(query).using(using);
    let found = client.query(query).await?.result.into_iter();
    let ids = found.filter_map(|point| match point.id?.point_id_options? {
        PointIdOptions::Num(number) => Some(number),
        PointIdOptions::Uuid(_) => None,
    });
    Ok(ids.collect())
}

#[track_caller]
fn refused<T>(answer: Result<T, QdrantError>, what: &str) {
    let Err(QdrantError::ResponseError { status }) = answer.map(|_| ()) else {
        unreachable!("the server does not refuse this: {what}");
    };
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(what), "{status}");
}

#[tokio::test]
async fn points_may_have_a_vector_from_when_it_is_created_until_it_is_deleted() {
    let (_served, client) = places().await;
    create(&client, "height", dense(3)).await.unwrap();
    create(&client, "words", words()).await.unwrap();
    let info = client
        .collection_info(PLACES)
        .await
        .unwrap()
        .result
        .unwrap();
    let params = info.config.unwrap().params.unwrap();
    let Some(Config::ParamsMap(map)) = params.vectors_config.unwrap().config else {
        unreachable!("there are vectors with names");
    };
    assert_eq!(map.map["height"].size, 3);
    assert!(
        map.map.contains_key(""),
        "the one without a name is still there"
    );
    assert!(
        params
            .sparse_vectors_config
            .unwrap()
            .map
            .contains_key("words")
    );

    // Who has none is not found.
    let high = || Query::new_nearest(vec![0.0, 0.0, 1.0]);
    assert_eq!(
        nearest(&client, "height", high()).await.unwrap(),
        [0_u64; 0]
    );
    let vectors = HashMap::from([
        (String::new(), Vector::new_dense(vec![0.0, 1.0])),
        ("height".to_owned(), Vector::new_dense(vec![0.0, 0.0, 2.0])),
        ("words".to_owned(), Vector::new_sparse(vec![7], vec![1.0])),
    ]);
    let point = PointStruct::new(2, vectors, Payload::new());
    let upsert = UpsertPointsBuilder::new(PLACES, vec![point]).wait(true);
    client.upsert_points(upsert).await.unwrap();
    assert_eq!(nearest(&client, "height", high()).await.unwrap(), [2]);
    let word = Query::new_nearest(VectorInput::new_sparse(vec![7], vec![1.0]));
    assert_eq!(nearest(&client, "words", word).await.unwrap(), [2]);

    let vectors = Vectors::from(HashMap::from([("height".to_owned(), vec![0.0, 0.0, 9.0])]));
    let point = PointVectors {
        id: Some(1.into()),
        vectors: Some(vectors),
    };
    let update = UpdatePointVectorsBuilder::new(PLACES, vec![point]).wait(true);
    client.update_vectors(update).await.unwrap();
    assert_eq!(nearest(&client, "height", high()).await.unwrap(), [1, 2]);
    let names = VectorsSelector {
        names: vec!["height".to_owned()],
    };
    let delete = DeletePointVectorsBuilder::new(PLACES)
        .points_selector(PointsIdsList {
            ids: vec![2.into()],
        })
        .vectors(names)
        .wait(true);
    client.delete_vectors(delete).await.unwrap();
    assert_eq!(nearest(&client, "height", high()).await.unwrap(), [1]);

    for _ in 0..2 {
        let delete = DeleteVectorNameRequestBuilder::new(PLACES, "height");
        client.delete_vector_name(delete).await.unwrap();
        let gone = nearest(&client, "height", high()).await;
        refused(gone, "Not existing vector name error: height");
    }
    let east = Query::new_nearest(vec![1.0, 0.0]);
    assert_eq!(nearest(&client, "", east).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_vector_that_is_there_is_created_again_only_as_it_is() {
    let (_served, client) = places().await;
    for _ in 0..2 {
        create(&client, "height", dense(3)).await.unwrap();
        create(&client, "words", words()).await.unwrap();
    }
    let other = VectorConfig::SparseConfig(SparseVectorCreationConfigBuilder::default().build());
    let long = "x".repeat(201);
    let refusals = [
        (
            "height",
            dense(4),
            "Vector `height` already exists with a different configuration",
        ),
        (
            "words",
            other,
            "Sparse vector `words` already exists with a different configuration",
        ),
        (
            "words",
            dense(3),
            "Vector `words` already exists as a sparse vector",
        ),
        (
            "height",
            words(),
            "Vector `height` already exists as a dense vector",
        ),
        (
            "a/b",
            dense(3),
            "Invalid vector name `a/b`: vector name cannot contain \"/\" char",
        ),
        (
            &long,
            dense(3),
            "vector name must be at most 200 bytes long",
        ),
        ("wide", dense(0), "value 0 invalid"),
    ];
    for (name, config, what) in refusals {
        refused(create(&client, name, config).await, what);
    }
}
