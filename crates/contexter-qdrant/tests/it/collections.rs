//! Creating and verifying collections.

use std::time::Duration;

use contexter_model::{Count, Distance, EnsureCollection, ErrorKind, Filter};
use contexter_qdrant::edge::{EmbeddedStore, Options};
use contexter_service::Service;
use tempfile::tempdir;

use crate::fixture::{CHUNKS, count, point, spec, store, upsert};

#[tokio::test]
async fn is_created_once_and_verified_after() {
    let folder = tempdir().unwrap();
    let store = contexter_qdrant::edge::EmbeddedStore::open(folder.path())
        .await
        .unwrap();

    let first = store.call(EnsureCollection(spec(3))).await.unwrap();
    assert!(first.created);
    assert_eq!(first.points, 0);

    upsert(&store, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();
    let second = store.call(EnsureCollection(spec(3))).await.unwrap();
    assert!(!second.created);
    assert_eq!(second.points, 1);
    assert_eq!(store.collections(), [spec(3)]);
}

#[tokio::test]
async fn another_space_is_refused_by_naming_the_embedder_that_made_it() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut other = spec(3);
    other.space.id = "minilm".into();

    let error = store.call(EnsureCollection(other)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "qdrant ensure_collection: collection \"chunks\" is another one: it was made by the \
         embedder \"letters-1\", not by \"minilm\"",
    );
}

#[tokio::test]
async fn every_difference_is_named_and_nothing_changes() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    upsert(&store, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();
    let mut other = spec(4);
    other.distance = Distance::Dot;
    other.keyword_fields.pop();

    let error = store.call(EnsureCollection(other)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Invalid);
    for difference in [
        "it has 3 dimensions, not 4",
        "its distance is Cosine, not Dot",
        "its keyword fields are [\"library\", \"kind\"], not [\"library\"]",
    ] {
        assert!(error.message().contains(difference), "{error}");
    }
    assert_eq!(count(&store, Filter::all()).await, 1);
}

#[tokio::test]
async fn the_order_of_keyword_fields_is_no_difference() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut other = spec(3);
    other.keyword_fields.reverse();

    assert!(!store.call(EnsureCollection(other)).await.unwrap().created);
}

#[tokio::test]
async fn names_that_are_no_folder_or_no_field_are_refused() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;

    for name in ["", "../x", "a/b", ".", "ä", &"x".repeat(129)] {
        let mut bad = spec(3);
        bad.name = name.into();
        let error = store.call(EnsureCollection(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
        assert!(error.message().contains(&format!("{name:?}")), "{error}");
    }
    for field in ["", "a.b", "a[]", "a b"] {
        let mut bad = spec(3);
        bad.name = "other".into();
        bad.keyword_fields = vec![field.into()];
        let error = store.call(EnsureCollection(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{field}");
        assert!(error.message().contains(&format!("{field:?}")), "{error}");
    }
    let mut bad = spec(0);
    bad.name = "other".into();
    let error = store.call(EnsureCollection(bad)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(store.collections().len(), 1);
}

#[tokio::test]
async fn collections_of_one_store_are_apart() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    let mut other = spec(2);
    other.name = "other".into();
    store.call(EnsureCollection(other)).await.unwrap();
    upsert(&store, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();

    assert_eq!(count(&store, Filter::all()).await, 1);
    let others = store
        .call(Count {
            collection: "other".into(),
            filter: Filter::all(),
        })
        .await
        .unwrap();
    assert_eq!(others, 0);
}

#[tokio::test]
async fn an_unknown_collection_is_not_found() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;

    let error = store
        .call(Count {
            collection: "nope".into(),
            filter: Filter::all(),
        })
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("\"nope\""), "{error}");
}

#[tokio::test]
async fn a_collection_that_is_there_but_was_not_opened_is_opened_and_verified() {
    let folder = tempdir().unwrap();
    let first = store(&folder.path().join("first"), 3).await;
    upsert(&first, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();
    first.close().await.unwrap();
    // As after a creation that could not load what it had made.
    let second = EmbeddedStore::open(folder.path().join("second"))
        .await
        .unwrap();
    let place = |data: &str| folder.path().join(data).join("collections").join(CHUNKS);
    std::fs::rename(place("first"), place("second")).unwrap();

    let error = second.call(EnsureCollection(spec(4))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains("is another one"), "{error}");
    let state = second.call(EnsureCollection(spec(3))).await.unwrap();

    assert_eq!((state.created, state.points), (false, 1));
    assert_eq!(count(&second, Filter::all()).await, 1);
}

#[tokio::test]
async fn closing_waits_for_a_creation_that_is_under_way() {
    let folder = tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    let creator = store.clone();
    let creation = tokio::spawn(async move { creator.call(EnsureCollection(spec(3))).await });
    let collections = folder.path().join("collections");
    let begun = async {
        while collections.read_dir().unwrap().next().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun)
        .await
        .expect("the creation begins");

    store.close().await.unwrap();

    assert!(creation.await.unwrap().unwrap().created);
    let options = Options::default().with_lock_wait(Duration::ZERO);
    let store = EmbeddedStore::open_with(folder.path(), options)
        .await
        .unwrap();
    assert_eq!(store.collections(), [spec(3)]);
}

#[tokio::test]
async fn concurrent_creations_give_one_collection() {
    let folder = tempdir().unwrap();
    let store = contexter_qdrant::edge::EmbeddedStore::open(folder.path())
        .await
        .unwrap();

    let (a, b) = tokio::join!(
        store.call(EnsureCollection(spec(3))),
        store.call(EnsureCollection(spec(3))),
    );

    assert!(a.unwrap().created ^ b.unwrap().created);
    assert_eq!(store.collections()[0].name, CHUNKS);
}
