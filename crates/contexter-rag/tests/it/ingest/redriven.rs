//! Dead letters that are redriven when the index is made in another way.

use std::time::Duration;

use contexter_event_bus::{DeadLetter, FailureKind};
use contexter_model::ErrorKind;
use contexter_rag::ingest::{Division, IngestionSettings, Stage};

use super::world::{LIBRARY, World};

#[tokio::test(start_paused = true)]
async fn words_of_other_settings_are_refused() {
    let world = World::new().await;
    world.fill(1);
    let ingestion = world.open().await;
    world.services.store.failing.set(ErrorKind::Invalid);
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().skipped.len(), 1);
    let letter = world.letter().await;
    assert_eq!(&*letter.subscription, "index_words");
    drop(ingestion);
    world.services.store.failing.set(None);

    let settings = IngestionSettings::default().with_division(Division::Whole);
    let ingestion = world.open_with(settings).await;
    world.bus.redrive(&letter.id).await.unwrap();
    let letter = world.letter().await;
    assert_eq!(letter.kind, FailureKind::Permanent);
    for settings in [Division::default(), Division::Whole] {
        let named = letter.error.contains(&format!("\"ours {settings} "));
        assert!(named, "{settings}: {}", letter.error);
    }
    assert_eq!(world.ledger.entry(&world.library, "00.md"), None);
    assert!(world.services.store.points("documentation").is_empty());
    drop(ingestion);

    let _ingestion = world.open().await;
    world.bus.redrive(&letter.id).await.unwrap();
    assert!(world.bus.idle(Duration::from_mins(10)).await);
    assert!(world.bus.dead_letters().await.unwrap().is_empty());
    let entry = world.ledger.entry(&world.library, "00.md").unwrap();
    assert_eq!(entry.stage, Stage::Lexical);
}

/// Leaves a dead letter of the step that indexes vectors.
async fn with_vectors_that_are_not_indexed() -> (World, DeadLetter) {
    let world = World::new().await;
    world.fill(1);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().changed, 1);
    world.services.store.failing.set(ErrorKind::Invalid);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!(embedded.failed.len(), 1);
    let letter = world.letter().await;
    assert_eq!(&*letter.subscription, "index");
    world.services.store.failing.set(None);
    drop(ingestion);
    (world, letter)
}

/// Redrives a letter under these settings, and returns why it is refused.
async fn refused(world: &World, letter: &DeadLetter, settings: IngestionSettings) -> String {
    let _ingestion = world.open_with(settings).await;
    world.bus.redrive(&letter.id).await.unwrap();
    let letter = world.letter().await;
    assert_eq!(letter.kind, FailureKind::Permanent);
    let entry = world.ledger.entry(&world.library, "00.md").unwrap();
    assert_eq!(entry.stage, Stage::Lexical);
    let points = world.services.store.points("documentation");
    assert!(points.iter().all(|point| point.dense.is_none()));
    letter.error
}

#[tokio::test(start_paused = true)]
async fn vectors_of_another_space_are_refused() {
    let (mut world, letter) = with_vectors_that_are_not_indexed().await;
    world.change_space("theirs");
    let error = refused(&world, &letter, IngestionSettings::default()).await;
    assert_eq!(
        error,
        "the event is about vectors of ours, the index holds those of theirs"
    );
}

#[tokio::test(start_paused = true)]
async fn vectors_of_words_that_were_weighed_in_another_way_are_refused() {
    let (world, letter) = with_vectors_that_are_not_indexed().await;
    let settings = IngestionSettings::default().with_division(Division::Whole);
    let error = refused(&world, &letter, settings).await;
    assert!(error.contains("was prepared under the settings"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn vectors_are_indexed_when_nothing_has_changed() {
    let (world, letter) = with_vectors_that_are_not_indexed().await;
    let _ingestion = world.open().await;
    world.bus.redrive(&letter.id).await.unwrap();
    assert!(world.bus.idle(Duration::from_mins(10)).await);
    assert!(world.bus.dead_letters().await.unwrap().is_empty());
    let counts = world.ledger.libraries()[&LIBRARY.parse().unwrap()];
    assert_eq!(counts.embedded_documents, 1);
}
