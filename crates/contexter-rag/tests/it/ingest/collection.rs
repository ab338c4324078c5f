//! Which collection the ledger describes.

use std::sync::atomic::Ordering;

use contexter_model::Upsert;
use contexter_rag::ingest::{Ingestion, IngestionSettings};
use contexter_service::Service as _;

use super::services::Store;
use super::world::{LIBRARY, World};

fn into(collection: &str) -> IngestionSettings {
    IngestionSettings::default().with_collection(collection)
}

async fn index(world: &World, ingestion: &Ingestion) {
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().skipped, []);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!(embedded.failed, []);
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_returned_to_holds_what_the_source_has_now() {
    let mut world = World::new().await;
    let (shelf, store) = (world.services.shelf.clone(), world.services.store.clone());
    for path in ["changed.md", "kept.md", "vanished.md"] {
        shelf.put(path, "First.");
    }
    index(&world, &world.open_with(into("a")).await).await;
    shelf.put("changed.md", "Second.");
    shelf.remove("vanished.md");
    index(&world, &world.open_with(into("b")).await).await;
    let embedded = world.services.embedder.texts.load(Ordering::Relaxed);
    // What somebody else keeps there stays.
    let mut point = store.points("a").remove(0);
    point.id = uuid::Uuid::nil();
    point.payload["library"] = "/other/shelf".into();
    let others = Upsert {
        collection: "a".to_owned(),
        points: vec![point],
    };
    store.call(others).await.unwrap();

    world.reopen_ledger();
    index(&world, &world.open_with(into("a")).await).await;
    let expected = [("changed.md", "Second."), ("kept.md", "First.")];
    let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(store.texts("a", LIBRARY), expected);
    assert_eq!(store.texts("b", LIBRARY), expected);
    assert_eq!(store.texts("a", "/other/shelf").len(), 1);
    let now = world.services.embedder.texts.load(Ordering::Relaxed);
    assert_eq!(now, embedded, "vectors stay known");
    assert!(store.points("a").iter().all(|point| point.dense.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_collection_of_the_same_name_in_another_store_is_another_one() {
    let mut world = World::new().await;
    let (shelf, first) = (world.services.shelf.clone(), world.services.store.clone());
    let second = Store::default();
    for path in ["changed.md", "kept.md", "vanished.md"] {
        shelf.put(path, "First.");
    }
    let in_store = |store| IngestionSettings::default().with_store(store);
    index(&world, &world.open_with(in_store("first")).await).await;
    world.change_store(&second).await;
    index(&world, &world.open_with(in_store("second")).await).await;
    assert_eq!(second.texts("documentation", LIBRARY).len(), 3);
    shelf.put("changed.md", "Second.");
    shelf.remove("vanished.md");
    index(&world, &world.open_with(in_store("second")).await).await;
    let embedded = world.services.embedder.texts.load(Ordering::Relaxed);

    world.change_store(&first).await;
    world.reopen_ledger();
    let ingestion = world.open_with(in_store("first")).await;
    index(&world, &ingestion).await;
    let expected = [("changed.md", "Second."), ("kept.md", "First.")];
    let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(first.texts("documentation", LIBRARY), expected);
    assert_eq!(second.texts("documentation", LIBRARY), expected);
    let now = world.services.embedder.texts.load(Ordering::Relaxed);
    assert_eq!(now, embedded, "vectors stay known");
    let again = ingestion.process_library_documentation(&world.library);
    assert_eq!(again.await.unwrap().unchanged, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_ledger_has_left_in_the_store_is_replaced() {
    let mut world = World::new().await;
    world.fill(3);
    index(&world, &world.open().await).await;
    world.services.shelf.remove("01.md");
    std::fs::remove_file(world.journal()).unwrap();
    world.reopen_ledger();
    index(&world, &world.open().await).await;
    let texts = world.services.store.texts("documentation", LIBRARY);
    let paths: Vec<_> = texts.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["00.md", "02.md"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_before_there_were_collections_in_it_keeps_its_entries() {
    let mut world = World::new().await;
    world.fill(3);
    index(&world, &world.open().await).await;
    let journal = std::fs::read_to_string(world.journal()).unwrap();
    let named = ",\"collection\":\"documentation\"";
    assert_eq!(journal.matches(named).count(), 1, "{journal}");
    std::fs::write(world.journal(), journal.replace(named, "")).unwrap();

    world.reopen_ledger();
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().unchanged, 3);
    let journal = std::fs::read_to_string(world.journal()).unwrap();
    assert_eq!(journal.matches(named).count(), 1, "{journal}");
}
