//! Building the index while others search.

use contexter_model::{Filter, Leg, Optimize};
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{CHUNKS, count, flush, many, search, store, upsert};

#[tokio::test(flavor = "multi_thread")]
async fn searches_go_on_and_changes_wait_while_it_runs() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 384).await;
    upsert(&store, many(1, 8_000)).await.unwrap();
    let vector = many(1, 1).remove(0).dense.unwrap();

    let optimizer = store.clone();
    let optimizing = tokio::spawn(async move {
        optimizer
            .call(Optimize {
                collection: CHUNKS.into(),
            })
            .await
    });
    let changer = store.clone();
    let changing = tokio::spawn(async move {
        upsert(&changer, many(8_001, 10)).await?;
        flush(&changer).await
    });
    let mut during = 0;
    while !optimizing.is_finished() {
        let leg = Leg::Dense(vector.clone());
        let hits = search(&store, leg, Filter::all(), 1).await.unwrap();
        assert_eq!(hits[0].id.as_u128(), 1);
        during += 1;
    }

    optimizing.await.unwrap().unwrap();
    changing.await.unwrap().unwrap();
    assert!(during > 10, "only {during} searches while it ran");
    assert_eq!(count(&store, Filter::all()).await, 8_010);
}

#[tokio::test]
async fn what_it_built_is_there_after_a_reopening() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    upsert(&first, many(1, 7_000)).await.unwrap();
    let optimize = Optimize {
        collection: CHUNKS.into(),
    };
    first.call(optimize).await.unwrap();
    drop(first);

    let second = store(folder.path(), 384).await;
    assert_eq!(count(&second, Filter::all()).await, 7_000);
    let vector = many(77, 1).remove(0).dense.unwrap();
    let hits = search(&second, Leg::Dense(vector), Filter::all(), 1)
        .await
        .unwrap();
    assert_eq!(hits[0].id.as_u128(), 77);
}
