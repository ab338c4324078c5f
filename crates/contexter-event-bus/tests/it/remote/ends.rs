//! Subscriptions and buses that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::Connection;
use contexter_event_bus::{
    Begin, Bus, BusConfig, DedupeKey, DedupeStore, Delivery, DeliveryId, MemoryDedupe, Overflow,
    PublishError, SubscribeError, TransportError,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{config, over, until};
use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, gated, noting, publish_all};

#[tokio::test(start_paused = true)]
async fn a_drain_ends_what_is_held_and_gives_back_the_rest() {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(2)));
    let publisher = bus.clone();
    let hold = gated(&seen, &gate);
    let handler = move |delivery: Delivery| {
        let (waiting, publisher) = (hold(delivery), publisher.clone());
        async move {
            waiting.await?;
            publisher.publish(event(99)).await?;
            Ok(())
        }
    };
    let small = config().with_queue(4, Overflow::Block);
    let kept = bus.subscribe("a.b", small, handler).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..2).await;
    until(|| broker.acked("g") == 2).await;
    publish_all(&bus, 10..14).await;
    until(|| broker.unsettled("g") == 4).await;
    let drain = tokio::spawn({
        let bus = bus.clone();
        async move { bus.drain(Duration::from_secs(5)).await }
    });
    sleep(Duration::from_millis(100)).await;
    let unsettled = broker.unsettled("g");
    gate.add_permits(1);
    let report = drain.await.unwrap();
    assert_eq!(report.settled, 1, "its handler could still publish");
    assert_eq!(report.abandoned.len(), unsettled - 1);
    assert_eq!(broker.unsettled("g"), 0, "the rest went back");
    assert_eq!(broker.acked("g"), 3);
    assert!(broker.closed.load(Ordering::SeqCst));
    let refused = bus.publish(event(1)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Closed));
    drop(kept);
    broker.closed.store(false, Ordering::SeqCst);
    let next = over(&broker);
    let rest = Seen::default();
    let kept = next.subscribe("a.b", config(), noting(&rest)).unwrap();
    kept.ready().await.unwrap();
    until(|| broker.acked("g") == 9).await;
}

#[tokio::test(start_paused = true)]
async fn what_only_waited_through_drains_has_all_its_attempts() {
    let broker = Broker::new();
    for round in 0..3 {
        let bus = over(&broker);
        let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
        let kept = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
        kept.ready().await.unwrap();
        if round == 0 {
            publish_all(&bus, 0..6).await;
        }
        until(|| broker.unsettled("g") == 6 && seen.numbers().len() == 1).await;
        let report = bus.drain(Duration::from_millis(100)).await;
        assert_eq!(report.abandoned.len(), 6);
        drop(kept);
        broker.closed.store(false, Ordering::SeqCst);
    }
    let (next, rest) = (over(&broker), Seen::default());
    let kept = next.subscribe("a.b", config(), noting(&rest)).unwrap();
    kept.ready().await.unwrap();
    until(|| broker.acked("g") == 6).await;
    // Each drain counts for the one that a handler had begun with.
    let attempts = rest.all().into_iter().map(|(_, attempt)| attempt);
    assert_eq!(attempts.sum::<u32>(), 6 + 3);
    assert!(next.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_gives_back_what_it_held() {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let kept = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..5).await;
    until(|| broker.unsettled("g") == 5).await;
    drop(kept);
    let next = Seen::default();
    let start = Instant::now();
    let kept = bus.subscribe("a.b", config(), noting(&next)).unwrap();
    until(|| broker.acked("g") == 5).await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "before the lease ran out"
    );
    let mut numbers = next.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn what_a_drain_ends_before_the_broker_was_reached_is_told_so() {
    let broker = Broker::new();
    broker.unavailable.store(true, Ordering::SeqCst);
    let bus = over(&broker);
    let kept = bus
        .subscribe("a.b", config(), noting(&Seen::default()))
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    bus.drain(Duration::from_secs(1)).await;
    assert_eq!(kept.ready().await, Err(SubscribeError::Closed));
    assert_eq!(kept.health().unwrap().connection, Connection::Closed);
}

/// Counts what was broken off.
#[derive(Debug)]
struct Counting {
    store: MemoryDedupe,
    released: AtomicUsize,
}

#[async_trait]
impl DedupeStore for Counting {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        self.store.begin(key, by, lease).await
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.store.done(key).await
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        self.released.fetch_add(1, Ordering::SeqCst);
        self.store.release(key, by).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_is_lost_is_broken_off_by_a_drain_that_ends_in_time() {
    let broker = Broker::new();
    let store = Arc::new(Counting {
        store: MemoryDedupe::new(100, LONG),
        released: AtomicUsize::new(0),
    });
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let shared = Arc::<Counting>::clone(&store);
    let bus = Bus::with_dedupe_store(Some(transport), shared, &BusConfig::default());
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let lease = Duration::from_secs(3);
    let short = config().with_lease(lease);
    let kept = bus.subscribe("a.b", short, gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| seen.numbers() == [1]).await;
    broker.lose("g", 0, LONG * 2);
    // The next renewal tells that it is lost.
    sleep(lease * 2 / 3).await;
    let start = Instant::now();
    let within = Duration::from_secs(2);
    let report = bus.drain(within).await;
    assert_eq!(report.abandoned.len(), 1);
    assert_eq!(store.released.load(Ordering::SeqCst), 1);
    let took = start.elapsed();
    assert!(took < within + Duration::from_secs(1), "{took:?}");
}
