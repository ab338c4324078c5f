//! Recognising what was handled: the store in memory, groups of one name, and what a store that
//! outlives processes knows of poison.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_conformance::events::{DedupeSubject, run_dedupe};
use contexter_event_bus::{
    Begin, Bus, BusConfig, DedupeKey, DedupeStore, Delivery, DeliveryId, FailureKind, HandlerError,
    MemoryDedupe, Subscription, SubscriptionConfig, TransportError,
};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, gated, noting, number, publish_all, quiet};

#[derive(Debug)]
struct InMemory(Arc<MemoryDedupe>);

#[async_trait]
impl DedupeSubject for InMemory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn open(&self) -> Result<Arc<dyn DedupeStore>, TransportError> {
        Ok(Arc::clone(&self.0) as _)
    }
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules_of_such_stores() {
    let store = MemoryDedupe::new(100, Duration::from_mins(10));
    let report = run_dedupe(&InMemory(Arc::new(store))).await;
    assert!(report.failures().is_empty(), "{}", report.to_markdown());
    assert_eq!(report.counts(), (7, 0, 2), "{}", report.to_markdown());
}

/// What a database would know, for the processes of one test.
#[derive(Debug, Default)]
struct Shared(Mutex<HashMap<DedupeKey, Option<DeliveryId>>>);

#[async_trait]
impl DedupeStore for Shared {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        _lease: Duration,
    ) -> Result<Begin, TransportError> {
        let mut known = self.0.lock();
        let begin = match known.get(key) {
            None => Begin::New,
            Some(None) => return Ok(Begin::Done),
            Some(Some(other)) if by.follows(other) => Begin::TakenOver,
            Some(Some(_)) => return Ok(Begin::InProgress),
        };
        known.insert(key.clone(), Some(by.clone()));
        Ok(begin)
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.0.lock().insert(key.clone(), None);
        Ok(())
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let mut known = self.0.lock();
        if known.get(key).is_some_and(|one| one.as_ref() == Some(by)) {
            known.remove(key);
        }
        Ok(())
    }

    fn outlives_processes(&self) -> bool {
        true
    }
}

fn over(broker: &Arc<Broker>, store: &Arc<Shared>) -> Bus {
    let transport = Arc::new(Fake(Arc::clone(broker)));
    let store = Arc::clone(store) as Arc<dyn DedupeStore>;
    Bus::with_dedupe_store(Some(transport), store, &BusConfig::default())
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
        .with_group("g")
        .with_lease(Duration::from_secs(3))
}

async fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "it never came true");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_only_held_by_processes_that_died_is_handled_where_that_is_known() {
    let broker = Broker::new();
    let store = Arc::new(Shared::default());
    let seen = Seen::default();
    for life in 0..3 {
        let gate = Arc::new(Semaphore::new(0));
        // The handler of the first event never ends; the others wait behind it.
        let transport = Arc::new(Fake(Arc::clone(&broker)));
        let alive = Arc::new(Dies {
            store: Arc::clone(&store),
        });
        let bus = Bus::with_dedupe_store(Some(transport), alive, &BusConfig::default());
        let kept = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
        kept.ready().await.unwrap();
        if life == 0 {
            publish_all(&bus, 1..4).await;
        }
        until(|| seen.all().len() == life + 1 && broker.unsettled("g") == 3).await;
        broker.forget_consumers("g");
        drop(kept);
    }
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)]);
    let bus = over(&broker, &store);
    let kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    until(|| broker.acked("g") == 3).await;
    let letters = bus.dead_letters().await.unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(number(letter.event().unwrap()), 1);
    assert_eq!(letter.kind, FailureKind::Poison);
    assert_eq!(
        seen.all()[3..],
        [(2, 3), (3, 3)],
        "the innocent have their last attempt"
    );
}

/// The store as a process sees it that dies: what it gives back in its end is not heard.
#[derive(Debug)]
struct Dies {
    store: Arc<Shared>,
}

#[async_trait]
impl DedupeStore for Dies {
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

    async fn release(&self, _key: &DedupeKey, _by: &DeliveryId) -> Result<(), TransportError> {
        Ok(())
    }

