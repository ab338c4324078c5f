//! What a breaker counts for `metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use contexter_breaker::Config;
use contexter_service::{BREAKER_STATE, EVENTS_TOTAL, Sample};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};

use crate::{BREAK, breaker, record, trip};

/// Sums of counters and last values of gauges, by name and labels.
#[derive(Clone, Debug, Default)]
struct Recording(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Recording, String);

impl Recording {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
        let key = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(Cell(self.clone(), key))
    }

    fn value(&self, name: &str, labels: &str) -> f64 {
        let key = format!("{name} {labels}");
        self.0
            .lock()
            .unwrap()
            .get(&key)
            .copied()
            .unwrap_or_default()
    }

    /// The states whose gauge is 1.
    fn states(&self) -> Vec<&'static str> {
        ["closed", "open", "half_open"]
            .into_iter()
            .filter(|state| self.value(BREAKER_STATE, &format!("voyage {state}")) > 0.5)
            .collect()
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.0.0.lock().unwrap();
        let value = values.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.change(|old| old + f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, _value: u64) {}
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.change(|old| old + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|old| old - value);
    }

    fn set(&self, value: f64) {
        self.change(|_old| value);
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn exactly_one_state_is_gauged_at_a_time_and_every_event_is_counted() {
    let recording = Recording::default();
    metrics::with_local_recorder(&recording, || {
        let (breaker, clock) = breaker(Config::new().success_threshold(2));
        let breaker = breaker.named("voyage");
        assert_eq!(recording.states(), ["closed"], "from the beginning");
        trip(&breaker);
        assert_eq!(recording.states(), ["open"]);
        for _ in 0..3 {
            assert!(breaker.try_acquire().is_err());
        }
        clock.advance(BREAK);
        record(&breaker, Sample::Success);
        assert_eq!(recording.states(), ["half_open"]);
        record(&breaker, Sample::Success);
        assert_eq!(recording.states(), ["closed"]);
        breaker.isolate();
        assert_eq!(recording.states(), ["open"]);
    });
    for (event, times) in [
        ("opened", 2.0),
        ("half_opened", 1.0),
        ("closed", 1.0),
        ("rejected", 3.0),
    ] {
        let counted = recording.value(EVENTS_TOTAL, &format!("voyage breaker {event}"));
        assert!((counted - times).abs() < 0.5, "{event}: {counted}");
    }
}
