//! A disk that fills up.

use contexter_model::{ErrorKind, Filter};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_testkit::SmallDisk;
use tempfile::tempdir;

use crate::fixture::{count, flush, many, store, upsert};

#[tokio::test]
async fn a_full_disk_is_an_error_and_keeps_what_was_flushed() {
    let folder = tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 192, "a_full_disk") else {
        return;
    };
    let data = folder.path().join("data");
    let first = store(&data, 384).await;
    let mut stored = 0;
    let error = loop {
        if let Err(error) = upsert(&first, many(stored + 1, 500)).await {
            break error;
        }
        flush(&first).await.unwrap();
        stored += 500;
        assert!(stored < 200_000, "192 MiB never filled");
    };

    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let expected = format!("no space left on device for {}", data.display());
    assert!(error.message().starts_with(&expected), "{error}");
    assert!(stored > 0);
    assert_eq!(u128::from(count(&first, Filter::all()).await), stored);
    drop(first);

    let second = EmbeddedStore::open(&data).await.unwrap();
    assert_eq!(u128::from(count(&second, Filter::all()).await), stored);
    drop(second);
    drop(disk);
}

#[tokio::test]
async fn a_disk_that_is_full_already_is_named() {
    let folder = tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 1, "a_disk_full_already") else {
        return;
    };
    let data = folder.path().join("data");
    let store = EmbeddedStore::open(&data).await.unwrap();

    let error = contexter_service::Service::call(
        &store,
        contexter_model::EnsureCollection(crate::fixture::spec(3)),
    )
    .await
    .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.message().contains("no space left on device"),
        "{error}"
    );
    drop(store);
    drop(disk);
}
