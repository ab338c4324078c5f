//! One process at a time, and looking in from outside.

use std::time::Duration;

use contexter_model::{EnsureCollection, ErrorKind, Filter};
use contexter_qdrant::edge::{EmbeddedStore, Options, inspect};
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{count, flush, point, spec, store, upsert};

#[tokio::test]
async fn a_second_opening_is_told_who_holds_the_folder() {
    let folder = tempdir().unwrap();
    let _first = store(folder.path(), 3).await;

    let options = Options::default().with_lock_wait(Duration::ZERO);
    let error = EmbeddedStore::open_with(folder.path(), options)
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = format!(
        "{} is in use by process {} since ",
        folder.path().display(),
        std::process::id(),
    );
    assert!(error.message().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_waiting_opening_gets_the_folder_when_it_is_released() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 3).await;
    let options = Options::default().with_lock_wait(Duration::from_secs(30));

    let (second, ()) = tokio::join!(EmbeddedStore::open_with(folder.path(), options), async {
        tokio::task::yield_now().await;
        drop(first);
    });

    assert_eq!(second.unwrap().collections().len(), 1);
}

#[tokio::test]
async fn looking_in_needs_no_lock_and_names_the_holder() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 3).await;
    upsert(&first, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();

    let before = inspect(folder.path()).unwrap();
    assert_eq!(before.collections[0].flushed, None);
    flush(&first).await.unwrap();
    let during = inspect(folder.path()).unwrap();
    drop(first);
    let after = inspect(folder.path()).unwrap();

    assert_eq!(during.holder.unwrap().pid, std::process::id());
    assert_eq!(after.holder, None);
    assert_eq!(during.collections, after.collections);
    assert_eq!(after.collections[0].spec, spec(3));
    assert_eq!(after.collections[0].flushed.unwrap().0, 1);
}

#[tokio::test]
async fn looking_in_creates_nothing() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing");

    assert_eq!(inspect(&missing).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!missing.exists());
    assert_eq!(
        inspect(folder.path()).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_closed_store_refuses_calls_and_frees_the_folder() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 3).await;
    upsert(&first, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();

    first.close().await.unwrap();
    first.close().await.unwrap();

    let error = first.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("was closed"), "{error}");
    let second = store(folder.path(), 3).await;
    assert_eq!(count(&second, Filter::all()).await, 1, "closing flushes");
}
