//! Runs, what tells them apart, and what is kept apart from them.

use std::collections::BTreeSet;

use contexter_event_bus::EventFilter;
use futures_util::poll;
use tokio::sync::MutexGuard;

use super::world::{LIBRARY, World};

/// Carries a run on until it is about to write, where it stays until the guard is dropped.
async fn until_it_writes<'w, T>(
    world: &'w World,
    run: &mut (impl Future<Output = T> + Unpin),
) -> MutexGuard<'w, ()> {
    let gate = &world.services.store.gate;
    // Of opening.
    gate.reached().await;
    let closed = gate.close().await;
    tokio::select! {
        biased;
        _ = run => unreachable!("it cannot write"),
        () = gate.reached() => {}
    }
    closed
}

#[tokio::test(start_paused = true)]
async fn no_two_runs_have_the_same_correlation_also_within_a_second() {
    let world = World::new().await;
    world.fill(1);
    let ingestion = world.open().await;
    let mut correlations = BTreeSet::new();
    for _ in 0..10 {
        let started = ingestion.process_library_documentation(&world.library);
        correlations.insert(started.await.unwrap().correlation_id);
    }
    assert_eq!(correlations.len(), 10, "{correlations:?}");
    let prefix = format!("lib_proc_{LIBRARY}_");
    assert!(correlations.iter().all(|id| id.starts_with(&prefix)));
}

#[tokio::test(start_paused = true)]
async fn both_halves_of_a_run_have_its_correlation() {
    let world = World::new().await;
    world.fill(1);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    let run = started.await.unwrap().correlation_id;
    ingestion.embed_library(&world.library).await.unwrap();
    let history = world.bus.history(&EventFilter::all()).await.unwrap();
    let correlations = history.events.iter().map(|event| event.correlation_id());
    assert_eq!(correlations.collect::<BTreeSet<_>>(), [Some(&*run)].into());
}

#[tokio::test(start_paused = true)]
async fn a_path_with_control_characters_is_indexed_like_any_other() {
    let path = "a\nb\u{85}.md";
    let world = World::new().await;
    world.services.shelf.put(path, "Found.");
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().skipped, []);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (1, 0));
    let texts = world.services.store.texts("documentation", LIBRARY);
    assert_eq!(texts, [(path.to_owned(), "Found.".to_owned())]);
    assert!(world.ledger.entry(&world.library, path).is_some());
}

#[tokio::test(start_paused = true)]
async fn tidying_leaves_the_blobs_of_documents_under_way() {
    let world = World::new().await;
    world.fill(3);
    let ingestion = world.open().await;
    let mut run = Box::pin(ingestion.process_library_documentation(&world.library));
    let closed = until_it_writes(&world, &mut run).await;
    let mut tidy = std::pin::pin!(ingestion.remove_unreferenced());
    assert!(poll!(&mut tidy).is_pending());
    drop(closed);
    let (started, removed) = tokio::join!(run, tidy);
    assert_eq!((started.unwrap().changed, removed.unwrap()), (3, 0));
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn tidying_waits_for_what_a_dropped_run_has_begun_with() {
    let world = World::new().await;
    world.fill(1);
    let ingestion = world.open().await;
    let mut run = Box::pin(ingestion.process_library_documentation(&world.library));
    let closed = until_it_writes(&world, &mut run).await;
    drop(run);
    let mut tidy = std::pin::pin!(ingestion.remove_unreferenced());
    assert!(poll!(&mut tidy).is_pending());
    drop(closed);
    assert_eq!(tidy.await.unwrap(), 0);
    assert!(world.ledger.entry(&world.library, "00.md").is_some());
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (1, 0));
}
