//! Panics of what a bus was given end nothing but the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{Connection, TransportError};
use contexter_event_bus::{
    Begin, Bus, BusConfig, DedupeKey, DedupeStore, DeliveryId, MemoryDedupe, PublishError,
    SubscriptionConfig, TracePropagator,
};
use contexter_protocol::TraceContext;
use tokio::time::{Instant, sleep};
use tracing::Span;

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, noting, publish_all};

fn grouped() -> SubscriptionConfig {
    SubscriptionConfig::default()
        .with_group("g")
        .with_lease(Duration::from_secs(5))
}

async fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "it never came true");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_is_called_again_and_said_to_be_away_meanwhile() {
    for call in ["subscribe", "receive", "settle"] {
        let broker = Broker::new();
        broker.panic_in(call, 3);
        let transport = Arc::new(Fake(Arc::clone(&broker)));
        let bus = Bus::over(transport, &BusConfig::default());
        let seen = Seen::default();
        let kept = bus.subscribe("a.b", grouped(), noting(&seen)).unwrap();
        if call != "subscribe" {
            kept.ready().await.unwrap();
            publish_all(&bus, 0..1).await;
        }
        until(|| {
            let health = kept.health().unwrap();
            let error = health.last_error.unwrap_or_default();
            health.connection == Connection::Reconnecting && error.contains("panicked: as asked")
        })
        .await;
        kept.ready().await.unwrap();
        publish_all(&bus, 1..2).await;
        until(|| seen.numbers().contains(&1)).await;
        let all = if call == "subscribe" { 1 } else { 2 };
        until(|| broker.acked("g") == all).await;
        until(|| kept.health().unwrap().is_up()).await;
        let report = bus.drain(LONG).await;
        assert!(report.abandoned.is_empty(), "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_panics_is_one_that_was_not_confirmed() {
    let broker = Broker::new();
    broker.panic_in("publish", 1);
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let bus = Bus::over(transport, &BusConfig::default());
    let error = bus.publish(event(1)).await.unwrap_err();
    assert!(matches!(error, PublishError::Transport(_)), "{error:?}");
    bus.publish(event(1)).await.unwrap();
    assert_eq!(bus.stats().publish_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_storing_panics_is_stored_the_next_time() {
    let broker = Broker::new();
    broker.panic_in("dead_letter", 2);
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let bus = Bus::over(transport, &BusConfig::default());
    let fail = |_| async { Err::<(), _>(contexter_event_bus::HandlerError::permanent("no")) };
    let kept = bus.subscribe("a.b", grouped(), fail).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..1).await;
    until(|| broker.acked("g") == 1).await;
    assert_eq!(bus.dead_letters().await.unwrap().len(), 1);
}

/// A store that panics while it is told to.
#[derive(Debug)]
struct Panicking {
    store: MemoryDedupe,
    on: AtomicBool,
}

impl Panicking {
    fn may_panic(&self) {
        assert!(!self.on.load(Ordering::SeqCst), "as asked");
    }
}

#[async_trait]
impl DedupeStore for Panicking {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        self.may_panic();
        self.store.begin(key, by, lease).await
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.may_panic();
        self.store.done(key).await
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        self.may_panic();
        self.store.release(key, by).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_one_that_cannot_be_reached() {
    let store = Arc::new(Panicking {
        store: MemoryDedupe::new(100, LONG),
        on: AtomicBool::new(true),
    });
    let bus = Bus::with_dedupe_store(None, Arc::<Panicking>::clone(&store), &BusConfig::default());
    let seen = Seen::default();
    let config = grouped().with_deduplication(true);
    let _kept = bus.subscribe("a.b", config, noting(&seen)).unwrap();
    publish_all(&bus, 0..3).await;
    sleep(Duration::from_secs(5)).await;
    assert!(seen.all().is_empty(), "events wait");
    store.on.store(false, Ordering::SeqCst);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [0, 1, 2]);
}

#[derive(Debug)]
struct Hostile;

impl TracePropagator for Hostile {
    #[expect(clippy::panic, reason = "what somebody gives may do anything")]
    fn context(&self, _: &Span) -> Option<TraceContext> {
        panic!("no context")
    }

    #[expect(clippy::panic, reason = "what somebody gives may do anything")]
    fn link(&self, _: &Span, _: &TraceContext) {
        panic!("no link")
    }

    #[expect(clippy::panic, reason = "what somebody gives may do anything")]
    fn parent(&self, _: &Span, _: &TraceContext) {
        panic!("no parent")
    }
}

/// Is interested in everything and keeps nothing.
struct Everything;

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_propagator_that_panics_ends_no_publication_and_no_worker() {
    let _interested = tracing::subscriber::set_default(Everything);
    let bus = Bus::default();
    assert!(bus.set_trace_propagator(Arc::new(Hostile)));
    let seen = Seen::default();
    let _kept = bus.subscribe("a.b", grouped(), noting(&seen)).unwrap();
    let context = TraceContext::new(7, 8, true).unwrap();
    let traced = event(1).with_trace_context(&context).unwrap();
    bus.publish(traced).await.unwrap();
    publish_all(&bus, 2..3).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_has_panicked_is_said_to_be_away_until_a_call_succeeds() {
    let broker = Broker::new();
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let bus = Bus::over(transport, &BusConfig::default());
    assert_eq!(bus.health().await.transport.connection, Connection::Up);
    broker.panic_in("publish", 1);
    bus.publish(event(1)).await.unwrap_err();
    for _ in 0..2 {
        let health = bus.health().await.transport;
        assert_eq!(health.connection, Connection::Reconnecting);
        let error = health.last_error.unwrap_or_default();
        assert!(error.contains("publish panicked: as asked"), "{error}");
    }
    bus.publish(event(1)).await.unwrap();
    assert_eq!(bus.health().await.transport.connection, Connection::Up);
}
