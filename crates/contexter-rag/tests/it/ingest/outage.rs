//! Runs while something that all documents need is out of service.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Capabilities, Confirmation, Connection, DeadLetter, DeadLetterId, DeadLetterQuery,
    DeliveryToken, Disposition, Incoming, MessageTransport, Settled, Source, SubscriptionSpec,
    TransportError, TransportErrorKind, TransportHealth,
};
use contexter_event_bus::{Bus, BusConfig, PublishError};
use contexter_model::ErrorKind;
use contexter_protocol::IntegrationEvent;

use super::world::World;

/// A broker that takes subscriptions and no events.
#[derive(Debug)]
struct Dead {
    kind: TransportErrorKind,
    ingested: Arc<AtomicUsize>,
}

impl Dead {
    fn error(&self) -> TransportError {
        TransportError::new(self.kind, "no answer in 5 s").with_source("broken pipe")
    }
}

#[async_trait]
impl MessageTransport for Dead {
    fn name(&self) -> &'static str {
        "dead"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        let ingested = events
            .iter()
            .filter(|e| e.event_type() == "document.ingested");
        self.ingested.fetch_add(ingested.count(), Ordering::Relaxed);
        events.iter().map(|_| Err(self.error())).collect()
    }

    async fn subscribe(&self, _: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        Ok(Arc::new(Silent))
    }

    async fn dead_letter(&self, _: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        Err(self.error())
    }

    async fn dead_letters(&self, _: &DeadLetterQuery) -> Result<Vec<DeadLetter>, TransportError> {
        Err(self.error())
    }

    async fn remove_dead_letter(&self, _: &DeadLetterId) -> Result<bool, TransportError> {
        Err(self.error())
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        Err(self.error())
    }

    async fn redeliver(&self, _: &DeadLetter) -> Result<Confirmation, TransportError> {
        Err(self.error())
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Reconnecting)
    }

    async fn close(&self) {}
}

/// Gives nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Source for Silent {
    async fn receive(&self, _max: usize) -> Result<Vec<Incoming>, TransportError> {
        std::future::pending().await
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        settlements.iter().map(|_| Ok(Settled::Done)).collect()
    }

    fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Reconnecting)
    }

    async fn close(&self) {}
}

/// Runs over 40 documents, and returns how many were tried and why the run failed.
async fn run_without_a_broker(kind: TransportErrorKind) -> (usize, String) {
    let ingested = Arc::new(AtomicUsize::new(0));
    let dead = Dead {
        kind,
        ingested: Arc::clone(&ingested),
    };
    let bus = Bus::over(Arc::new(dead), &BusConfig::default());
    let world = World::new().await.with_bus(bus);
    world.fill(40);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    let error = started.await.unwrap_err().to_string();
    assert_eq!(world.ledger.libraries().len(), 0);
    (ingested.load(Ordering::Relaxed), error)
}

#[tokio::test(start_paused = true)]
async fn a_run_over_a_dead_broker_ends_after_a_few_documents() {
    use TransportErrorKind as Kind;
    for kind in [Kind::Unavailable, Kind::Unconfirmed, Kind::Full] {
        let (tried, error) = run_without_a_broker(kind).await;
        assert_eq!(tried, 16, "{kind:?}");
        assert_eq!(
            error,
            "index: gave up on /test/shelf: publish: cannot publish document.ingested: event was \
             not confirmed: no answer in 5 s: broken pipe"
        );
    }
    let (tried, _) = run_without_a_broker(Kind::Closed).await;
    assert_eq!(tried, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_on_a_drained_bus_fails_however_few_its_documents_are() {
    let world = World::new().await;
    world.fill(2);
    let ingestion = world.open().await;
    world.bus.drain(Duration::ZERO).await;
    let started = ingestion.process_library_documentation(&world.library);
    let error = started.await.unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(PublishError::Closed)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn documents_that_fail_do_not_count_as_embedded() {
    let world = World::new().await;
    world.fill(2);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    started.await.unwrap();
    world.services.embedder.failing.set(ErrorKind::Invalid);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.chunks), (0, 0));
    assert_eq!(embedded.failed.len(), 2);
    world.services.embedder.failing.set(None);
    world.fill(3);
    let started = ingestion.process_library_documentation(&world.library);
    started.await.unwrap();
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.chunks), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_embedder_that_turns_everybody_away_ends_the_run() {
    let world = World::new().await;
    world.fill(40);
    let ingestion = world.open().await;
    let started = ingestion.process_library_documentation(&world.library);
    assert_eq!(started.await.unwrap().changed, 40);
    for kind in [
        ErrorKind::Unauthorized,
        ErrorKind::QuotaExhausted,
        ErrorKind::RateLimited,
        ErrorKind::Timeout,
    ] {
        world.services.embedder.failing.set(kind);
        let error = ingestion.embed_library(&world.library).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "embed: gave up on /test/shelf: told to fail",
            "{kind}"
        );
    }
    world.services.embedder.failing.set(None);
    let embedded = ingestion.embed_library(&world.library).await.unwrap();
    assert_eq!((embedded.documents, embedded.failed.len()), (40, 0));
}
