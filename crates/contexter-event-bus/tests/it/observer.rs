//! Who is told of the events that no handler has handled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::DeadMessage;
use contexter_event_bus::{
    Bus, BusConfig, Delivery, FailureKind, HandlerError, Overflow, RedriveError,
    SubscriptionConfig, Unhandled, UnhandledReason,
};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, gated, noting, number, publish_all, quiet};

/// What an observer was told.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Unhandled>>>);

impl Ends {
    fn config(&self) -> SubscriptionConfig {
        let ends = self.clone();
        SubscriptionConfig::default()
            .with_group("g")
            .with_attempts(2, Duration::from_secs(1), Duration::from_secs(1))
            .with_observer(move |end| {
                ends.0.lock().push(end);
                std::future::ready(())
            })
    }

    async fn wait_for(&self, count: usize) -> Vec<Unhandled> {
        let end = Instant::now() + LONG;
        while self.0.lock().len() < count {
            assert!(Instant::now() < end, "told only {:?}", self.0.lock());
            sleep(Duration::from_millis(10)).await;
        }
        // Long enough for one that is told twice.
        sleep(LONG).await;
        let ends = self.0.lock().clone();
        assert_eq!(ends.len(), count, "each is told once: {ends:?}");
        ends
    }
}

fn over(broker: &Arc<Broker>) -> Bus {
    Bus::over(Arc::new(Fake(Arc::clone(broker))), &BusConfig::default())
}

