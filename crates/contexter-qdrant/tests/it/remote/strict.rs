//! What strict mode refuses of searches, through the vendor's own client.

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, Expression, FieldType, Filter, FormulaBuilder, PointStruct,
    PointVectors, PrefetchQueryBuilder, Query, QueryBatchPointsBuilder, QueryPointGroupsBuilder,
    QueryPointsBuilder, Range, ScrollPointsBuilder, SearchMatrixPointsBuilder, StrictModeConfig,
    StrictModeConfigBuilder, UpdatePointVectorsBuilder, UpsertPointsBuilder, VectorParamsBuilder,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use tonic::Code;

use super::served::Served;

const PLACES: &str = "places";

/// A collection without points, in which fields of every kind of need are indexed if `indexed`.
async fn places(strict: impl Into<StrictModeConfig>, indexed: bool) -> (Served, Qdrant) {
    let served = Served::start().await;
    let client = served.client();
    let request = CreateCollectionBuilder::new(PLACES)
        .vectors_config(VectorParamsBuilder::new(2, Distance::Cosine))
        .strict_mode_config(strict);
    client.create_collection(request).await.unwrap();
    let fields = [
        ("side", FieldType::Keyword),
        ("rank", FieldType::Integer),
        ("place", FieldType::Geo),
        ("seen", FieldType::Datetime),
    ];
    for (field, kind) in fields.into_iter().filter(|_| indexed) {
        let index = CreateFieldIndexCollectionBuilder::new(PLACES, field, kind).wait(true);
        client.create_field_index(index).await.unwrap();
    }
    (served, client)
}

fn limits() -> StrictModeConfigBuilder {
    StrictModeConfigBuilder::default().enabled(true)
}

/// Asserts that the answer is a refusal that says `what`.
#[track_caller]
fn refused<T>(answer: Result<T, QdrantError>, what: &str) {
    let Err(QdrantError::ResponseError { status }) = answer.map(|_| ()) else {
        unreachable!("the server does not refuse this: {what}");
    };
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(what), "{status}");
}

fn groups(limit: u64, size: u64) -> QueryPointGroupsBuilder {
    QueryPointGroupsBuilder::new(PLACES, "side")
        .query(Query::new_nearest(vec![1.0, 0.0]))
        .limit(limit)
        .group_size(size)
}

#[tokio::test]
async fn groups_count_as_the_points_that_they_may_have() {
    let (_served, client) = places(limits().max_query_limit(10), false).await;
    client.query_groups(groups(5, 2)).await.unwrap();
    let answer = client.query_groups(groups(1_000, 1_000)).await;
    refused(answer, "Limit exceeded 1000000 > 10 for \"limit\"");
    let answer = client.query_groups(groups(u64::MAX, 2)).await;
    refused(answer, "Limit exceeded");
    // Ten groups of three.
    let answer = client
        .query_groups(QueryPointGroupsBuilder::new(PLACES, "side"))
        .await;
    refused(answer, "Limit exceeded 30 > 10 for \"limit\"");
}

#[tokio::test]
async fn a_filter_has_as_many_conditions_as_the_caller_gave_it() {
    let (_served, client) = places(limits().filter_max_conditions(1), false).await;
    let one = || Condition::matches("side", "east".to_owned());
    let filter = Filter::must([one()]);
    client
        .query_groups(groups(5, 2).filter(filter))
        .await
        .unwrap();
    let answer = client
        .query_groups(groups(5, 2).filter(Filter::must([one(), one()])))
        .await;
    refused(answer, "Filter condition limit reached (2 > 1)");
}

#[tokio::test]
async fn what_is_grouped_by_has_an_index() {
    let limits = || limits().unindexed_filtering_retrieve(false);
    let (_served, client) = places(limits(), false).await;
    let answer = client.query_groups(groups(5, 2)).await;
    refused(answer, "Index required but not found for \"side\"");

    let (_served, client) = places(limits(), true).await;
    client.query_groups(groups(5, 2)).await.unwrap();
    let by_place = QueryPointGroupsBuilder::new(PLACES, "place");
    let answer = client.query_groups(by_place).await;
    refused(answer, "Index of type \"Geo\" found for \"place\"");
}

