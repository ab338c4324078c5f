//! The outbox: killed at any point, nothing is lost and no key is out of order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::outbox::{MemoryOutbox, OutboxEntry, OutboxId, OutboxStore, Relay};
use contexter_event_bus::transport::{TransportError, TransportErrorKind};
use contexter_event_bus::{Bus, BusConfig, Delivery, EventFilter, HandlerError, Overflow};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, config, event, gated, keyed, noting, number};

/// A store that fails from its `n`th call on, as if the process had died there: before the call has
/// an effect, or right after.
#[derive(Debug)]
struct Dying {
    store: Arc<MemoryOutbox>,
    left: AtomicUsize,
    after: bool,
}

impl Dying {
    /// Returns whether this call still happens, or an error if nothing does any more.
    fn step(&self) -> Result<bool, TransportError> {
        let left = self.left.load(Ordering::SeqCst);
        let dead = || TransportError::new(TransportErrorKind::Unavailable, "killed");
        match left {
            0 => Err(dead()),
            1 if !self.after => {
                self.left.store(0, Ordering::SeqCst);
                Err(dead())
            }
            _ => {
                self.left.store(left - 1, Ordering::SeqCst);
                Ok(left == 1)
            }
        }
    }

    /// The call has happened; its caller may not live to see it.
    fn outcome<T>(last: bool, result: Result<T, TransportError>) -> Result<T, TransportError> {
        if last {
            return Err(TransportError::new(
                TransportErrorKind::Unavailable,
                "killed",
            ));
        }
        result
    }
}

#[async_trait]
impl OutboxStore for Dying {
    async fn append(&self, event: Arc<IntegrationEvent>) -> Result<OutboxId, TransportError> {
        self.store.append(event).await
    }

    async fn lock(&self, _owner: &str, _lease: Duration) -> Result<bool, TransportError> {
        let last = self.step()?;
        Self::outcome(last, Ok(true))
    }

