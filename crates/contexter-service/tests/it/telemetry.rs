//! What mechanisms tell, and in which words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use contexter_service::{BREAKER_STATE, BreakerState, EVENTS_TOTAL, Event, gauge_breaker_state};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};

/// Keeps the last value of every gauge and the sum of every counter, by name and labels.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell {
    values: Recording,
    key: String,
}

impl Recording {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(Cell {
            values: self.clone(),
            key: format!("{}{{{}}}", key.name(), labels.join(",")),
        })
    }

    fn all(&self) -> BTreeMap<String, f64> {
        self.0.lock().unwrap().clone()
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.values.0.lock().unwrap();
        let value = values.entry(self.key.clone()).or_default();
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

fn recorded(tell: impl FnOnce()) -> BTreeMap<String, f64> {
    let recording = Recording::default();
    metrics::with_local_recorder(&recording, tell);
    recording.all()
}

#[test]
fn every_event_has_words_of_its_own() {
    let words: BTreeSet<_> = Event::ALL
        .iter()
        .map(|event| (event.mechanism(), event.as_str()))
        .collect();
    assert_eq!(words.len(), Event::ALL.len());
    for (mechanism, event) in words {
        for word in [mechanism, event] {
            assert!(
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{word:?} is no label",
            );
        }
    }
}

#[test]
fn the_documentation_lists_exactly_the_events() {
    let documented: Vec<_> = include_str!("../../src/lib.rs")
        .lines()
        .filter(|line| line.contains("](Event::"))
        .collect();
    let expected: Vec<_> = Event::ALL
        .iter()
        .map(|event| {
            let (mechanism, word) = (event.mechanism(), event.as_str());
            format!("//! | `{mechanism}` | `{word}` | [`{event:?}`](Event::{event:?}) |")
        })
        .collect();
    assert_eq!(
        documented, expected,
        "the table in the crate's documentation"
    );
}

#[test]
fn events_are_counted_by_name_mechanism_and_event() {
    let name: Arc<str> = "voyage".into();
    let counted = recorded(|| {
        Event::BreakerOpened.count(Some(&name));
        Event::BreakerOpened.count(Some(&name));
        Event::BreakerOpened.count(None);
        Event::CacheHit.count(Some(&name));
    });
    let of = |name: &str, mechanism: &str, event: &str| {
        format!("{EVENTS_TOTAL}{{name={name},mechanism={mechanism},event={event}}}")
    };
    let expected = BTreeMap::from([
        (of("voyage", "breaker", "opened"), 2.0),
        (of("unnamed", "breaker", "opened"), 1.0),
        (of("voyage", "cache", "hit"), 1.0),
    ]);
    assert_eq!(counted, expected);
}

#[test]
fn exactly_one_state_of_a_breaker_is_one() {
    const STATES: [BreakerState; 3] = [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
    ];
    let name: Arc<str> = "qdrant".into();
    // Every walk of two steps, so that each state follows each.
    for before in STATES {
        for now in STATES {
            let gauges = recorded(|| {
                gauge_breaker_state(None, BreakerState::Closed);
                gauge_breaker_state(Some(&name), before);
                gauge_breaker_state(Some(&name), now);
            });
            for state in STATES {
                let key = format!("{BREAKER_STATE}{{name=qdrant,state={state}}}");
                let expected = if state == now { 1.0 } else { 0.0 };
                assert_eq!(gauges.get(&key), Some(&expected), "{before} to {now}");
            }
            let sum: f64 = gauges.values().sum();
            assert!(
                (sum - 2.0).abs() < f64::EPSILON,
                "one for each name: {gauges:?}"
            );
        }
    }
}

#[test]
fn without_a_recorder_nothing_happens() {
    for event in Event::ALL {
        event.count(None);
    }
    gauge_breaker_state(None, BreakerState::Open);
}
