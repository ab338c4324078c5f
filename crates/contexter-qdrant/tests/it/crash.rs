//! What a process that was killed left behind, and how it is mended.

use std::fs;
use std::path::Path;

use contexter_model::{ErrorKind, Filter, Leg, Optimize};
use contexter_qdrant::edge::{EmbeddedStore, inspect};
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{
    CHUNKS, count, flush, found, id, many, payload_of, point, search, sparse, store, upsert,
};

#[tokio::test]
async fn older_copies_that_a_killed_process_left_behind_are_removed() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    upsert(&first, many(1, 1_500)).await.unwrap();
    first.close().await.unwrap();
    // What a kill in the middle of an optimization leaves: the same points in two segments, and a
    // lock file that names the dead.
    let segments = folder.path().join("collections/chunks/shard/segments");
    let segment = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&segment.path(), &segments.join(id(77).to_string()));
    let lock = folder.path().join("contexter-vectors.lock");
    fs::write(
        &lock,
        r#"{"pid":4294967295,"since":"2026-01-01T00:00:00Z"}"#,
    )
    .unwrap();

    let second = EmbeddedStore::open(folder.path()).await.unwrap();

    assert_eq!(count(&second, Filter::all()).await, 1_500);
    let vector = many(7, 1).remove(0).dense.unwrap();
    let hits = search(&second, Leg::Dense(vector), Filter::all(), 2)
        .await
        .unwrap();
    assert_eq!(hits[0].id, id(7));
    assert!(hits[0].score > 0.999);
    let term = Leg::Sparse(sparse(&[(7, 1.0)]));
    assert_eq!(found(&second, term).await.len(), 16);
    assert!(payload_of(&second, 1_500).await.is_some());
}

fn name_a_dead_holder(folder: &Path) {
    let lock = folder.join("contexter-vectors.lock");
    fs::write(lock, r#"{"pid":4294967295,"since":"2026-01-01T00:00:00Z"}"#).unwrap();
}

#[tokio::test]
async fn of_copies_in_an_index_and_beside_it_the_newest_stays() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    let segments = folder.path().join("collections/chunks/shard/segments");
    upsert(&first, many(1, 7_000)).await.unwrap();
    let before = tempdir().unwrap();
    flush(&first).await.unwrap();
    let plain = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&plain.path(), &before.path().join("plain"));
    let collection = CHUNKS.into();
    first.call(Optimize { collection }).await.unwrap();
    upsert(&first, vec![point(1, &[], &[(9_000, 1.0)], "new")])
        .await
        .unwrap();
    first.close().await.unwrap();
    // The optimized segment's source is still there.
    copy(
        &before.path().join("plain"),
        &segments.join(plain.file_name()),
    );
    name_a_dead_holder(folder.path());

    let second = EmbeddedStore::open(folder.path()).await.unwrap();

    assert_eq!(count(&second, Filter::all()).await, 7_000);
    assert_eq!(payload_of(&second, 1).await.unwrap()["library"], "new");
    let vector = many(1, 1).remove(0).dense.unwrap();
    assert!(!found(&second, Leg::Dense(vector)).await.contains(&1));
    let vector = many(2, 1).remove(0).dense.unwrap();
    assert_eq!(found(&second, Leg::Dense(vector)).await[0], 2);
}

#[tokio::test]
async fn an_opening_that_fails_leaves_the_repair_to_the_next_one() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    upsert(&first, many(1, 100)).await.unwrap();
    first.close().await.unwrap();
    let segments = folder.path().join("collections/chunks/shard/segments");
    let segment = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&segment.path(), &segments.join(id(77).to_string()));
    name_a_dead_holder(folder.path());
    let aliases = folder.path().join("aliases.json");
    fs::write(&aliases, "{").unwrap();

    let error = EmbeddedStore::open(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(inspect(folder.path()).unwrap().holder, None);
    fs::remove_file(aliases).unwrap();

    let second = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(count(&second, Filter::all()).await, 100, "no copies");
    second.close().await.unwrap();
    let lock = fs::read(folder.path().join("contexter-vectors.lock")).unwrap();
    assert_eq!(lock, [0_u8; 0], "it is whole now");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