    fn outlives_processes(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_often_enough_is_not_tried_again_when_its_letter_could_not_be_stored() {
    let broker = Broker::new();
    broker.refuse_dead_letters.store(true, Ordering::SeqCst);
    let store = Arc::new(Shared::default());
    let bus = over(&broker, &store);
    let seen = Seen::default();
    let noted = seen.clone();
    let fail = move |delivery: contexter_event_bus::Delivery| {
        noted.note(&delivery);
        async { Err(contexter_event_bus::HandlerError::permanent("never")) }
    };
    let kept = bus.subscribe("a.b", config(), fail).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    broker.refuse_dead_letters.store(false, Ordering::SeqCst);
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)], "and no more");
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(letters[0].kind, FailureKind::Permanent);
}

#[tokio::test(start_paused = true)]
async fn two_groups_of_one_name_with_different_patterns_are_no_duplicates_of_each_other() {
    let bus = Bus::default();
    let (wide, narrow) = (Seen::default(), Seen::default());
    let config = SubscriptionConfig::default()
        .with_group("g")
        .with_deduplication(true);
    let _wide = bus.subscribe("a.*", config.clone(), noting(&wide)).unwrap();
    let _narrow = bus.subscribe("a.b", config, noting(&narrow)).unwrap();
    bus.publish(event(1)).await.unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!((wide.all(), narrow.all()), (vec![(1, 1)], vec![(1, 1)]));
    assert_eq!(bus.stats().duplicates, 0);
}

/// Takes a second to begin, and longer to release.
#[derive(Debug)]
pub(crate) struct Slow {
    store: MemoryDedupe,
    released: AtomicUsize,
    /// How often somebody else was at it.
    in_progress: AtomicUsize,
}

