//! Failures that no further attempt can mend.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::{
    Bus, BusConfig, Delivery, FailureKind, HandlerError, Overflow, RedriveError, SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::rag::DocumentProcessed;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::support::{LONG, Seen, config, event, gated, noting, number, publish_all, quiet, typed};

fn three_attempts() -> contexter_event_bus::SubscriptionConfig {
    config().with_attempts(3, Duration::from_secs(1), Duration::from_secs(1))
}

#[tokio::test(start_paused = true)]
async fn poison_becomes_a_dead_letter_and_the_next_event_arrives() {
    let bus = Bus::default();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            match number(delivery.event()) {
                0 => Err(HandlerError::retryable("database is down")),
                _ => Ok(()),
            }
        }
    };
    let named = three_attempts().with_name("indexer");
    let _kept = bus.subscribe("a.b", named, handler).unwrap();
    publish_all(&bus, 0..2).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.all(), [(0, 1), (1, 1), (0, 2), (0, 3)]);
    let letters = bus.dead_letters().await.unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(number(letter.event().unwrap()), 0);
    assert_eq!(&*letter.subscription, "indexer");
    assert_eq!((letter.attempts, letter.kind), (3, FailureKind::Retryable));
    assert_eq!(letter.error, "database is down");
    assert!(letter.first_failed <= letter.last_failed);
    let stats = bus.stats();
    assert_eq!(
        (stats.dead_lettered, stats.dead_letters, stats.failed),
        (1, 1, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_tried_again() {
    let bus = Bus::default();
    let source = std::io::Error::other("disk");
    let _kept = bus
        .subscribe("a.b", three_attempts(), move |_| {
            let error = std::io::Error::new(source.kind(), "no such library");
            async { Err(HandlerError::permanent(error)) }
        })
        .unwrap();
    let start = Instant::now();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    assert!(start.elapsed() < Duration::from_millis(10));
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(
        (letters[0].attempts, letters[0].kind),
        (1, FailureKind::Permanent)
    );
}

/// An error whose message cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    #[expect(clippy::panic, reason = "an error of a handler may do anything")]
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no message")
    }
}

impl std::error::Error for Unprintable {}

