//! Dead letters at a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::MessageTransport as _;
use contexter_event_bus::{Delivery, FailureKind, HandlerError};
use contexter_protocol::IntegrationEvent;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::{config, over, until};
use crate::broker::{Broker, Fake};
use crate::support::{Seen, event, gated, noting, number};

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

#[tokio::test(start_paused = true)]
async fn a_letter_that_becomes_one_after_the_end_of_its_subscription_is_counted() {
    let broker = Broker::new();
    let bus = over(&broker);
    let kept = bus.subscribe("a.b", config(), noting(&Seen::default()));
    let kept = kept.unwrap();
    kept.ready().await.unwrap();
    broker.slow_letters.store(1_000, Ordering::SeqCst);
    broker.store_garbage(b"garbage");
    until(|| broker.unsettled("g") == 1).await;
    drop(kept);
    until(|| broker.acked("g") == 1).await;
    assert_eq!(bus.dead_letters().await.unwrap().len(), 1);
    assert_eq!(bus.stats().dead_lettered, 1);
}
