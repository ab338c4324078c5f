//! How the numbers of vectors are stored, through the vendor's own client.

use std::collections::HashMap;

use qdrant_client::qdrant::create_vector_name_request::VectorConfig;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, CreateVectorNameRequestBuilder, Datatype,
    DenseVectorCreationConfigBuilder, Distance, GetPointsBuilder, PointStruct,
    SparseVectorCreationConfigBuilder, UpsertPointsBuilder, VectorParamsBuilder,
    VectorsConfigBuilder,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

/// A collection with a vector of each datatype that there is, by its name.
async fn places() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    let mut vectors = VectorsConfigBuilder::default();
    for datatype in [Datatype::Float32, Datatype::Float16, Datatype::Uint8] {
        let params = VectorParamsBuilder::new(2, Distance::Dot).datatype(datatype);
        vectors.add_named_vector_params(datatype.as_str_name(), params);
    }
    let create = CreateCollectionBuilder::new(PLACES).vectors_config(vectors);
    client.create_collection(create).await.unwrap();
    (served, client)
}

#[tokio::test]
async fn numbers_are_stored_as_was_asked() {
    let (_served, client) = places().await;
    let info = client.collection_info(PLACES).await.unwrap();
    let config = info.result.unwrap().config.unwrap();
    let Some(Config::ParamsMap(told)) = config.params.unwrap().vectors_config.unwrap().config
    else {
        unreachable!("there are vectors with names");
    };
    let numbers = vec![1.7, 2.2];
    let names = told.map.keys().cloned();
    let vectors: HashMap<_, _> = names.map(|name| (name, numbers.clone())).collect();
    let point = PointStruct::new(1, vectors, Payload::new());
    let upsert = UpsertPointsBuilder::new(PLACES, vec![point]).wait(true);
    client.upsert_points(upsert).await.unwrap();
    let get = GetPointsBuilder::new(PLACES, [1_u64.into()]).with_vectors(true);
    let got = client.get_points(get).await.unwrap().result.remove(0);
    let got = got.vectors.unwrap();
    for (datatype, stored) in [
        (Datatype::Float32, [1.7, 2.2]),
        // The nearest numbers with ten bits behind the point.
        (Datatype::Float16, [1.700_195_3, 2.199_218_8]),
        (Datatype::Uint8, [1.0, 2.0]),
    ] {
        let name = datatype.as_str_name();
        assert_eq!(told.map[name].datatype(), datatype);
        let Some(Vector::Dense(dense)) = got.get_vector_by_name(name) else {
            unreachable!("the vector {name} is dense");
        };
        assert_eq!(dense.data, stored, "{name}");
    }
}

#[track_caller]
fn refused<T>(answer: Result<T, QdrantError>) {
    let Err(QdrantError::ResponseError { status }) = answer.map(|_| ()) else {
        unreachable!("the server does not refuse this");
    };
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    let what = "the datatypes of TurboQuant: not offered by this local server";
    assert_eq!(status.message(), what);
}

#[tokio::test]
async fn datatypes_that_the_engine_does_not_have_are_refused() {
    let (_served, client) = places().await;
    for datatype in [Datatype::Turbo4, Datatype::Turbo8, Datatype::Turbo16] {
        let params = VectorParamsBuilder::new(2, Distance::Dot).datatype(datatype);
        let create = CreateCollectionBuilder::new("others").vectors_config(params);
        refused(client.create_collection(create).await);
        let dense = DenseVectorCreationConfigBuilder::new(2, Distance::Dot).datatype(datatype);
        let sparse = SparseVectorCreationConfigBuilder::default().datatype(datatype);
        for config in [
            VectorConfig::DenseConfig(dense.build()),
            VectorConfig::SparseConfig(sparse.build()),
        ] {
            let create = CreateVectorNameRequestBuilder::new(PLACES, "other", config);
            refused(client.create_vector_name(create).await);
        }
    }
    assert!(!client.collection_exists("others").await.unwrap());
}
