//! A bus over a broker: what handlers see, and what the broker is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::{Connection, MessageTransport as _, TransportErrorKind};
use contexter_event_bus::{
    Bus, BusConfig, Delivery, FailureKind, HandlerError, Overflow, PublishError, RedriveError,
    SubscribeError, SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, gated, keyed, noting, number, publish_all};

fn over(broker: &Arc<Broker>) -> Bus {
    Bus::over(Arc::new(Fake(Arc::clone(broker))), &BusConfig::default())
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default().with_group("g").with_attempts(
        3,
        Duration::from_secs(1),
        Duration::from_secs(1),
    )
}

/// Waits until a condition holds; time is paused, so it costs nothing.
async fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "it never came true");
        sleep(Duration::from_millis(10)).await;
    }
}

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
async fn attempts_in_one_go_hold_the_lease_and_count() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let fail = move |delivery: Delivery| {
        noted.note(&delivery);
        async move { Err::<(), _>(HandlerError::retryable("no")) }
    };
    let twice = config()
        .with_attempts(4, Duration::from_secs(1), Duration::from_secs(1))
        .with_attempts_in_one_go(2);
    let kept = bus.subscribe("a.b", twice, fail).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3), (1, 4)]);
    assert_eq!(broker.max_count("g"), 2, "two deliveries of two attempts");
    assert_eq!(bus.dead_letters().await.unwrap()[0].attempts, 4);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_stored_before_the_event_is_acknowledged() {
    let broker = Broker::new();
    broker.refuse_dead_letters.store(true, Ordering::SeqCst);
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let fail = move |delivery: Delivery| {
        noted.note(&delivery);
        async move { Err::<(), _>(HandlerError::permanent("never")) }
    };
    let kept = bus.subscribe("a.b", config(), fail).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(broker.acked("g"), 0);
    assert!(bus.dead_letters().await.unwrap().is_empty());
    broker.refuse_dead_letters.store(false, Ordering::SeqCst);
    until(|| broker.acked("g") == 1).await;
    let letters = bus.dead_letters().await.unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(number(letter.event().unwrap()), 1);
    assert_eq!(
        (&*letter.group, letter.origin.as_deref()),
        ("g", Some("log:0"))
    );
    assert_eq!(
        (letter.kind, &*letter.error),
        (FailureKind::Permanent, "never"),
        "what it failed of is not forgotten"
    );
    assert!(
        seen.all().len() <= 3,
        "no handler is called more often than it may be"
    );
}

