//! Storing and deleting points.

use contexter_model::{
    Condition, Delete, Error, ErrorKind, Filter, Leg, Optimize, Point, Selector,
};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{
    CHUNKS, count, flush, found, id, many, payload, payload_of, point, sparse, store, upsert,
};

fn term(index: u32) -> Leg {
    Leg::Sparse(sparse(&[(index, 1.0)]))
}

#[tokio::test]
async fn a_point_without_a_dense_vector_is_found_by_its_terms() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let points = vec![
        point(1, &[], &[(7, 1.0)], "a"),
        point(2, &[1.0, 0.0, 0.0], &[(8, 1.0)], "a"),
    ];
    upsert(&store, points).await.unwrap();

    assert_eq!(found(&store, term(7)).await, [1]);
    assert_eq!(found(&store, Leg::Dense(vec![1.0, 0.0, 0.0])).await, [2]);
}

#[tokio::test]
async fn storing_an_id_again_replaces_it_whole() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut first = point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a");
    first.payload.insert("kind".into(), "guide".into());
    upsert(&store, vec![first]).await.unwrap();

    upsert(&store, vec![point(1, &[], &[(8, 1.0)], "b")])
        .await
        .unwrap();

    assert_eq!(found(&store, term(7)).await, [0_u128; 0]);
    assert_eq!(found(&store, term(8)).await, [1]);
    assert_eq!(
        found(&store, Leg::Dense(vec![1.0, 0.0, 0.0])).await,
        [0_u128; 0],
        "the old dense vector is gone",
    );
    assert_eq!(
        payload_of(&store, 1).await.unwrap(),
        payload(&[("library", "b")]),
    );

    upsert(&store, vec![point(1, &[0.0, 1.0, 0.0], &[], "b")])
        .await
        .unwrap();
    assert_eq!(found(&store, term(8)).await, [0_u128; 0]);
    assert_eq!(found(&store, Leg::Dense(vec![0.0, 1.0, 0.0])).await, [1]);
    assert_eq!(count(&store, Filter::all()).await, 1);
}

#[tokio::test]
async fn an_indexed_point_is_replaced_whole_too() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 384).await;
    upsert(&store, many(1, 7_000)).await.unwrap();
    let optimize = Optimize {
        collection: CHUNKS.into(),
    };
    store.call(optimize).await.unwrap();
    let vector = many(1, 1).remove(0).dense.unwrap();
    assert_eq!(found(&store, Leg::Dense(vector.clone())).await[0], 1);
    assert_eq!(found(&store, term(1)).await.len(), 73);

    upsert(&store, vec![point(1, &[], &[(8_000, 1.0)], "b")])
        .await
        .unwrap();

    assert!(!found(&store, Leg::Dense(vector.clone())).await.contains(&1));
    assert!(!found(&store, term(1)).await.contains(&1));
    assert_eq!(found(&store, term(8_000)).await, [1]);

    upsert(&store, vec![point(1, &vector, &[], "b")])
        .await
        .unwrap();
    upsert(&store, vec![point(2, &vector, &[], "b")])
        .await
        .unwrap();
    assert_eq!(found(&store, Leg::Dense(vector)).await[..2], [1, 2]);
    assert_eq!(found(&store, term(8_000)).await, [0_u128; 0]);
    assert!(!found(&store, term(2)).await.contains(&2));
    assert_eq!(count(&store, Filter::all()).await, 7_000);
}

#[tokio::test]
async fn the_last_of_two_points_with_one_id_stays() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(1, &[], &[(8, 1.0)], "b"),
    ];
    upsert(&store, points).await.unwrap();

    assert_eq!(found(&store, term(8)).await, [1]);
    assert_eq!(found(&store, term(7)).await, [0_u128; 0]);
    assert_eq!(
        found(&store, Leg::Dense(vec![1.0, 0.0, 0.0])).await,
        [0_u128; 0],
    );
}

