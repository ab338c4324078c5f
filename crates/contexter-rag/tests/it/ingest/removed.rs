//! Libraries that are removed.

use std::sync::atomic::Ordering;

use contexter_model::LibraryId;
use futures_util::poll;

use super::world::{LIBRARY, World};

const COLLECTION: &str = "documentation";
const OTHER: &str = "/other/shelf";

#[tokio::test(start_paused = true)]
async fn a_removed_library_is_nowhere_any_more_and_others_stay() {
    let mut world = World::new().await;
    world.fill(3);
    let other: LibraryId = OTHER.parse().unwrap();
    let ingestion = world.open().await;
    for library in [&world.library, &other] {
        let started = ingestion.process_library_documentation(library);
        assert_eq!(started.await.unwrap().changed, 3);
        ingestion.embed_library(library).await.unwrap();
    }
    assert_eq!(ingestion.remove_library(&world.library).await.unwrap(), 3);
    let store = world.services.store.clone();
    assert_eq!(store.texts(COLLECTION, LIBRARY), []);
    assert_eq!(store.texts(COLLECTION, OTHER).len(), 3);
    assert_eq!(ingestion.remove_library(&world.library).await.unwrap(), 0);
    drop(ingestion);

    world.reopen_ledger();
    let known: Vec<_> = world.ledger.libraries().into_keys().collect();
    assert_eq!(known, [other]);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().changed, 3);
    assert_eq!(store.texts(COLLECTION, LIBRARY).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_holds_of_a_library_that_the_ledger_does_not_know_goes_too() {
    let mut world = World::new().await;
    world.fill(2);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    started.await.unwrap();
    drop(ingestion);
    std::fs::remove_file(world.journal()).unwrap();
    world.reopen_ledger();
    let ingestion = world.open().await;
    assert_eq!(world.services.store.texts(COLLECTION, LIBRARY).len(), 2);
    assert_eq!(ingestion.remove_library(&world.library).await.unwrap(), 0);
    assert_eq!(world.services.store.texts(COLLECTION, LIBRARY), []);
}

#[tokio::test(start_paused = true)]
async fn removing_waits_for_a_run() {
    let world = World::new().await;
    world.fill(2);
    let ingestion = world.open().await;
    let mut run = Box::pin(ingestion.process_library_documentation(&world.library));
    assert!(poll!(&mut run).is_pending());
    let (started, removed) = tokio::join!(run, ingestion.remove_library(&world.library));
    assert_eq!((started.unwrap().changed, removed.unwrap()), (2, 2));
    assert_eq!(world.services.store.points(COLLECTION), []);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!(embedded.documents, 0);
    assert_eq!(world.services.embedder.texts.load(Ordering::Relaxed), 0);
}