#[expect(clippy::panic, reason = "a test may panic")]
fn letter(end: &Unhandled) -> (FailureKind, &str) {
    match &end.reason {
        UnhandledReason::DeadLettered { kind, error, .. } => (*kind, error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_told_once_it_is_stored_and_by_its_name() {
    let (ends, bus) = (Ends::default(), Bus::default());
    let fail = |_| async { Err::<(), _>(HandlerError::retryable("no")) };
    let _kept = bus.subscribe("a.b", ends.config(), fail).unwrap();
    publish_all(&bus, 7..8).await;
    let told = ends.wait_for(1).await;
    assert_eq!(number(told[0].event().unwrap()), 7);
    assert_eq!((&*told[0].subscription, told[0].attempts), ("a.b", 2));
    assert_eq!(told[0].group.as_deref(), Some("g"));
    assert_eq!(letter(&told[0]), (FailureKind::Retryable, "no"));
    let UnhandledReason::DeadLettered { id, .. } = &told[0].reason else {
        panic!("{told:?}")
    };
    bus.redrive(id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_never_reaches_a_handler_of_a_broker_is_told() {
    let (ends, broker) = (Ends::default(), Broker::new());
    let (bus, seen) = (over(&broker), Seen::default());
    let kept = bus.subscribe("a.b", ends.config(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    broker.store_garbage(b"{");
    let far = Timestamp::now() + SignedDuration::from_hours(2);
    let future = contexter_protocol::IntegrationEvent::builder("test", "a.b")
        .time(far)
        .data(serde_json::json!(1))
        .build()
        .unwrap();
    bus.publish(future).await.unwrap();
    let told = ends.wait_for(2).await;
    assert_eq!(letter(&told[0]).0, FailureKind::Undecodable);
    let DeadMessage::Raw(raw) = &told[0].message else {
        panic!("{told:?}")
    };
    assert_eq!((raw.headers.len(), &*raw.body), (1, &b"{"[..]));
    assert_eq!(letter(&told[1]).0, FailureKind::ClockSkew);
    let origins: Vec<_> = told.iter().map(|end| end.origin.as_deref()).collect();
    assert_eq!(origins, [Some("log:0"), Some("log:1")]);
    assert!(told.iter().all(|end| end.attempts == 0));
    assert!(seen.all().is_empty());
    assert_eq!(bus.dead_letters().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn poison_is_told_by_whoever_gets_it_last() {
    let (ends, broker) = (Ends::default(), Broker::new());
    let (bus, seen) = (over(&broker), Seen::default());
    let hang = Arc::new(Semaphore::new(0));
    let slow = gated(&seen, &hang);
    let kept = bus.subscribe("a.b", ends.config(), slow).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 3..4).await;
    // Twice it goes away while it is handled, as if its process had died.
    for times in 1..=2 {
        let end = Instant::now() + LONG;
        while broker.max_count("g") < times {
            assert!(Instant::now() < end, "it was not delivered");
            sleep(Duration::from_millis(10)).await;
        }
        broker.forget_consumers("g");
    }
    drop((kept, bus));
    let bus = over(&broker);
    let _kept = bus.subscribe("a.b", ends.config(), noting(&seen)).unwrap();
    let told = ends.wait_for(1).await;
    assert_eq!(letter(&told[0]).0, FailureKind::Poison);
    assert_eq!(number(told[0].event().unwrap()), 3);
}

#[tokio::test(start_paused = true)]
async fn expired_duplicate_and_dropped_events_are_told() {
    let (ends, bus) = (Ends::default(), Bus::default());
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let config = ends
        .config()
        .with_deduplication(true)
        .with_queue(2, Overflow::DropNewest);
    let _kept = bus.subscribe("a.b", config, gated(&seen, &gate)).unwrap();
    let first = Arc::new(event(1));
    bus.publish(Arc::clone(&first)).await.unwrap();
    quiet().await;
    let over = Timestamp::now() - SignedDuration::from_secs(1);
    let expired = contexter_protocol::IntegrationEvent::builder("test", "a.b")
        .expiry_time(over)
        .data(serde_json::json!(2))
        .build()
        .unwrap();
    bus.publish(first).await.unwrap();
    bus.publish(expired).await.unwrap();
    bus.publish(event(3)).await.unwrap();
    gate.add_permits(9);
    let told = ends.wait_for(3).await;
    let told: Vec<_> = told
        .iter()
        .map(|end| (number(end.event().unwrap()), end.reason.clone()))
        .collect();
    let dropped = (3, UnhandledReason::Dropped);
    let duplicate = (1, UnhandledReason::Duplicate);
    assert_eq!(told, [dropped, duplicate, (2, UnhandledReason::Expired)]);
    let stats = bus.stats();
    let counts = (stats.dropped, stats.duplicates, stats.expired);
    assert_eq!(counts, (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_an_older_event_makes_room_for_is_told() {
    let (ends, bus) = (Ends::default(), Bus::default());
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let config = ends.config().with_queue(1, Overflow::DropOldest);
    let _kept = bus.subscribe("a.b", config, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..1).await;
    quiet().await;
    publish_all(&bus, 1..3).await;
    gate.add_permits(9);
    let told = ends.wait_for(1).await;
    assert_eq!(number(told[0].event().unwrap()), 1);
    assert_eq!(told[0].reason, UnhandledReason::Dropped);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_hangs_or_panics_holds_up_nothing() {
    let (bus, broker) = (Bus::default(), Broker::new());
    let remote = over(&broker);
    for bus in [&bus, &remote] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&told);
        let config = SubscriptionConfig::default()
            .with_group("g")
            .with_handler_timeout(Duration::from_mins(1))
            .with_observer(move |end| {
                let noted = Arc::clone(&noted);
                async move {
                    let number = number(end.event().unwrap());
                    noted.lock().push(number);
                    match number {
                        0 => std::future::pending().await,
                        1 => panic!("an observer that panics"),
                        _ => {}
                    }
                }
            });
        let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
        let kept = bus.subscribe("a.b", config, fail).unwrap();
        kept.ready().await.unwrap();
        publish_all(bus, 0..3).await;
        let start = Instant::now();
        assert!(bus.idle(LONG).await);
        while bus.stats().dead_lettered < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "it was waited for"
        );
        sleep(Duration::from_mins(2)).await;
        assert_eq!(*told.lock(), [0, 1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_its_last_letter_was_told() {
    let broker = Broker::new();
    broker.slow_letters.store(50, Ordering::SeqCst);
    let (ends, bus) = (Ends::default(), over(&broker));
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let kept = bus.subscribe("a.b", ends.config(), fail).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..5).await;
    while kept.stats().waiting + kept.stats().in_flight < 5 {
        sleep(Duration::from_millis(1)).await;
    }
    bus.drain(LONG).await;
    assert_eq!(ends.0.lock().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_an_observer_is_too_slow_for_is_counted() {
    let bus = Bus::default();
    let config = SubscriptionConfig::default()
        .with_queue(20_000, Overflow::Block)
        .with_observer(|_| std::future::pending());
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let kept = bus.subscribe("a.b", config, fail).unwrap();
    // One is being told, 10,000 wait.
    publish_all(&bus, 0..1).await;
    assert!(bus.idle(LONG).await);
    quiet().await;
    publish_all(&bus, 0..10_003).await;
    assert!(bus.idle(Duration::from_secs(1)).await);
    assert_eq!(kept.stats().untold, 3);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_holds_its_bus_is_released_with_the_last_member_and_told_before() {
    let (bus, told) = (Bus::default(), Arc::new(Mutex::new(Vec::new())));
    let observed = |told: &Arc<Mutex<Vec<usize>>>| {
        let (told, held) = (Arc::clone(told), bus.clone());
        SubscriptionConfig::default()
            .with_group("g")
            .with_observer(move |end| {
                told.lock().push(number(end.event().unwrap()));
                let held = held.clone();
                async move {
                    drop(held);
                }
            })
    };
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let first = bus.subscribe("a.b", observed(&told), fail).unwrap();
    let second = bus
        .subscribe("a.b", observed(&Arc::default()), fail)
        .unwrap();
    publish_all(&bus, 0..2).await;
    assert!(bus.idle(LONG).await);
    drop(first);
    publish_all(&bus, 2..3).await;
    assert!(bus.idle(LONG).await);
    drop(second);
    quiet().await;
    assert_eq!(*told.lock(), [0, 1, 2]);
    assert_eq!(Arc::strong_count(&told), 1, "the observer is gone");
    // Whoever comes to a group that all have left brings an observer of its own.
    let later = Arc::default();
    let _third = bus.subscribe("a.b", observed(&later), fail).unwrap();
    publish_all(&bus, 3..4).await;
    assert!(bus.idle(LONG).await);
    bus.drain(LONG).await;
    assert_eq!((later.lock().clone(), told.lock().len()), (vec![3], 3));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_a_full_queue_does_not_take_again_has_come_to_no_end() {
    let (broker, ends) = (Broker::new(), Ends::default());
    let (bus, gate) = (over(&broker), Arc::new(Semaphore::new(0)));
    let (first, open) = (
        Arc::new(AtomicBool::new(true)),
        gated(&Seen::default(), &gate),
    );
    let fail_first = move |delivery: Delivery| {
        let handled = (!first.swap(false, Ordering::SeqCst)).then(|| open(delivery));
        async move {
            match handled {
                Some(handled) => handled.await,
                None => Err(HandlerError::permanent("no")),
            }
        }
    };
    let noted = ends.clone();
    let alone = SubscriptionConfig::default()
        .with_name("alone")
        .with_concurrency(1)
        .with_queue(1, Overflow::DropNewest)
        .with_observer(move |end| {
            noted.0.lock().push(end);
            std::future::ready(())
        });
    let kept = bus.subscribe("a.b", alone, fail_first).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..1).await;
    ends.wait_for(1).await;
    publish_all(&bus, 1..2).await;
    sleep(Duration::from_secs(1)).await;
    publish_all(&bus, 2..3).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((kept.stats().in_flight, kept.stats().waiting), (1, 1));
    let letter = bus.dead_letters().await.unwrap().remove(0);
    let refused = bus.redrive(&letter.id).await.unwrap_err();
    assert!(matches!(refused, RedriveError::Full { .. }), "{refused}");
    assert_eq!(bus.dead_letters().await.unwrap(), [letter]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ends.0.lock().len(), 1, "{:?}", ends.0.lock());
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_observer_of_members_that_were_replaced() {
    let (bus, ends) = (Bus::default(), Ends::default());
    let noted = ends.clone();
    let slow = ends.config().with_observer(move |end| {
        let noted = noted.clone();
        async move {
            sleep(Duration::from_secs(2)).await;
            noted.0.lock().push(end);
        }
    });
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let first = bus.subscribe("a.b", slow, fail).unwrap();
    publish_all(&bus, 0..1).await;
    assert!(bus.idle(LONG).await);
    drop(first);
    let next = bus.subscribe("a.b", ends.config(), fail).unwrap();
    bus.drain(Duration::from_secs(1)).await;
    assert_eq!(ends.0.lock().len(), 1);
    drop(next);
}