#[tokio::test]
async fn more_points_than_one_batch_are_all_stored() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 384).await;
    upsert(&store, many(1, 1_234)).await.unwrap();

    assert_eq!(count(&store, Filter::all()).await, 1_234);
}

#[tokio::test]
async fn a_wrong_point_is_named_and_nothing_is_stored() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let good = || point(1, &[1.0, 0.0, 0.0], &[], "a");
    let cases: [(Point, &str); 4] = [
        (
            point(2, &[1.0, 0.0], &[], "a"),
            "dense vector has 2 values, collection \"chunks\" has 3 dimensions",
        ),
        (
            point(2, &[1.0, f32::NAN, 0.0], &[], "a"),
            "dense vector has NaN at 1, expected a finite value",
        ),
        (
            point(2, &[1.0, 0.0, f32::INFINITY], &[], "a"),
            "dense vector has inf at 2, expected a finite value",
        ),
        (
            point(2, &[], &[], "a"),
            "has neither a dense nor a sparse vector",
        ),
    ];
    for (bad, expected) in cases {
        let error = upsert(&store, vec![good(), bad]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(error.operation(), Some("upsert"));
        assert_eq!(error.message(), format!("point {}: {expected}", id(2)));
    }
    assert_eq!(count(&store, Filter::all()).await, 0);

    upsert(&store, vec![good()]).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, 1, "refusals do no harm");
}

#[tokio::test]
async fn no_points_are_no_work() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    upsert(&store, Vec::new()).await.unwrap();
    flush(&store).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, 0);
}

#[tokio::test]
async fn a_point_of_no_terms_is_kept() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut silent = point(1, &[], &[(1, 1.0)], "a");
    silent.sparse = Some(sparse(&[]));
    upsert(&store, vec![silent]).await.unwrap();

    assert_eq!(count(&store, Filter::all()).await, 1);
    assert!(payload_of(&store, 1).await.is_some());
}

async fn delete(store: &EmbeddedStore, selector: Selector) -> Result<(), Error> {
    store
        .call(Delete {
            collection: CHUNKS.into(),
            selector,
        })
        .await
}

async fn three(store: &EmbeddedStore) {
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(2, &[1.0, 0.0, 0.0], &[(7, 1.0)], "b"),
        point(3, &[1.0, 0.0, 0.0], &[(7, 1.0)], "b"),
    ];
    upsert(store, points).await.unwrap();
}

#[tokio::test]
async fn deletes_by_id_and_ignores_ids_that_are_not_there() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    three(&store).await;

    delete(&store, Selector::Ids(vec![id(2), id(99)]))
        .await
        .unwrap();

    assert_eq!(found(&store, term(7)).await, [1, 3]);
    assert_eq!(found(&store, Leg::Dense(vec![1.0, 0.0, 0.0])).await, [1, 3]);
    assert!(payload_of(&store, 2).await.is_none());
}

#[tokio::test]
async fn deletes_by_filter() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    three(&store).await;

    delete(&store, Selector::Filter(Filter::all().and("library", "b")))
        .await
        .unwrap();

    assert_eq!(found(&store, term(7)).await, [1]);
}

#[tokio::test]
async fn an_empty_filter_deletes_nothing() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    three(&store).await;

    let error = delete(&store, Selector::Filter(Filter::all()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let never = Filter {
        must: vec![Condition {
            field: "library".into(),
            any_of: Vec::new(),
        }],
    };
    delete(&store, Selector::Filter(never)).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, 3);
}

#[tokio::test]
async fn deletions_survive_a_reopening() {
    let folder = tempdir().unwrap();
    let store = crate::fixture::store(folder.path(), 3).await;
    three(&store).await;
    delete(&store, Selector::Ids(vec![id(2)])).await.unwrap();
    flush(&store).await.unwrap();
    drop(store);

    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(found(&store, term(7)).await, [1, 3]);
}
