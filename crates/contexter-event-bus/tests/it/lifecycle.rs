//! How subscriptions and the bus end.

use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

use contexter_event_bus::{
    Bus, HandlerError, Outcome, Overflow, PublishError, SubscribeError, Subscription,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::support::{LONG, Seen, config, event, gated, noting, number, publish_all, quiet};

#[tokio::test(start_paused = true)]
async fn a_drain_takes_nothing_in_and_lets_everything_accepted_end() {
    let bus = Bus::default();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: contexter_event_bus::Delivery| {
        noted.note(&delivery);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match (number(delivery.event()), delivery.attempt()) {
                (0, 1) => Err(HandlerError::retryable("once more")),
                (1, _) => Err(HandlerError::permanent("never")),
                _ => Ok(()),
            }
        }
    };
    let _kept = bus.subscribe("a.b", config(), handler).unwrap();
    publish_all(&bus, 0..5).await;
    let drain = tokio::spawn({
        let bus = bus.clone();
        async move { bus.drain(LONG).await }
    });
    quiet().await;
    let refused = bus.publish(event(9)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Closed));
    let report = drain.await.unwrap();
    assert_eq!(report.settled, 5, "four handled, one dead letter");
    assert_eq!(report.abandoned.len(), 0);
    assert_eq!((bus.stats().delivered, bus.stats().dead_letters), (4, 1));
    let late = bus.subscribe("a.b", config(), noting(&seen)).unwrap_err();
    assert_eq!(late, SubscribeError::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_drain_names_what_it_had_to_abandon() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(2)));
    let named = config().with_name("slow");
    let _kept = bus.subscribe("a.b", named, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..5).await;
    let start = Instant::now();
    let within = Duration::from_secs(7);
    let report = bus.drain(within).await;
    assert!(start.elapsed() >= within && start.elapsed() < within * 2);
    assert_eq!(report.settled, 2);
    let abandoned: Vec<_> = report
        .abandoned
        .iter()
        .map(|left| (&*left.subscription, number(&left.event)))
        .collect();
    assert_eq!(abandoned, [("slow", 2), ("slow", 3), ("slow", 4)]);
    quiet().await;
    let stats = bus.stats();
    assert_eq!(
        (stats.abandoned, stats.pending, stats.subscribers),
        (3, 0, 0)
    );
    gate.add_permits(9);
    quiet().await;
    assert_eq!(
        bus.stats().delivered,
        2,
        "a cancelled handler does not go on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_frees_blocked_publishers() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let tiny = config().with_queue(1, Overflow::Block);
    let _kept = bus.subscribe("a.b", tiny, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..1).await;
    quiet().await;
    publish_all(&bus, 1..2).await;
    let blocked = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event(2)).await }
    });
    quiet().await;
    let report = bus.drain(Duration::from_secs(1)).await;
    assert_eq!(report.abandoned.len(), 2);
    let receipt = blocked.await.unwrap().unwrap();
    assert_eq!(
        receipt.accepted(),
        0,
        "the receipt does not promise what was not accepted"
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_a_subscription_ends_it_at_once() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let kept = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
    let settling = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish_and_settle(event(0), LONG).await.unwrap() }
    });
    quiet().await;
    publish_all(&bus, 1..3).await;
    drop(kept);
    let settlement = settling.await.unwrap();
    assert_eq!(
        settlement.outcomes().next(),
        Some(("a.b", &Outcome::Abandoned))
    );
    assert!(bus.idle(LONG).await, "nothing is pending for ever");
    assert_eq!((bus.stats().abandoned, bus.stats().subscribers), (3, 0));
    assert_eq!(Arc::strong_count(&gate), 1, "the handler is gone");
    assert!(bus.publish(event(3)).await.unwrap().has_no_subscriber());
}

#[tokio::test(start_paused = true)]
async fn without_a_bus_the_rest_is_handled_and_the_tasks_end() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let three = config().with_concurrency(3);
    let kept = bus.subscribe("a.b", three, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..5).await;
    drop(bus);
    quiet().await;
    gate.add_permits(5);
    quiet().await;
    assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
    assert_eq!(kept.stats().delivered, 5);
    assert_eq!(
        Arc::strong_count(&gate),
        1,
        "the tasks and with them the handler are gone"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_bus_idle_tasks_end() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let three = config().with_concurrency(3);
    let _kept = bus.subscribe("a.b", three, gated(&seen, &gate)).unwrap();
    quiet().await;
    drop(bus);
    quiet().await;
    assert_eq!(Arc::strong_count(&gate), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_bus_is_idle_and_drains_at_once() {
    let bus = Bus::default();
    let seen = Seen::default();
    let _kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    let start = Instant::now();
    assert!(bus.idle(LONG).await);
    let report = bus.drain(LONG).await;
    assert_eq!((report.settled, report.abandoned.len()), (0, 0));
    assert_eq!(
        bus.drain(Duration::MAX).await.settled,
        0,
        "a second drain has nothing to do"
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    let bus = Bus::default();
    let seen = Seen::default();
    let small = config().with_queue(16, Overflow::Block).with_concurrency(4);
    let _kept = bus.subscribe("a.b", small, noting(&seen)).unwrap();
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in 0..500 {
                    bus.publish(event(publisher * 500 + number)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let report = bus.drain(Duration::from_mins(1)).await;
    assert_eq!(report.abandoned.len(), 0);
    let mut numbers = seen.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4_000).collect::<Vec<_>>());
}

/// Looks at a bus whenever it is woken.
struct Looks {
    bus: Bus,
    delivered: Mutex<Vec<u64>>,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let delivered = self.bus.stats().delivered;
        self.delivered.lock().push(delivered);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_subscription_has_done_is_counted_at_every_moment_of_its_end() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(3)));
    let ends: [fn(&Bus, Subscription); 2] = [
        |_, kept| drop(kept),
        |bus, kept| {
            drop(kept);
            assert_eq!(bus.forget_group("g"), Some(1));
        },
    ];
    for (end, config) in ends.into_iter().zip([config(), config().with_group("g")]) {
        let before = bus.stats().delivered;
        gate.add_permits(3 - gate.available_permits());
        let kept = bus.subscribe("a.b", config, gated(&seen, &gate)).unwrap();
        publish_all(&bus, 0..3).await;
        assert!(bus.idle(LONG).await);
        // Whoever waits for its outcome is woken in the middle of the end.
        let mut waiting = Box::pin(bus.publish_and_settle(event(3), LONG));
        let looks = Arc::new(Looks {
            bus: bus.clone(),
            delivered: Mutex::default(),
        });
        let waker = Arc::clone(&looks).into();
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        quiet().await;
        end(&bus, kept);
        let looked = looks.delivered.lock().clone();
        assert!(!looked.is_empty(), "nobody was woken");
        assert!(
            looked.iter().all(|&delivered| delivered == before + 3),
            "{looked:?}"
        );
    }
}
