//! What the metrics recorder is told.

use std::sync::Arc;

use contexter_event_bus::metrics::{EVENTS, PENDING, PUBLISHED};
use contexter_event_bus::{Bus, HandlerError};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use parking_lot::Mutex;

use crate::support::{LONG, config, publish_all};

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

impl Told {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| format!(" {}", label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(One(self.clone(), name))
    }

    fn of(&self, name: &str) -> Option<f64> {
        let told = self.0.lock();
        told.iter()
            .find(|(told, _)| told == name)
            .map(|(_, value)| *value)
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

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
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
