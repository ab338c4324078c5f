//! What the metrics recorder is told.

use std::sync::Arc;

use std::time::Duration;

use contexter_event_bus::metrics::{
    DEAD_LETTERED, DEAD_LETTERS_EVICTED, EVENTS, HANDLING, PENDING, PUBLISH_FAILURES, PUBLISHED,
};
use contexter_event_bus::{
    Bus, BusConfig, Delivery, HandlerError, PublishError, SubscriptionConfig,
};
use contexter_protocol::EventPayload;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::dedupe::Slow;
use crate::support::{LONG, Seen, config, event, noting, number, publish_all, typed};

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(String, f64)>>>);

struct One(Told, String);

impl CounterFn for One {
    fn increment(&self, _: u64) {}

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn absolute(&self, value: u64) {
        self.0.0.lock().push((self.1.clone(), value as f64));
    }
}

impl GaugeFn for One {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        self.0.0.lock().push((self.1.clone(), value));
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.0.0.lock().push((self.1.clone(), value));
    }
}

impl Told {
    /// Has a bus tell how it stands now, and returns that.
    fn by(bus: &Bus) -> Self {
        let told = Self::default();
        metrics::with_local_recorder(&told, || bus.record_metrics());
        told
    }

    /// Returns a figure as a whole number.
    fn whole(&self, name: &str) -> Option<String> {
        self.of(name).map(|value| value.to_string())
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| format!(" {}", label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(One(self.clone(), name))
    }

    fn of(&self, name: &str) -> Option<f64> {
        self.all(name).first().copied()
    }

    fn all(&self, name: &str) -> Vec<f64> {
        let told = self.0.lock();
        let of_name = told.iter().filter(|(told, _)| told == name);
        of_name.map(|(_, value)| *value).collect()
    }
}

impl Recorder for Told {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[tokio::test(start_paused = true)]
async fn the_recorder_is_told_what_the_bus_has_counted() {
    let bus = Bus::default();
    let handler = |_| async { Err::<(), _>(HandlerError::permanent("no")) };
    let _kept = bus
        .subscribe("a.b", config().with_name("n"), handler)
        .unwrap();
    publish_all(&bus, 0..3).await;
    assert!(bus.idle(LONG).await);
    let told = Told::default();
    metrics::with_local_recorder(&told, || bus.record_metrics());
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    assert_eq!(bits(told.of(PUBLISHED)), bits(Some(3.0)));
    assert_eq!(
        bits(told.of(&format!("{EVENTS} n dead_lettered"))),
        bits(Some(3.0))
    );
    assert_eq!(
        bits(told.of(&format!("{EVENTS} n delivered"))),
        bits(Some(0.0))
    );
    assert_eq!(bits(told.of(&format!("{PENDING} n"))), bits(Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_of_one_name_are_summed_and_what_has_ended_stays_counted() {
    let bus = Bus::default();
    let named = || config().with_name("n");
    let subscribe = || {
        bus.subscribe("a.b", named(), noting(&Seen::default()))
            .unwrap()
    };
    let (first, second) = (subscribe(), subscribe());
    publish_all(&bus, 0..3).await;
    assert!(bus.idle(LONG).await);
    let delivered = format!("{EVENTS} n delivered");
    assert_eq!(Told::by(&bus).whole(&delivered).unwrap(), "6");
    drop((first, second));
    assert_eq!(Told::by(&bus).whole(&delivered).unwrap(), "6");
    let _third = subscribe();
    publish_all(&bus, 3..4).await;
    assert!(bus.idle(LONG).await);
    let told = Told::by(&bus);
    assert_eq!(told.whole(&delivered).unwrap(), "7");
    assert_eq!(told.whole(&format!("{PENDING} n")).unwrap(), "0");
    assert_eq!(bus.stats().delivered, 7);
    bus.drain(LONG).await;
    assert_eq!(Told::by(&bus).whole(&delivered).unwrap(), "7");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_and_failed_publications_are_told_by_reason() {
    let bus = Bus::new(&BusConfig::default().with_dead_letters(2));
    let fail = |delivery: Delivery| async move {
        match number(delivery.event()) {
            0 => Err::<(), _>(HandlerError::retryable("no")),
            _ => Err(HandlerError::permanent("no")),
        }
    };
    let _kept = bus.subscribe("a.b", config().with_name("n"), fail).unwrap();
    publish_all(&bus, 0..3).await;
    assert!(bus.idle(LONG).await);
    bus.publish(typed("no type", 1)).await.unwrap_err();
    bus.drain(LONG).await;
    bus.publish(event(1)).await.unwrap_err();
    bus.publish(event(1)).await.unwrap_err();
    let told = Told::by(&bus);
    let expected = [
        (format!("{DEAD_LETTERED} n permanent"), "2"),
        (format!("{DEAD_LETTERED} n retryable"), "1"),
        (format!("{DEAD_LETTERED} n poison"), "0"),
        (DEAD_LETTERS_EVICTED.to_owned(), "1"),
        (format!("{PUBLISH_FAILURES} invalid_type"), "1"),
        (format!("{PUBLISH_FAILURES} closed"), "2"),
        (format!("{PUBLISH_FAILURES} unconfirmed"), "0"),
    ];
    for (name, count) in expected {
        assert_eq!(told.whole(&name).as_deref(), Some(count), "{name}");
    }
    assert_eq!(bus.stats().publish_failures, 3);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_every_attempt_is_told() {
    let told = Told::default();
    let _installed = metrics::set_default_local_recorder(&told);
    let bus = Bus::default();
    let second = |delivery: Delivery| async move {
        tokio::time::sleep(Duration::from_secs(u64::from(delivery.attempt()) * 2)).await;
        match delivery.attempt() {
            1 => Err(HandlerError::retryable("not yet")),
            _ => Ok(()),
        }
    };
    let config = SubscriptionConfig::default().with_name("n");
    let _kept = bus.subscribe("a.b", config, second).unwrap();
    publish_all(&bus, 0..1).await;
    assert!(bus.idle(LONG).await);
    for (outcome, seconds) in [("failed", 2.0), ("handled", 4.0)] {
        let took = told.of(&format!("{HANDLING} n {outcome}")).unwrap();
        assert!((took - seconds).abs() < 0.1, "{outcome}: {took}");
    }
}

#[derive(Serialize, Deserialize)]
struct Misnamed;

impl EventPayload for Misnamed {
    const TYPE: &'static str = "no\u{0}type";
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_makes_no_event_is_a_failed_publication() {
    let bus = Bus::default();
    let failed = bus.publish_payload("test", &Misnamed).await;
    assert!(matches!(failed, Err(PublishError::Build(_))), "{failed:?}");
    let told = Told::by(&bus);
    let invalid = format!("{PUBLISH_FAILURES} invalid_event");
    assert_eq!(told.whole(&invalid).as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_does_between_attempts_is_not_part_of_their_time() {
    let store = Arc::new(Slow::new());
    for (deduplicates, attempts) in [(false, 1), (false, 2), (true, 1)] {
        let told = Told::default();
        let _installed = metrics::set_default_local_recorder(&told);
        let bus = Bus::with_dedupe_store(None, Arc::clone(&store) as _, &BusConfig::default());
        let second = Duration::from_secs(1);
        let config = SubscriptionConfig::default()
            .with_name("n")
            .with_deduplication(deduplicates)
            .with_attempts(2, second, second);
        let handle = move |delivery: Delivery| async move {
            if delivery.attempt() < attempts {
                return Err(HandlerError::retryable("not yet"));
            }
            Ok(())
        };
        let _kept = bus.subscribe("a.b", config, handle).unwrap();
        for number in 0..2 {
            publish_all(&bus, number..number + 1).await;
            tokio::time::sleep(second * 5).await;
        }
        // As many at once as make a worker pause.
        publish_all(&bus, 2..5).await;
        assert!(bus.idle(LONG).await);
        let took = told.all(&format!("{HANDLING} n handled"));
        let quick = took.iter().all(|took| *took < 0.1);
        assert!(
            quick,
            "deduplicates: {deduplicates}, attempts: {attempts}: {took:?}"
        );
        assert_eq!(took.len(), 5);
    }
}
