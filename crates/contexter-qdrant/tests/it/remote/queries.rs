//! What the local server ranks by besides a vector, through the vendor's own client.

use qdrant_client::qdrant::group_id::Kind;
use qdrant_client::qdrant::{
    ContextInput, ContextInputPair, CreateCollectionBuilder, DiscoverInput, Distance, Document,
    Expression, FormulaBuilder, LookupLocation, Modifier, PointGroup, PointId, PointStruct,
    PrefetchQueryBuilder, Query, QueryBatchPointsBuilder, QueryPointGroupsBuilder,
    QueryPointsBuilder, RecommendInput, RecommendPointsBuilder, RecommendStrategy, ScoredPoint,
    SearchMatrixPointsBuilder, SearchPointGroupsBuilder, SparseVectorParamsBuilder,
    SparseVectorsConfigBuilder, UpsertPointsBuilder, Vector, VectorInput, VectorParamsBuilder,
    Vectors, WithLookup, point_id::PointIdOptions, vectors::VectorsOptions,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use serde_json::json;
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

/// Points on the plane: 1 to 3 in the east, 4 to 6 in the north, 7 in the west.
async fn places() -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    let vectors = VectorParamsBuilder::new(2, Distance::Cosine);
    let request = CreateCollectionBuilder::new(PLACES).vectors_config(vectors);
    client.create_collection(request).await.unwrap();
    let rows: [(u64, [f32; 2], serde_json::Value); 7] = [
        (1, [1.0, 0.0], json!({"side": "east", "rank": 1})),
        (2, [1.0, 0.1], json!({"side": "east", "rank": 2})),
        (3, [1.0, 0.2], json!({"side": ["east", "sea"], "rank": 3})),
        (4, [0.0, 1.0], json!({"side": "north", "rank": 4})),
        (5, [0.1, 1.0], json!({"side": "north", "rank": 5})),
        (6, [0.2, 1.0], json!({"side": 9, "rank": 6})),
        (7, [-1.0, 0.0], json!({"rank": 7})),
    ];
    let points = rows.map(|(id, vector, payload)| {
        PointStruct::new(id, vector.to_vec(), Payload::try_from(payload).unwrap())
    });
    let request = UpsertPointsBuilder::new(PLACES, points).wait(true);
    client.upsert_points(request).await.unwrap();
    (served, client)
}

fn ids(points: &[ScoredPoint]) -> Vec<u64> {
    let ids =
        points.iter().map(
            |point| match point.id.clone().and_then(|id| id.point_id_options) {
                Some(PointIdOptions::Num(number)) => number,
                _ => unreachable!("these points have numbers"),
            },
        );
    ids.collect()
}

async fn found(client: &Qdrant, query: impl Into<Query>, limit: u64) -> Vec<u64> {
    let query = QueryPointsBuilder::new(PLACES).query(query).limit(limit);
    ids(&client.query(query).await.unwrap().result)
}

fn code(error: &QdrantError) -> Code {
    let QdrantError::ResponseError { status } = error else {
        unreachable!("the server answers with a status, saw {error}");
    };
    status.code()
}

fn like(positive: &[u64], negative: &[u64], strategy: RecommendStrategy) -> Query {
    let inputs = |ids: &[u64]| ids.iter().map(|id| VectorInput::new_id(*id)).collect();
    Query::new_recommend(RecommendInput {
        positive: inputs(positive),
        negative: inputs(negative),
        strategy: Some(strategy.into()),
    })
}