/// A value that cannot be dropped.
struct Hostile;

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "not to be dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_an_error_nor_a_future_that_panics_takes_the_worker_along() {
    let bus = Bus::default();
    let config = SubscriptionConfig::default()
        .with_attempts(1, Duration::from_millis(1), Duration::from_millis(1))
        .with_handler_timeout(Duration::from_secs(1));
    let subscription = bus
        .subscribe(
            "hostile",
            config,
            async |delivery: Delivery| match delivery.event().subject() {
                Some("hang") => {
                    let _undroppable = Hostile;
                    std::future::pending().await
                }
                Some("fail") => Err(HandlerError::permanent(Box::new(Unprintable))),
                _ => Ok(()),
            },
        )
        .unwrap();
    for subject in ["hang", "fail", "fine"] {
        let event = IntegrationEvent::builder("test", "hostile").subject(subject);
        bus.publish(event.build().unwrap()).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    let stats = bus.stats();
    assert_eq!((stats.delivered, stats.dead_letters), (1, 2));
    drop(subscription);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_that_stays_inside_its_attempt() {
    let bus = Bus::default();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        // Both before and inside the future.
        assert!(number(delivery.event()) != 0, "zero is unlucky");
        async move {
            tokio::task::yield_now().await;
            match number(delivery.event()) {
                1 => panic!("one is {}", "unlucky, too"),
                _ => Ok(()),
            }
        }
    };
    let _kept = bus.subscribe("a.b", three_attempts(), handler).unwrap();
    publish_all(&bus, 0..3).await;
    assert!(bus.idle(LONG).await);
    let mut letters = bus.dead_letters().await.unwrap();
    letters.sort_by_key(|letter| number(letter.event().unwrap()));
    let told: Vec<_> = letters
        .iter()
        .map(|l| (l.kind, l.attempts, &*l.error))
        .collect();
    assert_eq!(
        told,
        [
            (
                FailureKind::Panicked,
                3,
                "handler panicked: zero is unlucky"
            ),
            (
                FailureKind::Panicked,
                3,
                "handler panicked: one is unlucky, too"
            ),
        ]
    );
    assert_eq!(bus.stats().delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_cancelled_and_tried_again() {
    struct Cancelled(Arc<AtomicBool>);
    impl Drop for Cancelled {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let bus = Bus::default();
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let handler = move |delivery: Delivery| {
        let guard = Cancelled(Arc::clone(&flag));
        async move {
            if delivery.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            std::mem::forget(guard);
            Ok(())
        }
    };
    let timed = three_attempts().with_handler_timeout(Duration::from_secs(5));
    let _kept = bus.subscribe("a.b", timed, handler).unwrap();
    let start = Instant::now();
    assert!(
        bus.publish_and_settle(event(0), LONG)
            .await
            .unwrap()
            .is_handled()
    );
    assert!(cancelled.load(Ordering::SeqCst));
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(5_500), "{waited:?}");
    assert!(waited < Duration::from_millis(6_100), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn data_of_another_shape_is_a_dead_letter_without_reaching_the_handler() {
    let bus = Bus::default();
    let _kept = bus
        .subscribe_to(three_attempts(), |_: DocumentProcessed, _| async {
            panic!("the handler must not run")
        })
        .unwrap();
    bus.publish(typed("document.processed", 5)).await.unwrap();
    assert!(bus.idle(LONG).await);
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(
        (letters[0].attempts, letters[0].kind),
        (1, FailureKind::Undecodable)
    );
    assert!(
        letters[0].error.contains("invalid type: integer"),
        "{}",
        letters[0].error
    );
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_handled_with_all_attempts_before_it() {
    let bus = Bus::default();
    let (seen, mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
    let (noted, flag) = (seen.clone(), Arc::clone(&mended));
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        let mended = flag.load(Ordering::SeqCst);
        async move {
            if mended && delivery.attempt() == 2 {
                return Ok(());
            }
            Err(HandlerError::retryable("down"))
        }
    };
    let two = config().with_attempts(2, Duration::from_secs(1), Duration::from_secs(1));
    let _kept = bus.subscribe("a.b", two, handler).unwrap();
    let bystander = Seen::default();
    let _other = bus.subscribe("a.b", config(), noting(&bystander)).unwrap();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    mended.store(true, Ordering::SeqCst);
    let id = bus.dead_letters().await.unwrap()[0].id.clone();
    bus.redrive(&id).await.unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.all(), [(0, 1), (0, 2), (0, 1), (0, 2)]);
    assert_eq!(bus.dead_letters().await.unwrap().len(), 0);
    assert_eq!(
        bystander.numbers(),
        [0],
        "only the subscription that failed gets it again"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_redriven_stays() {
    let bus = Bus::default();
    let gate = Arc::new(Semaphore::new(0));
    let fail = |_| async { Err(HandlerError::permanent("no")) };
    let kept = bus.subscribe("a.b", config(), fail).unwrap();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    let id = bus.dead_letters().await.unwrap()[0].id.clone();
    drop(kept);
    let none = bus.redrive(&id).await.unwrap_err();
    assert!(
        matches!(none, RedriveError::NoSubscription { subscription } if &*subscription == "a.b")
    );
    let tiny = config().with_queue(1, Overflow::Reject);
    let seen = Seen::default();
    let _namesake = bus.subscribe("a.b", tiny, gated(&seen, &gate)).unwrap();
    bus.publish(event(1)).await.unwrap();
    quiet().await;
    bus.publish(event(2)).await.unwrap();
    let full = bus.redrive(&id).await.unwrap_err();
    assert!(matches!(full, RedriveError::Full { subscription } if &*subscription == "a.b"));
    assert_eq!(bus.dead_letters().await.unwrap()[0].id, id, "still there");
    gate.add_permits(9);
    assert!(bus.idle(LONG).await);
    bus.redrive(&id).await.expect("a namesake takes it");
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [1, 2, 0]);
    let gone = bus.redrive(&id).await.unwrap_err();
    assert!(matches!(gone, RedriveError::NotFound { id: asked } if asked == id));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_bounded_and_can_be_purged() {
    let bus = Bus::new(&BusConfig::default().with_dead_letters(2));
    let fail = |_| async { Err(HandlerError::permanent("no")) };
    let _kept = bus.subscribe("a.b", config(), fail).unwrap();
    publish_all(&bus, 0..5).await;
    assert!(bus.idle(LONG).await);
    let letters = bus.dead_letters().await.unwrap();
    let numbers: Vec<_> = letters
        .iter()
        .map(|letter| number(letter.event().unwrap()))
        .collect();
    assert_eq!(numbers, [3, 4]);
    let stats = bus.stats();
    assert_eq!((stats.dead_lettered, stats.dead_letters_evicted), (5, 3));
    assert!(bus.purge(&letters[0].id).await.unwrap());
    assert!(!bus.purge(&letters[0].id).await.unwrap());
    assert_eq!(bus.purge_all().await.unwrap(), 1);
    assert_eq!(bus.stats().dead_letters, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_that_an_event_was_redriven() {
    let (bus, redriven) = (
        Bus::default(),
        Arc::new(parking_lot::Mutex::new(Vec::new())),
    );
    let noted = Arc::clone(&redriven);
    let fail = move |delivery: Delivery| {
        noted
            .lock()
            .push((delivery.attempt(), delivery.is_redriven()));
        async { Err::<(), _>(HandlerError::retryable("no")) }
    };
    let twice = config().with_attempts(2, Duration::from_secs(1), Duration::from_secs(1));
    let _kept = bus.subscribe("a.b", twice, fail).unwrap();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    let id = bus.dead_letters().await.unwrap()[0].id.clone();
    bus.redrive(&id).await.unwrap();
    assert!(bus.idle(LONG).await);
    let expected = [(1, false), (2, false), (1, true), (2, true)];
    assert_eq!(*redriven.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_namesake_of_another_group_takes_no_letter() {
    let bus = Bus::default();
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let named = config().with_name("step");
    let failing = bus
        .subscribe("a.b", named.clone().with_group("one"), fail)
        .unwrap();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    drop(failing);
    assert_eq!(bus.forget_group("one"), Some(0));
    let seen = Seen::default();
    let two = named.clone().with_group("two");
    let _other = bus.subscribe("a.b", two, noting(&seen)).unwrap();
    let id = bus.dead_letters().await.unwrap()[0].id.clone();
    let none = bus.redrive(&id).await.unwrap_err();
    assert!(matches!(none, RedriveError::NoSubscription { .. }));
    let one = named.with_group("one");
    let _same = bus.subscribe("a.b", one, noting(&seen)).unwrap();
    bus.redrive(&id).await.unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_several_lines_is_a_letter_of_one() {
    let bus = Bus::default();
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("a\nb\u{1b}[2Jc")) };
    let _kept = bus.subscribe("a.b", config(), fail).unwrap();
    bus.publish(event(0)).await.unwrap();
    assert!(bus.idle(LONG).await);
    assert_eq!(bus.dead_letters().await.unwrap()[0].error, "a b [2Jc");
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_would_keep_no_dead_letter_is_refused_and_keeps_one_all_the_same() {
    let config = BusConfig::default().with_dead_letters(0);
    let error = config.validate().unwrap_err().to_string();
    assert!(
        error.contains("dead_letters") && error.contains("got 0"),
        "{error}"
    );
    BusConfig::default().validate().unwrap();
    let bus = Bus::new(&config);
    let fail = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let _kept = bus
        .subscribe("a.b", SubscriptionConfig::default(), fail)
        .unwrap();
    bus.publish(event(0)).await.unwrap();
    bus.publish(event(1)).await.unwrap();
    assert!(bus.idle(LONG).await);
    let stats = bus.stats();
    assert_eq!((stats.dead_letters, stats.dead_letters_evicted), (1, 1));
}
