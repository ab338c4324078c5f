//! The local server, through the vendor's own client.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, FieldType, Filter, GetPointsBuilder, PointStruct,
    PrefetchQueryBuilder, Query, QueryPointsBuilder, Range, RrfBuilder, ScrollPointsBuilder,
    SearchPointsBuilder, SetPayloadPointsBuilder, UpsertPointsBuilder, VectorParamsBuilder,
    point_id::PointIdOptions,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use serde_json::json;
use tonic::Code;

use super::served::Served;

const CITIES: &str = "cities";

async fn cities() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    client
        .create_collection(
            CreateCollectionBuilder::new(CITIES)
                .vectors_config(VectorParamsBuilder::new(4, Distance::Dot)),
        )
        .await
        .unwrap();
    for (field, kind) in [
        ("country", FieldType::Keyword),
        ("people", FieldType::Integer),
    ] {
        let index = CreateFieldIndexCollectionBuilder::new(CITIES, field, kind).wait(true);
        client.create_field_index(index).await.unwrap();
    }
    let point = |id: u64, vector: [f32; 4], payload| {
        PointStruct::new(id, vector.to_vec(), Payload::try_from(payload).unwrap())
    };
    let points = vec![
        point(
            1,
            [0.05, 0.61, 0.76, 0.74],
            json!({"name": "Berlin", "country": "de", "people": 3_700_000}),
        ),
        point(
            2,
            [0.19, 0.81, 0.75, 0.11],
            json!({"name": "London", "country": "gb", "people": 8_900_000}),
        ),
        point(
            3,
            [0.36, 0.55, 0.47, 0.94],
            json!({"name": "Moscow", "country": "ru", "people": 12_500_000}),
        ),
        point(
            4,
            [0.18, 0.01, 0.85, 0.80],
            json!({"name": "Hamburg", "country": "de", "people": 1_900_000}),
        ),
    ];
    client
        .upsert_points(UpsertPointsBuilder::new(CITIES, points).wait(true))
        .await
        .unwrap();
    (served, client)
}

fn number(id: Option<qdrant_client::qdrant::PointId>) -> u64 {
    let Some(PointIdOptions::Num(number)) = id.and_then(|id| id.point_id_options) else {
        unreachable!("these points have numbers");
    };
    number
}

fn code(error: &QdrantError) -> Code {
    let QdrantError::ResponseError { status } = error else {
        unreachable!("the server answers with a status, saw {error}");
    };
    status.code()
}

#[tokio::test]
async fn unnamed_vectors_and_numbers_as_ids_are_searched() {
    let (_served, client) = cities().await;
    let query = QueryPointsBuilder::new(CITIES)
        .query(vec![0.2, 0.1, 0.9, 0.7])
        .limit(2)
        .with_payload(true);
    let found = client.query(query).await.unwrap().result;
    let ids: Vec<_> = found.iter().map(|point| number(point.id.clone())).collect();
    assert_eq!(ids, [4, 1]);
    assert_eq!(found[0].payload["name"].as_str().unwrap(), "Hamburg");

    let older = SearchPointsBuilder::new(CITIES, vec![0.2, 0.1, 0.9, 0.7], 2);
    let older = client.search_points(older).await.unwrap().result;
    assert_eq!(older.len(), 2);
    assert_eq!(number(older[0].id.clone()), 4);

    let like_one = QueryPointsBuilder::new(CITIES)
        .query(Query::new_nearest(1_u64))
        .limit(3);
    let found = client.query(like_one).await.unwrap().result;
    assert!(
        found.iter().all(|point| number(point.id.clone()) != 1),
        "not itself"
    );
}

#[tokio::test]
async fn filters_of_all_kinds_hold() {
    let (_served, client) = cities().await;
    let range = |from, to| Range {
        gte: from,
        lt: to,
        ..Range::default()
    };
    for (filter, expected) in [
        (
            Filter::must([Condition::matches("country", "de".to_owned())]),
            vec![1, 4],
        ),
        (
            Filter::must([Condition::matches(
                "country",
                vec!["gb".to_owned(), "ru".to_owned()],
            )]),
            vec![2, 3],
        ),
        (
            Filter::must_not([Condition::matches("country", "de".to_owned())]),
            vec![2, 3],
        ),
        (
            Filter::must([Condition::range("people", range(Some(3e6), Some(1e7)))]),
            vec![1, 2],
        ),
        (Filter::must([Condition::has_id([2_u64, 4])]), vec![2, 4]),
        (
            Filter::must([Condition::is_empty("mayor")]),
            vec![1, 2, 3, 4],
        ),
        (
            Filter::should([
                Condition::matches("country", "ru".to_owned()),
                Condition::range("people", range(None, Some(2e6))),
            ]),
            vec![3, 4],
        ),
    ] {
        let scroll = ScrollPointsBuilder::new(CITIES)
            .filter(filter.clone())
            .limit(10);
        let page = client.scroll(scroll).await.unwrap();
        let ids: Vec<_> = page
            .result
            .into_iter()
            .map(|point| number(point.id))
            .collect();
        assert_eq!(ids, expected, "{filter:?}");
        let count = CountPointsBuilder::new(CITIES).filter(filter).exact(true);
        let count = client.count(count).await.unwrap().result.unwrap().count;
        assert_eq!(usize::try_from(count).unwrap(), expected.len());
    }
}

