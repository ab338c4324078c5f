//! Searching, counting and reading.

use contexter_model::{
    Condition, Distance, EnsureCollection, ErrorKind, Filter, Leg, Query, QueryReply, Retrieve,
};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{
    CHUNKS, count, found, id, ids, payload, point, search, sparse, spec, store, upsert,
};

async fn filled(path: &std::path::Path) -> EmbeddedStore {
    let store = store(path, 3).await;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "tokio"),
        point(2, &[0.9, 0.1, 0.0], &[(7, 2.0), (8, 1.0)], "serde"),
        point(3, &[0.0, 1.0, 0.0], &[(8, 1.0)], "serde"),
        point(4, &[0.0, 0.0, 1.0], &[(9, 1.0)], "clap"),
    ];
    upsert(&store, points).await.unwrap();
    store
}

#[tokio::test]
async fn each_leg_gives_its_own_ranking_in_the_order_of_the_legs() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;

    let reply = store
        .call(Query {
            collection: CHUNKS.into(),
            legs: vec![
                Leg::Sparse(sparse(&[(7, 1.0)])),
                Leg::Dense(vec![1.0, 0.0, 0.0]),
                Leg::Sparse(sparse(&[(404, 1.0)])),
            ],
            filter: Filter::all(),
            limit: 2,
        })
        .await
        .unwrap();

    let rankings: Vec<Vec<u128>> = reply.rankings.iter().map(|hits| ids(hits)).collect();
    assert_eq!(rankings, [vec![2, 1], vec![1, 2], vec![]]);
    assert!((reply.rankings[1][0].score - 1.0).abs() < 1e-6);
}

#[tokio::test]
async fn rare_terms_weigh_more() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut points: Vec<_> = (1..=20).map(|n| point(n, &[], &[(7, 1.0)], "a")).collect();
    points.push(point(21, &[], &[(8, 1.0)], "a"));
    upsert(&store, points).await.unwrap();

    let hits = search(
        &store,
        Leg::Sparse(sparse(&[(7, 1.0), (8, 1.0)])),
        Filter::all(),
        100,
    )
    .await
    .unwrap();

    assert_eq!(hits[0].id, id(21));
    // The engine's formula: ln((n - df + 0.5) / (df + 0.5) + 1), n = 21.
    let idf = |df: f32| ((21.0 - df + 0.5) / (df + 0.5) + 1.0_f32).ln();
    assert!((hits[0].score - idf(1.0)).abs() < 1e-4, "{}", hits[0].score);
    assert!(
        (hits[1].score - idf(20.0)).abs() < 1e-4,
        "{}",
        hits[1].score
    );
}

#[tokio::test]
async fn ties_are_in_order_of_id() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let points = [5, 3, 9, 1, 7].map(|n| point(n, &[0.0, 1.0, 0.0], &[(7, 1.0)], "a"));
    upsert(&store, points.to_vec()).await.unwrap();

    assert_eq!(
        found(&store, Leg::Dense(vec![0.0, 1.0, 0.0])).await,
        [1, 3, 5, 7, 9],
    );
    assert_eq!(
        found(&store, Leg::Sparse(sparse(&[(7, 1.0)]))).await,
        [1, 3, 5, 7, 9],
    );
}

#[tokio::test]
async fn filters_hold_for_every_leg_and_for_counts() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    let serde = || Filter::all().and("library", "serde");
    let either = Filter {
        must: vec![Condition {
            field: "library".into(),
            any_of: vec!["serde".into(), "clap".into(), "nope".into()],
        }],
    };

    let dense = || Leg::Dense(vec![1.0, 0.0, 0.0]);
    assert_eq!(
        ids(&search(&store, dense(), serde(), 9).await.unwrap()),
        [2, 3]
    );
    let leg = Leg::Sparse(sparse(&[(7, 1.0)]));
    assert_eq!(ids(&search(&store, leg, serde(), 9).await.unwrap()), [2]);
    assert_eq!(count(&store, serde()).await, 2);
    assert_eq!(count(&store, either.clone()).await, 3);
    assert_eq!(count(&store, either.and("library", "clap")).await, 1);
    assert_eq!(count(&store, Filter::all()).await, 4);
}