#[tokio::test]
async fn points_like_examples_are_found_and_the_examples_are_not() {
    let (_served, client) = places().await;
    for strategy in [
        RecommendStrategy::AverageVector,
        RecommendStrategy::BestScore,
        RecommendStrategy::SumScores,
    ] {
        let query = like(&[1], &[4], strategy);
        assert_eq!(found(&client, query, 2).await, [2, 3], "{strategy:?}");
        let query = QueryPointsBuilder::new(PLACES).query(like(&[], &[], strategy));
        let error = client.query(query).await.unwrap_err();
        assert_eq!(code(&error), Code::InvalidArgument, "{strategy:?}");
        let positive = strategy == RecommendStrategy::AverageVector;
        let what = if positive {
            "Wrong input: Positive vectors should not be empty with `average` strategy"
        } else {
            "Bad request: At least one positive or negative vector ID required with this strategy"
        };
        assert!(error.to_string().contains(what), "{error}");
    }
    // Only away from the east.
    let query = like(&[], &[1], RecommendStrategy::BestScore);
    assert_eq!(found(&client, query, 1).await, [7]);

    let older = RecommendPointsBuilder::new(PLACES, 2)
        .add_positive(1_u64)
        .add_negative(4_u64);
    let older = client.recommend(older).await.unwrap().result;
    assert_eq!(ids(&older), [2, 3]);
    let none = RecommendPointsBuilder::new(PLACES, 2).add_negative(4_u64);
    let error = client.recommend(none).await.unwrap_err();
    let what = "Bad request: At least one positive vector ID required with this strategy";
    assert!(error.to_string().contains(what), "{error}");
}

#[tokio::test]
#[expect(deprecated, reason = "older clients send vectors in these fields")]
async fn a_multi_vector_of_an_older_client_is_cut_into_equal_vectors_wherever_it_is_sent() {
    let (_served, client) = places().await;
    let vector = |data: &[f32], count: u32| Vector {
        data: data.to_vec(),
        vectors_count: Some(count),
        ..Vector::default()
    };
    let uneven = "Data length is not divisible by vectors count. Data length: 3, vectors count: 2";
    let empty = "Empty multi-vector data with vectors count: 0";
    for (vector, what) in [(vector(&[1.0; 3], 2), uneven), (vector(&[1.0], 0), empty)] {
        let what = format!("Unable to convert to multi-dense vector: Validation failed: {what}");
        let like = RecommendPointsBuilder::new(PLACES, 2).add_positive(vector.clone());
        let error = client.recommend(like).await.unwrap_err();
        assert!(error.to_string().contains(&what), "{error}");
        let vectors = Vectors {
            vectors_options: Some(VectorsOptions::Vector(vector)),
        };
        let point = PointStruct::new(99, vectors, Payload::new());
        let store = UpsertPointsBuilder::new(PLACES, vec![point]);
        let error = client.upsert_points(store).await.unwrap_err();
        assert!(error.to_string().contains(&what), "{error}");
    }
}

#[tokio::test]
async fn a_context_divides_what_is_searched() {
    let (_served, client) = places().await;
    let pair = ContextInputPair {
        positive: Some(VectorInput::new_id(4_u64)),
        negative: Some(VectorInput::new_id(1_u64)),
    };
    let context = ContextInput { pairs: vec![pair] };
    let query = Query::new_context(context.clone());
    let nearest = found(&client, query, 2).await;
    assert!(
        nearest.iter().all(|id| [5, 6, 7].contains(id)),
        "{nearest:?}"
    );
    // The target is in the east, the context wants the north.
    let query = Query::new_discover(DiscoverInput {
        target: Some(VectorInput::new_dense(vec![1.0, 0.0])),
        context: Some(context),
    });
    assert_eq!(found(&client, query, 1).await, [6]);
}

#[tokio::test]
async fn a_formula_ranks_what_was_prefetched() {
    let (_served, client) = places().await;
    let prefetch = PrefetchQueryBuilder::default()
        .query(Query::new_nearest(vec![1.0, 0.0]))
        .limit(3_u64);
    let score = Expression::sum_with([
        Expression::variable("$score"),
        Expression::mult_with([Expression::constant(10.0), Expression::variable("rank")]),
    ]);
    let formula = FormulaBuilder::new(score).add_default("rank", 0.0);
    let query = QueryPointsBuilder::new(PLACES)
        .add_prefetch(prefetch)
        .query(formula);
    let ranked = client.query(query).await.unwrap().result;
    assert_eq!(ids(&ranked), [3, 2, 1]);
    assert!(ranked[0].score > 30.0, "{}", ranked[0].score);
}

