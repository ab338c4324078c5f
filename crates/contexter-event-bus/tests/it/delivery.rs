//! From publishing to the handler, and what a publisher learns.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{
    Acceptance, Bus, Delivery, HandlerError, Outcome, PublishError, SubscribeError,
    SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::rag::DocumentProcessed;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::support::{LONG, Seen, config, event, gated, noting, publish_all, quiet, typed};

#[tokio::test(start_paused = true)]
async fn each_subscription_gets_what_its_pattern_matches() {
    let bus = Bus::default();
    let (exact, one, rest) = (Seen::default(), Seen::default(), Seen::default());
    let _exact = bus.subscribe("a.b", config(), noting(&exact)).unwrap();
    let _one = bus.subscribe("a.*", config(), noting(&one)).unwrap();
    let _rest = bus.subscribe("a.>", config(), noting(&rest)).unwrap();
    for (number, kind) in ["a.b", "a.c", "a.b.c", "b"].into_iter().enumerate() {
        bus.publish(typed(kind, number)).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    assert_eq!(exact.numbers(), [0]);
    assert_eq!(one.numbers(), [0, 1]);
    assert_eq!(rest.numbers(), [0, 1, 2]);
    assert_eq!(bus.stats().without_subscriber, 1);
}

#[tokio::test(start_paused = true)]
async fn publishing_does_not_wait_for_handlers_and_says_who_took_the_event() {
    let bus = Bus::default();
    let gate = Arc::new(Semaphore::new(0));
    let seen = Seen::default();
    let named = config().with_name("slow");
    let _slow = bus.subscribe("a.b", named, gated(&seen, &gate)).unwrap();
    let _other = bus.subscribe("a.>", config(), noting(&seen)).unwrap();
    let receipt = bus.publish(event(1)).await.unwrap();
    let deliveries: Vec<_> = receipt.deliveries().collect();
    assert_eq!(
        deliveries,
        [
            ("slow", Acceptance::Accepted),
            ("a.>", Acceptance::Accepted)
        ]
    );
    assert_eq!(bus.stats().delivered, 0, "nobody has handled it yet");
    gate.add_permits(1);
    assert!(bus.idle(LONG).await);
    assert_eq!(bus.stats().delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_wants_is_no_error_but_is_told() {
    let bus = Bus::default();
    let receipt = bus.publish(event(1)).await.unwrap();
    assert!(receipt.has_no_subscriber());
    assert_eq!(receipt.accepted(), 0);
    let settlement = bus.publish_and_settle(event(2), LONG).await.unwrap();
    assert_eq!(settlement.outcomes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_patterns_cannot_name_is_refused() {
    let bus = Bus::default();
    for kind in ["a..b", "a.*", "a b", "."] {
        let error = bus.publish(typed(kind, 0)).await.unwrap_err();
        assert!(
            matches!(error, PublishError::InvalidType { .. }),
            "{kind}: {error}"
        );
    }
    assert_eq!(bus.stats().published, 0);
}

#[tokio::test(start_paused = true)]
async fn a_retryable_failure_is_tried_again_with_growing_delays() {
    let bus = Bus::default();
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let handler = move |delivery: Delivery| {
        noted.lock().push(Instant::now());
        async move {
            assert_eq!(delivery.is_last_attempt(), delivery.attempt() == 4);
            match delivery.attempt() {
                4 => Ok(()),
                _ => Err(HandlerError::retryable("not yet")),
            }
        }
    };
    let retries = config().with_attempts(4, Duration::from_secs(2), Duration::from_secs(4));
    let _kept = bus.subscribe("a.b", retries, handler).unwrap();
    let settlement = bus.publish_and_settle(event(1), LONG).await.unwrap();
    let outcomes: Vec<_> = settlement.outcomes().collect();
    assert_eq!(outcomes, [("a.b", &Outcome::Handled { attempts: 4 })]);
    let times = times.lock().clone();
    let delays: Vec<_> = times
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]))
        .collect();
    // Equal jitter: between half and all of 2 s, 4 s and (capped) 4 s.
    for (delay, longest) in delays.iter().zip([2, 4, 4]) {
        let longest = Duration::from_secs(longest);
        let tick = Duration::from_millis(1);
        assert!(
            *delay >= longest / 2 && *delay <= longest + tick,
            "{delays:?}"
        );
    }
    assert_eq!((bus.stats().failed, bus.stats().delivered), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_handler_asks_for_is_kept() {
    let bus = Bus::default();
    let handler = |delivery: Delivery| async move {
        match delivery.attempt() {
            1 => Err(HandlerError::retryable_after(
                Duration::from_secs(90),
                "quota",
            )),
            _ => Ok(()),
        }
    };
    let _kept = bus.subscribe("a.b", config(), handler).unwrap();
    let start = Instant::now();
    assert!(
        bus.publish_and_settle(event(1), LONG)
            .await
            .unwrap()
            .is_handled()
    );
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(90) && waited < Duration::from_secs(91),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn settling_names_every_outcome_and_stops_at_the_deadline() {
    let bus = Bus::default();
    let gate = Arc::new(Semaphore::new(0));
    let seen = Seen::default();
    let _good = bus
        .subscribe("a.b", config().with_name("good"), noting(&seen))
        .unwrap();
    let _bad = bus
        .subscribe("a.b", config().with_name("bad"), |_| async {
            Err(HandlerError::permanent("no such library"))
        })
        .unwrap();
    let slow = config().with_name("slow");
    let _slow = bus.subscribe("a.b", slow, gated(&seen, &gate)).unwrap();
    let start = Instant::now();
    let within = Duration::from_secs(3);
    let settlement = bus.publish_and_settle(event(1), within).await.unwrap();
    assert!(start.elapsed() >= within && start.elapsed() < within * 2);
    assert!(!settlement.is_handled());
    let outcomes: Vec<_> = settlement.outcomes().collect();
    let dead = Outcome::DeadLettered {
        attempts: 1,
        error: "no such library".to_owned(),
    };
    assert_eq!(
        outcomes,
        [
            ("good", &Outcome::Handled { attempts: 1 }),
            ("bad", &dead),
            ("slow", &Outcome::Pending),
        ]
    );
    gate.add_permits(1);
    assert!(bus.idle(LONG).await, "the slow handler went on");
    assert_eq!(bus.stats().delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_as_configured() {
    let bus = Bus::default();
    let gate = Arc::new(Semaphore::new(0));
    let seen = Seen::default();
    let three = config().with_concurrency(3);
    let kept = bus.subscribe("a.b", three, gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..10).await;
    quiet().await;
    assert_eq!(kept.stats().in_flight, 3);
    assert_eq!(kept.stats().waiting, 7);
    gate.add_permits(2);
    quiet().await;
    assert_eq!(seen.numbers().len(), 5, "two are through, three run");
    gate.add_permits(8);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_typed_handler_gets_the_payload() {
    let bus = Bus::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let _kept = bus
        .subscribe_to(config(), move |payload: DocumentProcessed, _delivery| {
            noted.lock().push(payload);
            async { Ok(()) }
        })
        .unwrap();
    let time = Duration::from_millis(2500);
    let receipt = bus
        .publish_document_processed("tokio", 12, time)
        .await
        .unwrap();
    assert_eq!(receipt.event().event_type(), "document.processed");
    assert!(bus.idle(LONG).await);
    let expected = DocumentProcessed {
        library_id: "tokio".to_owned(),
        document_count: 12,
        processing_time_seconds: 2.5,
    };
    assert_eq!(*seen.lock(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_event_is_not_handled_but_counted() {
    let bus = Bus::default();
    let seen = Seen::default();
    let kept = bus.subscribe("a.b", config(), noting(&seen)).unwrap();
    let late = IntegrationEvent::builder("test", "a.b")
        .expiry_time(Timestamp::now() - SignedDuration::from_secs(1))
        .build()
        .unwrap();
    let settlement = bus.publish_and_settle(late, LONG).await.unwrap();
    assert_eq!(
        settlement.outcomes().next(),
        Some(("a.b", &Outcome::Expired))
    );
    assert!(seen.numbers().is_empty());
    assert_eq!((bus.stats().expired, kept.stats().expired), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_publish_and_idle_waits_for_the_whole_flow() {
    let bus = Bus::default();
    let seen = Seen::default();
    let publisher = bus.clone();
    let _first = bus
        .subscribe("a.b", config(), move |_| {
            let publisher = publisher.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                publisher.publish(typed("a.c", 7)).await?;
                Ok(())
            }
        })
        .unwrap();
    let _second = bus.subscribe("a.c", config(), noting(&seen)).unwrap();
    bus.publish(event(1)).await.unwrap();
    assert!(!bus.idle(Duration::from_millis(500)).await);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [7]);
}

#[test]
fn subscribing_checks_pattern_settings_and_runtime() {
    let bus = Bus::default();
    let seen = Seen::default();
    let error = bus.subscribe("a..b", config(), noting(&seen)).unwrap_err();
    assert!(matches!(error, SubscribeError::Pattern(_)), "{error}");
    let mut broken = SubscriptionConfig::default().with_concurrency(0);
    broken.capacity = 0;
    broken.prefetch_bytes = 0;
    broken.max_attempts = 0;
    broken.base_delay = Duration::ZERO;
    let error = bus.subscribe("a.b", broken, noting(&seen)).unwrap_err();
    let text = error.to_string();
    for setting in [
        "capacity",
        "prefetch_bytes",
        "concurrency",
        "max_attempts",
        "base_delay",
    ] {
        assert!(text.contains(setting), "{text}");
    }
    let error = bus.subscribe("a.b", config(), noting(&seen)).unwrap_err();
    assert_eq!(error, SubscribeError::NoRuntime);
}

#[test]
fn settings_are_read_from_text_and_unknown_ones_refused() {
    let config: SubscriptionConfig = serde_json::from_str(
        r#"{ "capacity": 8, "overflow": "drop_oldest", "handler_timeout": "30s" }"#,
    )
    .unwrap();
    assert_eq!(config.capacity, 8);
    assert_eq!(config.handler_timeout, Duration::from_secs(30));
    assert_eq!(config.max_attempts, 3, "the rest is default");
    assert!(serde_json::from_str::<SubscriptionConfig>(r#"{ "capacty": 8 }"#).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_has_started_learns_when_its_attempt_is_over() {
    let bus = Bus::default();
    let (to, mut given) = tokio::sync::mpsc::unbounded_channel();
    let give_away = move |delivery: Delivery| {
        let first = delivery.attempt() == 1;
        to.send(delivery).unwrap();
        async move {
            if first {
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
            Ok(())
        }
    };
    let config = config().with_handler_timeout(Duration::from_secs(5));
    let kept = bus.subscribe("a.b", config, give_away).unwrap();
    bus.publish(event(1)).await.unwrap();
    let first = given.recv().await.unwrap();
    assert!(!first.is_over());
    let begun = tokio::time::Instant::now();
    first.over().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5), "it took too long");
    let second = given.recv().await.unwrap();
    second.over().await;
    assert!(first.is_over() && second.is_over());
    // Closing ends what runs.
    bus.publish(event(2)).await.unwrap();
    let running = given.recv().await.unwrap();
    let waiting = tokio::spawn({
        let running = running.clone();
        async move { running.over().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(kept);
    waiting.await.unwrap();
    assert!(running.is_over());
}