#[tokio::test]
async fn payload_is_set_and_points_are_deleted() {
    let (_served, client) = cities().await;
    let payload = Payload::try_from(json!({"mayor": "somebody"})).unwrap();
    let set = SetPayloadPointsBuilder::new(CITIES, payload)
        .points_selector([1_u64])
        .wait(true);
    client.set_payload(set).await.unwrap();
    let get = GetPointsBuilder::new(CITIES, [1_u64.into()])
        .with_payload(true)
        .with_vectors(true);
    let got = client.get_points(get).await.unwrap().result.remove(0);
    assert_eq!(got.payload["mayor"].as_str().unwrap(), "somebody");
    assert_eq!(got.payload["name"].as_str().unwrap(), "Berlin");
    assert!(got.vectors.is_some());

    let delete = DeletePointsBuilder::new(CITIES)
        .points(Filter::must([Condition::matches(
            "country",
            "de".to_owned(),
        )]))
        .wait(true);
    client.delete_points(delete).await.unwrap();
    let count = CountPointsBuilder::new(CITIES).exact(true);
    assert_eq!(client.count(count).await.unwrap().result.unwrap().count, 2);
}

#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let (_served, client) = cities().await;
    let again = CreateCollectionBuilder::new(CITIES)
        .vectors_config(VectorParamsBuilder::new(4, Distance::Dot));
    let error = client.create_collection(again).await.unwrap_err();
    assert_eq!(code(&error), Code::AlreadyExists);

    let short = vec![PointStruct::new(9_u64, vec![1.0, 2.0], Payload::new())];
    let error = client
        .upsert_points(UpsertPointsBuilder::new(CITIES, short).wait(true))
        .await
        .unwrap_err();
    assert_eq!(code(&error), Code::InvalidArgument);
    assert!(
        error.to_string().contains("expected dim: 4, got 2"),
        "{error}"
    );

    let named = HashMap::from([("other".to_owned(), vec![1.0, 2.0, 3.0, 4.0])]);
    let named = vec![PointStruct::new(9_u64, named, Payload::new())];
    let error = client
        .upsert_points(UpsertPointsBuilder::new(CITIES, named).wait(true))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Not existing vector name error: other"),
        "{error}"
    );

    let error = client.collection_info("nowhere").await.unwrap_err();
    assert_eq!(code(&error), Code::NotFound);

    let no_query = QueryPointsBuilder::new(CITIES)
        .add_prefetch(PrefetchQueryBuilder::default().query(vec![0.1; 4]));
    let error = client.query(no_query).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot have prefetches without a query"),
        "{error}"
    );

    let weights = QueryPointsBuilder::new(CITIES)
        .add_prefetch(PrefetchQueryBuilder::default().query(vec![0.1; 4]))
        .query(Query::new_rrf(
            RrfBuilder::with_k(60).weights(vec![1.0, 2.0]),
        ));
    let error = client.query(weights).await.unwrap_err();
    assert_eq!(code(&error), Code::InvalidArgument);
}

#[tokio::test]
async fn collections_survive_an_orderly_stop() {
    use contexter_qdrant::server::{LocalServer, Options};

    let folder = tempfile::tempdir().unwrap();
    for run in 0..2_u64 {
        let server = LocalServer::open(folder.path(), Options::default())
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
        let client = Qdrant::from_url(&url)
            .skip_compatibility_check()
            .build()
            .unwrap();
        if run == 0 {
            let create = CreateCollectionBuilder::new(CITIES)
                .vectors_config(VectorParamsBuilder::new(2, Distance::Euclid));
            client.create_collection(create).await.unwrap();
        }
        let count = CountPointsBuilder::new(CITIES).exact(true);
        let count = client.count(count).await.unwrap().result.unwrap().count;
        assert_eq!(count, run);
        let point = vec![PointStruct::new(7_u64, vec![1.0, 2.0], Payload::new())];
        client
            .upsert_points(UpsertPointsBuilder::new(CITIES, point).wait(true))
            .await
            .unwrap();
        drop(client);
        drop(stop);
        serving.await.unwrap().unwrap();
    }
}
