//! What the server does not do is refused, not passed over.

use std::collections::HashMap;

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::shard_key::Key;
use qdrant_client::qdrant::{
    Condition, CountPoints, CreateCollection, CreateCollectionBuilder, CreateFieldIndexCollection,
    DeletePoints, Distance, Filter, Fusion, IdfParams, KeywordIndexParams, KeywordPrefixParams,
    LookupLocation, PayloadIndexParams, PointId, PointStruct, PointsUpdateOperation,
    PrefetchQueryBuilder, Query, QueryPointGroupsBuilder, QueryPoints, QueryPointsBuilder,
    ScrollPoints, SearchParams, SearchPoints, ShardKey, ShardKeySelector, ShardingMethod,
    TextIndexParams, TextScoringParams, TextScoringType, TokenizerType, UpdateBatchPoints,
    UpsertPoints, UpsertPointsBuilder, VectorParamsBuilder, VectorsConfigBuilder,
    points_update_operation,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

async fn places() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    client.create_collection(collection(PLACES)).await.unwrap();
    let upsert = UpsertPointsBuilder::new(PLACES, vec![point()]).wait(true);
    client.upsert_points(upsert).await.unwrap();
    (served, client)
}

fn collection(name: &str) -> CreateCollection {
    CreateCollectionBuilder::new(name)
        .vectors_config(VectorParamsBuilder::new(2, Distance::Cosine))
        .build()
}

fn point() -> PointStruct {
    PointStruct::new(1, vec![1.0, 0.0], Payload::new())
}

#[track_caller]
fn refused<T>(answer: Result<T, QdrantError>, code: Code, what: &str) {
    let Err(QdrantError::ResponseError { status }) = answer.map(|_| ()) else {
        unreachable!("the server does not refuse this: {what}");
    };
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(what), "{status}");
}

#[tokio::test]
async fn an_index_for_what_no_search_reads_is_not_made() {
    let (_served, client) = places().await;
    let scoring = TextIndexParams {
        tokenizer: TokenizerType::Word.into(),
        scoring: Some(TextScoringParams {
            r#type: TextScoringType::Bm25.into(),
        }),
        ..TextIndexParams::default()
    };
    let prefix = KeywordIndexParams {
        prefix: Some(KeywordPrefixParams {}),
        ..KeywordIndexParams::default()
    };
    let nested = KeywordIndexParams {
        nested: Some("offers".to_owned()),
        ..KeywordIndexParams::default()
    };
    for (params, what) in [
        (IndexParams::TextIndexParams(scoring), "text queries"),
        (IndexParams::KeywordIndexParams(prefix), "prefix matches"),
        (
            IndexParams::KeywordIndexParams(nested),
            "indexes of the objects of an array",
        ),
    ] {
        let create = CreateFieldIndexCollection {
            collection_name: PLACES.to_owned(),
            field_name: "offers[].name".to_owned(),
            field_index_params: Some(PayloadIndexParams {
                index_params: Some(params),
            }),
            wait: Some(true),
            ..CreateFieldIndexCollection::default()
        };
        let what = format!("{what}: not offered by this local server");
        refused(
            client.create_field_index(create).await,
            Code::Unimplemented,
            &what,
        );
    }
    let info = client.collection_info(PLACES).await.unwrap();
    assert!(info.result.unwrap().payload_schema.is_empty());
}

#[tokio::test]
async fn a_query_says_nothing_that_is_not_looked_at() {
    let (_served, client) = places().await;
    let nearest = || Query::new_nearest(vec![1.0, 0.0]);
    let corpus = SearchParams {
        idf: Some(IdfParams {
            corpus: Some(Filter::must([Condition::is_empty("side")])),
        }),
        ..SearchParams::default()
    };
    let prefetch = || PrefetchQueryBuilder::default().query(nearest());
    let query = || QueryPointsBuilder::new(PLACES);
    for (query, code, what) in [
        (
            query().query(nearest()).params(corpus),
            Code::Unimplemented,
            "the IDF of a part of the points: not offered",
        ),
        (
            query().score_threshold(0.5),
            Code::InvalidArgument,
            "A query is needed to use the score_threshold.",
        ),
        (
            query()
                .query(Query::new_order_by("rank"))
                .score_threshold(0.5),
            Code::InvalidArgument,
            "Can't use score_threshold with an order_by query.",
        ),
        (
            query()
                .add_prefetch(prefetch())
                .query(Query::new_fusion(Fusion::Dbsf))
                .using("dense"),
            Code::InvalidArgument,
            "Fusion queries cannot be combined with the 'using' field.",
        ),
        (
            query()
                .add_prefetch(prefetch().limit(0_u64))
                .query(Query::new_fusion(Fusion::Rrf)),
            Code::InvalidArgument,
            "prefetch.limit: value 0 invalid, must be 1 or larger",
        ),
    ] {
        refused(client.query(query).await, code, what);
    }
}

