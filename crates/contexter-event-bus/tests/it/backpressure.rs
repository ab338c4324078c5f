//! What happens when a queue is full: nothing grows, and every drop is counted.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{
    Acceptance, Bus, Delivery, HandlerError, Outcome, Overflow, Subscription,
};
use tokio::sync::Semaphore;

use crate::support::{LONG, Seen, config, event, gated, keyed, noting, number, publish_all, quiet};

/// A subscription with room for 4, whose handler holds event 0 until the gate opens.
async fn stalled(overflow: Overflow) -> (Bus, Subscription, Seen, Arc<Semaphore>) {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let small = config().with_queue(4, overflow);
    let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
    bus.publish(event(0)).await.unwrap();
    quiet().await;
    assert_eq!(kept.stats().in_flight, 1);
    (bus, kept, seen, gate)
}

async fn finish(bus: &Bus, gate: &Semaphore) {
    gate.add_permits(1_000);
    assert!(bus.idle(LONG).await);
}

#[tokio::test(start_paused = true)]
async fn reject_refuses_exactly_what_does_not_fit() {
    let (bus, kept, seen, gate) = stalled(Overflow::Reject).await;
    let mut rejected = 0;
    for number in 1..=10 {
        let receipt = bus.publish(event(number)).await.unwrap();
        let (_, how) = receipt.deliveries().next().unwrap();
        assert_eq!(how.is_accepted(), number <= 4);
        rejected += usize::from(how == Acceptance::Rejected);
    }
    assert_eq!(rejected, 6);
    assert_eq!((kept.stats().rejected, bus.stats().rejected), (6, 6));
    assert_eq!(kept.stats().waiting, 4);
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn drop_newest_keeps_the_oldest_and_counts_the_rest() {
    let (bus, kept, seen, gate) = stalled(Overflow::DropNewest).await;
    publish_all(&bus, 1..11).await;
    assert_eq!((kept.stats().dropped, bus.stats().dropped), (6, 6));
    assert_eq!(kept.stats().waiting, 4);
    let settlement = bus.publish_and_settle(event(11), LONG).await.unwrap();
    assert_eq!(
        settlement.outcomes().next(),
        Some(("a.b", &Outcome::Dropped))
    );
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_the_newest_and_counts_the_rest() {
    let (bus, kept, seen, gate) = stalled(Overflow::DropOldest).await;
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish_and_settle(event(1), LONG).await.unwrap() }
    });
    quiet().await;
    publish_all(&bus, 2..11).await;
    assert_eq!((kept.stats().dropped, bus.stats().dropped), (6, 6));
    assert_eq!(kept.stats().waiting, 4);
    let settlement = waiting.await.unwrap();
    assert_eq!(
        settlement.outcomes().next(),
        Some(("a.b", &Outcome::Dropped))
    );
    let receipt = bus.publish(event(11)).await.unwrap();
    let (_, how) = receipt.deliveries().next().unwrap();
    assert_eq!(how, Acceptance::AcceptedDroppingOldest);
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 8, 9, 10, 11]);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_the_order_and_the_life_of_keys() {
    let (bus, kept, seen, gate) = stalled(Overflow::DropOldest).await;
    for (key, number) in [
        ("x", 1),
        ("x", 2),
        ("y", 3),
        ("x", 4),
        ("y", 5),
        ("x", 6),
        ("y", 7),
    ] {
        bus.publish(keyed(key, number)).await.unwrap();
    }
    assert_eq!(kept.stats().dropped, 3);
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 4, 5, 6, 7]);
    bus.publish(keyed("x", 8)).await.unwrap();
    assert!(
        bus.idle(LONG).await,
        "a dropped event does not hold its key"
    );
    assert_eq!(seen.numbers().last(), Some(&8));
}

#[tokio::test(start_paused = true)]
async fn dropping_what_waits_behind_a_running_event_keeps_its_key_alive() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let two = config().with_queue(2, Overflow::DropOldest);
    let _kept = bus.subscribe("a.b", two, gated(&seen, &gate)).unwrap();
    bus.publish(keyed("x", 0)).await.unwrap();
    quiet().await;
    for number in 1..4 {
        bus.publish(keyed("x", number)).await.unwrap();
    }
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_event_held_up_runs_beside_what_displaced_it() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let hold = gated(&seen, &gate);
    let handler = move |delivery: Delivery| {
        let first = number(delivery.event()) == 0;
        let waiting = hold(delivery);
        async move {
            if first {
                return Err(HandlerError::retryable("busy"));
            }
            waiting.await
        }
    };
    let two = config()
        .with_queue(2, Overflow::DropOldest)
        .with_concurrency(2);
    let kept = bus.subscribe("a.b", two, handler).unwrap();
    bus.publish(keyed("x", 0)).await.unwrap();
    bus.publish(keyed("x", 1)).await.unwrap();
    quiet().await;
    assert_eq!(
        kept.stats().waiting,
        2,
        "one to be tried again, one behind it"
    );
    bus.publish(keyed("y", 2)).await.unwrap();
    quiet().await;
    assert_eq!(kept.stats().in_flight, 2);
    assert_eq!(seen.numbers(), [0, 1, 2]);
    finish(&bus, &gate).await;
}

#[tokio::test(start_paused = true)]
async fn block_makes_the_publisher_wait_and_loses_nothing() {
    let (bus, kept, seen, gate) = stalled(Overflow::Block).await;
    let other = Seen::default();
    let _other = bus.subscribe("a.b", config(), noting(&other)).unwrap();
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move { publish_all(&bus, 1..11).await }
    });
    quiet().await;
    assert!(!publisher.is_finished());
    assert_eq!(kept.stats().waiting, 4);
    assert_eq!(
        other.numbers(),
        [1, 2, 3, 4, 5],
        "a full queue does not hold up the others"
    );
    gate.add_permits(1);
    quiet().await;
    assert_eq!(other.numbers().len(), 6, "one place is one event more");
    finish(&bus, &gate).await;
    publisher.await.unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), (0..11).collect::<Vec<_>>());
    assert_eq!((bus.stats().dropped, bus.stats().rejected), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn many_blocked_publishers_all_get_through() {
    let (bus, _kept, seen, gate) = stalled(Overflow::Block).await;
    let publishers: Vec<_> = (0..20)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    bus.publish(event(1 + publisher * 10 + number))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    finish(&bus, &gate).await;
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    let mut numbers = seen.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..201).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_gives_up_waiting_leaves_no_trace() {
    let (bus, kept, seen, gate) = stalled(Overflow::Block).await;
    publish_all(&bus, 1..5).await;
    let wait = Duration::from_secs(1);
    let given_up = tokio::time::timeout(wait, bus.publish(event(99))).await;
    assert!(given_up.is_err());
    let settlement = bus.publish_and_settle(event(98), wait).await.unwrap();
    assert_eq!(
        settlement.outcomes().next(),
        Some(("a.b", &Outcome::Rejected))
    );
    assert_eq!((kept.stats().waiting, kept.stats().rejected), (4, 1));
    finish(&bus, &gate).await;
    assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
}
