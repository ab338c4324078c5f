//! Attempts in one go: one consumer makes them all, and the broker counts one delivery.

use std::time::Duration;

use contexter_event_bus::{
    Bus, Delivery, FailureKind, HandlerError, Subscription, SubscriptionConfig,
};
use tokio::time::{Instant, sleep};

use super::{config, over, until};
use crate::broker::Broker;
use crate::support::{LONG, Seen, event};

const SECOND: Duration = Duration::from_secs(1);

/// Every attempt takes so long and fails, with a wait that is asked for if there is one.
async fn fail(
    bus: &Bus,
    config: SubscriptionConfig,
    takes: Duration,
    wait: Duration,
) -> (Seen, Subscription) {
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            sleep(takes).await;
            Err::<(), _>(match wait {
                Duration::ZERO => HandlerError::retryable("no"),
                wait => HandlerError::retryable_after(wait, "no"),
            })
        }
    };
    let kept = bus.subscribe("a.b", config, handler).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    (seen, kept)
}

#[tokio::test(start_paused = true)]
async fn they_hold_the_lease_and_count() {
    let broker = Broker::new();
    let bus = over(&broker);
    let twice = config()
        .with_attempts(4, SECOND, SECOND)
        .with_attempts_in_one_go(2);
    let (seen, _kept) = fail(&bus, twice, Duration::ZERO, Duration::ZERO).await;
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3), (1, 4)]);
    assert_eq!(broker.max_count("g"), 2, "two deliveries of two attempts");
    assert_eq!(bus.dead_letters().await.unwrap()[0].attempts, 4);
}

#[tokio::test(start_paused = true)]
async fn all_of_them_are_made_by_one_of_several_consumers_though_the_handler_asks_for_waits() {
    let broker = Broker::new();
    let (bus, other) = (over(&broker), over(&broker));
    let lease = Duration::from_secs(3);
    let at_once = || config().with_attempts_in_one_go(3).with_lease(lease);
    let wait = Duration::from_secs(20);
    let start = Instant::now();
    let (second, _one) = fail(&other, at_once(), Duration::ZERO, wait).await;
    let (first, _two) = fail(&bus, at_once(), Duration::ZERO, wait).await;
    until(|| broker.acked("g") == 2).await;
    assert_eq!(broker.max_count("g"), 1, "each was delivered once");
    let made = first.all().len() + second.all().len();
    assert_eq!(made, 6, "three attempts of each event");
    assert!(start.elapsed() >= wait * 2, "{:?}", start.elapsed());
    for letter in bus.dead_letters().await.unwrap() {
        assert_eq!((letter.attempts, letter.kind), (3, FailureKind::Retryable));
    }
}

#[tokio::test(start_paused = true)]
async fn they_follow_each_other_at_once_though_each_takes_longer_than_the_lease() {
    let broker = Broker::new();
    let bus = over(&broker);
    let lease = config()
        .with_attempts(3, LONG, LONG)
        .with_attempts_in_one_go(3)
        .with_lease(SECOND);
    let (seen, _kept) = fail(&bus, lease, SECOND * 10, Duration::ZERO).await;
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(broker.max_count("g"), 1);
}

#[tokio::test(start_paused = true)]
async fn none_follows_once_another_consumer_has_the_event() {
    let broker = Broker::new();
    let bus = over(&broker);
    let lease = config().with_attempts_in_one_go(3).with_lease(SECOND);
    let (seen, _kept) = fail(&bus, lease, SECOND * 10, Duration::ZERO).await;
    until(|| seen.all().len() == 1).await;
    broker.lose("g", 0, LONG * 2);
    sleep(SECOND * 60).await;
    assert_eq!(seen.all(), [(1, 1)]);
    assert_eq!(bus.stats().fenced, 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_consumer_has_by_now_becomes_no_dead_letter_here() {
    let lease = || config().with_lease(SECOND);
    // The last attempt of a delivery, and the last of several in one go.
    for (config, attempts) in [
        (lease().with_attempts(1, SECOND, SECOND), 1),
        (lease().with_attempts_in_one_go(3), 3),
    ] {
        let broker = Broker::new();
        let bus = over(&broker);
        let (seen, _kept) = fail(&bus, config, SECOND * 10, Duration::ZERO).await;
        until(|| seen.all().len() == attempts).await;
        broker.lose("g", 0, LONG * 2);
        sleep(SECOND * 60).await;
        assert_eq!(seen.all().len(), attempts);
        assert_eq!(bus.dead_letters().await.unwrap(), []);
    }
}
