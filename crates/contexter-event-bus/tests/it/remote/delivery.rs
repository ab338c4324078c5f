//! What reaches the handlers, and what the broker is told of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contexter_event_bus::transport::TransportErrorKind;
use contexter_event_bus::{Delivery, EventFilter, HandlerError, Overflow, PublishError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{config, over, until};
use crate::broker::Broker;
use crate::support::{LONG, Seen, event, gated, noting, publish_all};

#[tokio::test(start_paused = true)]
async fn a_published_event_is_confirmed_handled_and_acknowledged() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let kept = bus.subscribe("a.*", config(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    let receipt = bus.publish(event(7)).await.unwrap();
    assert_eq!(receipt.confirmation().unwrap().sequence, Some(1));
    assert_eq!(
        (receipt.accepted(), receipt.has_no_subscriber()),
        (1, false)
    );
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(7, 1)]);
    assert_eq!((bus.stats().delivered, bus.stats().published), (1, 1));
    let unsupported = bus.publish_and_settle(event(8), LONG).await.unwrap_err();
    assert!(matches!(unsupported, PublishError::Unsupported { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_attempt_number_rises_by_one_and_waits_are_the_brokers() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let fail_twice = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            match delivery.attempt() {
                3 => Ok(()),
                _ => Err(HandlerError::retryable("not yet")),
            }
        }
    };
    let kept = bus.subscribe("a.b", config(), fail_twice).unwrap();
    kept.ready().await.unwrap();
    let start = Instant::now();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(broker.max_count("g"), 3);
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "two waits of half a second at least"
    );
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_has_one_effect_and_a_failed_first_try_is_tried_again() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let fail_once = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            match delivery.attempt() {
                1 => Err(HandlerError::retryable("again")),
                _ => Ok(()),
            }
        }
    };
    let kept = bus.subscribe("a.b", config(), fail_once).unwrap();
    kept.ready().await.unwrap();
    let same = Arc::new(event(1));
    bus.publish(Arc::clone(&same)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    bus.publish(same).await.unwrap();
    until(|| broker.acked("g") == 2).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2)]);
    assert_eq!(bus.stats().duplicates, 1);
}

#[tokio::test(start_paused = true)]
async fn members_of_a_group_share_and_groups_do_not() {
    let broker = Broker::new();
    let (first, second) = (over(&broker), over(&broker));
    let (shared, other) = (Seen::default(), Seen::default());
    let one = first.subscribe("a.b", config(), noting(&shared)).unwrap();
    let two = second.subscribe("a.b", config(), noting(&shared)).unwrap();
    let all = config().with_group("h");
    let all = second.subscribe("a.b", all, noting(&other)).unwrap();
    for kept in [&one, &two, &all] {
        kept.ready().await.unwrap();
    }
    publish_all(&first, 0..100).await;
    until(|| broker.acked("g") == 100 && broker.acked("h") == 100).await;
    let sorted = |seen: &Seen| {
        let mut numbers = seen.numbers();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(sorted(&shared), (0..100).collect::<Vec<_>>());
    assert_eq!(sorted(&other), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscriber_holds_no_more_than_its_capacity() {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let small = config().with_queue(4, Overflow::Block);
    let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..50).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(broker.unsettled("g"), 4);
    gate.add_permits(100);
    until(|| broker.acked("g") == 50).await;
    assert_eq!(seen.numbers(), (0..50).collect::<Vec<_>>());
    assert_eq!(broker.max_count("g"), 1, "what waits is renewed, too");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscriber_holds_no_more_bytes_than_it_may_and_one_event_always_passes() {
    // So many fit; an event that is larger than all of it comes alone.
    for (size, fit) in [(0, 50), (1_000, 4), (1_001, 4), (4_000, 1), (9_000, 1)] {
        let broker = Broker::new();
        broker.size.store(size, Ordering::SeqCst);
        broker.at_once.store(1, Ordering::SeqCst);
        let bus = over(&broker);
        let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
        let small = config().with_prefetch_bytes(4_000);
        let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
        kept.ready().await.unwrap();
        publish_all(&bus, 0..50).await;
        sleep(Duration::from_secs(100)).await;
        assert_eq!(broker.unsettled("g"), fit, "of {size} bytes");
        gate.add_permits(100);
        until(|| broker.acked("g") == 50).await;
        assert_eq!(seen.numbers(), (0..50).collect::<Vec<_>>());
        assert_eq!(broker.max_count("g"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_of_what_went_to_another_consumer_make_room() {
    let broker = Broker::new();
    broker.size.store(4_000, Ordering::SeqCst);
    broker.at_once.store(1, Ordering::SeqCst);
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let small = config().with_prefetch_bytes(4_000).with_concurrency(2);
    let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..2).await;
    until(|| seen.numbers() == [0]).await;
    broker.lose("g", 0, LONG);
    until(|| seen.numbers() == [0, 1]).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_policies_drop_for_good_and_count() {
    for (overflow, kept_numbers) in [
        (Overflow::DropNewest, vec![0, 1, 2, 3, 4]),
        (Overflow::DropOldest, vec![0, 7, 8, 9, 10]),
    ] {
        let broker = Broker::new();
        let bus = over(&broker);
        let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
        let small = config().with_queue(4, overflow);
        let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
        kept.ready().await.unwrap();
        publish_all(&bus, 0..1).await;
        until(|| kept.stats().in_flight == 1).await;
        publish_all(&bus, 1..11).await;
        until(|| kept.stats().dropped == 6).await;
        assert_eq!(kept.stats().waiting, 4);
        gate.add_permits(100);
        until(|| broker.acked("g") == 11).await;
        assert_eq!(seen.numbers(), kept_numbers, "{overflow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_replay_takes_all_room_waits_and_counts_as_one_attempt() {
    for overflow in [Overflow::Block, Overflow::Reject] {
        let broker = Broker::new();
        let bus = over(&broker);
        let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
        publish_all(&bus, 0..4).await;
        let small = config().with_queue(4, overflow);
        let kept = bus.subscribe("a.b", small, gated(&seen, &gate)).unwrap();
        kept.ready().await.unwrap();
        let history = bus.history(&EventFilter::all()).await.unwrap();
        assert_eq!(bus.replay(&history, &kept).await, 4);
        publish_all(&bus, 4..8).await;
        sleep(Duration::from_secs(100)).await;
        gate.add_permits(100);
        until(|| seen.numbers().len() == 8).await;
        assert_eq!(broker.max_count("g"), 1, "{overflow:?}");
        assert!(bus.dead_letters().await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_down_is_an_error_for_publishers_and_a_wait_for_subscribers() {
    let broker = Broker::new();
    broker.unavailable.store(true, Ordering::SeqCst);
    let bus = over(&broker);
    let seen = Seen::default();
    let kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    let PublishError::Transport(error) = bus.publish(event(1)).await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(error.kind(), TransportErrorKind::Unavailable);
    sleep(Duration::from_secs(20)).await;
    assert!(!bus.health().await.is_healthy());
    broker.unavailable.store(false, Ordering::SeqCst);
    kept.ready().await.unwrap();
    assert!(bus.health().await.is_healthy());
    bus.publish(event(2)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.numbers(), [2]);
}