#[tokio::test(start_paused = true)]
async fn what_kills_every_process_becomes_poison_without_the_handler() {
    let broker = Broker::new();
    let seen = Seen::default();
    let mut publisher = None;
    for life in 0..3 {
        let bus = over(&broker);
        let gate = Arc::new(Semaphore::new(0));
        let hung = gated(&seen, &gate);
        let lease = config().with_lease(Duration::from_secs(3));
        let kept = bus.subscribe("a.b", lease, hung).unwrap();
        kept.ready().await.unwrap();
        if life == 0 {
            bus.publish(event(1)).await.unwrap();
            publisher = Some(bus.clone());
        }
        until(|| seen.all().len() == life + 1).await;
        // Killed: nothing is settled, nothing renewed.
        drop(kept);
        drop(bus);
    }
    let bus = over(&broker);
    let kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(2)).await.unwrap();
    until(|| broker.acked("g") == 2).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3), (2, 1)]);
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(letters[0].kind, FailureKind::Poison);
    assert!(
        letters[0].error.starts_with("delivered 4 times"),
        "{}",
        letters[0].error
    );
    drop(publisher);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_or_from_the_future_is_a_dead_letter_and_the_next_arrives() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    broker.store_garbage(b"\x00garbage");
    let future = IntegrationEvent::builder("test", "a.b")
        .time(Timestamp::now() + SignedDuration::from_hours(2))
        .build()
        .unwrap();
    let late = IntegrationEvent::builder("test", "a.b")
        .expiry_time(Timestamp::now() - SignedDuration::from_secs(1))
        .build()
        .unwrap();
    for event in [future, late, event(3)] {
        bus.publish(event).await.unwrap();
    }
    until(|| broker.acked("g") == 4).await;
    assert_eq!(seen.numbers(), [3]);
    let letters = bus.dead_letters().await.unwrap();
    let kinds: Vec<_> = letters.iter().map(|letter| letter.kind).collect();
    assert_eq!(kinds, [FailureKind::Undecodable, FailureKind::ClockSkew]);
    assert_eq!((bus.stats().expired, bus.stats().dead_lettered), (1, 2));
    let text = format!("{:?}", letters[0].message);
    assert!(
        text.contains("103, 97, 114, 98, 97, 103, 101"),
        "byte by byte: {text}"
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
async fn a_redriven_event_passes_deduplication_and_only_its_group_gets_it() {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, other) = (Seen::default(), Seen::default());
    let mended = Arc::new(AtomicBool::new(false));
    let (noted, flag) = (seen.clone(), Arc::clone(&mended));
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        let mended = flag.load(Ordering::SeqCst);
        async move {
            if mended {
                return Ok(());
            }
            Err(HandlerError::permanent("down"))
        }
    };
    let kept = bus.subscribe("a.b", config(), handler).unwrap();
    let bystander = config().with_group("h");
    let aside = bus.subscribe("a.b", bystander, noting(&other)).unwrap();
    kept.ready().await.unwrap();
    aside.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1 && broker.acked("h") == 1).await;
    mended.store(true, Ordering::SeqCst);
    let letter = bus.dead_letters().await.unwrap().remove(0);
    bus.redrive(&letter.id).await.unwrap();
    until(|| broker.acked("g") == 2 && broker.acked("h") == 2).await;
    assert_eq!(seen.all(), [(1, 1), (1, 1)]);
    // Now it is known as handled, and somebody wants it handled once more.
    let transport = Fake(Arc::clone(&broker));
    transport.redeliver(&letter).await.unwrap();
    until(|| broker.acked("g") == 3 && broker.acked("h") == 3).await;
    assert_eq!(seen.all(), [(1, 1), (1, 1), (1, 1)]);
    assert_eq!(other.numbers(), [1]);
    assert!(bus.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_the_lease_keeps_its_event() {
    let broker = Broker::new();
    let (first, second) = (over(&broker), over(&broker));
    let seen = Seen::default();
    let slow = |seen: &Seen| {
        let noted = seen.clone();
        move |delivery: Delivery| {
            noted.note(&delivery);
            async {
                sleep(Duration::from_mins(1)).await;
                Ok(())
            }
        }
    };
    let lease = || config().with_lease(Duration::from_secs(3));
    let one = first.subscribe("a.b", lease(), slow(&seen)).unwrap();
    let two = second.subscribe("a.b", lease(), slow(&seen)).unwrap();
    one.ready().await.unwrap();
    two.ready().await.unwrap();
    first.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1)]);
    assert_eq!(broker.max_count("g"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hung_handler_is_cancelled_and_its_event_delivered_again() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let hang = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            if delivery.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    };
    let timed = config().with_handler_timeout(Duration::from_secs(5));
    let kept = bus.subscribe("a.b", timed, hang).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn order_per_key_survives_a_delayed_attempt() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        let fails = number(delivery.event()) == 0 && delivery.attempt() < 3;
        if !fails {
            noted.note(&delivery);
        }
        async move {
            if fails {
                return Err(HandlerError::retryable("not yet"));
            }
            Ok(())
        }
    };
    let four = config().with_concurrency(4);
    let kept = bus.subscribe("a.b", four, handler).unwrap();
    kept.ready().await.unwrap();
    for (key, number) in [("x", 0), ("x", 1), ("y", 10), ("x", 2), ("y", 11)] {
        bus.publish(keyed(key, number)).await.unwrap();
    }
    until(|| broker.acked("g") == 5).await;
    let numbers = seen.numbers();
    assert_eq!(numbers[..2], [10, 11], "another key is not held up");
    assert_eq!(numbers[2..], [0, 1, 2]);
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