fn ranked(by: Expression) -> QueryPointsBuilder {
    let prefetch = PrefetchQueryBuilder::default()
        .query(Query::new_nearest(vec![1.0, 0.0]))
        .limit(3_u64);
    QueryPointsBuilder::new(PLACES)
        .add_prefetch(prefetch)
        .query(FormulaBuilder::new(by))
}

#[tokio::test]
async fn the_fields_of_a_formula_have_an_index() {
    let limits = || limits().unindexed_filtering_retrieve(false);
    let score = || Expression::variable("$score");
    let (_served, bare) = places(limits(), false).await;
    let (_served, indexed) = places(limits(), true).await;
    bare.query(ranked(score())).await.unwrap();
    let origin = qdrant_client::qdrant::GeoPoint { lat: 1.0, lon: 2.0 };
    let fields = [
        (
            Expression::variable("rank"),
            "\"rank\" of one of the following types: [float, integer]",
        ),
        (
            Expression::datetime_key("seen"),
            "\"seen\" of one of the following types: [datetime]",
        ),
        (
            Expression::geo_distance_with(origin, "place"),
            "\"place\" of one of the following types: [geo]",
        ),
        (
            Expression::condition(Condition::matches("side", "east".to_owned())),
            "Index required but not found for \"side\"",
        ),
    ];
    for (field, what) in fields {
        let inner = Expression::mult_with([Expression::constant(2.0), field]);
        let whole = || ranked(Expression::sum_with([score(), inner.clone()]));
        refused(bare.query(whole()).await, what);
        indexed.query(whole()).await.unwrap();
    }
    let wrong_kind = ranked(Expression::variable("side"));
    refused(indexed.query(wrong_kind).await, "\"side\" of one of");
}

#[tokio::test]
async fn limits_hold_for_prefetches_and_for_what_is_left_to_the_server() {
    let (_served, client) = places(limits().max_query_limit(9), false).await;
    let nearest = || Query::new_nearest(vec![1.0, 0.0]);
    let query = QueryPointsBuilder::new(PLACES).query(nearest());
    let answer = client.query(query.clone()).await;
    refused(answer, "Limit exceeded 10 > 9 for \"limit\"");
    client.query(query.clone().limit(9)).await.unwrap();
    let prefetch = PrefetchQueryBuilder::default()
        .query(nearest())
        .limit(11_u64);
    let answer = client.query(query.limit(9).add_prefetch(prefetch)).await;
    refused(answer, "Limit exceeded 11 > 9 for \"limit\"");

    let matrix = SearchMatrixPointsBuilder::new(PLACES);
    let answer = client
        .search_matrix_pairs(matrix.sample(5_u64).limit(2_u64))
        .await;
    refused(answer, "Limit exceeded 10 > 9 for \"limit\"");
}

#[tokio::test]
async fn no_read_may_ask_for_more_time() {
    let (_served, client) = places(limits().max_timeout(5), false).await;
    let page = || ScrollPointsBuilder::new(PLACES);
    client.scroll(page().timeout(5_u64)).await.unwrap();
    let answer = client.scroll(page().timeout(6_u64)).await;
    refused(answer, "Limit exceeded 6 > 5 for \"timeout\"");
    let answer = client.query_groups(groups(1, 1).timeout(6_u64)).await;
    refused(answer, "Limit exceeded 6 > 5 for \"timeout\"");
}

