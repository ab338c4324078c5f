//! What becomes of a collection whose engine fails.

use contexter_model::{
    Count, Distance, EmbeddingSpace, EnsureCollection, Filter, Flush, Optimize, Payload, Point,
    PointId, SpaceKind, Upsert,
};
use contexter_service::Service as _;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::edge::EmbeddedStore;

const NAME: &str = "chunks";

async fn open(folder: &TempDir) -> EmbeddedStore {
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    let space = EmbeddingSpace {
        id: "letters-1".into(),
        dimensions: 3,
        max_tokens: 64,
        kind: SpaceKind::Lexical,
    };
    let spec = CollectionSpec {
        name: NAME.into(),
        space,
        distance: Distance::Cosine,
        keyword_fields: Vec::new(),
    };
    store.call(EnsureCollection(spec)).await.unwrap();
    store
}

async fn upsert(store: &EmbeddedStore, ids: std::ops::Range<u128>) {
    let point = |id| Point {
        id: PointId::from_u128(id),
        dense: Some(vec![1.0, 0.0, 0.0]),
        sparse: None,
        payload: Payload::new(),
    };
    let points = ids.map(point).collect();
    let collection = NAME.into();
    store.call(Upsert { collection, points }).await.unwrap();
}

async fn flush(store: &EmbeddedStore) -> Result<(), Error> {
    let collection = NAME.into();
    store.call(Flush { collection }).await
}

async fn count(store: &EmbeddedStore) -> u64 {
    let (collection, filter) = (NAME.into(), Filter::all());
    store.call(Count { collection, filter }).await.unwrap()
}

/// Makes the next change find the shard reopened.
async fn fail(store: &EmbeddedStore) {
    let collection = store.collection(NAME).unwrap();
    let failing = |collection: &Collection| {
        collection.change("fail", |_| {
            Err::<(), _>(OperationError::service_error("broken"))
        })
    };
    let failed = store.change(&collection, "fail", failing).await;
    failed.unwrap_err();
    assert!(collection.failure().is_some());
}

fn segments(folder: &TempDir) -> PathBuf {
    let shard = folder.path().join("collections").join(NAME).join("shard");
    shard.join("segments")
}

/// A store whose engine has lost changes, of which nobody was told yet.
async fn with_losses(folder: &TempDir) -> EmbeddedStore {
    let store = open(folder).await;
    upsert(&store, 1..2).await;
    fail(&store).await;
    // It cannot write down what it has, nor be opened again.
    let (segments, hidden) = (segments(folder), folder.path().join("hidden"));
    fs::rename(&segments, &hidden).unwrap();
    flush(&store).await.unwrap_err();
    fs::rename(&hidden, &segments).unwrap();
    store
}

async fn is_told_of_losses_once(store: &EmbeddedStore) {
    let error = flush(store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    let message = error.message();
    assert!(message.ends_with("were lost: send them again"), "{message}");
    flush(store).await.unwrap();
}

#[tokio::test]
async fn who_flushes_is_told_of_losses() {
    let folder = tempdir().unwrap();
    let store = with_losses(&folder).await;
    is_told_of_losses_once(&store).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_no_loss_with_it() {
    let folder = tempdir().unwrap();
    let store = with_losses(&folder).await;
    // Begun, and dropped.
    tokio::select! {
        biased;
        _ = flush(&store) => unreachable!("it is on another thread"),
        () = std::future::ready(()) => {}
    }
    is_told_of_losses_once(&store).await;
}

#[tokio::test]
async fn an_optimization_takes_no_loss_from_who_flushes() {
    let folder = tempdir().unwrap();
    let store = with_losses(&folder).await;
    let collection = NAME.into();
    store.call(Optimize { collection }).await.unwrap_err();
    is_told_of_losses_once(&store).await;
}

#[tokio::test]
async fn copies_that_a_failed_change_left_behind_are_removed_before_the_next() {
    let folder = tempdir().unwrap();
    let store = open(&folder).await;
    upsert(&store, 1..101).await;
    flush(&store).await.unwrap();
    let segment = fs::read_dir(segments(&folder)).unwrap().next();
    let copied = segments(&folder).join(PointId::from_u128(77).to_string());
    copy(&segment.unwrap().unwrap().path(), &copied);
    fail(&store).await;

    upsert(&store, 101..102).await;

    assert_eq!(count(&store).await, 101);
    store.close().await.unwrap();
    drop(store);
    // Whoever is next looks again: one collection that is whole says nothing of others.
    let lock = fs::read(folder.path().join("contexter-vectors.lock")).unwrap();
    assert_eq!(lock, *b"\"not whole\"");
    assert_eq!(count(&open(&folder).await).await, 101);
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