    async fn oldest(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, TransportError> {
        let last = self.step()?;
        Self::outcome(last, self.store.oldest(after, limit).await)
    }

    async fn refuse(&self, id: OutboxId, reason: &str) -> Result<(), TransportError> {
        let last = self.step()?;
        Self::outcome(last, self.store.refuse(id, reason).await)
    }

    async fn remove(&self, ids: &[OutboxId]) -> Result<(), TransportError> {
        let last = self.step()?;
        Self::outcome(last, self.store.remove(ids).await)
    }
}

fn relay(store: &Arc<MemoryOutbox>, bus: &Bus) -> Relay {
    let store: Arc<MemoryOutbox> = Arc::clone(store);
    Relay::new(store, bus.clone())
}

fn in_order(numbers: &[usize], keys: &[usize]) -> bool {
    let mut firsts: HashMap<usize, Vec<usize>> = HashMap::new();
    for number in numbers {
        let of_key = firsts.entry(keys[*number]).or_default();
        if !of_key.contains(number) {
            of_key.push(*number);
        }
    }
    firsts.values().all(|numbers| numbers.is_sorted())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The relay dies at any call to its store, again and again: every event arrives, and of each
    /// key the first arrivals are in order.
    #[test]
    fn killed_at_any_step_it_loses_nothing_and_keeps_the_order_of_keys(
        keys in prop::collection::vec(0_usize..4, 1..40),
        lives in prop::collection::vec((1_usize..9, any::<bool>()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let seen = runtime.block_on(async {
            let bus = Bus::default();
            let seen = Seen::default();
            let _kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
            let store = Arc::new(MemoryOutbox::new(100));
            for (number, key) in keys.iter().enumerate() {
                store.append(Arc::new(keyed(&key.to_string(), number))).await.unwrap();
            }
            for (calls, after) in lives {
                let dying = Dying {
                    store: Arc::clone(&store),
                    left: AtomicUsize::new(calls),
                    after,
                };
                let relay = Relay::new(Arc::new(dying), bus.clone());
                while relay.run_once().await.is_ok_and(|report| report.published > 0) {}
            }
            let relay = self::relay(&store, &bus);
            while relay.run_once().await.unwrap().published > 0 {}
            assert!(store.is_empty());
            assert!(bus.idle(LONG).await);
            seen.numbers()
        });
        let mut all = seen.clone();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all, (0..keys.len()).collect::<Vec<_>>());
        prop_assert!(in_order(&seen, &keys), "{:?}", seen);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_confirmed_stays_and_holds_up_only_its_key() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let tiny = config().with_queue(1, Overflow::Reject);
    let _slow = bus.subscribe("a.b", tiny, gated(&seen, &gate)).unwrap();
    let other = Seen::default();
    let _other = bus.subscribe("a.c", config(), noting(&other)).unwrap();
    let store = Arc::new(MemoryOutbox::new(100));
    for number in 0..4 {
        store.append(Arc::new(keyed("x", number))).await.unwrap();
    }
    store
        .append(Arc::new(crate::support::typed("a.c", 9)))
        .await
        .unwrap();
    let relay = self::relay(&store, &bus);
    let report = relay.run_once().await.unwrap();
    assert_eq!(report.published + report.held_up, 5);
    assert!(report.held_up >= 2, "{report:?}");
    gate.add_permits(100);
    tokio::time::timeout(Duration::from_mins(1), relay.run())
        .await
        .unwrap_err();
    assert!(store.is_empty());
    let mut firsts = seen.numbers();
    firsts.dedup();
    assert_eq!((firsts, other.numbers()), (vec![0, 1, 2, 3], vec![9]));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_while_the_broker_is_down() {
    let broker = Broker::new();
    broker.unavailable.store(true, Ordering::SeqCst);
    let bus = Bus::over(Arc::new(Fake(Arc::clone(&broker))), &BusConfig::default());
    let store = Arc::new(MemoryOutbox::new(100));
    store.append(Arc::new(event(1))).await.unwrap();
    let relay = self::relay(&store, &bus);
    let report = relay.run_once().await.unwrap();
    assert_eq!((report.published, report.held_up), (0, 1));
    assert_eq!(store.len(), 1);
    broker.unavailable.store(false, Ordering::SeqCst);
    assert_eq!(relay.run_once().await.unwrap().published, 1);
    assert!(store.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_an_event_of_its_key_that_was_not_confirmed() {
    let broker = Broker::new();
    let bus = Bus::over(Arc::new(Fake(Arc::clone(&broker))), &BusConfig::default());
    let store = Arc::new(MemoryOutbox::new(100));
    for (key, number) in [("x", 0), ("x", 1), ("y", 10), ("y", 11)] {
        store.append(Arc::new(keyed(key, number))).await.unwrap();
    }
    broker.fail_next.store(1, Ordering::SeqCst);
    let relay = self::relay(&store, &bus);
    let report = relay.run_once().await.unwrap();
    assert_eq!((report.published, report.held_up), (2, 2));
    assert_eq!(relay.run_once().await.unwrap().published, 2);
    let stored = bus.history(&EventFilter::all()).await.unwrap();
    let numbers: Vec<_> = stored.events.iter().map(|event| number(event)).collect();
    assert_eq!(numbers, [10, 11, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_broker_never_takes_is_set_aside_and_holds_nothing_up() {
    let broker = Broker::new();
    let bus = Bus::over(Arc::new(Fake(Arc::clone(&broker))), &BusConfig::default());
    let store = Arc::new(MemoryOutbox::new(1_000));
    for number in 0..300 {
        let event = crate::support::typed("fake.too_large", number);
        store.append(Arc::new(event)).await.unwrap();
    }
    store.append(Arc::new(event(7))).await.unwrap();
    let relay = relay(&store, &bus);
    let report = relay.run_once().await.unwrap();
    assert_eq!(
        (report.published, report.refused, report.held_up),
        (1, 300, 0)
    );
    assert!(store.is_empty());
    let refused = store.take_refused();
    assert_eq!(refused.len(), 300);
    assert_eq!(refused[0].reason, "event was not confirmed: not that one");
    assert_eq!(refused[299].entry.event.event_type(), "fake.too_large");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_events_only_where_others_are_taken() {
    let broker = Broker::new();
    let bus = Bus::over(Arc::new(Fake(Arc::clone(&broker))), &BusConfig::default());
    let store = Arc::new(MemoryOutbox::new(1_000));
    for number in 0..300 {
        let event = crate::support::typed("fake.refused", number);
        store.append(Arc::new(event)).await.unwrap();
    }
    let relay = relay(&store, &bus);
    // A broker that takes nothing may be set up wrongly.
    let report = relay.run_once().await.unwrap();
    assert_eq!((report.refused, report.held_up), (0, 300));
    // What is held up is passed over.
    store.append(Arc::new(event(7))).await.unwrap();
    let report = relay.run_once().await.unwrap();
    assert_eq!(report.published, 1);
    assert!(store.len() < 300, "{report:?}");
    let kept = store.len() + store.take_refused().len();
    assert_eq!(kept, 300);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_drops_is_not_published_to_all_others_again() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let tiny = config().with_queue(1, Overflow::DropNewest);
    let _slow = bus.subscribe("a.b", tiny, gated(&seen, &gate)).unwrap();
    let store = Arc::new(MemoryOutbox::new(100));
    for number in 0..10 {
        store.append(Arc::new(event(number))).await.unwrap();
    }
    let report = relay(&store, &bus).run_once().await.unwrap();
    assert_eq!((report.published, report.held_up), (10, 0));
    assert!(store.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_relay_works_and_another_takes_over_when_it_is_gone() {
    let bus = Bus::default();
    let store = Arc::new(MemoryOutbox::new(100));
    let first = relay(&store, &bus);
    let second = relay(&store, &bus);
    assert!(!first.run_once().await.unwrap().elsewhere);
    store.append(Arc::new(event(1))).await.unwrap();
    let report = second.run_once().await.unwrap();
    assert!(report.elsewhere && report.published == 0);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(second.run_once().await.unwrap().published, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_is_bounded() {
    let store = MemoryOutbox::new(1);
    store.append(Arc::new(event(1))).await.unwrap();
    let full = store.append(Arc::new(event(2))).await.unwrap_err();
    assert_eq!(full.kind(), TransportErrorKind::Full);
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_events_while_nobody_is_there() {
    let bus = Bus::default();
    let grouped = || config().with_group("g");
    let bad = Arc::new(AtomicBool::new(true));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (flag, noted) = (Arc::clone(&bad), Arc::clone(&seen));
    let handler = move |delivery: Delivery| {
        let fails = flag.load(Ordering::SeqCst);
        if !fails {
            noted.lock().push(number(delivery.event()));
        }
        async move {
            if fails {
                return Err(HandlerError::retryable("not me"));
            }
            Ok(())
        }
    };
    let first = bus.subscribe("a.b", grouped(), handler.clone()).unwrap();
    for number in 0..5 {
        bus.publish(event(number)).await.unwrap();
    }
    crate::support::quiet().await;
    drop(first);
    bad.store(false, Ordering::SeqCst);
    let _second = bus.subscribe("a.b", grouped(), handler).unwrap();
    assert!(bus.idle(LONG).await);
    let mut numbers = seen.lock().clone();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
}
