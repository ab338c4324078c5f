//! One ingestion of an index at a time.

use std::error::Error as _;
use std::sync::Arc;

use contexter_discovery::Discovery;
use contexter_model::ErrorKind;
use contexter_rag::IntegrationError;
use contexter_rag::ingest::{Ingestion, IngestionSettings, Ledger, LedgerError};
use contexter_registry::Registry;
use futures_util::poll;

use super::world::World;

fn refused(opened: Result<Ingestion, IntegrationError>) -> bool {
    let error = opened.unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref());
    matches!(source, Some(LedgerError::InUse { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_second_ingestion_of_an_index_is_refused_until_the_first_is_dropped() {
    let mut world = World::new().await;
    world.fill(2);
    let first = world.open().await;
    assert!(refused(world.try_open().await));
    let ledger = Arc::clone(&world.ledger);
    world.reopen_ledger();
    assert!(refused(world.try_open().await), "the same journal");
    world.ledger = ledger;
    let started = first.process_library_documentation(&world.library).await;
    assert_eq!(started.unwrap().changed, 2);
    drop(first);
    world.open().await;
}

#[tokio::test(start_paused = true)]
async fn an_ingestion_that_did_not_come_to_be_is_in_nobodys_way() {
    let world = World::new().await;
    world.services.store.failing.set(ErrorKind::Unavailable);
    assert!(!refused(world.try_open().await));
    world.services.store.failing.set(None);
    let mut without_a_store = world.environment();
    without_a_store.discovery = Discovery::new(Registry::new());
    let opened = Ingestion::open(without_a_store, IngestionSettings::default()).await;
    assert!(!refused(opened));
    {
        let _closed = world.services.store.gate.close().await;
        let mut cancelled = std::pin::pin!(world.try_open());
        assert!(poll!(&mut cancelled).is_pending());
        assert!(refused(world.try_open().await));
    }
    world.open().await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_was_opened_for_reading_is_refused() {
    let mut world = World::new().await;
    world.ledger = Arc::new(Ledger::read(&world.journal()).unwrap());
    let error = world.try_open().await.unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(LedgerError::ReadOnly { .. })));
}
