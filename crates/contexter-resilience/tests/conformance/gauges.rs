//! A recorder of metrics that keeps the gauges of breaker states.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use contexter_conformance::resilience::{Call, Reply};
use contexter_service::{BREAKER_STATE, BreakerState};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

/// Keeps the last value of each breaker state's gauge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges(Values);

impl Gauges {
    pub(crate) fn values(&self) -> Vec<(BreakerState, f64)> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = [
            BreakerState::Closed,
            BreakerState::Open,
            BreakerState::HalfOpen,
        ];
        known
            .into_iter()
            .filter_map(|state| Some((state, *values.get(state.as_str())?)))
            .collect()
    }

    /// Lets the recorder hear what happens while `call` is polled.
    pub(crate) fn hear(&self, call: Call) -> Call {
        Box::pin(Heard {
            gauges: self.clone(),
            call: Some(call),
        })
    }
}

struct Heard {
    gauges: Gauges,
    /// Dropped in the hearing of the recorder too.
    call: Option<Call>,
}

impl Future for Heard {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let gauges = self.gauges.clone();
        metrics::with_local_recorder(&gauges, || match self.call.as_mut() {
            Some(call) => call.as_mut().poll(cx),
            None => Poll::Pending,
        })
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let call = self.call.take();
        metrics::with_local_recorder(&self.gauges, || drop(call));
    }
}

struct Value {
    values: Values,
    state: String,
}

impl Value {
    fn update(&self, update: impl Fn(f64) -> f64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(self.state.clone()).or_default();
        *value = update(*value);
    }
}

impl GaugeFn for Value {
    fn increment(&self, by: f64) {
        self.update(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.update(|value| value - by);
    }

    fn set(&self, value: f64) {
        self.update(|_| value);
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _name: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn describe_gauge(&self, _name: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn describe_histogram(&self, _name: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        let state = key.labels().find(|label| label.key() == "state");
        match state {
            Some(state) if key.name() == BREAKER_STATE => Gauge::from_arc(Arc::new(Value {
                values: Arc::clone(&self.0),
                state: state.value().to_owned(),
            })),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