fn shape(groups: &[PointGroup]) -> Vec<(Kind, Vec<u64>)> {
    let groups = groups.iter().map(|group| {
        let key = group.id.clone().and_then(|id| id.kind).unwrap();
        (key, ids(&group.hits))
    });
    groups.collect()
}

#[tokio::test]
async fn groups_have_the_best_points_of_each_value() {
    let (_served, client) = places().await;
    let text = |side: &str| Kind::StringValue(side.to_owned());
    let query = QueryPointGroupsBuilder::new(PLACES, "side")
        .query(Query::new_nearest(vec![1.0, 0.0]))
        .group_size(2_u64)
        .limit(3_u64)
        .with_payload(true);
    let groups = client.query_groups(query).await.unwrap().result.unwrap();
    assert_eq!(
        shape(&groups.groups),
        [
            (text("east"), vec![1, 2]),
            // A point with two values is in both groups.
            (text("sea"), vec![3]),
            (Kind::UnsignedValue(9), vec![6]),
        ]
    );
    assert_eq!(
        groups.groups[0].hits[1].payload["rank"].as_integer(),
        Some(2)
    );

    let older = SearchPointGroupsBuilder::new(PLACES, vec![0.0, 1.0], 1, "side", 5);
    let older = client.search_groups(older).await.unwrap().result.unwrap();
    assert_eq!(shape(&older.groups), [(text("north"), vec![4, 5])]);
}

#[tokio::test]
async fn groups_are_found_however_many_points_a_better_one_has() {
    let (_served, client) = places().await;
    let crowd = (100_u64..1_100).map(|id| {
        let payload = Payload::try_from(json!({"side": "crowd"})).unwrap();
        PointStruct::new(id, vec![1.0, 0.05], payload)
    });
    let request = UpsertPointsBuilder::new(PLACES, crowd.collect::<Vec<_>>()).wait(true);
    client.upsert_points(request).await.unwrap();
    let query = QueryPointGroupsBuilder::new(PLACES, "side")
        .query(Query::new_nearest(vec![1.0, 0.05]))
        .group_size(1_u64)
        .limit(4_u64);
    let groups = client.query_groups(query).await.unwrap().result.unwrap();
    let keys: Vec<_> = shape(&groups.groups)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let text = |side: &str| Kind::StringValue(side.to_owned());
    assert_eq!(
        keys,
        [
            text("crowd"),
            text("east"),
            text("sea"),
            Kind::UnsignedValue(9)
        ]
    );
}

