//! How a bus, and one subscription of it, come to an end in good order.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{
    Bus, BusConfig, Delivery, HandlerError, Overflow, ResponderConfig, SubscriptionConfig,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Fake};
use crate::support::{LONG, Seen, event, gated, keyed, noting, number, publish_all, quiet};

const WITHIN: Duration = Duration::from_secs(30);

fn over(broker: &Arc<Broker>) -> Bus {
    Bus::over(Arc::new(Fake(Arc::clone(broker))), &BusConfig::default())
}

fn grouped() -> SubscriptionConfig {
    SubscriptionConfig::default().with_group("g")
}

/// A handler that has every event tried again after some time, once.
fn later(
    seen: &Seen,
    after: Duration,
) -> impl Fn(Delivery) -> std::future::Ready<Result<(), HandlerError>> + use<> {
    let seen = seen.clone();
    move |delivery| {
        seen.note(&delivery);
        std::future::ready(match delivery.attempt() {
            1 => Err(HandlerError::retryable_after(after, "later")),
            _ => Ok(()),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_what_is_due_after_its_deadline() {
    let (local, broker) = (Bus::default(), Broker::new());
    let remote = over(&broker);
    for bus in [&local, &remote] {
        let seen = Seen::default();
        let hourly = later(&seen, Duration::from_hours(1));
        let kept = bus.subscribe("a.b", grouped(), hourly).unwrap();
        kept.ready().await.unwrap();
        bus.publish(keyed("k", 1)).await.unwrap();
        bus.publish(keyed("k", 2)).await.unwrap();
        while kept.stats().failed == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let start = Instant::now();
        let report = bus.drain(WITHIN).await;
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        let left: Vec<_> = report
            .abandoned
            .iter()
            .map(|one| number(&one.event))
            .collect();
        assert_eq!((report.settled, left), (0, vec![1, 2]));
    }
    assert_eq!(broker.unsettled("g"), 0, "it was given back");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_is_due_before_its_deadline() {
    let bus = Bus::default();
    let seen = Seen::default();
    let soon = later(&seen, Duration::from_secs(10));
    let _kept = bus.subscribe("a.b", grouped(), soon).unwrap();
    publish_all(&bus, 0..2).await;
    quiet().await;
    let start = Instant::now();
    let report = bus.drain(WITHIN).await;
    assert_eq!((report.settled, report.abandoned.len()), (2, 0));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(9) && took < WITHIN, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_group_that_all_have_left() {
    let bus = Bus::default();
    let kept = bus
        .subscribe("a.b", grouped(), noting(&Seen::default()))
        .unwrap();
    drop(kept);
    publish_all(&bus, 0..3).await;
    let start = Instant::now();
    let report = bus.drain(WITHIN).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(report.abandoned.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_in_vain_holds_up_no_drain() {
    let bus = Bus::default();
    let hourly = later(&Seen::default(), Duration::from_hours(1));
    let config = grouped().with_queue(1, Overflow::Block);
    let kept = bus.subscribe("a.b", config, hourly).unwrap();
    publish_all(&bus, 0..1).await;
    while kept.stats().failed == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let publisher = bus.clone();
    let blocked = tokio::spawn(async move { publisher.publish(event(1)).await });
    quiet().await;
    let start = Instant::now();
    let report = bus.drain(WITHIN).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(report.abandoned.len(), 1);
    let receipt = blocked.await.unwrap().unwrap();
    assert_eq!(receipt.accepted(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_subscription_handles_what_it_has_and_ends_while_the_others_go_on() {
    let bus = Bus::default();
    let (first, second) = (Seen::default(), Seen::default());
    let gate = Arc::new(Semaphore::new(0));
    let config = SubscriptionConfig::default;
    let ending = bus
        .subscribe("a.b", config(), gated(&first, &gate))
        .unwrap();
    let _kept = bus.subscribe("a.b", config(), noting(&second)).unwrap();
    publish_all(&bus, 0..3).await;
    quiet().await;
    let draining = tokio::spawn(ending.drain(WITHIN));
    quiet().await;
    publish_all(&bus, 3..5).await;
    gate.add_permits(9);
    let report = draining.await.unwrap();
    assert_eq!((report.settled, report.abandoned.len()), (3, 0));
    publish_all(&bus, 5..6).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(first.numbers(), [0, 1, 2]);
    assert_eq!(second.numbers(), [0, 1, 2, 3, 4, 5]);
    let stats = bus.stats();
    assert_eq!((stats.subscribers, stats.delivered), (1, 9));
}

#[tokio::test(start_paused = true)]
async fn what_a_subscription_does_not_finish_in_time_is_cancelled_and_named() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let config = SubscriptionConfig::default();
    let ending = bus.subscribe("a.b", config, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..2).await;
    quiet().await;
    let start = Instant::now();
    let report = ending.drain(WITHIN).await;
    assert_eq!(start.elapsed().as_secs(), WITHIN.as_secs());
    let left: Vec<_> = report
        .abandoned
        .iter()
        .map(|one| number(&one.event))
        .collect();
    assert_eq!((report.settled, left), (0, vec![0, 1]));
    assert_eq!(bus.stats().abandoned, 2);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_a_broker_gives_back_what_it_does_not_finish() {
    let broker = Broker::new();
    let (ending_bus, other_bus) = (over(&broker), over(&broker));
    let (first, second) = (Seen::default(), Seen::default());
    let gate = Arc::new(Semaphore::new(0));
    let config = grouped().with_queue(8, Overflow::Block);
    let ending = ending_bus
        .subscribe("a.b", config, gated(&first, &gate))
        .unwrap();
    ending.ready().await.unwrap();
    publish_all(&ending_bus, 0..12).await;
    while ending.stats().waiting < 7 {
        sleep(Duration::from_millis(1)).await;
    }
    gate.add_permits(3);
    // The fourth never ends.
    let report = ending.drain(WITHIN).await;
    assert_eq!(report.settled, 3);
    assert_eq!(broker.unsettled("g"), 0);
    assert_eq!(broker.acked("g"), 3);
    let kept = other_bus
        .subscribe("a.b", grouped(), noting(&second))
        .unwrap();
    kept.ready().await.unwrap();
    while broker.acked("g") < 12 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut rest = second.numbers();
    rest.sort_unstable();
    assert_eq!(rest, (3..12).collect::<Vec<_>>());
    assert!(ending_bus.health().await.open, "the bus goes on");
}

#[tokio::test(start_paused = true)]
async fn a_member_of_a_group_finishes_what_it_is_at_and_leaves_the_rest() {
    let bus = Bus::default();
    let (first, second) = (Seen::default(), Seen::default());
    let (slow, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let two = grouped().with_concurrency(2);
    let ending = bus
        .subscribe("a.b", two.clone(), gated(&first, &slow))
        .unwrap();
    quiet().await;
    publish_all(&bus, 0..2).await;
    quiet().await;
    let _staying = bus
        .subscribe("a.b", grouped(), gated(&second, &gate))
        .unwrap();
    publish_all(&bus, 2..6).await;
    quiet().await;
    let draining = tokio::spawn(ending.drain(WITHIN));
    quiet().await;
    // While the other is at something all the time.
    slow.add_permits(2);
    let start = Instant::now();
    let report = draining.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((report.settled, report.abandoned.len()), (2, 0));
    assert_eq!(first.numbers(), [0, 1], "it began with nothing more");
    // Its places are free again.
    let third = Seen::default();
    let _joined = bus.subscribe("a.b", two, noting(&third)).unwrap();
    gate.add_permits(9);
    assert!(bus.idle(LONG).await);
    let mut rest = [second.numbers(), third.numbers()].concat();
    rest.sort_unstable();
    assert_eq!(rest, [2, 3, 4, 5]);
    assert!(!third.numbers().is_empty(), "{:?}", second.numbers());
    assert_eq!(bus.health().await.subscriptions[0].workers, 3);
    let stats = bus.stats();
    assert_eq!((stats.delivered, stats.abandoned), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_finish_in_time_leaves_that_to_the_group() {
    let bus = Bus::default();
    let (first, second) = (Seen::default(), Seen::default());
    let never = Arc::new(Semaphore::new(0));
    let ending = bus
        .subscribe("a.b", grouped(), gated(&first, &never))
        .unwrap();
    publish_all(&bus, 0..2).await;
    quiet().await;
    let _staying = bus.subscribe("a.b", grouped(), noting(&second)).unwrap();
    let report = ending.drain(WITHIN).await;
    assert!(report.abandoned.is_empty());
    assert!(bus.idle(LONG).await);
    let mut handled = second.numbers();
    handled.sort_unstable();
    assert_eq!(handled, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_drain_of_a_subscription_ends_it_at_once() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let config = SubscriptionConfig::default();
    let ending = bus.subscribe("a.b", config, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..2).await;
    quiet().await;
    let draining = tokio::spawn(ending.drain(WITHIN));
    quiet().await;
    draining.abort();
    quiet().await;
    let stats = bus.stats();
    assert_eq!(
        (stats.subscribers, stats.abandoned, stats.pending),
        (0, 2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_leaves_its_transport_open_lets_another_go_on() {
    let broker = Broker::new();
    let transport = Arc::new(Fake(Arc::clone(&broker)));
    let config = BusConfig::default();
    let first = Bus::over(
        Arc::<Fake>::clone(&transport),
        &config.clone().with_transport_left_open(),
    );
    let second = Bus::over(transport, &config);
    let seen = Seen::default();
    let kept = second.subscribe("a.b", grouped(), noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    first.drain(WITHIN).await;
    publish_all(&second, 0..1).await;
    while seen.numbers().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    second.drain(WITHIN).await;
    assert_eq!(seen.numbers(), [0]);
    assert!(broker.closed.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_makes_a_drain_six_seconds_longer_and_no_more() {
    let broker = Broker::new();
    broker
        .hangs
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let bus = over(&broker);
    let (seen, never) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let kept = bus
        .subscribe("a.b", grouped(), gated(&seen, &never))
        .unwrap();
    kept.ready().await.unwrap();
    let answer = |_| std::future::pending();
    let responder = bus.respond("a.c", ResponderConfig::default(), answer);
    responder.as_ref().unwrap().ready().await.unwrap();
    publish_all(&bus, 0..1).await;
    while seen.numbers().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    let start = Instant::now();
    bus.drain(WITHIN).await;
    let more = start.elapsed().checked_sub(WITHIN).unwrap();
    let limit = Duration::from_millis(6_010);
    assert!(more <= limit, "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_one_that_is_ending_goes_to_another_of_its_name() {
    let (bus, gate) = (Bus::default(), Arc::new(Semaphore::new(0)));
    let hold = gated(&Seen::default(), &gate);
    let handler = move |delivery: Delivery| {
        let waiting = (number(delivery.event()) > 0).then(|| hold(delivery));
        async move {
            match waiting {
                Some(waiting) => waiting.await,
                None => Err(HandlerError::permanent("no")),
            }
        }
    };
    let first = bus
        .subscribe("a.b", SubscriptionConfig::default(), handler)
        .unwrap();
    publish_all(&bus, 0..2).await;
    sleep(Duration::from_secs(1)).await;
    let letter = bus.dead_letters().await.unwrap().remove(0);
    let ending = tokio::spawn(first.drain(LONG));
    sleep(Duration::from_secs(1)).await;
    let seen = Seen::default();
    let _next = bus
        .subscribe("a.b", SubscriptionConfig::default(), noting(&seen))
        .unwrap();
    bus.redrive(&letter.id).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.numbers(), [0]);
    gate.add_permits(1);
    ending.await.unwrap();
}
