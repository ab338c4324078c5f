//! Dead letters without a group at a broker, given to their subscription again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::{
    Bus, Delivery, HandlerError, RedriveError, Subscription, SubscriptionConfig,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{over, until};
use crate::broker::Broker;
use crate::support::{LONG, Seen, event, gated, noting, number, publish_all};

/// A subscription without a group with so many dead letters, which waits for permits of a gate from
/// now on.
async fn with_letters(
    broker: &Arc<Broker>,
    letters: usize,
    gate: &Arc<Semaphore>,
) -> (Bus, Subscription, Seen) {
    let (bus, seen) = (over(broker), Seen::default());
    let handle = gated(&seen, gate);
    let fail = move |delivery: Delivery| {
        let redriven = delivery.is_redriven() || number(delivery.event()) >= 1_000;
        let handled = redriven.then(|| handle(delivery));
        async move {
            match handled {
                Some(handled) => handled.await,
                None => Err(HandlerError::permanent("no")),
            }
        }
    };
    let alone = SubscriptionConfig::default().with_name("alone");
    let alone = alone
        .with_lease(Duration::from_secs(3))
        .with_concurrency(32);
    let kept = bus.subscribe("a.b", alone, fail).unwrap();
    kept.ready().await.unwrap();
    publish_all(&bus, 0..letters).await;
    until(|| broker.acked("alone") == letters).await;
    (bus, kept, seen)
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
async fn a_dead_letter_without_a_group_stays_until_its_event_is_settled() {
    let broker = Broker::new();
    let gate = Arc::new(Semaphore::new(0));
    let alone = || SubscriptionConfig::default().with_name("alone");
    let bus = over(&broker);
    let fail = |_: Delivery| async { Err::<(), _>(HandlerError::permanent("no")) };
    let kept = bus.subscribe("a.b", alone(), fail).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("alone") == 1).await;
    drop(kept);
    let letter = bus.dead_letters().await.unwrap().remove(0);
    let seen = Seen::default();
    let kept = bus.subscribe("a.b", alone(), gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    bus.redrive(&letter.id).await.unwrap();
    until(|| seen.numbers() == [1]).await;
    let report = kept.drain(Duration::from_secs(1)).await;
    assert_eq!(report.abandoned.len(), 1);
    assert_eq!(bus.dead_letters().await.unwrap().len(), 1, "it is not lost");
    let kept = bus.subscribe("a.b", alone(), gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    bus.redrive(&letter.id).await.unwrap();
    until(|| seen.numbers() == [1, 1]).await;
    let again = bus.redrive(&letter.id).await.unwrap_err();
    assert!(matches!(again, RedriveError::UnderWay { .. }), "{again}");
    gate.add_permits(1);
    kept.drain(Duration::from_secs(1)).await;
    assert!(bus.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_a_group_that_fails_again_stays_as_it_is_if_it_cannot_be_stored_again()
 {
    let broker = Broker::new();
    let seen = Seen::default();
    let noted = seen.clone();
    let fail = move |delivery: Delivery| {
        noted.note(&delivery);
        async { Err::<(), _>(HandlerError::retryable("not yet")) }
    };
    let bus = over(&broker);
    let second = Duration::from_secs(1);
    let alone = SubscriptionConfig::default().with_name("alone");
    let alone = alone.with_attempts(2, second, second);
    let kept = bus.subscribe("a.b", alone, fail).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("alone") == 1).await;
    let before = bus.dead_letters().await.unwrap();
    broker.refuse_dead_letters.store(true, Ordering::SeqCst);
    bus.redrive(&before[0].id).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    broker.refuse_dead_letters.store(false, Ordering::SeqCst);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 1), (1, 2)]);
    assert_eq!(bus.dead_letters().await.unwrap(), before);
    // It can be given to the handler once more.
    bus.redrive(&before[0].id).await.unwrap();
    until(|| seen.all().len() == 6).await;
}

