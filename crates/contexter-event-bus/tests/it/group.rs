//! Groups in process: members share, groups do not, and what a member leaves goes to the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::{
    Acceptance, Bus, Delivery, HandlerError, Outcome, Overflow, Start, SubscriptionConfig,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::support::{LONG, Seen, event, gated, keyed, noting, number, publish_all, quiet};

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default().with_group("g")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_publishers_and_fifty_members_lose_and_double_nothing() {
    let bus = Bus::default();
    let seen = Seen::default();
    let _members: Vec<_> = (0..50)
        .map(|_| bus.subscribe("a.b", config(), noting(&seen)).unwrap())
        .collect();
    let publishers: Vec<_> = (0..50)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                publish_all(&bus, publisher * 100..(publisher + 1) * 100).await;
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert!(bus.idle(Duration::from_mins(1)).await);
    let mut numbers = seen.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..5_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn each_group_gets_everything_and_its_members_share_it() {
    let bus = Bus::default();
    let seen = [Seen::default(), Seen::default(), Seen::default()];
    let [first, second, other] = &seen;
    let gate = Arc::new(Semaphore::new(0));
    let _first = bus.subscribe("a.b", config(), gated(first, &gate)).unwrap();
    let _second = bus
        .subscribe("a.b", config(), gated(second, &gate))
        .unwrap();
    let of_other = config().with_group("h");
    let _other = bus.subscribe("a.b", of_other, noting(other)).unwrap();
    publish_all(&bus, 0..10).await;
    quiet().await;
    assert_eq!((first.numbers().len(), second.numbers().len()), (1, 1));
    gate.add_permits(100);
    assert!(bus.idle(LONG).await);
    let mut both = first.numbers();
    both.extend(second.numbers());
    both.sort_unstable();
    assert_eq!(both, (0..10).collect::<Vec<_>>());
    assert_eq!(other.numbers(), (0..10).collect::<Vec<_>>());
    assert_eq!(bus.stats().subscribers, 2, "two queues");
}

#[tokio::test(start_paused = true)]
async fn members_keep_the_order_of_keys_between_them() {
    let bus = Bus::default();
    let done = Seen::default();
    let handler = || {
        let noted = done.clone();
        move |delivery: Delivery| {
            let noted = noted.clone();
            async move {
                let wait = 10 - number(delivery.event()) % 10;
                tokio::time::sleep(Duration::from_millis(wait as u64)).await;
                noted.note(&delivery);
                Ok(())
            }
        }
    };
    let _members: Vec<_> = (0..10)
        .map(|_| bus.subscribe("a.b", config(), handler()).unwrap())
        .collect();
    for number in 0..200 {
        let key = (number % 16).to_string();
        bus.publish(keyed(&key, number)).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    let numbers = done.numbers();
    assert_eq!(numbers.len(), 200);
    for key in 0..16 {
        let of_key = numbers.iter().filter(|number| *number % 16 == key);
        assert!(of_key.is_sorted());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_was_at_goes_to_the_next_with_the_same_attempt() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let first = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..3).await;
    quiet().await;
    drop(first);
    let taken = bus.publish(event(3)).await.unwrap();
    assert_eq!(taken.accepted(), 1, "the group is there without members");
    assert!(!bus.health().await.is_healthy(), "and that is to be seen");
    let next = Seen::default();
    let _second = bus.subscribe("a.b", config(), noting(&next)).unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!(next.all(), [(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert!(bus.health().await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_deserted_group_keeps_what_fits_and_refuses_the_rest() {
    let bus = Bus::default();
    let seen = Seen::default();
    let small = config().with_queue(2, Overflow::Block);
    drop(bus.subscribe("a.b", small, noting(&seen)).unwrap());
    let mut taken = Vec::new();
    for number in 0..4 {
        let receipt = bus.publish(event(number)).await.unwrap();
        taken.extend(receipt.deliveries().map(|(_, how)| how));
    }
    let (yes, no) = (Acceptance::Accepted, Acceptance::Rejected);
    assert_eq!(taken, [yes, yes, no, no]);
    assert_eq!(bus.forget_group("g"), Some(2));
    assert_eq!(bus.forget_group("g"), None);
    assert!(bus.publish(event(9)).await.unwrap().has_no_subscriber());
    assert_eq!(bus.stats().abandoned, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_that_come_and_go_at_once_leave_a_group_that_works() {
    let bus = Bus::default();
    let coming: Vec<_> = (0..10)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in 0..20 {
                    let slow = |_: Delivery| async {
                        tokio::task::yield_now().await;
                        Err(HandlerError::retryable("leaving"))
                    };
                    let many = config().with_attempts(1_000, MILLI, MILLI);
                    let member = bus.subscribe("a.b", many, slow).unwrap();
                    bus.publish(event(1_000 + number)).await.unwrap();
                    drop(member);
                }
            })
        })
        .collect();
    for task in coming {
        task.await.unwrap();
    }
    let seen = Seen::default();
    let _member = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    publish_all(&bus, 0..50).await;
    assert!(bus.idle(Duration::from_mins(1)).await);
    let numbers: BTreeSet<_> = seen.numbers().into_iter().collect();
    assert!((0..50).all(|number| numbers.contains(&number)));
    assert_eq!(bus.stats().dead_lettered, 0);
}

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_late_subscription_may_begin_with_what_is_stored() {
    let bus = Bus::default();
    publish_all(&bus, 0..5).await;
    let (all, new) = (Seen::default(), Seen::default());
    let earliest = SubscriptionConfig::default().with_start(Start::Earliest);
    let _all = bus.subscribe("a.b", earliest, noting(&all)).unwrap();
    let _new = bus
        .subscribe("a.b", SubscriptionConfig::default(), noting(&new))
        .unwrap();
    publish_all(&bus, 5..7).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(all.numbers(), (0..7).collect::<Vec<_>>());
    assert_eq!(new.numbers(), [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_recognised_where_that_is_wanted_but_not_after_a_failure() {
    let bus = Bus::default();
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
    let once = SubscriptionConfig::default().with_deduplication(true);
    let _kept = bus.subscribe("a.b", once, fail_once).unwrap();
    let same = Arc::new(event(1));
    let first = bus
        .publish_and_settle(Arc::clone(&same), LONG)
        .await
        .unwrap();
    let again = bus.publish_and_settle(same, LONG).await.unwrap();
    let outcome = |settlement: &contexter_event_bus::Settlement| {
        let (_, outcome) = settlement.outcomes().next().unwrap();
        outcome.clone()
    };
    assert_eq!(outcome(&first), Outcome::Handled { attempts: 2 });
    assert_eq!(outcome(&again), Outcome::Duplicate);
    assert_eq!(seen.all(), [(1, 1), (1, 2)]);
    assert_eq!(bus.stats().duplicates, 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_in_one_go_come_before_the_first_delay() {
    let bus = Bus::default();
    let seen = Seen::default();
    let noted = seen.clone();
    let fail = move |delivery: Delivery| {
        noted.note(&delivery);
        async { Err::<(), _>(HandlerError::retryable("no")) }
    };
    let config = SubscriptionConfig::default()
        .with_attempts(5, Duration::from_secs(10), Duration::from_secs(10))
        .with_attempts_in_one_go(3);
    let _kept = bus.subscribe("a.b", config, fail).unwrap();
    bus.publish(event(1)).await.unwrap();
    quiet().await;
    assert_eq!(seen.all(), [(1, 1), (1, 2), (1, 3)]);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.all().len(), 5);
}

/// Holds a thread in a computation until it is opened, without an `.await`.
#[derive(Debug, Default)]
struct Gate {
    inside: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn compute(&self) {
        self.inside.store(true, Ordering::SeqCst);
        let mut open = self.open.lock();
        while !*open {
            let waited = self.opened.wait_for(&mut open, PATIENCE);
            assert!(!waited.timed_out(), "nobody opens it");
        }
    }

    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_that_leaves_in_the_middle_of_a_computation_takes_nothing_more() {
    for joins in [false, true] {
        let bus = Bus::default();
        let group = SubscriptionConfig::default().with_group("g");
        let gate = Arc::new(Gate::default());
        let of_leaver = Arc::clone(&gate);
        let leaver = bus.subscribe("a.b", group.clone(), move |delivery: Delivery| {
            let gate = Arc::clone(&of_leaver);
            async move {
                if number(delivery.event()) == 0 {
                    gate.compute();
                }
                Ok(())
            }
        });
        let leaver = leaver.unwrap();
        bus.publish(event(0)).await.unwrap();
        let begun = Instant::now();
        while !gate.inside.load(Ordering::SeqCst) {
            assert!(begun.elapsed() < PATIENCE, "it never begins");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        publish_all(&bus, 1..6).await;
        drop(leaver);
        let seen = Seen::default();
        let stays = joins.then(|| bus.subscribe("a.b", group.clone(), noting(&seen)).unwrap());
        gate.open();
        // The old worker may take what it must not.
        quiet().await;
        let stays = stays.unwrap_or_else(|| bus.subscribe("a.b", group, noting(&seen)).unwrap());
        assert!(bus.idle(PATIENCE).await, "{:?}", stays.stats());
        let mut numbers = seen.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "each reaches who stays");
        assert_eq!(stays.stats().delivered, 6);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_while_a_group_is_forgotten_is_in_one_that_works() {
    let bus = Bus::default();
    for number in 0..200 {
        let member = bus
            .subscribe("a.b", config().with_group("g"), noting(&Seen::default()))
            .unwrap();
        drop(member);
        let forgetting = bus.clone();
        let forgetting = tokio::task::spawn_blocking(move || forgetting.forget_group("g"));
        let seen = Seen::default();
        let _joined = bus
            .subscribe("a.b", config().with_group("g"), noting(&seen))
            .unwrap();
        forgetting.await.unwrap();
        bus.publish(event(number)).await.unwrap();
        assert!(bus.idle(LONG).await);
        assert_eq!(seen.numbers(), [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_tried_again_is_not_forgotten_when_whoever_waits_for_it_leaves() {
    for drains in [false, true] {
        let bus = Bus::default();
        let fail = |_: Delivery| async {
            let after = Duration::from_secs(10);
            Err::<(), _>(HandlerError::retryable_after(after, "later"))
        };
        let leaves = bus.subscribe("a.b", config(), fail).unwrap();
        quiet().await;
        let seen = Seen::default();
        // It has gone to sleep, with nothing to wait for, before the event comes to the other.
        let _stays = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
        quiet().await;
        bus.publish(event(1)).await.unwrap();
        quiet().await;
        assert_eq!(leaves.stats().failed, 1);
        if drains {
            leaves.drain(Duration::from_secs(1)).await;
        } else {
            drop(leaves);
        }
        assert!(bus.idle(Duration::from_secs(11)).await, "drains: {drains}");
        assert_eq!(seen.all(), [(1, 2)]);
    }
}