#[tokio::test]
async fn a_condition_without_values_lets_nothing_pass() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    let never = Filter {
        must: vec![Condition {
            field: "library".into(),
            any_of: Vec::new(),
        }],
    };

    let leg = Leg::Dense(vec![1.0, 0.0, 0.0]);
    assert!(
        search(&store, leg, never.clone(), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(count(&store, never).await, 0);
}

#[tokio::test]
async fn a_filter_on_a_field_without_an_index_is_refused() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;

    let leg = Leg::Dense(vec![1.0, 0.0, 0.0]);
    let error = search(&store, leg, Filter::all().and("path", "x"), 9)
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "qdrant query: filter names the field \"path\", collection \"chunks\" has \
         [\"library\", \"kind\"]",
    );
}

#[tokio::test]
async fn wrong_query_vectors_are_refused() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    for (vector, expected) in [
        (
            vec![1.0],
            "query: dense vector has 1 values, collection \"chunks\" has 3 dimensions",
        ),
        (
            vec![0.0, f32::NEG_INFINITY, 0.0],
            "query: dense vector has -inf at 1, expected a finite value",
        ),
    ] {
        let error = search(&store, Leg::Dense(vector), Filter::all(), 9)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), expected);
    }
}

#[tokio::test]
async fn nothing_asked_is_nothing_found() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    let dense = || Leg::Dense(vec![1.0, 0.0, 0.0]);

    let none = search(&store, dense(), Filter::all(), 0).await.unwrap();
    assert!(none.is_empty());
    let empty = Leg::Sparse(sparse(&[]));
    assert!(
        search(&store, empty, Filter::all(), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let no_legs = Query {
        collection: CHUNKS.into(),
        legs: Vec::new(),
        filter: Filter::all(),
        limit: 9,
    };
    assert_eq!(store.call(no_legs).await.unwrap(), QueryReply::default());
}

#[tokio::test]
async fn an_enormous_limit_gives_what_there_is() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    let leg = Leg::Dense(vec![1.0, 0.0, 0.0]);

    let hits = search(&store, leg, Filter::all(), usize::MAX)
        .await
        .unwrap();
    assert_eq!(hits.len(), 4);
}

#[tokio::test]
async fn a_higher_score_is_nearer_whatever_the_distance() {
    for distance in [Distance::Cosine, Distance::Dot, Distance::Euclid] {
        let folder = tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        let mut collection = spec(3);
        collection.distance = distance;
        store.call(EnsureCollection(collection)).await.unwrap();
        let points = vec![
            point(1, &[0.0, 1.0, 0.0], &[], "a"),
            point(2, &[1.0, 0.0, 0.0], &[], "a"),
            point(3, &[0.5, 0.5, 0.0], &[], "a"),
        ];
        upsert(&store, points).await.unwrap();

        let hits = search(&store, Leg::Dense(vec![1.0, 0.0, 0.0]), Filter::all(), 9)
            .await
            .unwrap();
        assert_eq!(ids(&hits), [2, 3, 1], "{distance:?}");
        assert!(
            hits.is_sorted_by(|a, b| a.score > b.score),
            "{distance:?}: {hits:?}",
        );
    }
}

#[tokio::test]
async fn retrieves_in_the_order_asked_and_leaves_out_what_is_not_there() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;

    let records = store
        .call(Retrieve {
            collection: CHUNKS.into(),
            ids: vec![id(3), id(99), id(1)],
        })
        .await
        .unwrap();

    assert_eq!(records.len(), 2);
    assert_eq!(records[0].id, id(3));
    assert_eq!(records[0].payload, payload(&[("library", "serde")]));
    assert_eq!(records[1].id, id(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_queries_at_once_find_what_each_finds_alone() {
    let folder = tempdir().unwrap();
    let store = filled(folder.path()).await;
    let query = || Query {
        collection: CHUNKS.into(),
        legs: vec![
            Leg::Dense(vec![0.0, 1.0, 0.1]),
            Leg::Sparse(sparse(&[(7, 1.0), (8, 2.0)])),
        ],
        filter: Filter::all(),
        limit: 3,
    };
    let alone = store.call(query()).await.unwrap();
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.call(query()).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), alone);
    }
}