#[tokio::test]
async fn an_index_must_be_of_the_kind_that_a_condition_needs() {
    let limits = limits()
        .unindexed_filtering_retrieve(false)
        .condition_max_size(2);
    let (_served, client) = places(limits, true).await;
    let scroll = async |condition: Condition| {
        let page = ScrollPointsBuilder::new(PLACES).filter(Filter::must([condition]));
        client.scroll(page).await
    };
    let many = |many: i64| Condition::matches("rank", (0..many).collect::<Vec<_>>());
    let allowed = [
        Condition::matches("side", "east".to_owned()),
        Condition::is_empty("place"),
        Condition::range("rank", Range::default()),
        many(2),
    ];
    for condition in allowed {
        scroll(condition).await.unwrap();
    }
    let within = Condition::from(Filter::must([Condition::matches("side", 3)]));
    let refusals = [
        (
            Condition::range("side", Range::default()),
            "\"side\" of one of the following types: [float, integer]",
        ),
        (
            Condition::matches("seen", "x".to_owned()),
            "\"seen\" of one of the following types: [keyword]",
        ),
        (
            Condition::matches("seen", "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned()),
            "\"seen\" of one of the following types: [keyword, uuid]",
        ),
        (
            Condition::nested("side", Filter::must([Condition::is_null("deep")])),
            "\"side[].deep\" of one of",
        ),
        (within, "\"side\" of one of the following types: [integer]"),
        (many(3), "Condition size limit reached (3 > 2)"),
    ];
    for (condition, what) in refusals {
        refused(scroll(condition).await, what);
    }
}

#[tokio::test]
async fn a_batch_and_an_exact_count_are_refused_by_name() {
    let limits = limits().search_max_batchsize(1).search_allow_exact(false);
    let (_served, client) = places(limits, false).await;
    let query = || QueryPointsBuilder::new(PLACES).query(Query::new_nearest(vec![1.0, 0.0]));
    let batch = |many: usize| {
        let queries = std::iter::repeat_with(|| query().build()).take(many);
        QueryBatchPointsBuilder::new(PLACES, queries.collect::<Vec<_>>())
    };
    client.query_batch(batch(1)).await.unwrap();
    let answer = client.query_batch(batch(2)).await;
    refused(answer, "Limit exceeded 2 > 1 for \"search batch size\"");
    client
        .count(CountPointsBuilder::new(PLACES).exact(false))
        .await
        .unwrap();
    let answer = client.count(CountPointsBuilder::new(PLACES)).await;
    refused(answer, "Exact search disabled!. Help: Set exact=false.");
}

#[tokio::test]
async fn changes_are_limited_by_what_they_store_and_by_what_selects_them() {
    let limits = limits()
        .upsert_max_batchsize(2)
        .max_points_count(2)
        .max_payload_index_count(1)
        .unindexed_filtering_update(false);
    let (_served, client) = places(limits, false).await;
    let point = |n: u64| PointStruct::new(n, vec![1.0, 0.0], Payload::new());
    let upsert = |ids: std::ops::RangeInclusive<u64>| {
        let points: Vec<_> = ids.map(point).collect();
        UpsertPointsBuilder::new(PLACES, points).wait(true)
    };
    let east = || Filter::must([Condition::matches("side", "east".to_owned())]);
    let answer = client.upsert_points(upsert(1..=3)).await;
    refused(answer, "Limit exceeded 3 > 2 for \"upsert limit\"");
    // A condition on points that are named reads only those.
    let conditional = upsert(1..=2).update_filter(east());
    client.upsert_points(conditional).await.unwrap();
    let answer = client.upsert_points(upsert(1..=1)).await;
    refused(answer, "Max points count limit of 2 reached!");
    let vectors = (1..=3).map(|n: u64| PointVectors {
        id: Some(n.into()),
        vectors: Some(vec![0.0, 1.0].into()),
    });
    let update = UpdatePointVectorsBuilder::new(PLACES, vectors.collect::<Vec<_>>());
    let answer = client.update_vectors(update).await;
    refused(answer, "Limit exceeded 3 > 2 for \"update limit\"");
    let answer = client
        .delete_points(DeletePointsBuilder::new(PLACES).points(east()))
        .await;
    refused(
        answer,
        "Index required but not found for \"side\" of one of",
    );

    let index = || CreateFieldIndexCollectionBuilder::new(PLACES, "side", FieldType::Keyword);
    client.create_field_index(index().wait(true)).await.unwrap();
    let answer = client.create_field_index(index()).await;
    refused(
        answer,
        "Collection already has the maximum number of payload indices (1)",
    );
}