impl Slow {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryDedupe::new(100, LONG),
            released: AtomicUsize::new(0),
            in_progress: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl DedupeStore for Slow {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        sleep(Duration::from_secs(1)).await;
        let begin = self.store.begin(key, by, lease).await?;
        let in_progress = usize::from(begin == Begin::InProgress);
        self.in_progress.fetch_add(in_progress, Ordering::SeqCst);
        Ok(begin)
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.store.done(key).await
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        sleep(Duration::from_secs(3)).await;
        self.store.release(key, by).await?;
        self.released.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_is_released_before_whoever_was_at_it_ends() {
    let retryable = || HandlerError::retryable_after(LONG * 2, "later");
    let permanent = || HandlerError::permanent("never");
    for error in [retryable, permanent] {
        for alone in [false, true] {
            let store = Arc::new(Slow::new());
            let shared = Arc::<Slow>::clone(&store);
            let bus = Bus::with_dedupe_store(None, shared, &BusConfig::default());
            let fail = move |_: Delivery| async move { Err::<(), _>(error()) };
            let config = config().with_deduplication(true);
            let kept = bus.subscribe("a.b", config, fail).unwrap();
            publish_all(&bus, 0..1).await;
            quiet().await;
            assert_eq!(store.released.load(Ordering::SeqCst), 0);
            if alone {
                kept.drain(LONG).await;
            } else {
                bus.drain(LONG).await;
            }
            assert_eq!(store.released.load(Ordering::SeqCst), 1, "alone: {alone}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_back_to_a_broker_is_in_progress_nowhere() {
    let (broker, seen) = (Broker::new(), Seen::default());
    let store = Arc::new(Slow::new());
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let shared = Arc::<Slow>::clone(&store);
    let bus = Bus::with_dedupe_store(Some(transport), shared, &BusConfig::default());
    let delay = Duration::from_millis(1);
    let config = config().with_concurrency(2).with_attempts(3, delay, delay);
    let noted = seen.clone();
    let third = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            if delivery.attempt() < 3 {
                return Err(HandlerError::retryable("not yet"));
            }
            Ok(())
        }
    };
    let kept = bus.subscribe("a.b", config, third).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..1).await;
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(store.in_progress.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_a_dead_letter_at_a_broker_is_not_handled_again_however_its_subscription_ends() {
    let (broker, store) = (Broker::new(), Arc::new(Slow::new()));
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let shared = Arc::<Slow>::clone(&store);
    let bus = Bus::with_dedupe_store(Some(transport), shared, &BusConfig::default());
    let fail = |_: Delivery| async { Err::<(), _>(HandlerError::permanent("never")) };
    let kept = bus.subscribe("a.b", config(), fail).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..1).await;
    while bus.dead_letters().await.unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.released.load(Ordering::SeqCst), 0);
    let report = kept.drain(Duration::ZERO).await;
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    assert_eq!(broker.acked("g"), 1);
    assert_eq!(store.released.load(Ordering::SeqCst), 1);
}

/// A bus over a store that is slow to release, and what fails there once.
fn failing_once(
    broker: Option<&Arc<Broker>>,
    error: fn() -> HandlerError,
) -> (Bus, SubscriptionConfig, Subscription) {
    let transport = broker.map(|broker| Arc::new(Fake(Arc::clone(broker))) as _);
    let store = Arc::new(Slow::new());
    let bus = Bus::with_dedupe_store(transport, store, &BusConfig::default());
    let config = config().with_deduplication(true);
    let fail = move |_: Delivery| async move { Err::<(), _>(error()) };
    let first = bus.subscribe("a.b", config.clone(), fail).unwrap();
    (bus, config, first)
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_not_tried_earlier_when_its_worker_is_stopped_meanwhile() {
    let delay = Duration::from_mins(1);
    let later = || HandlerError::retryable_after(Duration::from_mins(1), "later");
    let key = IntegrationEvent::builder("test", "a.b").partition_key("k");
    let key = key.data(serde_json::json!(7)).build().unwrap();
    for (broker, event) in [
        (None, event(7)),
        (Some(Broker::new()), event(7)),
        (Some(Broker::new()), key),
    ] {
        let (bus, config, first) = failing_once(broker.as_ref(), later);
        first.ready().await.unwrap();
        bus.publish(event).await.unwrap();
        // It has failed after the second that beginning takes, and is being released.
        sleep(Duration::from_secs(2)).await;
        let (seen, start) = (Seen::default(), Instant::now());
        let second = bus.subscribe("a.b", config, noting(&seen)).unwrap();
        drop(first);
        until(|| !seen.all().is_empty()).await;
        let waited = start.elapsed();
        assert!(waited > delay / 10 * 9, "{waited:?}");
        drop(second);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_for_good_is_a_dead_letter_also_when_its_worker_is_stopped_meanwhile() {
    let never = || HandlerError::permanent("never");
    let (bus, config, first) = failing_once(None, never);
    bus.publish(event(7)).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let seen = Seen::default();
    let second = bus.subscribe("a.b", config, noting(&seen)).unwrap();
    drop(first);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [0_usize; 0], "no other member handles it");
    assert_eq!(bus.dead_letters().await.unwrap().len(), 1);
    let stats = bus.stats();
    assert_eq!((stats.dead_lettered, stats.abandoned), (1, 0));
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_several_times_in_one_go_is_in_progress_until_the_last_of_them() {
    let bus = Bus::default();
    let (seen, running) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let (noted, most) = (seen.clone(), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let slow = move |delivery: Delivery| {
        noted.note(&delivery);
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_secs(19)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            if delivery.attempt() < 3 {
                return Err(HandlerError::retryable("not yet"));
            }
            Ok(())
        }
    };
    let second = Duration::from_secs(1);
    let config = SubscriptionConfig::default()
        .with_deduplication(true)
        .with_concurrency(2)
        .with_handler_timeout(second * 20)
        .with_attempts(3, second, second)
        .with_attempts_in_one_go(3);
    let kept = bus.subscribe("a.b", config, slow).unwrap();
    let twice = Arc::new(event(1));
    bus.publish(Arc::clone(&twice)).await.unwrap();
    bus.publish(twice).await.unwrap();
    until(|| kept.stats().duplicates == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(most.load(Ordering::SeqCst), 1, "one of them is handled");
    assert_eq!(running.load(Ordering::SeqCst), 0);
}