#[tokio::test(start_paused = true)]
async fn removing_dead_letters_keeps_no_lease_from_being_renewed() {
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(0)));
    let (bus, kept, seen) = with_letters(&broker, 10, &gate).await;
    broker.slow_removals.store(20_000, Ordering::SeqCst);
    for letter in bus.dead_letters().await.unwrap() {
        bus.redrive(&letter.id).await.unwrap();
    }
    until(|| seen.all().len() == 10).await;
    bus.publish(event(1_000)).await.unwrap();
    until(|| seen.all().len() == 11).await;
    gate.add_permits(10);
    sleep(Duration::from_secs(30)).await;
    gate.add_permits(1);
    until(|| broker.unsettled("alone") == 0).await;
    assert_eq!(broker.redeliveries("alone"), 0);
    assert!(bus.dead_letters().await.unwrap().is_empty());
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_was_handled_again_is_removed_as_soon_as_that_is_possible() {
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(9)));
    let (bus, kept, seen) = with_letters(&broker, 1, &gate).await;
    broker.fail_removals.store(2, Ordering::SeqCst);
    let letter = bus.dead_letters().await.unwrap().remove(0);
    bus.redrive(&letter.id).await.unwrap();
    until(|| kept.stats().delivered == 1).await;
    let again = bus.redrive(&letter.id).await.unwrap_err();
    assert!(matches!(again, RedriveError::UnderWay { .. }), "{again}");
    sleep(Duration::from_secs(5)).await;
    assert!(bus.dead_letters().await.unwrap().is_empty());
    assert_eq!(seen.numbers(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_removed_holds_up_no_drain() {
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(9)));
    let (bus, kept, _seen) = with_letters(&broker, 1, &gate).await;
    broker.fail_removals.store(1_000, Ordering::SeqCst);
    let letter = bus.dead_letters().await.unwrap().remove(0);
    bus.redrive(&letter.id).await.unwrap();
    until(|| kept.stats().delivered == 1).await;
    let start = Instant::now();
    bus.drain(LONG).await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_about_to_redrive_a_letter_is_the_only_one_from_before_it_is_read() {
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(0)));
    let (bus, kept, seen) = with_letters(&broker, 1, &gate).await;
    let letter = bus.dead_letters().await.unwrap().remove(0);
    bus.redrive(&letter.id).await.unwrap();
    broker.slow_lists.store(1_000, Ordering::SeqCst);
    // It is read while the first is still at it, and arrives when that has come to its end.
    let (other, id) = (bus.clone(), letter.id.clone());
    let second = tokio::spawn(async move { other.redrive(&id).await });
    sleep(Duration::from_millis(100)).await;
    gate.add_permits(9);
    until(|| kept.stats().delivered == 1).await;
    let second = second.await.unwrap().unwrap_err();
    assert!(matches!(second, RedriveError::UnderWay { .. }), "{second}");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(seen.numbers(), [0]);
    assert!(bus.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_redriven_once_also_when_another_subscription_has_taken_the_place_of_the_first()
{
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(0)));
    let (bus, kept, seen) = with_letters(&broker, 2, &gate).await;
    let letters = bus.dead_letters().await.unwrap();
    bus.redrive(&letters[0].id).await.unwrap();
    until(|| seen.numbers() == [0]).await;
    let ending = tokio::spawn(kept.drain(LONG));
    sleep(Duration::from_secs(1)).await;
    let taken = Seen::default();
    let alone = SubscriptionConfig::default().with_name("alone");
    let next = bus.subscribe("a.b", alone, noting(&taken)).unwrap();
    next.ready().await.unwrap();
    let again = bus.redrive(&letters[0].id).await.unwrap_err();
    assert!(matches!(again, RedriveError::UnderWay { .. }), "{again}");
    // The first takes nothing in any more.
    bus.redrive(&letters[1].id).await.unwrap();
    until(|| taken.numbers() == [1]).await;
    gate.add_permits(9);
    ending.await.unwrap();
    until(|| next.stats().delivered == 1).await;
    assert_eq!(seen.numbers(), [0]);
}

#[tokio::test(start_paused = true)]
async fn of_several_namesakes_none_takes_the_place_of_a_subscription_that_has_ended() {
    let (broker, gate) = (Broker::new(), Arc::new(Semaphore::new(0)));
    let (bus, kept, _seen) = with_letters(&broker, 1, &gate).await;
    let letter = bus.dead_letters().await.unwrap().remove(0);
    let alone = || SubscriptionConfig::default().with_name("alone");
    let (one, two) = (Seen::default(), Seen::default());
    let first = bus.subscribe("a.b", alone(), noting(&one)).unwrap();
    let second = bus.subscribe("a.b", alone(), noting(&two)).unwrap();
    first.ready().await.unwrap();
    second.ready().await.unwrap();
    drop(kept);
    let several = bus.redrive(&letter.id).await.unwrap_err();
    let said = several.to_string();
    assert!(
        matches!(several, RedriveError::SeveralSubscriptions { .. }),
        "{said}"
    );
    assert_eq!(bus.dead_letters().await.unwrap().len(), 1, "it is kept");
    drop(first);
    bus.redrive(&letter.id).await.unwrap();
    until(|| two.numbers() == [0]).await;
    assert!(one.numbers().is_empty());
}