fn tenant() -> ShardKeySelector {
    ShardKeySelector {
        shard_keys: vec![ShardKey {
            key: Some(Key::Keyword("tenant".to_owned())),
        }],
        fallback: None,
    }
}

#[tokio::test]
async fn there_are_no_shards_with_keys() {
    let (_served, client) = places().await;
    let custom = CreateCollection {
        sharding_method: Some(ShardingMethod::Custom.into()),
        ..collection("tenants")
    };
    let answer = client.create_collection(custom).await;
    refused(answer, Code::Unimplemented, "custom sharding: not offered");

    let code = Code::InvalidArgument;
    let what = "Shard key \"tenant\" not found";
    let count = CountPoints {
        collection_name: PLACES.to_owned(),
        shard_key_selector: Some(tenant()),
        ..CountPoints::default()
    };
    refused(client.count(count).await, code, what);
    let scroll = ScrollPoints {
        collection_name: PLACES.to_owned(),
        shard_key_selector: Some(tenant()),
        ..ScrollPoints::default()
    };
    refused(client.scroll(scroll).await, code, what);
    let query = QueryPoints {
        collection_name: PLACES.to_owned(),
        shard_key_selector: Some(tenant()),
        ..QueryPoints::default()
    };
    refused(client.query(query).await, code, what);
    let older = SearchPoints {
        collection_name: PLACES.to_owned(),
        vector: vec![1.0, 0.0],
        limit: 1,
        shard_key_selector: Some(tenant()),
        ..SearchPoints::default()
    };
    refused(client.search_points(older).await, code, what);
    let groups = QueryPointGroupsBuilder::new(PLACES, "side").shard_key_selector(tenant());
    refused(client.query_groups(groups).await, code, what);

    let upsert = UpsertPoints {
        collection_name: PLACES.to_owned(),
        points: vec![point()],
        shard_key_selector: Some(tenant()),
        ..UpsertPoints::default()
    };
    refused(client.upsert_points(upsert).await, code, what);
    let delete = DeletePoints {
        collection_name: PLACES.to_owned(),
        points: Some(vec![PointId::from(1)].into()),
        shard_key_selector: Some(tenant()),
        ..DeletePoints::default()
    };
    let operation = points_update_operation::DeletePoints {
        points: delete.points.clone(),
        shard_key_selector: Some(tenant()),
    };
    refused(client.delete_points(delete).await, code, what);
    let batch = UpdateBatchPoints {
        collection_name: PLACES.to_owned(),
        operations: vec![PointsUpdateOperation {
            operation: Some(points_update_operation::Operation::DeletePoints(operation)),
        }],
        ..UpdateBatchPoints::default()
    };
    refused(client.update_points_batch(batch).await, code, what);
    let all = CountPoints {
        collection_name: PLACES.to_owned(),
        ..CountPoints::default()
    };
    assert_eq!(client.count(all).await.unwrap().result.unwrap().count, 1);
}

#[tokio::test]
async fn a_point_of_another_collection_stands_for_the_vector_that_is_searched_by() {
    let (_served, client) = places().await;
    for name in ["here", "there"] {
        let mut vectors = VectorsConfigBuilder::default();
        for vector in ["up", "down"] {
            let params = VectorParamsBuilder::new(2, Distance::Dot);
            vectors.add_named_vector_params(vector, params);
        }
        let create = CreateCollectionBuilder::new(name).vectors_config(vectors);
        client.create_collection(create).await.unwrap();
        let point = |id: u64, up: [f32; 2], down: [f32; 2]| {
            let vectors = HashMap::from([
                ("up".to_owned(), up.to_vec()),
                ("down".to_owned(), down.to_vec()),
            ]);
            PointStruct::new(id, vectors, Payload::new())
        };
        let points = vec![
            point(1, [1.0, 0.0], [0.0, 1.0]),
            point(2, [0.0, 1.0], [1.0, 0.0]),
        ];
        let upsert = UpsertPointsBuilder::new(name, points).wait(true);
        client.upsert_points(upsert).await.unwrap();
    }
    let found = async |vector: Option<&str>, shard_key_selector| {
        let from = LookupLocation {
            collection_name: "there".to_owned(),
            vector_name: vector.map(str::to_owned),
            shard_key_selector,
        };
        let query = QueryPointsBuilder::new("here")
            .query(Query::new_nearest(PointId::from(1)))
            .using("up")
            .lookup_from(from)
            .limit(1);
        let mut found = client.query(query).await?.result;
        Ok::<_, QdrantError>(found.remove(0).id.unwrap())
    };
    assert_eq!(found(None, None).await.unwrap(), PointId::from(1));
    let other = found(Some("down"), None).await.unwrap();
    assert_eq!(other, PointId::from(2));
    let answer = found(None, Some(tenant())).await;
    let what = "Shard key \"tenant\" not found";
    refused(answer, Code::InvalidArgument, what);
}