#[tokio::test]
async fn points_of_other_collections_are_examples_and_beside_groups() {
    let (_served, client) = places().await;
    let vectors = VectorParamsBuilder::new(2, Distance::Cosine);
    let request = CreateCollectionBuilder::new("other").vectors_config(vectors);
    client.create_collection(request).await.unwrap();
    let payload = Payload::try_from(json!({"name": "nine"})).unwrap();
    let point = PointStruct::new(9, vec![0.0, 1.0], payload);
    let request = UpsertPointsBuilder::new("other", vec![point]).wait(true);
    client.upsert_points(request).await.unwrap();

    let from = LookupLocation {
        collection_name: "other".to_owned(),
        ..LookupLocation::default()
    };
    let query = QueryPointsBuilder::new(PLACES)
        .query(Query::new_nearest(PointId::from(9)))
        .lookup_from(from)
        .limit(2);
    let nearest = client.query(query).await.unwrap().result;
    assert_eq!(ids(&nearest), [4, 5]);

    let query = QueryPointGroupsBuilder::new(PLACES, "side").with_lookup(WithLookup {
        collection: "other".to_owned(),
        ..WithLookup::default()
    });
    let groups = client.query_groups(query).await.unwrap().result.unwrap();
    let of_nine = groups
        .groups
        .iter()
        .find(|group| group.lookup.is_some())
        .unwrap();
    assert_eq!(ids(&of_nine.hits), [6]);
    let looked_up = of_nine.lookup.as_ref().unwrap();
    assert_eq!(looked_up.payload["name"].as_str().unwrap(), "nine");
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each_query() {
    let (_served, client) = places().await;
    let query = |id: u64| {
        let query = QueryPointsBuilder::new(PLACES).query(Query::new_nearest(PointId::from(id)));
        query.limit(1).build()
    };
    let batch = QueryBatchPointsBuilder::new(PLACES, vec![query(1), query(4)]);
    let answers = client.query_batch(batch).await.unwrap().result;
    let answers: Vec<_> = answers.iter().map(|answer| ids(&answer.result)).collect();
    assert_eq!(answers, [[2], [5]]);
}

#[tokio::test]
async fn a_matrix_has_the_nearest_of_each_point_of_the_sample() {
    let (_served, client) = places().await;
    let matrix = || {
        SearchMatrixPointsBuilder::new(PLACES)
            .sample(7_u64)
            .limit(1_u64)
    };
    let pairs = client.search_matrix_pairs(matrix()).await.unwrap();
    let pairs = pairs.result.unwrap().pairs;
    assert_eq!(pairs.len(), 7);
    let of_four = pairs
        .iter()
        .find(|pair| pair.a == Some(PointId::from(4)))
        .unwrap();
    assert_eq!(of_four.b, Some(PointId::from(5)));

    let offsets = client.search_matrix_offsets(matrix()).await.unwrap();
    let offsets = offsets.result.unwrap();
    assert_eq!(offsets.offsets_row, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((offsets.offsets_col.len(), offsets.ids.len()), (7, 7));
    for (row, column) in offsets.offsets_row.iter().zip(&offsets.offsets_col) {
        assert_ne!(row, column, "no point is its own neighbour");
    }
}

#[tokio::test]
async fn texts_become_vectors_by_bm25_and_no_other_model() {
    let served = Served::start().await;
    let client = served.client();
    let mut sparse = SparseVectorsConfigBuilder::default();
    let params = SparseVectorParamsBuilder::default().modifier(Modifier::Idf);
    sparse.add_named_vector_params("words", params);
    let request = CreateCollectionBuilder::new("texts").sparse_vectors_config(sparse);
    client.create_collection(request).await.unwrap();
    let point = |id: u64, text: &str, model: &str| {
        let vectors = Vectors::from(std::collections::HashMap::from([(
            "words".to_owned(),
            Document::new(text, model),
        )]));
        PointStruct::new(id, vectors, Payload::new())
    };
    let points = vec![
        point(1, "The ferry leaves at noon", "BM25"),
        point(2, "Trains leave all day", "Qdrant/bm25"),
    ];
    let request = UpsertPointsBuilder::new("texts", points).wait(true);
    client.upsert_points(request).await.unwrap();
    for model in ["qdrant/bm25", "bm25"] {
        let query = QueryPointsBuilder::new("texts")
            .query(Query::new_nearest(Document::new("ferries", model)))
            .using("words");
        let nearest = client.query(query).await.unwrap().result;
        assert_eq!(ids(&nearest), [1], "by the stem of the word");
    }

    let points = vec![point(3, "x", "jinaai/jina-clip-v2")];
    let request = UpsertPointsBuilder::new("texts", points).wait(true);
    let error = client.upsert_points(request).await.unwrap_err();
    assert_eq!(code(&error), Code::Internal);
    let what = "Internal error Service internal error: InferenceService URL not configured - please provide valid \
                address in config";
    assert!(error.to_string().contains(what), "{error}");
    let query = QueryPointsBuilder::new("texts")
        .query(Query::new_nearest(Document::new(
            "x",
            "jinaai/jina-clip-v2",
        )))
        .using("words");
    let error = client.query(query).await.unwrap_err();
    assert_eq!(code(&error), Code::Internal);
    let what = "Internal error Inference error: Service internal error: InferenceService URL not configured";
    assert!(error.to_string().contains(what), "{error}");
}