/// One worker is at event 0, events 1 and 2 of one key wait, and 1 is lost.
async fn with_a_lost_one(comes_again: Duration) -> Vec<usize> {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let lease = Duration::from_secs(3);
    let alone = config().with_concurrency(1).with_lease(lease);
    let kept = bus.subscribe("a.b", alone, gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    for one in [keyed("x", 0), keyed("k", 1), keyed("k", 2), keyed("y", 3)] {
        bus.publish(one).await.unwrap();
    }
    until(|| broker.unsettled("g") == 4 && seen.numbers() == [0]).await;
    broker.lose("g", 1, comes_again);
    // The next renewal tells that it is lost.
    sleep(lease * 2 / 3).await;
    gate.add_permits(9);
    until(|| seen.numbers().len() >= 3 && broker.acked("g") >= 3).await;
    until(|| comes_again > LONG || broker.acked("g") == 4).await;
    seen.numbers()
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_not_overtaken_within_its_key_until_it_comes_again() {
    let order = with_a_lost_one(Duration::from_secs(6)).await;
    assert_eq!(order, [0, 3, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_for_good_holds_up_its_key_for_some_leases() {
    let order = with_a_lost_one(LONG * 2).await;
    assert_eq!(order, [0, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_batch_is_kept_while_the_first_of_it_is_taken_in() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let lease = config().with_lease(Duration::from_secs(1));
    // Stored before anybody reads, so that it comes as one batch.
    let early = bus.subscribe("a.b", lease.clone(), noting(&seen)).unwrap();
    early.ready().await.unwrap();
    drop(early);
    sleep(Duration::from_secs(1)).await;
    // Each takes longer than a lease to become a dead letter.
    broker.slow_letters.store(1_500, Ordering::SeqCst);
    for _ in 0..4 {
        broker.store_garbage(b"garbage");
    }
    publish_all(&bus, 0..8).await;
    let kept = bus.subscribe("a.b", lease, noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    until(|| broker.acked("g") == 12).await;
    assert_eq!(broker.redeliveries("g"), 0, "nobody got anything twice");
    assert_eq!(bus.stats().fenced, 0);
    assert_eq!(bus.dead_letters().await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn leases_are_kept_while_there_is_always_something_to_settle() {
    let broker = Broker::new();
    let bus = over(&broker);
    let done = Arc::new(AtomicBool::new(false));
    let slow = Arc::clone(&done);
    let handler = move |delivery: Delivery| {
        let slow = Arc::clone(&slow);
        async move {
            if number(delivery.event()) == 0 {
                sleep(Duration::from_secs(1)).await;
                slow.store(true, Ordering::SeqCst);
            } else {
                // Quicker than settling.
                sleep(Duration::from_micros(200)).await;
            }
            Ok(())
        }
    };
    let lease = config()
        .with_lease(Duration::from_millis(300))
        .with_concurrency(16);
    let kept = bus.subscribe("a.b", lease, handler).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(0)).await.unwrap();
    let mut next = 1;
    while !done.load(Ordering::SeqCst) {
        publish_all(&bus, next..next + 12).await;
        next += 12;
        sleep(Duration::from_millis(1)).await;
    }
    until(|| broker.acked("g") == next).await;
    assert_eq!(broker.redeliveries("g"), 0, "nobody got anything twice");
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

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_a_group_stays_when_nobody_is_there_to_take_it() {
    let broker = Broker::new();
    let bus = over(&broker);
    let healed = Arc::new(AtomicBool::new(false));
    let alone = SubscriptionConfig::default().with_name("alone");
    let now = Arc::clone(&healed);
    let handler = move |_: Delivery| {
        let healed = now.load(Ordering::SeqCst);
        async move {
            if healed {
                Ok(())
            } else {
                Err(HandlerError::permanent("no"))
            }
        }
    };
    let kept = bus.subscribe("a.b", alone, handler).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("alone") == 1).await;
    let letter = bus.dead_letters().await.unwrap().remove(0);
    let administrator = over(&broker);
    let refused = administrator.redrive(&letter.id).await.unwrap_err();
    assert!(matches!(refused, RedriveError::NoSubscription { .. }));
    assert_eq!(
        bus.dead_letters().await.unwrap().len(),
        1,
        "it is still there"
    );
    healed.store(true, Ordering::SeqCst);
    bus.redrive(&letter.id).await.unwrap();
    until(|| bus.stats().delivered == 1).await;
    assert!(bus.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_for_the_group_with_the_pattern_that_failed() {
    let broker = Broker::new();
    let bus = over(&broker);
    let (wide, narrow) = (Seen::default(), Seen::default());
    let failing = narrow.clone();
    let fail_once = move |delivery: Delivery| {
        failing.note(&delivery);
        let first = failing.all().len() == 1;
        async move {
            if first {
                Err(HandlerError::permanent("no"))
            } else {
                Ok(())
            }
        }
    };
    // The broker of these tests knows groups by their name, so each has one of its own.
    let other = over(&broker);
    let _wide = other
        .subscribe("a.*", config().with_name("wide"), noting(&wide))
        .unwrap();
    let kept = bus
        .subscribe("a.b", config().with_group("g2"), fail_once)
        .unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g2") == 1).await;
    let letter = bus.dead_letters().await.unwrap().remove(0);
    assert_eq!(&*letter.redrive_group(), "g2 a.b");
    bus.redrive(&letter.id).await.unwrap();
    until(|| narrow.all().len() == 2).await;
    assert!(wide.all().len() <= 1, "others pass over it");
}
